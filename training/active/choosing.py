"""Which questions people should label next: from a pool, those worth most to a model, in their order.

    questions → dialogues at the model's first decision → views (kept on disk) → chosen

Stopped at any moment, a run goes on with the next batch.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import SqlbergError
from ...models.embedded.computing import alone_on_a_core
from ..course import work_through
from ..evaluation.dataset import Question
from ..journal import Finished, Journal, fingerprint
from ..precision import computing
from .selectors import SELECTORS

if TYPE_CHECKING:
    from ...tools.database import Database
    from .readers import Reader

VIEWS_FILE = "views.jsonl"


class Viewed(Finished):
    """The views of a batch, by the keys of its questions."""

    vectors: dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class Batch:
    """Questions over one database that are read together. id: of their content."""

    id: str
    db_id: str
    questions: tuple[Question, ...]


def choose(
    questions: Sequence[Question],
    count: int,
    selector: str,
    folder: Path,
    *,
    reader: Callable[[], Reader],
    open_database: Callable[[str], Database],
    seed: int = 0,
    about: Mapping[str, Any] | None = None,
    advance: Callable[[int], None] = lambda done: None,
) -> list[Question]:
    """`count` of the questions (all, where there are fewer), the most wanted first.

    selector: one of `SELECTORS`. reader: makes the model's reader, where one is needed. folder: where views
    are kept; about: what else they go by, such as the database's policy. Raises `SqlbergError`.
    """
    if selector not in SELECTORS:
        raise SqlbergError(f"there is no selector {selector!r}: choose one of {', '.join(SELECTORS)}")
    chosen = SELECTORS[selector]
    if not questions:
        raise SqlbergError("there is no question to choose from")
    if chosen.view == "none":
        vectors = np.zeros((len(questions), 1))
        advance(len(questions))
    else:
        vectors = view_all(
            questions,
            chosen.view,
            folder,
            reader(),
            open_database=open_database,
            seed=seed,
            about=about,
            advance=advance,
        )
    return [questions[number] for number in chosen.take(vectors, count, seed)]


def view_all(
    questions: Sequence[Question],
    view: str,
    folder: Path,
    reader: Reader,
    *,
    open_database: Callable[[str], Database],
    seed: int = 0,
    about: Mapping[str, Any] | None = None,
    advance: Callable[[int], None] = lambda done: None,
) -> np.ndarray:
    """The view of every question: [questions, width]. Several batches are read at a time, each on a core."""
    from .views import viewed

    def work(batch: Batch, database: Callable[[], Database], stop: threading.Event) -> Viewed:
        opened = database()
        with alone_on_a_core(), computing(reader.device, half=True):
            look = reader.look([reader.opening(opened, one.question) for one in batch.questions])
            vectors = viewed(look, view, seed)
        found = {_key(one): tuple(map(float, row)) for one, row in zip(batch.questions, vectors, strict=True)}
        return Viewed(id=batch.id, vectors=found)

    settings = {"model": reader.name, "view": view, "seed": seed, **(about or {})}
    place = folder / f"{view}-{fingerprint(settings)}"  # models take turns, as adapters come into use
    with Journal(place, settings, Viewed, VIEWS_FILE) as journal:
        known = _vectors(journal)
        rest = [question for question in questions if _key(question) not in known]
        advance(len(questions) - len(rest))
        work_through(
            _batches(rest, reader.rows),
            work,
            journal,
            open_database=open_database,
            concurrency=os.cpu_count() or 1 if reader.device == "cpu" else 1,
            finished=lambda row: advance(len(row.vectors)),
        )
        known = _vectors(journal)
        return np.array([known[_key(question)] for question in questions])


def _batches(questions: Sequence[Question], size: int) -> list[Batch]:
    """Questions of one database each, so that what the model reads is of like length."""
    batches = []
    for db_id, group in groupby(sorted(questions, key=lambda one: one.db_id), key=lambda one: one.db_id):
        asked = list(group)
        parts = (tuple(asked[start : start + size]) for start in range(0, len(asked), size))
        batches += [Batch(fingerprint({"keys": list(map(_key, part))}), db_id, part) for part in parts]
    return batches


def _key(question: Question) -> str:
    """Of what is read, whatever id it has."""
    return fingerprint({"database": question.db_id, "question": question.question})


def _vectors(journal: Journal[Viewed]) -> dict[str, tuple[float, ...]]:
    return {name: vector for row in journal.records.values() for name, vector in row.vectors.items()}
