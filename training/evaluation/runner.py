"""Ask every question of a dataset and score the answers: concurrent, resumable, unattended.

Run by `sqlberg evaluate FOLDER`. The gold query and the predicted one run in the same sandbox, under the same
large limits, on the same read-only database. Finished questions are on disk at once (records.py); starting
again with the same settings goes on where the last run stopped.

A prediction is scored by its SQL (its best guess) whatever the agent's status, as published figures are; how
often it answered instead of abstaining, and how often it was right then, is reported beside (report.py).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from ...errors import SqlbergError
from ...tools.limits import Limits, Result
from ..course import work_through
from .ambiguity import ambiguity
from .comparators import NAMES, compare
from .dataset import Dataset, Question
from .records import Record, RunFolder

if TYPE_CHECKING:
    from ...agents.answer import Answer
    from ...tools.database import Database

# Wide enough that no gold result is ever cut; a prediction that needs more than this is wrong.
SCORING_LIMITS = Limits(seconds=60, memory_mb=4096, rows=1_000_000, columns=2_000, cell_chars=1_000_000)


class Answering(Protocol):
    """How a question is answered: any callable, called from several threads at once.

    cancel: set when the run is interrupted; the answer is then thrown away.
    """

    def __call__(self, question: str, database: Database, cancel: threading.Event, /) -> Answer: ...


def run(
    dataset: Dataset,
    answer: Answering,
    folder: RunFolder,
    *,
    open_database: Callable[[str], Database],
    concurrency: int = 1,
    limits: Limits = SCORING_LIMITS,
    finished: Callable[[Record], None] = lambda record: None,
    again: bool = False,
) -> list[Record]:
    """Answer and score what is not yet in `folder`; returns the records of all questions, in dataset order.

    open_database: opens one by its db_id; each is open only while its questions last.
    finished: called once per newly finished question, from any thread, one at a time. again: ask those that
    failed in an earlier run again. Raises `SqlbergError` after ten failed questions in a row, and where all
    failed (they stay unfinished). On any exception, Ctrl-C included, running queries are stopped and what was
    finished is kept.
    """

    def work(question: Question, database: Callable[[], Database], stop: threading.Event) -> Record:
        def ask(text: str, database: Database) -> Answer:
            return answer(text, database, stop)

        return _evaluate(question, dataset.gold(question), ask, database, limits)

    return work_through(
        dataset.questions,
        work,
        folder,
        open_database=open_database,
        concurrency=concurrency,
        finished=finished,
        failure=_failed,
        again=again,
    )


def _evaluate(
    question: Question,
    gold_sql: str | None,
    ask: Callable[[str, Database], Answer],
    open_database: Callable[[], Database],
    limits: Limits,
) -> Record:
    start = time.perf_counter()
    try:
        database = open_database()
        given = ask(question.question, database)
    except SqlbergError as error:
        return _failure(question, str(error), time.perf_counter() - start)
    seconds = time.perf_counter() - start
    # A withheld answer is scored by its best guess.
    sql = given.sql or (given.readings[0].sql if given.readings else "")
    predicted, error = _run(database, sql, limits) if sql else (None, "")
    gold, gold_error = _run(database, gold_sql, limits) if gold_sql is not None else (None, "")
    scores = dict.fromkeys(NAMES, 0.0)
    reasons: tuple[str, ...] = ()
    if gold_sql is not None and gold is not None:
        scores = compare(gold, predicted, ordered=database.check(gold_sql).ordered)
        reasons = ambiguity(
            gold_sql,
            database.dialect,
            lambda sql: _run(database, sql, limits)[0],
            lambda name: _key(database, name),
        )
    return Record(
        id=question.id,
        db_id=question.db_id,
        difficulty=question.difficulty,
        answerable=gold_sql is not None,
        ambiguous=reasons,
        gold_error=gold_error,
        sql=sql,
        status=given.status,
        reason=given.reason,
        error=error,
        runs=predicted is not None,
        scores=scores,
        confidence=given.confidence,
        new_tokens=given.tokens.new,
        prompt_tokens=given.tokens.new - given.tokens.generated,
        sent_tokens=given.tokens.sent,
        tool_calls=len(given.steps),
        seconds=seconds,
    )


def _failed(record: Record) -> str:
    """Why a question could not be asked; "" where it was."""
    return (record.error or record.reason) if record.status == "failed" else ""


def _failure(question: Question, error: str, seconds: float) -> Record:
    return Record(
        id=question.id,
        db_id=question.db_id,
        difficulty=question.difficulty,
        answerable=question.sql is not None,
        status="failed",
        error=error,
        scores=dict.fromkeys(NAMES, 0.0),
        seconds=seconds,
    )


def _run(database: Database, sql: str, limits: Limits) -> tuple[Result | None, str]:
    """The whole result, or None and what kept the statement from running to its end."""
    try:
        result = database.execute(sql, limits=limits)
    except SqlbergError as error:
        return None, str(error)
    return (result, "") if result.complete else (None, str(result.cuts[0]))


def _key(database: Database, name: str) -> tuple[str, ...]:
    table = database.catalog.table(name)
    return table.primary_key if table is not None else ()
