"""The sandbox: model-written SQL runs in warm child processes with hard limits, a real kill and cancellation.

What is covered: a statement never runs in the caller's process. It is interrupted at its deadline and its
process killed 0.4 s later if need be; so it is on cancellation and Ctrl-C. Memory is limited by the child's
address space, the result by rows, columns, cells and total weight, cut in the child. A child that dies
costs its one statement.
What is not covered: CPU use within the time limit, and what the engine's lock must refuse (tools/engines).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from .child import Child, Stopped
from .engines import Engine
from .errors import DatabaseOpenError, LimitExceeded, QueryCancelled, QueryError, QueryRefused, SqlbergError
from .frames import BrokenFrame
from .limits import Cut, Limits, Result
from .pool import Pool

_OPEN_SECONDS = 60.0  # opening may replay a write-ahead log
_WEIGHT = 32 << 20  # bytes of memory one result may take in the caller's process
_TRUSTED_WEIGHT = 512 << 20


class Sandbox:
    """Runs statements on one database. Thread-safe: callers beyond `most` wait, first come first served.

    warm: children kept ready. most: children at once.
    """

    def __init__(self, engine: Engine, *, warm: int = 2, most: int = 4) -> None:
        self._engine = engine
        self._pool = Pool(warm=warm, most=most)

    @property
    def processes(self) -> frozenset[int]:
        """The process numbers of the children there are at this moment."""
        return frozenset(child.pid for child in self._pool.children)

    def start(self, memory_mb: int) -> None:
        """Open the database in a first child. Raises DatabaseOpenError."""
        child = self._pool.take()
        try:
            self._prepare(child, memory_mb, None)
        except BaseException:
            self._pool.discard(child)
            raise
        self._pool.give(child)

    def run(
        self,
        sql: str,
        limits: Limits,
        cancel: threading.Event | None = None,
        parameters: Sequence[Any] = (),
        *,
        trusted: bool = False,
    ) -> Result:
        """Run one reading statement and return its rows, cut as `limits` says.

        trusted: sqlberg's own statement, which may read system tables and return larger results.
        Raises QueryError, QueryRefused, LimitExceeded, QueryCancelled, DatabaseOpenError (the file is gone).
        """
        child = self._pool.take(cancel)
        clean = False
        try:
            self._prepare(child, limits.memory_mb, cancel)
            child.ask(_request(sql, limits, parameters, trusted), limits.seconds, cancel)
            result = _collect(child, sql)
            clean = True
            return result
        except _Failed as failure:
            clean = failure.kind != "memory"
            raise failure.plain(limits) from None
        except Stopped as stopped:
            clean = child.alive
            if stopped.why == "cancel":
                raise QueryCancelled("the query was cancelled and has been stopped") from None
            raise _too_long(limits) from None
        except BrokenFrame:
            raise self._broken(child, limits) from None
        except DatabaseOpenError:
            clean = child.alive
            raise
        finally:
            if clean and not child.worn:
                self._pool.give(child)
            else:
                self._pool.discard(child)
            if not trusted:  # a model's next statement may cost a child: have a spare one
                self._pool.refill(lambda spare: self._prepare(spare, limits.memory_mb, None))

    def close(self) -> None:
        """End all children; running statements end with QueryError. Harmless when closed already."""
        self._pool.close()

    def _prepare(self, child: Child, memory_mb: int, cancel: threading.Event | None) -> None:
        """Have the child open the database as it is now, unless it already has. Raises DatabaseOpenError."""
        wanted = (self._engine.version(), memory_mb)
        if child.opened == wanted:
            return
        child.opened = None
        opening = {"sql": None, "spec": self._engine.spec(), "memory_mb": memory_mb}
        name = self._engine.name
        try:
            child.ask(opening, _OPEN_SECONDS, cancel)
            answer = child.answer()
        except BrokenFrame:
            if child.ended_by() == 0:  # by itself, before it had anything to say
                raise DatabaseOpenError(
                    "the reading process did not start; see why with: python -m sqlberg.tools.worker 0"
                ) from None
            raise DatabaseOpenError(f"cannot open {name}: the engine broke down on it") from None
        except Stopped as stopped:
            if stopped.why == "cancel":
                raise
            raise DatabaseOpenError(f"cannot open {name} within {_OPEN_SECONDS:g} seconds") from None
        if answer[0] == "error":
            raise DatabaseOpenError(f"cannot open {name}: {answer[2]}")
        child.opened = wanted

    def _broken(self, child: Child, limits: Limits) -> SqlbergError:
        """What the death of a child in the middle of a statement means."""
        if self._pool.closed:
            return QueryError("the database was closed while the query ran")
        signal = child.ended_by()
        if signal == 14:  # SIGALRM: its own timer
            return _too_long(limits)
        if signal in (6, 9):  # aborted on a failed allocation, or the system was out of memory
            return _too_much(limits)
        return QueryError("the database engine broke down on this statement; write it in a simpler way")


class _Failed(Exception):
    """The child's "error" answer."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind, self.message = kind, message

    def plain(self, limits: Limits) -> SqlbergError:
        if self.kind == "memory":
            return _too_much(limits)
        if self.kind == "refused":
            return QueryRefused(self.message)
        return QueryError(self.message)


def _request(sql: str, limits: Limits, parameters: Sequence[Any], trusted: bool) -> dict[str, Any]:
    return {
        "sql": sql,
        "parameters": tuple(parameters),
        "trusted": trusted,
        "memory_mb": limits.memory_mb,
        "rows": limits.rows,
        "columns": limits.columns,
        "cell_chars": limits.cell_chars,
        "weight": _TRUSTED_WEIGHT if trusted else _WEIGHT,
    }


def _collect(child: Child, sql: str) -> Result:
    """The result of the statement that the child runs."""
    rows: list[tuple[Any, ...]] = []
    while True:
        match child.answer():
            case ("rows", list(more)):
                rows += more
            case ("end", tuple(columns), tuple(types), list(more), list(cuts), float(seconds), bool()):
                rows += more
                told = tuple(Cut(*cut) for cut in cuts)
                return Result(columns, rows, types, told, seconds, sql)
            case ("error", str(kind), str(message), bool()):
                raise _Failed(kind, message)
            case _:
                raise BrokenFrame("unknown message")


def _too_long(limits: Limits) -> LimitExceeded:
    return LimitExceeded(
        f"the query was stopped after {limits.seconds:g} seconds; filter earlier or join fewer rows",
        limit="seconds",
    )


def _too_much(limits: Limits) -> LimitExceeded:
    return LimitExceeded(
        f"the query was stopped: it needs more than {limits.memory_mb} MiB of memory; "
        "select fewer rows or columns, or aggregate first",
        limit="memory",
    )
