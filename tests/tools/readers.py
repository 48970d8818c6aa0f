"""Trusted readers without a sandbox: what `Database.read` does, over a connection of the test's own."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import duckdb
from sqlberg.tools.errors import QueryError
from sqlberg.tools.limits import Result

Read = Callable[[str], Result]


def sqlite_reader(*statements: str) -> Read:
    """Reads a SQLite database in memory, made by the statements."""
    connection = sqlite3.connect(":memory:")
    for statement in statements:
        connection.execute(statement)

    def read(sql: str) -> Result:
        try:
            cursor = connection.execute(sql)
            return Result(tuple(column[0] for column in cursor.description), cursor.fetchall())
        except sqlite3.Error as error:
            raise QueryError(str(error)) from error

    return read


def duckdb_reader(*statements: str) -> Read:
    """Reads a DuckDB database in memory, made by the statements."""
    connection = duckdb.connect()
    for statement in statements:
        connection.execute(statement)

    def read(sql: str) -> Result:
        try:
            cursor = connection.execute(sql)
            return Result(tuple(column[0] for column in cursor.description or ()), cursor.fetchall())
        except duckdb.Error as error:
            raise QueryError(str(error)) from error

    return read
