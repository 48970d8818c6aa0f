"""The work of a course, here or on a Ray cluster, whose workers do the items while this process keeps the
journal.

The work is pickled and sent to each worker, which loads its model and opens its databases itself: references
and paths must mean the same on every machine. A worker that dies is begun again by Ray, and what it was at is
given to another. Nothing is written anywhere but by this process, so no row is lost or written twice.
"""

from __future__ import annotations

import logging
import os
import queue
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from ..errors import SqlbergError
from .course import Item, OnDatabase, work_through
from .journal import Journal, Row

if TYPE_CHECKING:
    from ..tools.database import Database

DEATHS = 3
"""Workers that may die over one item before it counts as failed."""

Asked = TypeVar("Asked", bound=OnDatabase, contravariant=True)
Done = TypeVar("Done", covariant=True)


class Portable(Protocol[Asked, Done]):
    """Work that can be pickled before it has begun. begun: itself with its models loaded; failed: the row of
    an item that could not be done.
    """

    def begun(self) -> Callable[[Asked, Callable[[], Database], threading.Event], Done]: ...

    def failed(self, item: Asked, error: str, /) -> Done: ...


@dataclass(frozen=True)
class Cluster:
    """workers: processes; each: items that one does at once; gpus: of each worker; address: of a running
    cluster ("auto": the one that this machine belongs to), None for one of this machine alone.
    """

    workers: int = 2
    each: int = 1
    gpus: float = 0.0
    address: str | None = None

    @property
    def at_once(self) -> int:
        return self.workers * self.each


def carry_out(
    items: Sequence[Item],
    work: Portable[Item, Row],
    journal: Journal[Row],
    *,
    open_database: Callable[[str], Database],
    concurrency: int,
    cluster: Cluster | None,
    finished: Callable[[Row], None],
    failure: Callable[[Row], str],
    again: bool = False,
) -> list[Row]:
    """`work_through` by threads of this process or, with a cluster, by its workers.

    With a cluster, `work` and `open_database` are pickled. Raises `SqlbergError`, also without Ray, where no
    cluster is at the address, and where the workers have no room.
    """
    through = partial(work_through, items, journal=journal, finished=finished, failure=failure, again=again)
    there = [
        journal.records[item.id] for item, known in zip(items, journal.finished(items), strict=True) if known
    ]
    if len(there) == len(items) and not (again and any(map(failure, there))):
        return there  # then nothing needs to be loaded or begun
    if cluster is None:
        return through(work.begun(), open_database=open_database, concurrency=concurrency)
    with _connected(cluster) as ray, closing(_Workers(ray, work, open_database, cluster)) as workers:
        return through(workers.do, open_database=workers.database, concurrency=cluster.at_once)


class _Worker:
    """Lives in a process of the cluster. Its items come one database after another."""

    def __init__(self, work: Portable[Any, Any], open_database: Callable[[str], Database]) -> None:
        self._portable, self._open_database = work, open_database
        self._work: Callable[..., Any] | None = None
        self._open: dict[str, Database] = {}
        self._lock = threading.Lock()

    def ready(self) -> None:
        return

    def do(self, item: OnDatabase) -> Any:
        with self._lock:
            if self._work is None:  # here and not when the worker begins: its errors reach whoever asked
                self._work = self._portable.begun()
        return self._work(item, lambda: self._database(item.db_id), threading.Event())

    def close(self, db_id: str) -> None:
        """No item of it is left."""
        with self._lock:
            database = self._open.pop(db_id, None)
        if database is not None:
            database.close()

    def _database(self, db_id: str) -> Database:
        with self._lock:
            if db_id not in self._open:
                self._open[db_id] = self._open_database(db_id)
            return self._open[db_id]


class _Workers(Generic[Item, Row]):
    """Gives items to workers that are free."""

    def __init__(
        self, ray: Any, work: Portable[Item, Row], open_database: Callable[[str], Database], cluster: Cluster
    ) -> None:
        self._ray, self._work = ray, work
        options = {"num_cpus": 1, "num_gpus": cluster.gpus, "max_restarts": -1}
        kind = ray.remote(_Worker).options(**options, max_concurrency=cluster.each + 1)
        self.actors = [kind.remote(work, open_database) for _ in range(cluster.workers)]
        # Each worker as often as it can take an item.
        self._free: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for actor in self.actors * cluster.each:
            self._free.put(actor)

    def close(self) -> None:
        for actor in self.actors:
            self._ray.kill(actor)

    def database(self, db_id: str) -> Any:
        return _Elsewhere(self.actors, db_id)

    def do(self, item: Item, database: Callable[[], Any], stop: threading.Event) -> Row:
        """Done by any worker; by another one where it dies."""
        from ray.exceptions import (  # pyright: ignore[reportMissingImports]
            RayActorError,
            RayTaskError,
        )

        database()  # so that the workers are told when its last item is done
        for _ in range(DEATHS):
            actor = self._next(stop)
            try:
                row = self._result(actor.do.remote(item), stop)
            except RayActorError:
                self._revive(actor)
            except RayTaskError as error:
                raise _cause(error) from None
            else:
                self._free.put(actor)
                return row
        return self._work.failed(item, f"{DEATHS} workers died over it: out of memory, or out of time?")

    def _next(self, stop: threading.Event) -> Any:
        while not stop.is_set():
            with suppress(queue.Empty):
                return self._free.get(timeout=0.2)
        raise _Stopped

    def _result(self, task: Any, stop: threading.Event) -> Row:
        while not stop.is_set():
            if self._ray.wait([task], timeout=0.2)[0]:
                return self._ray.get(task)
        raise _Stopped

    def _revive(self, actor: Any) -> None:
        """Counts as free again when Ray has begun it anew; nobody waits for it before."""

        def wait() -> None:
            with suppress(Exception, SystemExit):  # the cluster may be gone by then, and Ray tells it so
                self._ray.get(actor.ready.options(max_task_retries=-1).remote())
                self._free.put(actor)

        threading.Thread(target=wait, daemon=True).start()


class _Elsewhere:
    """A database that workers open where they are."""

    def __init__(self, actors: Sequence[Any], db_id: str) -> None:
        self._actors, self._db_id = actors, db_id

    def close(self) -> None:
        for actor in self._actors:
            with suppress(Exception):  # a dead worker has nothing open
                actor.close.remote(self._db_id)


class _Stopped(SqlbergError):
    """The run was interrupted while an item was elsewhere."""


def _cause(error: Any) -> BaseException:
    """What was raised in the worker."""
    cause = error.cause
    if isinstance(cause, SqlbergError):
        return cause
    first = (str(cause).splitlines() or [""])[0]
    return SqlbergError(f"a worker failed with {type(cause).__name__}: {first}")


@contextmanager
def _connected(cluster: Cluster) -> Iterator[Any]:
    """Ray, in touch with a cluster that has room: the one that this process is in touch with already, or else
    another one while the work lasts.
    """
    # Ray tells its makers of its use, unless it is told not to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise SqlbergError("working on a cluster needs Ray: pip install 'sqlberg[ray]'") from None
    if ray.is_initialized():
        _check_room(ray, cluster)
        yield ray
        return
    where: dict[str, Any] = {"address": cluster.address}
    if cluster.address is None:
        where = {"address": "local", "num_cpus": cluster.workers, "include_dashboard": False}
        where["_node_ip_address"] = "127.0.0.1"
    try:
        _reach(cluster.address or "")
        ray.init(**where, log_to_driver=False, logging_level=logging.CRITICAL, namespace="sqlberg")
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise SqlbergError(
            f"no Ray cluster answers at {cluster.address or 'this machine'} ({reason}); one that asks for a "
            "token wants RAY_AUTH_MODE=token here"
        ) from None
    try:
        _check_room(ray, cluster)
        yield ray
    finally:
        ray.shutdown()  # ends the cluster, where it was begun here


def _check_room(ray: Any, cluster: Cluster) -> None:
    """Workers without room would be waited for without end."""
    there = ray.cluster_resources()
    for name, wanted in (("CPU", cluster.workers), ("GPU", cluster.workers * cluster.gpus)):
        if wanted > there.get(name, 0):
            raise SqlbergError(
                f"{cluster.workers} workers need {wanted:g} {name}s and the cluster has "
                f"{there.get(name, 0):g}: take fewer --workers, or add machines first"
            )


def _reach(address: str) -> None:
    """Raises OSError where nobody listens: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
