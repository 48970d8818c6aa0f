"""Which questions people should label next: from a pool, those worth most to a model, in their order.

    questions → dialogues at the model's first decision → views (kept on disk) → chosen

Stopped at any moment, a run goes on with the next batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...errors import SqlbergError
from ..evaluation.dataset import Question
from ..journal import Finished, Journal
from .selectors import SELECTORS

if TYPE_CHECKING:
    from ...tools.database import Database
    from .readers import Reader

VIEWS_FILE = "views.jsonl"


class Viewed(Finished):
    """A question's view."""

    vector: tuple[float, ...]


def choose(
    questions: Sequence[Question],
    count: int,
    selector: str,
    folder: Path,
    *,
    reader: Callable[[], Reader],
    open_database: Callable[[str], Database],
    seed: int = 0,
    advance: Callable[[int], None] = lambda done: None,
) -> list[Question]:
    """`count` of the questions (all, where there are fewer), the most wanted first.

    selector: one of `SELECTORS`. reader: makes the model's reader, where one is needed. folder: where views
    are kept. Raises `SqlbergError`.
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
            questions, chosen.view, folder, reader(), open_database=open_database, seed=seed, advance=advance
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
    advance: Callable[[int], None] = lambda done: None,
) -> np.ndarray:
    """The view of every question: [questions, width]."""
    from .views import viewed

    settings = {"model": reader.name, "view": view, "seed": seed}
    with Journal(folder / view, settings, Viewed, VIEWS_FILE) as journal:
        rest = [question for question in questions if question.id not in journal.records]
        advance(len(questions) - len(rest))
        for db_id, group in groupby(sorted(rest, key=lambda one: one.db_id), key=lambda one: one.db_id):
            asked = list(group)
            with open_database(db_id) as database:
                for start in range(0, len(asked), reader.rows):
                    part = asked[start : start + reader.rows]
                    look = reader.look([reader.opening(database, one.question) for one in part])
                    for question, vector in zip(part, viewed(look, view, seed), strict=True):
                        journal.append(Viewed(id=question.id, vector=tuple(map(float, vector))))
                    advance(len(part))
        return np.array([journal.records[question.id].vector for question in questions])
