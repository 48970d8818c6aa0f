"""A folder of questions with gold SQL: `questions.jsonl` beside `databases/<db_id>.sqlite` (or `.duckdb`).

One JSON object a line with `db_id`, `question`, `sql`, and optionally `id`, `sql_duckdb` (gold for a DuckDB
file where it differs), `split`, `difficulty`. `sql: null` says that the database has no answer, so abstaining
is right. Follow-ups (lines with `earlier` questions) are not asked: they are set aside. A line that is no
such object is set aside and reported with its number; it never stops a run.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ...errors import SqlbergError
from ..rows import BadLine, reason
from .difficulty import difficulty

QUESTIONS, DATABASES = "questions.jsonl", "databases"
_ENDINGS = {"sqlite": (".sqlite", ".db", ".sqlite3"), "duckdb": (".duckdb",)}


class Question(BaseModel):
    """One question with its gold SQL (None: the database cannot answer it)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = ""
    db_id: str
    question: str = Field(min_length=1, max_length=20_000)
    sql: str | None
    sql_duckdb: str | None = None
    split: str = ""
    difficulty: str | None = None

    @field_validator("db_id")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        # The name becomes part of a path: it must not leave the folder of databases.
        if not re.fullmatch(r"[^/\\\x00]+", value) or value in {".", ".."}:
            raise ValueError("db_id must be a plain name, without slashes")
        return value


@dataclass(frozen=True)
class Dataset:
    """The chosen questions of a folder, in file order, and the lines set aside while reading it.

    digest: of the questions file, so that a resumed run notices another one.
    """

    folder: Path
    questions: tuple[Question, ...]
    bad_lines: tuple[BadLine, ...] = ()
    digest: str = ""
    paths: dict[str, Path] = field(default_factory=dict)

    def database(self, db_id: str) -> Path:
        """The file of one database."""
        return self.paths[db_id]

    def gold(self, question: Question) -> str | None:
        """The gold SQL in the dialect of the question's database file."""
        duckdb = self.paths[question.db_id].suffix in _ENDINGS["duckdb"]
        return question.sql_duckdb if duckdb and question.sql_duckdb else question.sql


def load_dataset(
    folder: str | Path,
    *,
    split: str | None = None,
    limit: int | None = None,
    offset: int = 0,
    questions: str = QUESTIONS,
) -> Dataset:
    """Read and check a folder of questions.

    split: only the questions of that split ("dev"); None takes all. offset, limit: a slice of what is left.
    questions: the file of the questions in the folder.
    Raises `SqlbergError` where the folder has no questions file, no valid line, or no question of that split.
    """
    folder = Path(folder)
    source = folder / questions
    try:
        content = source.read_bytes()
    except OSError as error:
        raise SqlbergError(
            f"{folder} holds no readable {questions}: give a folder with {questions} and {DATABASES}/"
        ) from error
    read, bad = _read(content, folder)
    if not read:
        first = f" (line {bad[0].number}: {bad[0].reason})" if bad else ""
        raise SqlbergError(f"{source} holds no valid question{first}")
    splits = sorted({question.split for question, _ in read})
    chosen = [pair for pair in read if split is None or pair[0].split == split]
    if not chosen:
        raise SqlbergError(
            f"{source} holds no question of split {split!r}; it has {', '.join(map(repr, splits))}"
        )
    chosen = chosen[offset : None if limit is None else offset + limit]
    if not chosen:
        raise SqlbergError("no question is left after offset and limit: lower the offset or raise the limit")
    return Dataset(
        folder=folder,
        questions=tuple(question for question, _ in chosen),
        bad_lines=tuple(bad),
        digest=hashlib.sha256(content).hexdigest()[:16],
        paths={question.db_id: path for question, path in chosen},
    )


def _read(content: bytes, folder: Path) -> tuple[list[tuple[Question, Path]], list[BadLine]]:
    questions: list[tuple[Question, Path]] = []
    bad: list[BadLine] = []
    seen: set[str] = set()
    paths: dict[str, Path | None] = {}
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            question = _question(line, number)
        except (ValidationError, ValueError, RecursionError) as error:
            bad.append(BadLine(number, reason(error)))
            continue
        if question.db_id not in paths:
            paths[question.db_id] = _database_path(folder, question.db_id)
        path = paths[question.db_id]
        if path is None:
            bad.append(BadLine(number, f"there is no database {question.db_id!r} in {DATABASES}/"))
        elif question.id in seen:
            bad.append(BadLine(number, f"id {question.id!r} was used before"))
        else:
            seen.add(question.id)
            questions.append((question, path))
    return questions, bad


def _question(line: bytes, number: int) -> Question:
    content = json.loads(line.decode("utf-8"))
    if isinstance(content, dict) and content.get("earlier"):
        raise ValueError("a follow-up; only questions that stand alone are asked")
    question = Question.model_validate(content)
    changes: dict[str, str | None] = {}
    if not question.id:
        changes["id"] = f"line-{number}"
    if question.difficulty is None and question.sql is not None:
        changes["difficulty"] = difficulty(question.sql)
    return question.model_copy(update=changes) if changes else question


def _database_path(folder: Path, db_id: str) -> Path | None:
    for ending in (ending for endings in _ENDINGS.values() for ending in endings):
        path = folder / DATABASES / f"{db_id}{ending}"
        if path.is_file():
            return path
    return None
