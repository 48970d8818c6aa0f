"""Work that several threads want at once is done once: the candidates of one question read one prompt."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """Keeps the last `kept` results by key. A failure is told to all who waited for it, and not kept."""

    def __init__(self, kept: int = 32) -> None:
        self.kept = kept
        self._lock = threading.Lock()
        self._results: OrderedDict[Hashable, Future[T]] = OrderedDict()

    def get(self, key: Hashable, work: Callable[[], T]) -> T:
        """`work()`, or what it gave for an equal key; equal keys asked at once wait for the first."""
        with self._lock:
            future = self._results.get(key)
            mine = future is None
            if future is None:
                future = self._results[key] = Future()
                while len(self._results) > self.kept:
                    self._results.popitem(last=False)
            self._results.move_to_end(key)
        if mine:
            try:
                future.set_result(work())
            except BaseException as error:
                with self._lock:
                    if self._results.get(key) is future:
                        del self._results[key]
                future.set_exception(error)
        return future.result()
