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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ...errors import SqlbergError
from ..rows import BadLine, Read, read_rows
from .difficulty import difficulty

QUESTIONS, DATABASES = "questions.jsonl", "databases"
_ENDINGS = {"sqlite": (".sqlite", ".db", ".sqlite3"), "duckdb": (".duckdb",)}


class Question(BaseModel):
    """One question with its gold SQL (None: the database cannot answer it)."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)

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

    def gold(self, dialect: str) -> str | None:
        """The gold SQL in a dialect; None where there is none."""
        return (self.sql_duckdb if dialect == "duckdb" else None) or self.sql


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
        ending = self.paths[question.db_id].suffix.partition("#")[0]
        duckdb = ending in _ENDINGS["duckdb"]
        return question.gold("duckdb" if duckdb else "sqlite")


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
    if not source.is_file():
        raise SqlbergError(
            f"{folder} holds no readable {questions}: give a folder with {questions} and {DATABASES}/"
        )
    files = DatabaseFiles(folder)
    read = read_questions(source, databases=files)
    if not read.rows:
        first = f" (line {read.bad[0].number}: {read.bad[0].reason})" if read.bad else ""
        raise SqlbergError(f"{source} holds no valid question{first}")
    splits = sorted({question.split for question in read.rows})
    chosen = [question for question in read.rows if split is None or question.split == split]
    if not chosen:
        raise SqlbergError(
            f"{source} holds no question of split {split!r}; it has {', '.join(map(repr, splits))}"
        )
    chosen = chosen[offset : None if limit is None else offset + limit]
    if not chosen:
        raise SqlbergError("no question is left after offset and limit: lower the offset or raise the limit")
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    paths = {question.db_id: files.path(question.db_id) for question in chosen}
    return Dataset(folder, tuple(chosen), read.bad, digest, paths)


def dataset_of(questions: Sequence[Question], path: Callable[[str], Path]) -> Dataset:
    """A dataset of questions at hand; path: of each database, by its db_id."""
    content = json.dumps([one.model_dump(mode="json") for one in questions])
    digest = hashlib.sha256(content.encode()).hexdigest()[:16]
    paths = {one.db_id: path(one.db_id) for one in questions}
    return Dataset(Path(), tuple(questions), digest=digest, paths=paths)


def read_questions(
    file: str | Path,
    *,
    db_id: str | None = None,
    databases: DatabaseFiles | None = None,
    gold: bool = True,
) -> Read[Question]:
    """The questions of a JSONL or Parquet file, and the lines set aside: those that are no question, use an
    id that was used before, or name a database that is not there.

    db_id: all of them are over this database, whatever they say. databases: where theirs must be. gold: each
    says its SQL (null: it has none); otherwise it may be silent about it. Raises `SqlbergError` where the
    file cannot be read.
    """
    seen: set[str] = set()

    def make(row: Mapping[str, Any], number: int) -> Question:
        # A null is nothing, as in the cells of a Parquet file; of sql it says that there is no gold.
        about = {name: value for name, value in row.items() if value is not None or name == "sql"}
        about = about if gold else {"sql": None, **about}
        question = _question(about if db_id is None else about | {"db_id": db_id}, number)
        if databases is not None:
            databases.path(question.db_id)
        if question.id in seen:
            raise ValueError(f"id {question.id!r} was used before")
        seen.add(question.id)
        return question

    return read_rows(file, make)


class DatabaseFiles:
    """The databases of a folder by db_id, each looked for once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / DATABASES
        self._known: dict[str, Path | None] = {}

    def path(self, db_id: str) -> Path:
        """The file of one. Raises ValueError where there is none."""
        if db_id not in self._known:
            endings = (ending for endings in _ENDINGS.values() for ending in endings)
            paths = (self._folder / f"{db_id}{ending}" for ending in endings)
            self._known[db_id] = next((path for path in paths if path.is_file()), None)
        path = self._known[db_id]
        if path is None:
            raise ValueError(f"there is no database {db_id!r} in {DATABASES}/")
        return path


def _question(row: Mapping[str, Any], number: int) -> Question:
    if row.get("earlier"):
        raise ValueError("a follow-up; only questions that stand alone are asked")
    question = Question.model_validate(row)
    changes: dict[str, str | None] = {}
    if not question.id:
        changes["id"] = f"line-{number}"
    if question.difficulty is None and question.sql is not None:
        changes["difficulty"] = difficulty(question.sql)
    return question.model_copy(update=changes) if changes else question
