"""Run one piece of work so that it can be left behind: at a deadline, or when the caller cancels.

Covered: the caller always gets control back, within 0.05 s of a cancellation, even from a model that hangs.
The work is told through an event that it should stop. Not covered: Python cannot kill a thread; work that
ignores the event ends in its own time in the background, and its result is thrown away. (Queries are really
killed: sandbox.py.) When the process ends, work under way is told to stop and given a moment to: a thread
that the interpreter's end finds inside of a native library can abort the process.
"""

from __future__ import annotations

import atexit
import contextvars
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

T = TypeVar("T")

CANCEL_CHECK = 0.05  # seconds
_MOST_IDLE = 16  # threads that wait for more work
_SECONDS_AT_EXIT = 2.0


class OutOfTime(Exception):
    """The deadline came first."""


class Cancelled(Exception):
    """The caller cancelled."""


def run_until(work: Callable[[threading.Event], T], *, seconds: float, cancel: threading.Event) -> T:
    """`work(stop)` in another thread; its value, or the exception it raised.

    Raises OutOfTime after `seconds`, Cancelled once `cancel` is set; in both cases, and when the waiting
    thread is interrupted, `stop` is set.
    """
    if cancel.is_set():
        raise Cancelled
    if seconds <= 0:
        raise OutOfTime
    job = _Job(work)
    _worker().jobs.put(job)
    end = time.monotonic() + seconds
    try:
        while not job.done.wait(min(CANCEL_CHECK, max(0.0, end - time.monotonic()))):
            if cancel.is_set():
                raise Cancelled
            if time.monotonic() >= end:
                raise OutOfTime
    finally:
        job.stop.set()
    return job.outcome()


def beside(work: Callable[[threading.Event], T]) -> Callable[[], T]:
    """Start `work(stop)` in another thread; call what is returned to wait for its value, or its exception."""
    job = _Job(work)
    _worker().jobs.put(job)

    def outcome() -> T:
        job.done.wait()
        return job.outcome()

    return outcome


class _Job(Generic[T]):
    def __init__(self, work: Callable[[threading.Event], T]) -> None:
        self.work = work
        self.context = contextvars.copy_context()
        self.stop = threading.Event()
        self.done = threading.Event()
        self.value: list[T] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.value.append(self.context.run(self.work, self.stop))
        except BaseException as error:  # handed to the waiting thread, which raises it
            self.error = error

    def outcome(self) -> T:
        if self.error is not None:
            raise self.error
        return self.value[0]


class _Worker:
    """A thread that does one job after another: starting one costs more than a short job, and a native
    library (OpenMP under torch) makes threads of its own for every new thread that calls it."""

    def __init__(self) -> None:
        self.jobs: SimpleQueue[_Job[Any]] = SimpleQueue()
        # A daemon: a model that hangs must not keep the process from exiting.
        threading.Thread(target=self._work, name="sqlberg-work", daemon=True).start()

    def _work(self) -> None:
        while True:
            job = self.jobs.get()
            _busy.add(job)
            job.run()
            _busy.discard(job)
            stays = len(_idle) < _MOST_IDLE
            if stays:
                _idle.append(self)  # before the caller goes on, who may have the next job
            job.done.set()
            del job  # else it would be kept until the next one
            if not stays:
                return


_idle: deque[_Worker] = deque()
_busy: set[_Job[Any]] = set()


def _worker() -> _Worker:
    try:
        return _idle.pop()
    except IndexError:
        return _Worker()


def _after_fork() -> None:
    """In a forked copy of this process no thread but the forking one exists."""
    _idle.clear()
    _busy.clear()


os.register_at_fork(after_in_child=_after_fork)


@atexit.register
def _stop_all() -> None:
    """Tell all work to stop, and wait a little for it."""
    jobs = list(_busy)
    for job in jobs:
        job.stop.set()
    until = time.monotonic() + _SECONDS_AT_EXIT
    for job in jobs:
        job.done.wait(max(0.0, until - time.monotonic()))
