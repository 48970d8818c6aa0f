"""How often annotations are true, where the gold SQL of a question is known. Nothing is learned from it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict

from ...errors import SqlbergError
from ...tools.limits import Limits
from ..course import work_through
from ..evaluation.comparators import multiset
from ..evaluation.dataset import Question
from ..journal import Finished, Journal
from .annotations import Annotated
from .candidates import Sampled

if TYPE_CHECKING:
    from ...tools.database import Database
    from ...tools.limits import Result

TRUTH = "truth.jsonl"
LIMITS = Limits(seconds=20, rows=100_000)


class Truth(Finished):
    """Whether the chosen and the rejected answer of an annotation give the gold's rows."""

    model_config = ConfigDict(frozen=True)

    db_id: str
    chosen: bool
    rejected: bool


def truths(
    questions: Sequence[Question],
    sampled: Sequence[Sampled],
    annotated: Sequence[Annotated],
    folder: Path,
    *,
    open_database: Callable[[str], Database],
    settings: dict[str, Any],
    concurrency: int = 2,
) -> list[Truth]:
    """The truth of every preference whose question has gold, in `folder`. Raises `SqlbergError`."""
    gold = {question.id: question for question in questions if question.sql}
    sql = {response.id: response.sql for row in sampled for response in row.responses}

    def work(row: Annotated, database: Callable[[], Database], stop: threading.Event) -> Truth:
        wanted = gold[row.id].gold(database().dialect) or ""
        expected = _rows(database(), wanted, stop)
        ordered = database().check(wanted).ordered if expected else False

        def right(response: str) -> bool:
            found = _rows(database(), sql[response], stop) if sql[response] else None
            return bool(expected and found and multiset(expected.rows, found.rows, ordered=ordered))

        return Truth(id=row.id, db_id=row.db_id, chosen=right(row.chosen), rejected=right(row.rejected))

    told = [row for row in annotated if row.verdict == "preferred" and row.id in gold]
    with Journal(folder, settings, Truth, TRUTH) as journal:
        return work_through(told, work, journal, open_database=open_database, concurrency=concurrency)


def _rows(database: Database, sql: str, stop: threading.Event) -> Result | None:
    try:
        result = database.execute(sql, limits=LIMITS, cancel=stop)
    except SqlbergError:
        return None
    return result if result.complete else None
