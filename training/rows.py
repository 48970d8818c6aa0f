"""Rows of data files, JSON Lines or Parquet, read one by one: what cannot be read is set aside with its
number, never silently dropped and never the end of a run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from ..errors import SqlbergError

T = TypeVar("T")
PARQUET = (".parquet", ".pq")


@dataclass(frozen=True)
class BadLine:
    """A line that was set aside: its number, counted from 1, why, and (where it is at hand) its text."""

    number: int
    reason: str
    text: str = ""


@dataclass(frozen=True)
class Read(Generic[T]):
    """What a file held: its good rows in their order, and those set aside."""

    rows: tuple[T, ...]
    bad: tuple[BadLine, ...] = ()


def read_rows(path: str | Path, make: Callable[[Mapping[str, Any], int], T]) -> Read[T]:
    """Every row of a file, made by `make` from a mapping and its number, counted from 1; what it raises as
    ValueError sets the row aside.

    Raises `SqlbergError` where the file cannot be read at all.
    """
    path = Path(path)
    try:
        lines = list(_parquet(path) if path.suffix.lower() in PARQUET else _json_lines(path))
    except OSError as error:
        raise SqlbergError(f"cannot read {path}: {error.strerror or error}") from error
    good: list[T] = []
    bad: list[BadLine] = []
    for number, row in lines:
        try:
            content = json.loads(row.decode("utf-8")) if isinstance(row, bytes) else row
            if not isinstance(content, dict):
                raise ValueError("not a JSON object")
            if isinstance(row, bytes) and b"\\ud" in row.lower():
                json.dumps(content, ensure_ascii=False).encode()  # halves of characters cannot be written
            good.append(make(content, number))
        except (ValueError, RecursionError) as error:
            text = row.decode("utf-8", "replace") if isinstance(row, bytes) else json.dumps(row, default=str)
            bad.append(BadLine(number, reason(error), text))
    return Read(tuple(good), tuple(bad))


def write_rows(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write rows, whole or not at all. In a Parquet file nested values are JSON text: Parquet would give all
    rows the same fields. Raises `SqlbergError` where that cannot be done.
    """
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() in PARQUET:
            _write_parquet(partial, list(rows))
        else:
            with partial.open("w", encoding="utf-8") as out:
                out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        partial.replace(path)
    except OSError as error:
        raise SqlbergError(
            f"cannot write {path}: {error.strerror or error}; make room or choose another place"
        ) from error
    return path


def reason(error: Exception) -> str:
    """One line that names the field at fault."""
    if isinstance(error, ValidationError):
        problems = (
            f"{'.'.join(map(str, problem['loc'])) or 'line'}: {problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors()
        )
        return "; ".join(problems)
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error.msg} at character {error.pos + 1}"
    if isinstance(error, UnicodeEncodeError):
        return "half of a character: a \\ud800 to \\udfff without its other half"
    return "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)


def _json_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, line


def _parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except pyarrow.ArrowInvalid as error:
        raise SqlbergError(f"{path} is no Parquet file: {error}") from error
    for number, row in enumerate(table.to_pylist(), start=1):
        yield number, {name: _nested(value) for name, value in row.items()}


def _nested(value: Any) -> Any:
    """A value of a cell: JSON text of a list or an object is read, other text stays."""
    if isinstance(value, str) and value[:1] in "[{":
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _write_parquet(path: Path, rows: list[Mapping[str, Any]]) -> None:
    import pyarrow
    import pyarrow.parquet

    names = dict.fromkeys(name for row in rows for name in row)  # a table takes them from its first row
    flat = [{name: _flat(row.get(name)) for name in names} for row in rows]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(flat), path)


def _flat(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else value
