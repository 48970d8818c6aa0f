"""Saves an answer as a file that can be checked again later, and checks it: `replay(path, database)`.

The file is JSON: question, SQL, parameters (limits, model, policy digest), schema of the tables read and its
fingerprint, a digest of the result, and the evidence for each literal and join. It holds no rows. Replaying
asks no model: it compares the schema, runs the SQL through the same guard and sandbox, compares the result
and looks the evidence up again. Covered: what changed, in words. Not covered: why; and what of a result was
beyond the limits, which was never kept: the check says so.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import SqlbergError
from ..tools.limits import MOST, Cut, Limits, Result
from .answer import Answer, plain
from .grounds import Grounds, grounds_of, schema_of
from .results import result_digest

if TYPE_CHECKING:
    from ..tools.database import Database

FORMAT = "sqlberg-answer-1"
MOST_BYTES = 10_000_000


class SavedAnswer(BaseModel):
    """The file. `parameters`: limits, model, candidates and policy digest of the answer. `looked_up`: whether
    the evidence was (None in files of before it was told).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["sqlberg-answer-1"] = FORMAT
    sqlberg: str
    question: str
    sql: str
    parameters: dict[str, Any]
    database: str
    dialect: str
    tables: dict[str, dict[str, str]]
    schema_fingerprint: str
    columns: list[str]
    row_count: int
    ordered: bool
    result_digest: str
    cuts: list[str]
    evidence: list[str]
    looked_up: bool | None = None
    notes: list[str]
    status: str
    text: str
    confidence: float | None


@dataclass(frozen=True)
class Check:
    """One thing that was compared. detail: what was found; what changed, when not `ok`."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class Replay:
    """What became of a saved answer. result: today's rows, None when the SQL no longer runs."""

    saved: SavedAnswer
    checks: tuple[Check, ...]
    result: Result | None = None

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)

    @property
    def changes(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if not check.ok)


def save(answer: Answer, path: str | Path) -> Path:
    """Write `answer` to a .json file, whole or not at all. Only another saved answer is overwritten.

    Raises SqlbergError when nothing ran, or the file cannot or must not be written.
    """
    path = Path(path)
    if not answer.sql:
        raise SqlbergError("this answer has no SQL to replay; only answers with SQL can be saved")
    check_place(path)
    text = saved_answer(answer).model_dump_json(indent=2)
    try:
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, suffix=".tmp", delete=False, encoding="utf-8"
        ) as file:
            file.write(text + "\n")
        os.replace(file.name, path)
    except OSError as error:
        raise _unwritable(path, error) from None
    return path


def check_place(path: Path) -> None:
    """Raises SqlbergError when an answer cannot or must not be saved there, before one is asked for."""
    if path.suffix != ".json":
        raise SqlbergError(f"a saved answer is a .json file; name it {path.stem or 'answer'}.json")
    try:
        if path.exists():
            load(path)  # raises when it is some other file
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> SqlbergError:
    return SqlbergError(f"the answer cannot be written to {path}: {error.strerror}; choose another place")


def saved_answer(answer: Answer) -> SavedAnswer:
    """What the file holds of an answer."""
    origin = answer.origin
    return SavedAnswer(
        sqlberg=_version(),
        question=answer.question,
        sql=answer.sql,
        parameters={
            "limits": plain(origin.limits),
            "model": origin.model,
            "candidates": answer.tried,
            "policy": origin.policy,
        },
        database=origin.database,
        dialect=origin.dialect,
        tables={table: dict(columns) for table, columns in origin.schema.items()},
        schema_fingerprint=origin.schema_fingerprint,
        columns=list(answer.columns),
        row_count=len(answer.rows),
        ordered=answer.ordered,
        result_digest=result_digest(answer.columns, answer.rows, ordered=answer.ordered),
        cuts=[str(cut) for cut in answer.cuts],
        evidence=[str(line) for line in answer.evidence],
        looked_up=origin.looked_up,
        notes=list(answer.notes),
        status=answer.status,
        text=answer.text,
        confidence=answer.confidence,
    )


def load(path: str | Path) -> SavedAnswer:
    """Read a saved answer. Raises SqlbergError when the file is none."""
    path = Path(path)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise SqlbergError(f"{path.name} is larger than any saved answer; give a file that sqlberg saved")
        return SavedAnswer.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise SqlbergError(
            f"{path.name} cannot be read: {error.strerror}; give a file that sqlberg saved"
        ) from None
    except (ValueError, ValidationError, RecursionError):
        raise SqlbergError(f"{path.name} is no saved answer; give a file that sqlberg saved") from None


def replay(path: str | Path, database: Database) -> Replay:
    """Check a saved answer against `database` as it is now. Raises SqlbergError for a file that is none."""
    saved = load(path)
    checks = [_policy(saved, database), _schema(saved, database)]
    try:
        result = database.execute(saved.sql, limits=_limits(saved, database.limits))
        looked_up = saved.looked_up if saved.looked_up is not None else bool(saved.evidence or saved.notes)
        grounds = grounds_of(database, saved.sql, result, explain=looked_up)
    except SqlbergError as error:
        return Replay(saved, (*checks, Check("sql", False, f"the SQL no longer runs: {error}")))
    checks.append(Check("sql", True, "the SQL runs"))
    checks.append(_result(saved, result))
    checks.extend(_evidence(saved, grounds))
    return Replay(saved, tuple(checks), result)


def _policy(saved: SavedAnswer, database: Database) -> Check:
    same = saved.parameters.get("policy") == database.policy.digest()
    return Check("policy", same, "the same access policy" if same else "the access policy is another one")


def _schema(saved: SavedAnswer, database: Database) -> Check:
    """The columns that the SQL's tables had, against those they have."""
    if saved.dialect != database.dialect:
        return Check(
            "schema", False, f"the SQL is for {saved.dialect}, this database speaks {database.dialect}"
        )
    today = schema_of(database.catalog, list(saved.tables))
    changes = list(_schema_changes(saved.tables, today))
    return Check(
        "schema", not changes, "; ".join(changes) or "the tables it reads have the same columns and types"
    )


def _schema_changes(
    before: Mapping[str, Mapping[str, str]], today: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    for table, columns in before.items():
        if table not in today:
            yield f"table {table} is gone or no longer permitted"
            continue
        for name, kind in columns.items():
            if name not in today[table]:
                yield f"column {table}.{name} is gone or no longer permitted"
            elif today[table][name] != kind:
                yield f"column {table}.{name} was {kind or 'untyped'}, is {today[table][name] or 'untyped'}"
        for name in today[table]:
            if name not in columns:
                yield f"column {table}.{name} is new"


def _result(saved: SavedAnswer, result: Result) -> Check:
    if list(result.columns) != saved.columns:
        was, now = ", ".join(saved.columns), ", ".join(result.columns)
        return Check("result", False, f"the result's columns were {was}, are {now}")
    cuts = [str(cut) for cut in result.cuts]
    was, now = _count(saved.row_count, saved.cuts), _count(len(result.rows), cuts)
    if was != now:
        return Check("result", False, f"the result had {was} rows, has {now}")
    if result_digest(result.columns, result.rows, ordered=saved.ordered) != saved.result_digest:
        return Check("result", False, f"the result still has {was} rows, but not the same values")
    if cuts != saved.cuts:
        then, today = ("; ".join(told) or "whole" for told in (saved.cuts, cuts))
        return Check("result", False, f"the result is cut otherwise: {then}; now {today}")
    if cuts:
        told = f"the same as far as it was kept, {saved.row_count} rows; whether the rest has changed"
        return Check("result", True, f"{told} cannot be told: {'; '.join(cuts)}")
    return Check("result", True, f"the same result, {len(result.rows)} rows")


def _count(rows: int, cuts: list[str]) -> str:
    """How many rows a result has, as far as its cuts let us know."""
    return f"more than {rows}" if str(Cut("rows", rows)) in cuts else str(rows)


def _evidence(saved: SavedAnswer, grounds: Grounds) -> Iterator[Check]:
    today = [str(line) for line in grounds.evidence]
    for line in saved.evidence:
        found = line in today
        yield Check("evidence", found, line if found else f"no longer so: {line}")
    for line in today:
        if line not in saved.evidence:
            yield Check("evidence", False, f"now: {line}")


def _limits(saved: SavedAnswer, limits: Limits) -> Limits:
    """The cuts of then, so that results compare; seconds and memory of now."""
    then = saved.parameters.get("limits")
    cuts = {
        name: int(value)
        for name in ("rows", "columns", "cell_chars")
        if isinstance(then, Mapping)
        and isinstance(value := then.get(name), (int, float))
        and 1 <= value <= MOST[name]
    }
    return replace(limits, **cuts)


def _version() -> str:
    try:
        return version("sqlberg")
    except PackageNotFoundError:
        return "unknown"
