"""Where conversations live: a LangGraph checkpointer, the ids of its threads, and who speaks when.

Covered: a thread id is a plain name (never a path or a piece of SQL); it is kept per database and access
policy, so that a conversation held under one policy never answers under another; checkpoints hold plain JSON
only and are read back with a serializer that constructs nothing else. Not covered: whose thread an id is; a
server that many people share must make ids that belong to one person.
"""

from __future__ import annotations

import math
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from ..errors import SqlbergError
from .conversation import valid_thread_id
from .deadline import CANCEL_CHECK, Cancelled, OutOfTime

if TYPE_CHECKING:
    from ..tools.database import Database

_TABLES = {"checkpoints", "writes"}
"""What LangGraph keeps threads in."""


class Memory:
    """The conversations of one agent. `place`: None (this process), a SQLite file, or a checkpointer."""

    def __init__(self, place: BaseCheckpointSaver[Any] | str | Path | None, database: Database) -> None:
        self._connection: sqlite3.Connection | None = None
        self._scope = database.cache_folder.name[:16]  # of the resolved path and of the policy
        self._locks: WeakValueDictionary[str, _Lock] = WeakValueDictionary()
        self._guard = threading.Lock()
        serializer = JsonPlusSerializer(pickle_fallback=False, allowed_msgpack_modules=None)
        if place is None:
            self.checkpointer: BaseCheckpointSaver[Any] = InMemorySaver(serde=serializer)
        elif isinstance(place, (str, Path)):
            self._connection, self.checkpointer = _sqlite(Path(place), serializer)
        else:
            self.checkpointer = place

    def config(self, thread_id: str) -> RunnableConfig:
        """The configuration that runs the graph in this thread. Raises SqlbergError for an id that is no
        plain name.
        """
        return {"configurable": {"thread_id": f"{self._scope}:{valid_thread_id(thread_id)}"}}

    def forget(self, thread_id: str) -> None:
        """Delete the thread."""
        with self.turn_taking(thread_id):
            self.checkpointer.delete_thread(f"{self._scope}:{valid_thread_id(thread_id)}")

    @contextmanager
    def turn_taking(
        self, thread_id: str, *, seconds: float = math.inf, cancel: threading.Event | None = None
    ) -> Iterator[None]:
        """One question of a thread at a time: the next must know what the one before became.

        Raises OutOfTime where it has not its turn within `seconds`, Cancelled once `cancel` is set.
        """
        end = time.monotonic() + seconds
        with self._guard:
            lock = self._locks.get(thread_id)
            if lock is None:
                lock = self._locks[thread_id] = _Lock()
        while not lock.held.acquire(timeout=CANCEL_CHECK):
            if cancel is not None and cancel.is_set():
                raise Cancelled
            if time.monotonic() >= end:
                raise OutOfTime
        try:
            yield
        finally:
            lock.held.release()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _Lock:
    """A lock that the dictionary forgets once nobody holds it."""

    def __init__(self) -> None:
        self.held = threading.Lock()


def _sqlite(
    path: Path, serializer: JsonPlusSerializer
) -> tuple[sqlite3.Connection, BaseCheckpointSaver[Any]]:
    from langgraph.checkpoint.sqlite import SqliteSaver

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, check_same_thread=False, timeout=30)
        connection.execute("PRAGMA cache_size = -256")  # KiB: a server keeps one for each of its databases
        saver = SqliteSaver(connection, serde=serializer)
        tables = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        if not tables <= _TABLES:
            connection.close()
            raise SqlbergError(
                f"{path.name} holds tables of another use, and was left as it is: name another file"
            )
        saver.setup()
    except (OSError, sqlite3.Error) as error:
        raise SqlbergError(
            f"conversations cannot be kept in {path.name}: {error}; give a SQLite file that can be written"
        ) from None
    return connection, saver
