"""Where the network computes: a thread for each core, each computing on its core alone.

The network is small: a second core gains it 7 %, and makes it several times slower when another process uses
that core, since OpenMP's threads spin while they wait. And whoever calls, the same few threads allocate: a
C library keeps freed memory for each thread that ever had some.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

T = TypeVar("T")


def compute(work: Callable[[], T]) -> T:
    """The value of `work()`, without gradients, once a core is free."""
    return _threads().submit(_without_gradients, work).result()


def _without_gradients(work: Callable[[], T]) -> T:
    import torch

    with torch.inference_mode():
        return work()


@contextlib.contextmanager
def alone_on_a_core() -> Iterator[None]:
    """The calling thread computes on one core while the block runs; other threads go on as they are."""
    import torch  # noqa: F401 - its pool of threads is found once it is loaded
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="openmp"):
        yield


@cache
def _threads() -> ThreadPoolExecutor:
    import torch  # noqa: F401 - its pool of threads is found once it is loaded
    from threadpoolctl import ThreadpoolController

    pools = ThreadpoolController()

    def on_one_core() -> None:
        pools.limit(limits=1, user_api="openmp")  # of the calling thread, not of the process

    return ThreadPoolExecutor(os.cpu_count() or 1, "sqlberg-compute", initializer=on_one_core)


os.register_at_fork(after_in_child=_threads.cache_clear)  # the threads stay with the parent
