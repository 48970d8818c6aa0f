"""A long piece of work over questions on many databases: concurrent, resumable, unattended.

What is finished goes to a journal at once; starting again goes on where the last run stopped.
"""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from ..errors import SqlbergError
from .journal import Journal, Row

if TYPE_CHECKING:
    from ..tools.database import Database

# A dead model server fails every question: stop, so that a later start asks them again.
FAILURES_IN_A_ROW = 10


class OnDatabase(Protocol):
    """A question, or what became of one: it has an id and belongs to a database."""

    @property
    def id(self) -> str: ...

    @property
    def db_id(self) -> str: ...


Item = TypeVar("Item", bound=OnDatabase)


def work_through(
    items: Sequence[Item],
    work: Callable[[Item, Callable[[], Database], threading.Event], Row],
    journal: Journal[Row],
    *,
    open_database: Callable[[str], Database],
    concurrency: int = 1,
    finished: Callable[[Row], None] = lambda row: None,
    failure: Callable[[Row], str] = lambda row: "",
    again: bool = False,
) -> list[Row]:
    """Do the work for every item that is not in the journal yet; returns the rows of all, in order.

    work: from the item, its open database (asked for when it is needed) and an event that is set when the run
    is interrupted. open_database: opens one by its db_id; each is open only while its items last. finished:
    called once per new row, from any thread, one at a time. failure: why a row failed, "" where it did not.
    again: also those that failed in an earlier run; their new rows take the place of the old.
    Raises `SqlbergError` where the journal has other items under their names, and after ten failures in a row
    or where there is nothing but failures (they stay unfinished). On any exception, Ctrl-C included, running
    queries are stopped and what was finished is kept.
    """

    def succeeded(item: Item) -> bool:
        row = journal.records.get(item.id)
        return row is not None and not failure(row)

    there = journal.finished(items)
    todo = [
        item for item, known in zip(items, there, strict=True) if not known or (again and not succeeded(item))
    ]
    databases = _OpenDatabases(open_database, todo)
    course = _Course(journal, finished, failure)
    pending: queue.SimpleQueue[Item] = queue.SimpleQueue()
    for item in todo:
        pending.put(item)

    def worker() -> None:
        while not course.stop.is_set():
            try:
                item = pending.get_nowait()
            except queue.Empty:
                return
            try:
                course.settle(work(item, partial(databases.get, item.db_id), course.stop))
                databases.release(item.db_id)
            except BaseException as error:
                course.abort(error)

    workers = [
        threading.Thread(target=worker, daemon=True) for _ in range(max(1, min(concurrency, len(todo))))
    ]
    try:
        for thread in workers:
            thread.start()
        for thread in workers:
            while thread.is_alive():
                thread.join(0.2)  # short, so that Ctrl-C is heard
        course.end(any(map(succeeded, items)))
    finally:
        course.stop.set()
        databases.close()
        for thread in workers:
            thread.join(5)
    return [journal.records[item.id] for item in items if item.id in journal.records]


class _Course(Generic[Row]):
    """What has been finished in this run, and why it must stop."""

    def __init__(
        self, journal: Journal[Row], finished: Callable[[Row], None], failure: Callable[[Row], str]
    ) -> None:
        self.stop = threading.Event()
        self._journal, self._finished, self._failure = journal, finished, failure
        self._lock = threading.Lock()
        self._failed: list[Row] = []
        self._error: BaseException | None = None

    def settle(self, row: Row) -> None:
        """Keep a row. Failures wait for the next success: many in a row mean that the model is gone."""
        with self._lock:
            if self.stop.is_set():
                return
            if self._failure(row):
                self._failed.append(row)
                if len(self._failed) >= FAILURES_IN_A_ROW:
                    self._error = self._gone(f"{len(self._failed)} questions in a row failed")
                    self.stop.set()
                return
            self._write([*self._failed, row])
            self._failed = []

    def abort(self, error: BaseException) -> None:
        with self._lock:
            self._error = self._error or error
            self.stop.set()

    def end(self, any_succeeded: bool) -> None:
        """Keep the last failures, or raise what stopped the run."""
        if self._failed and not any_succeeded:
            self._error = self._error or self._gone("every question failed")
        if self._error is not None:
            raise self._error
        self._write(self._failed)

    def _gone(self, what: str) -> SqlbergError:
        cause = self._failure(self._failed[-1])
        return SqlbergError(
            f"{what}, the last with: {cause}; repair that and start again, finished questions are kept"
        )

    def _write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._journal.append(row)
            self._finished(row)


class _OpenDatabases:
    """Databases opened on first use and closed after the last item on each."""

    def __init__(self, open_database: Callable[[str], Database], items: Sequence[OnDatabase]) -> None:
        self._open_database = open_database
        self._left = Counter(item.db_id for item in items)
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
