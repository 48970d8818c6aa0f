"""What a long run has finished, on disk: one JSON line each, and the settings they were made with.

A line is written whole and synced before it counts as finished, so that a kill at any moment loses and
repeats nothing that was finished. A line that a kill tore is cut off at the next start. One process at a time
writes a folder (a file lock that dies with the process), and only with the settings the folder was begun
with.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Generic, Protocol, Self, TypeVar

from pydantic import BaseModel, ValidationError

from ..errors import SqlbergError

SETTINGS = "settings.json"


class Finished(BaseModel):
    """A row: what is finished has an id."""

    id: str

    def about(self, item: Any) -> bool:
        """Whether it came of this item, whose id it has: ids may be given anew, such as numbers of lines."""
        return True


class Item(Protocol):
    """What there is to do; it has an id."""

    @property
    def id(self) -> str: ...


Row = TypeVar("Row", bound=Finished)


class Journal(Generic[Row]):
    """The finished rows of one run in a folder, locked for this process. Use as a context manager.

    kind: the pydantic model of a row, which has an `id`; name: of the file. records: finished rows by id,
    those of earlier runs included. Raises `SqlbergError` when another process writes here, the settings
    differ, or the file is damaged.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any], kind: type[Row], name: str) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = (path / name).open("ab+")
        except OSError as error:
            raise SqlbergError(f"cannot write to {path}: {error.strerror}; choose another folder") from error
        try:
            _lock(self._file, path)
            agree(path / SETTINGS, settings)
            self.records = _load(self._file, path / name, kind)
        except BaseException:
            self.close()
            raise
        self._writing = threading.Lock()

    def append(self, record: Row) -> None:
        """Write one finished row, and return only when it is on disk. Thread-safe."""
        line = record.model_dump_json().encode() + b"\n"
        with self._writing:
            try:
                self._file.write(line)
                self._file.flush()
                os.fsync(self._file.fileno())
            except OSError as error:
                raise SqlbergError(
                    f"cannot write to {self.path}: {error.strerror}; make room and start again, it goes on"
                ) from error
            self.records[record.id] = record

    def finished(self, items: Iterable[Item]) -> list[bool]:
        """Which items have a row. Raises `SqlbergError` where one has a row that came of something else."""
        found = []
        for item in items:
            row = self.records.get(item.id)
            if row and not row.about(item):
                raise SqlbergError(
                    f"{self.path} holds another question, or other answers, under the name {item.id}: choose "
                    "another folder"
                )
            found.append(row is not None)
        return found

    def close(self) -> None:
        # Let go by itself: a child process that is just being started may hold a copy of the open file. And a
        # line that could not be written would be tried again here, and fail again.
        if not self._file.closed:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        with suppress(OSError):
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def fingerprint(settings: Mapping[str, Any]) -> str:
    """Twelve hex digits that change with any setting."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()[:12]


def _lock(file: IO[bytes], path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise SqlbergError(
            f"another run is writing to {path}: wait for it or choose another folder"
        ) from error


def agree(path: Path, settings: Mapping[str, Any]) -> None:
    """Begin a folder with these settings, kept in the file `path`, or refuse when it was begun with others.

    Raises `SqlbergError`.
    """
    wanted = json.loads(json.dumps(settings, default=str))
    if not path.exists():
        write_json(path, wanted)
        return
    try:
        stored = dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise SqlbergError(f"{path} is damaged: choose another folder") from error
    changed = [
        f"{name} is {wanted.get(name)!r}, was {stored.get(name)!r}"
        for name in sorted({*stored, *wanted})
        if stored.get(name) != wanted.get(name)
    ]
    if changed:
        raise SqlbergError(
            f"{path.parent} holds a run with other settings ({'; '.join(changed)}): choose another folder"
        )


def _load(file: IO[bytes], path: Path, kind: type[Row]) -> dict[str, Row]:
    file.seek(0)
    content = file.read()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        file.truncate(whole)  # torn by a kill while it was written: that one was not finished
    records: dict[str, Row] = {}
    for number, line in enumerate(content[:whole].splitlines(), start=1):
        try:
            record = kind.model_validate_json(line)
        except ValidationError as error:
            raise SqlbergError(
                f"{path} line {number} is damaged: remove that line or choose another folder"
            ) from error
        records[record.id] = record
    return records


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON so that the file is either the old or the new one, whole."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=2, ensure_ascii=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
