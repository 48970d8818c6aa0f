"""What an improvement run works on: one database or a folder of many, questions, and those held out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import SqlbergError
from ...tools.references import name_of
from ..evaluation.dataset import (
    QUESTIONS,
    DatabaseFiles,
    Dataset,
    Question,
    dataset_of,
    load_dataset,
    read_questions,
)
from ..journal import agree
from ..rows import BadLine, write_rows

if TYPE_CHECKING:
    from ...tools.database import Database
    from ...tools.policy import AccessPolicy

HELD_OUT_SHARE = 0.15
"""Of made-up questions, where people have given none."""


@dataclass(frozen=True)
class Source:
    """questions: to answer, gold or not; held_out: with gold, to measure by. set_aside: lines of the files
    that hold no question, with the file's name. about: what a run folder is begun with (`identity`).
    """

    questions: tuple[Question, ...]
    held_out: Dataset | None
    open_database: Callable[[str], Database]
    set_aside: tuple[tuple[str, BadLine], ...] = ()
    about: dict[str, str] = field(default_factory=dict)


def identity(place: str, policy: AccessPolicy | None) -> dict[str, str]:
    """Which database, or folder of many, is read by which policy: answers of one are none of another."""
    path = Path(place)
    return {
        "database": str(path.resolve()) if path.exists() or "#" in place else place,
        "policy": policy.digest() if policy else "",
    }


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
    split held out, unless files say otherwise). questions, held_out: JSONL or Parquet with question, and sql
    where it is known. Without questions, some are made up over the database, and part of them held out; they
    are kept in `folder`. Raises `SqlbergError`.
    """
    aside: list[tuple[str, BadLine]] = []
    many = _files(place)
    name = name_of(place)
    opened = Opener(place, policy, embedder)

    def path(db_id: str) -> Path:
        return many.path(db_id) if many else Path(place)

    def read(file: Path, gold: bool) -> tuple[Question, ...]:
        found = read_questions(file, db_id=None if many else name, databases=many, gold=gold)
        aside.extend((file.name, bad) for bad in found.bad)
        if not found.rows:
            wanted = "question and sql" if gold else "question (and sql, where it is known)"
            raise SqlbergError(f"{file} holds no valid question: a line is JSON with {wanted}")
        return found.rows

    measured: tuple[Question, ...] = ()
    if questions is not None:
        asked = read(questions, gold=False)
    elif many:
        try:
            found = load_dataset(place, split="train")
        except SqlbergError as error:
            raise SqlbergError(f"{error}: give those to ask with --questions") from None
        asked = found.questions
        aside.extend((QUESTIONS, bad) for bad in found.bad_lines)
    else:
        begun = {**identity(place, policy), "made up": made_up, "seed": seed}
        folder.mkdir(parents=True, exist_ok=True)
        agree(folder / "made_up.settings.json", begun)
        asked, measured = _made_up(opened, name, folder, made_up, seed)
    if held_out is not None:
        measured = read(held_out, gold=True)
    elif many:
        measured = _split(place, "dev")
    held = dataset_of(measured, path) if measured else None
    return Source(asked, held, opened, tuple(aside), identity(place, policy))


def one_database(place: str) -> str | None:
    """The db_id of a place that is one database; None for a folder of questions and databases."""
    return None if _files(place) else name_of(place)


class Opener:
    """Opens databases by their db_id: the one at `place`, or those of the folder. Can be pickled, and
    opens them in another process then. Raises `SqlbergError`.
    """

    def __init__(self, place: str, policy: AccessPolicy | None = None, embedder: str = "embedded") -> None:
        from ...agents.opening import find_embedder

        self._given = (place, policy, embedder)
        self._many = _files(place)
        self._embedder = find_embedder(embedder)

    def __call__(self, db_id: str) -> Database:
        from ...tools.database import open_database

        place, policy, _ = self._given
        try:
            found = self._many.path(db_id) if self._many else place
        except ValueError as error:
            raise SqlbergError(str(error)) from None
        return open_database(found, policy=policy, embedder=self._embedder)

    def __reduce__(self) -> tuple[type[Opener], tuple[str, AccessPolicy | None, str]]:
        return Opener, self._given


def _files(place: str) -> DatabaseFiles | None:
    """The databases of a folder of questions; None for one database."""
    return DatabaseFiles(Path(place)) if (Path(place) / QUESTIONS).is_file() else None


def _split(folder: str, split: str) -> tuple[Question, ...]:
    try:
        return load_dataset(folder, split=split).questions
    except SqlbergError:
        return ()  # the folder has no such split: then nothing is held out


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
    questions = read_questions(file, db_id=name).rows
    if len(questions) < 2:
        raise SqlbergError(f"no questions could be made up over {name}: give some with --questions")
    held = max(1, round(HELD_OUT_SHARE * len(questions)))
    return questions[held:], questions[:held]
