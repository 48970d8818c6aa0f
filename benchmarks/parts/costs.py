"""What the guard and the sandbox add to a query, in milliseconds, on queries that people wrote."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
from sqlberg.tools.database import Database
from sqlberg.tools.guard import guard


def guard_seconds(database: Database, sqls: Iterable[str]) -> list[float]:
    """Seconds to check each statement; nothing remembered from an earlier check."""
    catalog, taken = database.catalog, []
    for sql in sqls:
        started = time.perf_counter()
        guard(sql, catalog, database.policy)
        taken.append(time.perf_counter() - started)
    return taken


def sandbox_seconds(database: Database, path: Path, sqls: Iterable[str]) -> list[float]:
    """Seconds that the warm sandbox takes longer than the engine itself, statement by statement.

    Each runs directly and through the sandbox in turn, after once of each to warm up. Results that a limit
    cuts are left out: the sandbox would then do less.
    """
    direct, taken = connect(path, database.dialect), []
    for sql in sqls:
        direct.execute(sql).fetchall()
        if not database.read(sql).complete:
            continue
        started = time.perf_counter()
        direct.execute(sql).fetchall()
        between = time.perf_counter()
        database.read(sql)
        taken.append((time.perf_counter() - between) - (between - started))
    direct.close()
    return taken


def connect(path: Path, dialect: str) -> Any:
    """The engine's own connection, reading only."""
    if dialect == "duckdb":
        # One thread, as in the sandbox: sums of floats depend on the order of their terms.
        return duckdb.connect(str(path), read_only=True, config={"threads": "1"})
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    return connection
