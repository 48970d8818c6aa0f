"""The engines: how to open a database locked, and how to run one statement in it.

An engine has two halves that meet only through a JSON dict, the spec:

- `Engine` lives in the caller's process (source_files.py, files.py). It knows where the database is and
  notices when it changed; it never opens it.
- `Connection` lives in a sandbox child (duckdb_engine.py, sqlite_engine.py). It opens the spec read-only and
  locked, and runs one statement at a time. `connect` finds it by the spec's "engine".

A server database joins by one file here with both halves and one line in `_CONNECTIONS`. The schema, too, is
read through a `Connection`, by trusted statements of our own (tools/schema_reading.py).
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, Protocol

_CONNECTIONS = {
    "duckdb": (".duckdb_engine", "DuckDBConnection"),
    "sqlite": (".sqlite_engine", "SQLiteConnection"),
}


class Engine(Protocol):
    """One database as the caller's process knows it: what a child needs to open it, and its version."""

    @property
    def name(self) -> str:
        """A short name for people, without its folder."""
        ...

    @property
    def dialect(self) -> str:
        """sqlglot's name of the SQL dialect."""
        ...

    @property
    def identity(self) -> str:
        """What tells this database from all others (its resolved path), whatever its content."""
        ...

    def spec(self) -> dict[str, Any]:
        """All that `connect` needs in the child, as JSON values; "engine" names the connection class."""
        ...

    def version(self) -> str:
        """A digest that changes when the content changes. Cheap (no query): it is asked before each
        statement.

        Raises DatabaseOpenError when the database is gone.
        """
        ...


class Cursor(Protocol):
    """The rows of one running statement, fetched in batches. Nothing is materialised beyond one batch."""

    @property
    def columns(self) -> tuple[str, ...]: ...

    @property
    def types(self) -> tuple[str, ...]: ...

    def fetch(self, count: int) -> list[tuple[Any, ...]]: ...

    def close(self) -> None: ...


class Connection(Protocol):
    """One locked, read-only database in a sandbox child. Used by one thread; `interrupt` by any."""

    def start(self, sql: str, parameters: Sequence[Any], *, trusted: bool) -> Cursor:
        """Run one statement up to its first rows.

        trusted: sqlberg's own statement, which may read the system tables; still read-only and locked.
        Raises EngineError.
        """
        ...

    def interrupt(self) -> None:
        """Ask the running statement to stop. It may take its time: the parent kills the child soon after."""
        ...

    def close(self) -> None: ...


class EngineError(Exception):
    """The engine's refusal in plain words, one line, without file paths.

    kind: "query" (the statement is wrong), "memory" (it wanted more than it may use), "stopped"
    (interrupted), "refused" (not a single reading statement), "open" (the database cannot be opened).
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


def connect(spec: dict[str, Any], memory_mb: int) -> Connection:
    """Open the database of a spec, locked, for one child. memory_mb: the engine's own share (MiB).

    Raises EngineError("open").
    """
    module, name = _CONNECTIONS[spec["engine"]]
    connection: Connection = getattr(importlib.import_module(module, __name__), name)(spec, memory_mb)
    return connection
