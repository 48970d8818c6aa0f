"""What an improvement run works on: one database or a folder of many, questions, and those held out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import SqlbergError
from ..evaluation.dataset import DATABASES, QUESTIONS, Dataset, Question, load_dataset
from ..rows import BadLine, read_rows, write_rows

if TYPE_CHECKING:
    from ...tools.database import Database
    from ...tools.policy import AccessPolicy

HELD_OUT_SHARE = 0.15
"""Of made-up questions, where people have given none."""


@dataclass(frozen=True)
class Source:
    """questions: to answer, gold or not; held_out: with gold, to measure by. set_aside: lines of the files
    that hold no question, with the file's name.
    """

    questions: tuple[Question, ...]
    held_out: Dataset | None
    open_database: Callable[[str], Database]
    set_aside: tuple[tuple[str, BadLine], ...] = ()


def source_of(
    place: str,
    folder: Path,
    *,
    questions: Path | None = None,
    held_out: Path | None = None,
    made_up: int = 500,
    policy: AccessPolicy | None = None,
    embedder: str = "embedded",
    seed: int = 0,
) -> Source:
    """What to work on.

    place: a database, or a folder with questions.jsonl and databases/ (its train split is asked and its dev
    split held out, unless files say otherwise). questions, held_out: JSONL with question, and sql where it is
    known. Without questions, some are made up over the database, and part of them held out; they are kept in
    `folder`. Raises `SqlbergError`.
    """
    from ...agents.opening import find_embedder
    from ...tools.database import open_database

    finder = find_embedder(embedder)
    aside: list[tuple[str, BadLine]] = []

    def read(file: Path, name: str) -> tuple[Question, ...]:
        found = read_rows(file, lambda row: _question(row, name))
        aside.extend((file.name, bad) for bad in found.bad)
        if not found.rows:
            raise SqlbergError(f"{file} holds no valid question: a line is JSON with question (and sql)")
        numbered = [
            one if one.id else one.model_copy(update={"id": f"{file.stem}-{n}"})
            for n, one in enumerate(found.rows)
        ]
        return tuple({one.id: one for one in numbered}.values())

    if (Path(place) / QUESTIONS).is_file():
        many = Path(place)
        asked = read(questions, "") if questions else load_dataset(many, split="train").questions
        kept = _held_out(read(held_out, ""), many) if held_out else _split(many, "dev")
        return Source(
            asked, kept, lambda db_id: open_database(_path(many, db_id), embedder=finder), tuple(aside)
        )
    name = Path(place).stem

    def opened(db_id: str) -> Database:
        return open_database(place, policy=policy, embedder=finder)

    if questions is None:
        asked, measured = _made_up(opened, name, folder, made_up, seed)
    else:
        asked, measured = read(questions, name), ()
    if held_out is not None:
        measured = read(held_out, name)
    path = {name: Path(place)}
    kept = Dataset(Path(), measured, digest=_digest(measured), paths=path) if measured else None
    return Source(asked, kept, opened, tuple(aside))


def _question(row: Mapping[str, Any], name: str) -> Question:
    """One line; with a name, it is of the one database."""
    about: dict[str, Any] = {"sql": None, **row}
    return Question.model_validate(about | ({"db_id": name} if name else {}))


def _held_out(questions: tuple[Question, ...], folder: Path) -> Dataset:
    paths = {one.db_id: _path(folder, one.db_id) for one in questions}
    return Dataset(folder, questions, digest=_digest(questions), paths=paths)


def _split(folder: Path, split: str) -> Dataset | None:
    try:
        return load_dataset(folder, split=split)
    except SqlbergError:
        return None  # the folder has no such split: then nothing is held out


def _path(folder: Path, db_id: str) -> Path:
    for ending in (".sqlite", ".db", ".sqlite3", ".duckdb"):
        path = folder / DATABASES / f"{db_id}{ending}"
        if path.is_file():
            return path
    raise SqlbergError(f"there is no database {db_id!r} in {folder / DATABASES}")


def _digest(questions: tuple[Question, ...]) -> str:
    import hashlib

    content = json.dumps([one.model_dump(mode="json") for one in questions])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _made_up(
    opened: Callable[[str], Database], name: str, folder: Path, count: int, seed: int
) -> tuple[tuple[Question, ...], tuple[Question, ...]]:
    """Questions to ask and, of other draws, to measure by."""
    from ..synthesis.generator import synthesize

    file = folder / "made_up.jsonl"
    if not file.exists():
        with opened(name) as database:
            made = list(synthesize(database, count, seed))
        rows = [
            {"id": f"made-{n}", "db_id": name, "question": m.question, "sql": m.sql}
            for n, m in enumerate(made)
        ]
        write_rows(file, rows)
    questions = read_rows(file, lambda row: _question(row, name)).rows
    if len(questions) < 2:
        raise SqlbergError(f"no questions could be made up over {name}: give some with --questions")
    held = max(1, round(HELD_OUT_SHARE * len(questions)))
    return questions[held:], questions[:held]
