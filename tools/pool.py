"""The children of one sandbox: kept warm, handed out first come first served, replaced when they end.

All pools of a process together let only a few children rest, one for each pool where there are many; the
longest idle is ended first. A pool that is dropped ends its children, and so does the end of the process,
however it ends (tools/worker.py sees to that).
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable

from .child import Child, Stopped
from .errors import QueryCancelled, QueryError, SqlbergError

_RESTING = (8, 64)  # children at most, with few pools and with many; each weighs 10 to 30 MB
_LOOK = 0.05  # seconds between two looks at the cancel event

# One lock for all pools: they share the list of resting children. It is never held while anything waits.
_lock = threading.Lock()
_resting: dict[Child, weakref.ref[Pool]] = {}
_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


class Pool:
    """Thread-safe. `warm`: children kept ready. `most`: children at once; callers beyond that wait."""

    def __init__(self, *, warm: int, most: int) -> None:
        self._warm, self._most = warm, most
        self._idle: list[Child] = []
        self._children: set[Child] = set()
        self._places = 0  # children there are or are being started
        self._waiting: deque[_Turn] = deque()
        self.closed = False
        weakref.finalize(self, _end, self._children)
        _pools.add(self)

    @property
    def children(self) -> frozenset[Child]:
        """The children there are at this moment."""
        return frozenset(self._children)

    def take(self, cancel: threading.Event | None = None) -> Child:
        """An idle child, a new one, or the next one that becomes free; to be handed to `give` or `discard`.

        Raises QueryCancelled, QueryError (the pool is or was closed).
        """
        with _lock:
            if self.closed:
                raise QueryError("the database is closed; open it again")
            while self._idle:
                child = self._idle.pop()
                _resting.pop(child, None)
                if child.alive:
                    return child
                self._forget(child)  # something outside ended it while it rested
                child.forget()
            turn = None
            if self._places < self._most:
                self._places += 1
            else:
                turn = _Turn()
                self._waiting.append(turn)
        return self._spawn() if turn is None else self._await(turn, cancel)

    def give(self, child: Child) -> None:
        """Hand a clean child to whoever waits longest, or let it rest."""
        ended = None
        with _lock:
            if self.closed:
                self._forget(child)
                ended = child
            elif self._waiting:
                self._waiting.popleft().call(child)
            else:
                self._idle.append(child)
                _resting[child] = weakref.ref(self)
                least, most = _RESTING
                if len(_resting) > min(max(least, len(_pools)), most):
                    ended = _longest_resting()
        if ended is not None:
            ended.kill()

    def discard(self, child: Child) -> None:
        """End a child that must not be used again."""
        child.kill()
        with _lock:
            self._forget(child)
            self._pass_on()

    def refill(self, prepare: Callable[[Child], None]) -> None:
        """Start and `prepare` a child in the background if there are fewer than `warm`."""
        if self._places >= self._warm:  # the usual case costs no lock
            return
        with _lock:
            if self.closed or self._places >= self._warm:
                return
            self._places += 1
        threading.Thread(target=self._start_one, args=(prepare,), daemon=True).start()

    def close(self) -> None:
        """End all children, those at work too. Harmless when closed already."""
        with _lock:
            self.closed = True
            idle, self._idle = self._idle, []
            for child in idle:
                _resting.pop(child, None)
                self._forget(child)
            busy = list(self._children)
            waiting, self._waiting = self._waiting, deque()
        for child in busy:
            child.end_from_outside()
        for child in idle:
            child.kill()
        for turn in waiting:
            turn.call(None)

    def _await(self, turn: _Turn, cancel: threading.Event | None) -> Child:
        try:
            while not turn.came.wait(None if cancel is None else _LOOK):
                if cancel is not None and cancel.is_set():
                    raise QueryCancelled("the query was cancelled before it ran")
        except BaseException:
            with _lock:
                called = turn.came.is_set()
                if not called:
                    self._waiting.remove(turn)
                elif turn.child is None and not self.closed:
                    self._places -= 1
                    self._pass_on()
            if turn.child is not None:
                self.give(turn.child)
            raise
        if self.closed:
            if turn.child is not None:
                self.give(turn.child)
            raise QueryError("the database was closed while the query waited")
        return turn.child if turn.child is not None else self._spawn()

    def _spawn(self) -> Child:
        """A new child, whose place has been counted already."""
        try:
            child = Child()
        except BaseException as error:
            with _lock:
                self._places -= 1
                self._pass_on()
            if isinstance(error, OSError):
                reason = error.strerror or "the system refuses"
                raise QueryError(f"cannot start a process for the query: {reason}") from None
            raise
        with _lock:
            self._children.add(child)
        return child

    def _start_one(self, prepare: Callable[[Child], None]) -> None:
        try:
            child = self._spawn()
        except SqlbergError:  # the next caller meets the same error and hears of it
            return
        try:
            prepare(child)
        except (SqlbergError, Stopped):
            self.discard(child)
        else:
            self.give(child)

    def _forget(self, child: Child) -> None:
        self._children.discard(child)
        self._places -= 1

    def _pass_on(self) -> None:
        """Let whoever waits longest start a child of its own in the place that became free."""
        if self._waiting and not self.closed:
            self._places += 1
            self._waiting.popleft().call(None)


class _Turn:
    """The place of a waiting caller: `came` is set when it may go on, with `child` or to start its own."""

    def __init__(self) -> None:
        self.came = threading.Event()
        self.child: Child | None = None

    def call(self, child: Child | None) -> None:
        self.child = child
        self.came.set()


def _longest_resting() -> Child | None:
    """Take the longest resting child of all pools out of its pool. Called with the lock held."""
    oldest = next(iter(_resting))
    home = _resting.pop(oldest)()
    if home is None:  # it has been dropped: its children are being ended
        return None
    home._idle.remove(oldest)
    home._forget(oldest)
    return oldest


def _end(children: set[Child]) -> None:
    """End the children of a pool that was dropped without `close`.

    Takes no lock: the garbage collector may call it from anywhere, also from where the lock is held.
    """
    for child in list(children):
        _resting.pop(child, None)
        child.kill()
    children.clear()


def _after_fork() -> None:
    """In a forked copy of this process the children belong to the original: start with none."""
    global _lock
    _lock = threading.Lock()
    _resting.clear()
    for pool in list(_pools):
        for child in pool._children:
            child.forget()
        pool._children.clear()
        pool._idle.clear()
        pool._waiting.clear()
        pool._places = 0


os.register_at_fork(after_in_child=_after_fork)
