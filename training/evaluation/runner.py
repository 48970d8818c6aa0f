"""Ask every question of a dataset and score the answers: concurrent, resumable, unattended.

Run by `sqlberg evaluate FOLDER`. The gold query and the predicted one run in the same sandbox, under the same
large limits, on the same read-only database. Finished questions are on disk at once (records.py); starting
again with the same settings goes on where the last run stopped.

A prediction is scored by its SQL (its best guess) whatever the agent's status, as published figures are; how
often it answered instead of abstaining, and how often it was right then, is reported beside (report.py).
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from ...errors import SqlbergError
from ...tools.limits import Limits, Result
from .ambiguity import ambiguity
from .comparators import NAMES, compare
from .dataset import Dataset, Question
from .records import Record, RunFolder

if TYPE_CHECKING:
    from ...agents.answer import Answer
    from ...tools.database import Database

# Wide enough that no gold result is ever cut; a prediction that needs more than this is wrong.
SCORING_LIMITS = Limits(seconds=60, memory_mb=4096, rows=1_000_000, columns=2_000, cell_chars=1_000_000)

# A dead model server fails every question: stop, so that a later start asks them again.
FAILURES_IN_A_ROW = 10


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
) -> list[Record]:
    """Answer and score what is not yet in `folder`; returns the records of all questions, in dataset order.

    open_database: opens one by its db_id; each is open only while its questions last.
    finished: called once per newly finished question, from any thread, one at a time.
    Raises `SqlbergError` after ten failed questions in a row (they stay unfinished). On any exception, Ctrl-C
    included, running queries are stopped and what was finished is kept.
    """
    todo = [question for question in dataset.questions if question.id not in folder.records]
    databases = _OpenDatabases(open_database, todo)
    course = _Course(folder, finished)
    pending: queue.SimpleQueue[Question] = queue.SimpleQueue()
    for question in todo:
        pending.put(question)

    def ask(text: str, database: Database) -> Answer:
        return answer(text, database, course.stop)

    def work() -> None:
        while not course.stop.is_set():
            try:
                question = pending.get_nowait()
            except queue.Empty:
                return
            try:
                course.settle(_evaluate(question, dataset.gold(question), ask, databases, limits))
                databases.release(question.db_id)
            except BaseException as error:
                course.abort(error)

    workers = [threading.Thread(target=work, daemon=True) for _ in range(max(1, min(concurrency, len(todo))))]
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            while worker.is_alive():
                worker.join(0.2)  # short, so that Ctrl-C is heard
        course.end()
    finally:
        course.stop.set()
        databases.close()
        for worker in workers:
            worker.join(5)
    return [folder.records[question.id] for question in dataset.questions if question.id in folder.records]


class _Course:
    """What has been finished in this run, and why it must stop."""

    def __init__(self, folder: RunFolder, finished: Callable[[Record], None]) -> None:
        self.stop = threading.Event()
        self._folder, self._finished = folder, finished
        self._lock = threading.Lock()
        self._failed: list[Record] = []
        self._error: BaseException | None = None

    def settle(self, record: Record) -> None:
        """Keep a record. Failures wait for the next success: many in a row mean that the model is gone."""
        with self._lock:
            if self.stop.is_set():
                return
            if record.status == "failed":
                self._failed.append(record)
                if len(self._failed) >= FAILURES_IN_A_ROW:
                    cause = record.error or record.reason
                    self._error = SqlbergError(
                        f"{len(self._failed)} questions in a row failed, the last with: {cause}; "
                        "repair that and start again, finished questions are kept"
                    )
                    self.stop.set()
                return
            self._write([*self._failed, record])
            self._failed = []

    def abort(self, error: BaseException) -> None:
        with self._lock:
            self._error = self._error or error
            self.stop.set()

    def end(self) -> None:
        """Keep the last failures, or raise what stopped the run."""
        if self._error is not None:
            raise self._error
        self._write(self._failed)

    def _write(self, records: Sequence[Record]) -> None:
        for record in records:
            self._folder.append(record)
            self._finished(record)


class _OpenDatabases:
    """Databases opened on first use and closed after the last question on each."""

    def __init__(self, open_database: Callable[[str], Database], questions: Sequence[Question]) -> None:
        self._open_database = open_database
        self._left = Counter(question.db_id for question in questions)
        self._locks = {db_id: threading.Lock() for db_id in self._left}
        self._open: dict[str, Database] = {}

    def get(self, db_id: str) -> Database:
        with self._locks[db_id]:
            if db_id not in self._open:
                self._open[db_id] = self._open_database(db_id)
            return self._open[db_id]

    def release(self, db_id: str) -> None:
        with self._locks[db_id]:
            self._left[db_id] -= 1
            database = self._open.pop(db_id, None) if self._left[db_id] == 0 else None
        if database is not None:
            database.close()

    def close(self) -> None:
        for db_id in list(self._open):
            database = self._open.pop(db_id, None)
            if database is not None:
                database.close()


def _evaluate(
    question: Question,
    gold_sql: str | None,
    ask: Callable[[str, Database], Answer],
    databases: _OpenDatabases,
    limits: Limits,
) -> Record:
    start = time.perf_counter()
    try:
        database = databases.get(question.db_id)
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
