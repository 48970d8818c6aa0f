"""The sandbox: model-written SQL runs in warm child processes with hard limits, a real kill and cancellation.

What is covered: a statement never runs in the caller's process. It is interrupted at its deadline and its
process killed 0.4 s later if need be; so it is on cancellation and Ctrl-C. Memory is limited by the
child's address space, the result by rows, columns, cells and total weight, cut in the child. A child that
dies costs its one statement.
What is not covered: CPU use within the time limit, and what the engine's lock must refuse (tools/engines).

Cost: 0.1 to 0.3 ms over direct execution for a tiny statement on a warm child.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Sequence
from typing import Any

from .child import Child, Stopped
from .engines import Engine
from .errors import DatabaseOpenError, LimitExceeded, QueryCancelled, QueryError, QueryRefused, SqlbergError
from .frames import BrokenFrame
from .limits import Cut, Limits, Result

_OPEN_SECONDS = 60.0  # opening may replay a write-ahead log
_MOST_RESTING = 8  # idle children of all sandboxes together; the longest idle is ended
_WEIGHT = 32 << 20  # bytes of memory one result may take in the caller's process
_TRUSTED_WEIGHT = 512 << 20

# One lock for all pools: they share the list of resting children. It is never held while anything waits.
_lock = threading.Lock()
_resting: dict[Child, weakref.ref[Sandbox]] = {}
_sandboxes: weakref.WeakSet[Sandbox] = weakref.WeakSet()


class Sandbox:
    """A pool of children for one database. Thread-safe: callers beyond `most` wait their turn, first come
    first.

    warm: children kept ready. most: children at once.
    """

    def __init__(self, engine: Engine, *, warm: int = 2, most: int = 4) -> None:
        self._engine = engine
        self._warm, self._most = warm, most
        self._idle: list[Child] = []
        self._children: set[Child] = set()
        self._alive = 0  # children there are or are being started
        self._waiting: deque[_Turn] = deque()
        self._closed = False
        self._finalizer = weakref.finalize(self, _end, self._children)
        _sandboxes.add(self)

    def start(self, memory_mb: int) -> None:
        """Open the database in a first child. Raises DatabaseOpenError."""
        child = self._take(None)
        try:
            self._prepare(child, memory_mb, None)
        except BaseException:
            self._discard(child, memory_mb=None)
            raise
        self._give(child)

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
        child = self._take(cancel)
        clean = False
        try:
            self._prepare(child, limits.memory_mb, cancel)
            child.ask(_request(sql, limits, parameters, trusted), limits.seconds, cancel)
            result = _collect(child, sql)
            clean = True
            if not trusted:  # a model's next statement may cost this child: have a spare one
                self._refill_later(limits.memory_mb)
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
                self._give(child)
            else:
                self._discard(child, memory_mb=limits.memory_mb)

    def close(self) -> None:
        """End all children; running statements end with QueryError. Harmless when closed already."""
        with _lock:
            self._closed = True
            idle, self._idle = self._idle, []
            for child in idle:
                _resting.pop(child, None)
                self._children.discard(child)
                self._alive -= 1
            busy = list(self._children)
            waiting, self._waiting = self._waiting, deque()
        for child in busy:
            child.interrupt_from_outside()
        for child in idle:
            child.kill()
        for turn in waiting:
            turn.came.set()

    def _prepare(self, child: Child, memory_mb: int, cancel: threading.Event | None) -> None:
        """Have the child open the database as it is now, unless it already has. Raises DatabaseOpenError."""
        wanted = (self._engine.version(), memory_mb)
        if child.opened == wanted:
            return
        child.opened = None
        opening = {"sql": None, "spec": self._engine.spec(), "version": wanted[0], "memory_mb": memory_mb}
        try:
            child.ask(opening, _OPEN_SECONDS, cancel)
            answer = child.answer()
        except BrokenFrame:
            if child.ended_by() == 0:  # by itself, before it had anything to say
                raise DatabaseOpenError(
                    "the reading process did not start; see why with: python -m sqlberg.tools.worker 0"
                ) from None
            raise DatabaseOpenError(f"cannot open {self._engine.name}: the engine broke down on it") from None
        except Stopped as stopped:
            if stopped.why == "cancel":
                raise
            raise DatabaseOpenError(
                f"cannot open {self._engine.name} within {_OPEN_SECONDS:g} seconds; is its disk busy?"
            ) from None
        if answer[0] == "error":
            raise DatabaseOpenError(f"cannot open {self._engine.name}: {answer[2]}")
        child.opened = wanted

    def _take(self, cancel: threading.Event | None) -> Child:
        """An idle child, a new one, or the next one that becomes free."""
        with _lock:
            if self._closed:
                raise QueryError("the database is closed; open it again")
            while self._idle:
                child = self._idle.pop()
                _resting.pop(child, None)
                if child.alive:
                    return child
                self._forget(child)  # something outside ended it while it rested
                child.forget()
            turn = None
            if self._alive < self._most:
                self._alive += 1
            else:
                turn = _Turn()
                self._waiting.append(turn)
        return self._spawn() if turn is None else self._await(turn, cancel)

    def _await(self, turn: _Turn, cancel: threading.Event | None) -> Child:
        try:
            while not turn.came.wait(None if cancel is None else 0.05):
                if cancel is not None and cancel.is_set():
                    raise QueryCancelled("the query was cancelled before it ran")
        except BaseException:
            with _lock:
                missed = turn.came.is_set()
                if not missed and turn in self._waiting:
                    self._waiting.remove(turn)
            if missed and turn.child is not None:
                self._give(turn.child)
            raise
        if self._closed:
            raise QueryError("the database was closed while the query waited")
        return turn.child if turn.child is not None else self._spawn()

    def _spawn(self) -> Child:
        """A new child; its place has been counted already."""
        try:
            child = Child()
        except BaseException:
            with _lock:
                self._alive -= 1
            raise
        with _lock:
            self._children.add(child)
        return child

    def _give(self, child: Child) -> None:
        """Hand a clean child to whoever waits longest, or let it rest."""
        ended: list[Child] = []
        with _lock:
            if self._closed:
                self._forget(child)
                ended.append(child)
            elif self._waiting:
                turn = self._waiting.popleft()
                turn.child = child
                turn.came.set()
            else:
                self._idle.append(child)
                _resting[child] = weakref.ref(self)
                if len(_resting) > _MOST_RESTING:
                    oldest = next(iter(_resting))
                    home = _resting.pop(oldest)()
                    if home is not None:  # else it has been dropped, and its children are being ended
                        home._idle.remove(oldest)
                        home._forget(oldest)
                        ended.append(oldest)
        for one in ended:
            one.kill()

    def _discard(self, child: Child, *, memory_mb: int | None) -> None:
        """End a child; start another for whoever waits, or in the background (memory_mb: how it opens)."""
        child.kill()
        with _lock:
            self._forget(child)
            if self._waiting and not self._closed:
                self._alive += 1
                self._waiting.popleft().came.set()  # without a child: it starts its own
        if memory_mb is not None:
            self._refill_later(memory_mb)

    def _refill_later(self, memory_mb: int) -> None:
        """Start a child in the background if there are fewer than `warm`."""
        if self._alive >= self._warm:  # the usual case costs no lock
            return
        with _lock:
            if self._closed or self._alive >= self._warm:
                return
            self._alive += 1
        threading.Thread(target=self._refill, args=(memory_mb,), daemon=True).start()

    def _refill(self, memory_mb: int) -> None:
        child = self._spawn()
        try:
            self._prepare(child, memory_mb, None)
        except (SqlbergError, Stopped):  # the next caller meets the same error and hears of it
            self._discard(child, memory_mb=None)
        else:
            self._give(child)

    def _forget(self, child: Child) -> None:
        self._children.discard(child)
        self._alive -= 1

    def _broken(self, child: Child, limits: Limits) -> SqlbergError:
        """What the death of a child in the middle of a statement means."""
        if self._closed:
            return QueryError("the database was closed while the query ran")
        signal = child.ended_by()
        if signal == 14:  # SIGALRM: its own timer
            return _too_long(limits)
        if signal in (6, 9):  # aborted on a failed allocation, or the system was out of memory
            return _too_much(limits)
        return QueryError("the database engine broke down on this statement; write it in a simpler way")


class _Turn:
    """The place of a waiting caller: `came` is set when it may go on, with `child` or to start its own."""

    def __init__(self) -> None:
        self.came = threading.Event()
        self.child: Child | None = None


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


def _end(children: set[Child]) -> None:
    """End the children of a sandbox that was dropped without `close`.

    Takes no lock: the garbage collector may call it from anywhere, also from where the lock is held.
    """
    for child in list(children):
        _resting.pop(child, None)
        child.kill()
    children.clear()


def _after_fork() -> None:
    """In a forked copy of the caller's process the children belong to the original: start with none."""
    global _lock
    _lock = threading.Lock()
    _resting.clear()
    for sandbox in list(_sandboxes):
        for child in sandbox._children:
            child.forget()
        sandbox._children.clear()
        sandbox._idle.clear()
        sandbox._waiting.clear()
        sandbox._alive = 0


os.register_at_fork(after_in_child=_after_fork)
