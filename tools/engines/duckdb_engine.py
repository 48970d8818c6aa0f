"""DuckDB, locked: the file is opened read-only, and SQL reaches no other file, network, extension or setting.

What is covered: the settings below refuse every file and network function, COPY, ATTACH, INSTALL, SET
and the caller's Python variables (tried with DuckDB 2.0). Each statement runs on a fresh cursor, so that
nothing temporary (views, macros, prepared statements, variables) survives it, and only a single SELECT is
run at all.
What is not covered: DuckDB's own limits are soft (a long kernel ignores `interrupt`, list functions ignore
`memory_limit`). The child process around it holds the hard ones: tools/sandbox.py.

What Python's values cannot hold comes as the text that DuckDB itself prints: intervals (Python's have no
months), nanoseconds, infinite dates and those before year 1 or after 9999. Not covered: intervals and
nanoseconds in a VARIANT.

One schema of the database is read: the one that is asked for, else `main`, else the only one with tables.

One thread per child: rows come in the same order and floating-point sums in the same digits every time,
and the address-space limit need not reserve stacks. Concurrency comes from several children.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import duckdb

from . import EngineError
from .messages import one_line, without_enum_values

_LOCKED: dict[str, str] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    "temp_directory": "",
    "threads": "1",
}

# PIVOT over values that must be looked up first is a "MULTI" statement (a lookup, then a SELECT).
_READING = {"SELECT", "MULTI"}
_READING_TRUSTED = _READING | {"EXPLAIN"}
_AS_WRITTEN = {"count_star()": "count(*)"}
"""Columns that DuckDB names otherwise than people write them."""

_TOO_FINE = re.compile(r""""(?:[^"]|"")*"|'(?:[^']|'')*'|\b(?:INTERVAL|\w+_NS)\b""")
"""Names and labels inside a type, to be passed over, and the types of which Python gets only a part."""

_INFINITE = {
    id(date.max): "infinity",
    id(date.min): "-infinity",
    id(datetime.max): "infinity",
    id(datetime.min): "-infinity",
}
"""DuckDB gives these very objects for infinite dates; a stored 9999-12-31 is an equal object, but another."""


class DuckDBConnection:
    """A locked DuckDB database in a sandbox child."""

    def __init__(self, spec: dict[str, Any], memory_mb: int) -> None:
        settings: dict[str, Any] = {**_LOCKED, "memory_limit": f"{memory_mb}MiB"}
        try:
            self._database = duckdb.connect(spec["path"], read_only=True, config=settings)
            # This order: paths can be allowed only while there is access, and nothing once it is locked.
            if spec.get("allowed_paths"):
                self._database.execute("SET allowed_paths = ?", [spec["allowed_paths"]])
            self._database.execute("SET enable_external_access = false")
            self._database.execute("SET lock_configuration = true")
            # The first statement loads what every later one needs; the memory baseline is taken after it.
            self._schema = _schema_of(self._database, spec.get("schema", ""))
        except (duckdb.Error, RuntimeError) as error:
            raise EngineError("open", _open_message(str(error))) from None
        self._running: duckdb.DuckDBPyConnection = self._database

    def start(self, sql: str, parameters: Sequence[Any], *, trusted: bool) -> DuckDBCursor:
        cursor = self._database.cursor()
        self._running = cursor
        try:
            if self._schema != "main":  # a cursor begins in `main` again
                cursor.execute("SET schema = ?", [_quoted(self._schema)])
            statements = cursor.extract_statements(sql)
            allowed = _READING_TRUSTED if trusted else _READING
            if len(statements) != 1 or statements[0].type.name not in allowed:
                raise EngineError("refused", "only one single SELECT statement may run")
            given = list(parameters) if parameters else None
            cursor.execute(statements[0], given)
            description = cursor.description or []
            if whole := _whole(statements[0].query, [str(column[1]) for column in description]):
                cursor.execute(whole, given)
        except Exception as error:
            cursor.close()
            raise _plain(error) from None
        return DuckDBCursor(cursor, description)

    def interrupt(self) -> None:
        self._running.interrupt()

    def close(self) -> None:
        self._database.close()


class DuckDBCursor:
    """Rows of one DuckDB statement; DuckDB streams them, so that an unread rest is never computed."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, description: Sequence[Any]) -> None:
        self._cursor = cursor
        self.columns = tuple(_AS_WRITTEN.get(column[0], column[0]) for column in description)
        self.types = tuple(without_enum_values(str(column[1])).strip('"') for column in description)
        self._dates = any(word in kind for kind in self.types for word in ("DATE", "TIMESTAMP", "VARIANT"))

    def fetch(self, count: int) -> list[tuple[Any, ...]]:
        try:
            rows = self._cursor.fetchmany(count)
        except Exception as error:
            raise _plain(error) from None
        return [tuple(map(_dated, row)) for row in rows] if self._dates else rows

    def close(self) -> None:
        self._cursor.close()


_SCHEMAS = """
SELECT schema_name FROM duckdb_tables() WHERE NOT internal AND database_name = current_database()
UNION SELECT schema_name FROM duckdb_views() WHERE NOT internal AND database_name = current_database()
ORDER BY schema_name
"""


def _schema_of(database: duckdb.DuckDBPyConnection, wanted: str) -> str:
    """The schema to read; wanted: in any case, "" for none in particular. Raises EngineError."""
    filled = [name for (name,) in database.execute(_SCHEMAS).fetchall()]
    if wanted:
        found = [name for name in filled if name.lower() == wanted.lower()]
    else:
        found = ["main"] if "main" in filled or not filled else filled
    if len(found) == 1:
        return found[0]
    listed = (", ".join(filled[:10]) or "none") + (", ..." if len(filled) > 10 else "")
    if wanted:
        message = f"it has no tables in a schema {wanted[:100]}; schemas with tables: {listed}"
    else:
        message = f"its tables lie in several schemas ({listed}); say which: file.duckdb#{found[0]}"
    raise EngineError("open", one_line(message))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _whole(sql: str, types: Sequence[str]) -> str:
    """The statement around `sql` of which Python gets every value whole; "" where it does already.

    It runs in place of the first, which had to begin for its types to be known: an aggregate runs twice.
    """
    columns = [_whole_column(number, kind) for number, kind in enumerate(types, start=1)]
    if columns == [f"#{number}" for number in range(1, len(types) + 1)]:
        return ""
    return f"SELECT {', '.join(columns)} FROM ({sql.rstrip('; ')}\n)"


def _whole_column(number: int, kind: str) -> str:
    if re.fullmatch(r"\w+_NS", kind):  # a time like any other, unless it has nanoseconds
        short = kind.removesuffix("_NS")
        either = f"UNION(short {short}, long VARCHAR)"
        return (
            f"CASE WHEN CAST(CAST(#{number} AS {short}) AS {kind}) = #{number} "
            f"THEN CAST(CAST(#{number} AS {short}) AS {either}) "
            f"ELSE CAST(CAST(#{number} AS VARCHAR) AS {either}) END"
        )
    told = _TOO_FINE.sub(lambda found: found[0] if found[0][0] in "\"'" else "VARCHAR", kind)
    return f"#{number}" if told == kind else f"CAST(#{number} AS {told})"


def _dated(value: Any) -> Any:
    """The value with infinite dates as text."""
    if isinstance(value, (list, tuple)):
        return type(value)(map(_dated, value))
    if isinstance(value, dict):
        return {_dated(key): _dated(item) for key, item in value.items()}
    return _INFINITE.get(id(value), value)


def _plain(error: Exception) -> EngineError:
    if isinstance(error, EngineError):
        return error
    if isinstance(error, duckdb.InterruptException):
        return EngineError("stopped", "the query was interrupted")
    if isinstance(error, (duckdb.OutOfMemoryException, MemoryError)):
        return EngineError("memory", "the query needs more memory than it may use")
    if isinstance(error, (duckdb.Error, ValueError, TypeError, OverflowError, RuntimeError, ArithmeticError)):
        return EngineError("query", one_line(str(error)))
    raise error


def _open_message(message: str) -> str:
    lowered = message.lower()
    if "could not set lock" in lowered or "conflicting lock" in lowered:
        return "it is open for writing elsewhere; close it there and try again"
    if any(
        sign in lowered for sign in ("not a valid duckdb", "corrupt", "checksum", "not read enough bytes")
    ):
        return "it is damaged or not a DuckDB database file"
    if "version" in lowered and "storage" in lowered:
        return "it needs another version of DuckDB; export it with the version that wrote it"
    return one_line(message)
