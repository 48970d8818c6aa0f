"""The results of an evaluation on disk: one JSON line per finished question, and the settings they were made
with.

A line is written whole and synced before the question counts as finished, so that a kill at any moment loses
and repeats nothing that was finished. A line that a kill tore is cut off at the next start. One process at a
time writes a folder (a file lock that dies with the process), and only with the settings the folder was begun
with.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ...errors import SqlbergError

RESULTS, SETTINGS, SUMMARY = "results.jsonl", "settings.json", "summary.json"


class Record(BaseModel):
    """One finished question.

    sql: the predicted one ("" for none). runs: it ran, whole. error: why it did not, or what kept the
    question from being answered at all. gold_error: why the gold query did not run, whole.
    scores: by comparator, 0 to 1. ambiguous: why the gold result is not determined. confidence: 0 to 1.
    new_tokens: every token of the dialogue once; prompt_tokens: those of them that the model read;
    sent_tokens: all prompts of all rounds together. seconds: from the question to the answer.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    db_id: str
    difficulty: str | None = None
    answerable: bool = True
    ambiguous: tuple[str, ...] = ()
    gold_error: str = ""
    sql: str = ""
    status: str = "answered"
    reason: str = ""
    error: str = ""
    runs: bool = False
    scores: dict[str, float]
    confidence: float | None = None
    new_tokens: int = 0
    prompt_tokens: int = 0
    sent_tokens: int = 0
    tool_calls: int = 0
    seconds: float = 0.0


class RunFolder:
    """The folder of one evaluation, locked for this process. Use as a context manager.

    records: finished questions by id, those of earlier runs included.
    Raises `SqlbergError` when another process writes here, the settings differ, or the results are damaged.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = (path / RESULTS).open("ab+")
        except OSError as error:
            raise SqlbergError(
                f"cannot write to {path}: {error.strerror}; choose another --output"
            ) from error
        try:
            _lock(self._file, path)
            _agree(path / SETTINGS, settings)
            self.records = _load(self._file, path)
        except BaseException:
            self._file.close()
            raise
        self._writing = threading.Lock()

    def append(self, record: Record) -> None:
        """Write one finished question, and return only when it is on disk. Thread-safe."""
        line = record.model_dump_json().encode() + b"\n"
        with self._writing:
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())
            self.records[record.id] = record

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        _replace(self.path / SUMMARY, summary)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def fingerprint(settings: Mapping[str, Any]) -> str:
    """Twelve hex digits that change with any setting."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()[:12]


def _lock(file: IO[bytes], path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise SqlbergError(
            f"another evaluation is writing to {path}: wait for it or choose another --output"
        ) from error


def _agree(path: Path, settings: Mapping[str, Any]) -> None:
    """Begin a folder with these settings, or refuse when it was begun with others."""
    wanted = json.loads(json.dumps(settings, default=str))
    if not path.exists():
        _replace(path, wanted)
        return
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SqlbergError(f"{path} is damaged: choose another --output") from error
    changed = [
        f"{name} is {wanted.get(name)!r}, was {stored.get(name)!r}"
        for name in sorted({*stored, *wanted})
        if stored.get(name) != wanted.get(name)
    ]
    if changed:
        raise SqlbergError(
            f"{path.parent} holds a run with other settings ({'; '.join(changed)}): choose another --output"
        )


def _load(file: IO[bytes], path: Path) -> dict[str, Record]:
    file.seek(0)
    content = file.read()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        file.truncate(whole)  # torn by a kill while it was written: that question was not finished
    records: dict[str, Record] = {}
    for number, line in enumerate(content[:whole].splitlines(), start=1):
        try:
            record = Record.model_validate_json(line)
        except ValidationError as error:
            raise SqlbergError(
                f"{path / RESULTS} line {number} is damaged: remove that line or choose another --output"
            ) from error
        records[record.id] = record
    return records


def _replace(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON so that the file is either the old or the new one, whole."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=2, ensure_ascii=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
