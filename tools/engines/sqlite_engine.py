"""SQLite, locked: opened `mode=ro` with `query_only`, and every statement of a model passes an authorizer.

What is covered: the authorizer allows SELECT, reading the tables of the schema, functions from a list, and
recursion; all else is denied when the statement is prepared (ATTACH, PRAGMA, writes, `sqlite_master`,
`pragma_*` and other virtual tables). `mode=ro` alone is not enough: `PRAGMA query_only=0` and ATTACH undo it.
What is not covered: one long opcode (`printf('%.*c', 3e8, 'x')`) ignores `interrupt`; the child process
around it (tools/sandbox.py) is killed then.

Nothing is created beside the file: a database in WAL mode without its log is opened as immutable (and
reopened when its version changes), one with a live log is joined through the writer's own shared memory.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from . import EngineError
from .messages import one_line
from .source_files import beside

_MIB = 1 << 20
_LEADING = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*([A-Za-z]+)", re.DOTALL)

# Scalar, aggregate, window, date, mathematical and JSON functions that neither read outside nor change
# anything.
_FUNCTIONS = frozenset(
    """
    abs acos acosh asin asinh atan atan2 atanh avg ceil ceiling char coalesce concat concat_ws cos
    cosh count cume_dist current_date current_time current_timestamp date datetime degrees dense_rank exp
    first_value floor format glob group_concat hex ifnull iif if instr json json_array json_array_insert
    json_array_length json_error_position json_extract json_group_array json_group_object json_insert
    json_object json_patch json_pretty json_quote json_remove json_replace json_set json_type json_valid
    jsonb jsonb_array jsonb_extract jsonb_group_array jsonb_group_object jsonb_insert jsonb_object
    jsonb_patch jsonb_remove jsonb_replace jsonb_set julianday lag last_value lead length like likelihood
    likely ln log log10 log2 lower ltrim max median min mod nth_value ntile nullif octet_length
    percent_rank percentile percentile_cont percentile_disc pi pow power printf quote radians random
    randomblob rank regexp replace round row_number rtrim sign sin sinh soundex sqrt string_agg strftime
    subtype substr substring sum tan tanh time timediff total trim trunc typeof unhex unicode unistr
    unistr_quote unixepoch unlikely upper zeroblob -> ->> match bm25 highlight snippet matchinfo offsets
    """.split()
)
_TABLE_FUNCTIONS = frozenset({"json_each", "json_tree"})


class SQLiteConnection:
    """A locked SQLite database in a sandbox child: one connection for models, one for trusted statements."""

    def __init__(self, spec: dict[str, Any], memory_mb: int) -> None:
        path = Path(spec["path"])
        try:
            self._trusted = _open(path, memory_mb)
            tables = _table_names(self._trusted)
            self._locked = _open(path, memory_mb)
            _declare_virtual_tables(self._locked)
            self._locked.set_authorizer(_authorizer(tables))
        except (sqlite3.Error, OSError) as error:
            raise EngineError("open", _open_message(str(error))) from None
        self._running = self._locked

    def start(self, sql: str, parameters: Sequence[Any], *, trusted: bool) -> SQLiteCursor:
        if _first_word(sql) not in {"SELECT", "WITH", "VALUES"}:
            raise EngineError("refused", "only one single SELECT statement may run")
        self._running = self._trusted if trusted else self._locked
        cursor = self._running.cursor()
        try:
            cursor.execute(sql, tuple(parameters))
            if cursor.description is None:
                raise EngineError("refused", "only a statement that returns rows may run")
        except Exception as error:
            cursor.close()
            raise _plain(error) from None
        return SQLiteCursor(cursor)

    def interrupt(self) -> None:
        self._running.interrupt()

    def close(self) -> None:
        self._locked.close()
        self._trusted.close()


class SQLiteCursor:
    """Rows of one SQLite statement, computed as they are fetched. SQLite declares no types for results."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor
        self.columns = tuple(str(column[0]) for column in cursor.description)
        self.types = ("",) * len(self.columns)

    def fetch(self, count: int) -> list[tuple[Any, ...]]:
        try:
            return self._cursor.fetchmany(count)
        except Exception as error:
            raise _plain(error) from None

    def close(self) -> None:
        self._cursor.close()


def _open(path: Path, memory_mb: int) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?{_open_flags(path)}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=1.0,
    )
    # Text that is not UTF-8 is real in old files: shown with replacement characters, it must not stop a
    # query.
    connection.text_factory = partial(str, encoding="utf-8", errors="replace")
    for pragma in (
        f"hard_heap_limit={memory_mb * _MIB}",
        "temp_store=MEMORY",
        "mmap_size=0",
        "trusted_schema=OFF",
        "query_only=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # fails here if it is no database
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, min(memory_mb * _MIB // 2, 1_000_000_000))
    connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, 4 * _MIB)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    return connection


def _open_flags(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(100)
    page_size = int.from_bytes(head[16:18], "big")
    pages = int.from_bytes(head[28:32], "big")
    counted = head[24:28] == head[92:96]  # else an old SQLite wrote last and did not count its pages
    if counted and path.stat().st_size < pages * (65_536 if page_size == 1 else page_size):
        raise sqlite3.DatabaseError("file is malformed: its end is missing")
    if head[18:19] != b"\x02":  # a rollback journal: reading takes a lock on the file and creates nothing
        return "mode=ro"
    log = beside(path, "-wal")
    if not log.exists() or log.stat().st_size == 0:
        return "mode=ro&immutable=1"
    if not beside(path, "-shm").exists():
        raise sqlite3.OperationalError("unfinished write-ahead log")
    return "mode=ro&readonly_shm=1"


def _table_names(connection: sqlite3.Connection) -> frozenset[str]:
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')").fetchall()
    names = {str(name).lower() for (name,) in rows}
    return frozenset(name for name in names if not name.startswith("sqlite_"))


def _declare_virtual_tables(connection: sqlite3.Connection) -> None:
    """Use every virtual table once: that declares it through the schema table, which is denied later."""
    listed = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE 'create virtual table%'"
    names = [str(name) for (name,) in connection.execute(listed)]
    for name in [*sorted(_TABLE_FUNCTIONS), *names]:
        quoted = '"' + name.replace('"', '""') + '"'
        with suppress(sqlite3.Error):  # of a module this SQLite lacks: reading it will tell
            connection.execute(f"SELECT 1 FROM {quoted} LIMIT 0").fetchall()


def _authorizer(tables: frozenset[str]) -> Callable[..., int]:
    def authorize(
        action: int, first: str | None, second: str | None, database: str | None, _: str | None
    ) -> int:
        allowed = False
        if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE):
            allowed = True
        elif action == sqlite3.SQLITE_READ:
            name = (first or "").lower()
            if database is None:  # a subquery or common table expression, whatever it is called
                allowed = not name.startswith(("sqlite_", "pragma_"))
            else:
                allowed = database == "main" and (name in tables or name in _TABLE_FUNCTIONS)
        elif action == sqlite3.SQLITE_FUNCTION:
            allowed = (second or "").lower() in _FUNCTIONS
        elif action == sqlite3.SQLITE_PRAGMA:  # full-text search asks for it to see whether it must reread
            allowed = first == "data_version" and second is None
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    return authorize


def _first_word(sql: str) -> str:
    """The first keyword after blanks and comments, in upper case ("" when there is none)."""
    found = _LEADING.match(sql)
    return found[1].upper() if found else ""


def _plain(error: Exception) -> EngineError:
    if isinstance(error, EngineError):
        return error
    message = str(error)
    if isinstance(error, MemoryError) or "out of memory" in message or "too big" in message:
        return EngineError("memory", "the query needs more memory than it may use")
    if isinstance(error, sqlite3.OperationalError) and message == "interrupted":
        return EngineError("stopped", "the query was interrupted")
    if isinstance(error, sqlite3.Warning) or "one statement at a time" in message:
        return EngineError("refused", "only one single SELECT statement may run")
    if isinstance(error, sqlite3.DatabaseError) and ("not authorized" in message or "prohibited" in message):
        return EngineError("refused", "the statement does something that is not allowed here")
    if "locked" in message:
        return EngineError("query", "another program is writing to the database; try again in a moment")
    if isinstance(error, (sqlite3.Error, ValueError, TypeError, OverflowError)):
        return EngineError("query", one_line(message))
    raise error


def _open_message(message: str) -> str:
    lowered = message.lower()
    if "unfinished write-ahead log" in lowered:
        return "its last writer did not finish: open it once with its own application, then try again"
    if "not a database" in lowered or "malformed" in lowered or "encrypted" in lowered:
        return "it is damaged, encrypted or not a SQLite database file"
    if "locked" in lowered:
        return "another program is writing to it; try again in a moment"
    if "readonly" in lowered or "unable to open" in lowered:
        return "its last writer did not finish, or it may not be read: open it once with its own application"
    return one_line(message)
