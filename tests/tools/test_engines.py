"""The engines' locks, each attack by itself and without the guard in front."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from sqlberg.tools.engines.messages import one_line
from sqlberg.tools.engines.source_files import DuckDBFile, SQLiteFile, read_head, version_of
from sqlberg.tools.errors import DatabaseOpenError, QueryError, QueryRefused, SqlbergError
from sqlberg.tools.limits import Limits
from sqlberg.tools.sandbox import Sandbox

LIMITS = Limits(seconds=60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    with duckdb.connect(str(folder / "shop.duckdb")) as connection:
        connection.execute("CREATE TABLE t AS SELECT i, 'n' || i AS s FROM range(10) r(i)")
    with sqlite3.connect(folder / "shop.sqlite") as connection:
        connection.execute("CREATE TABLE t (i INTEGER, s TEXT)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(i, f"n{i}") for i in range(10)])
        connection.execute("CREATE VIRTUAL TABLE notes USING fts5(body)")
        connection.execute("INSERT INTO notes VALUES ('red wine'), ('white wine')")
    connection.close()
    (folder / "secret.csv").write_text("a,b\n1,2\n")
    return folder


@pytest.fixture(scope="module")
def on_duckdb(folder: Path) -> Iterator[Sandbox]:
    sandbox = Sandbox(DuckDBFile(folder / "shop.duckdb"))
    yield sandbox
    sandbox.close()


@pytest.fixture(scope="module")
def on_sqlite(folder: Path) -> Iterator[Sandbox]:
    sandbox = Sandbox(SQLiteFile(folder / "shop.sqlite"))
    yield sandbox
    sandbox.close()


# DuckDB


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM '{folder}/secret.csv'",
        "SELECT * FROM read_csv('{folder}/secret.csv')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT (SELECT content FROM read_text('/etc/passwd'))",
        "SELECT * FROM glob('{folder}/*')",
        "SELECT * FROM sniff_csv('{folder}/secret.csv')",
        "SELECT * FROM read_parquet('https://example.org/x.parquet')",
        "SELECT * FROM query('SELECT * FROM read_text(''/etc/passwd'')')",
        "COPY t TO '{folder}/stolen.csv'",
        "EXPORT DATABASE '{folder}/stolen'",
        "ATTACH '{folder}/other.duckdb' AS other",
        "INSTALL httpfs",
        "LOAD json",
        "CREATE SECRET s (TYPE http)",
        "SET enable_external_access = true",
        "SET memory_limit = '100GB'",
        "PRAGMA threads = 8",
        "CREATE TEMP VIEW t AS SELECT 1",
        "CREATE TEMP MACRO abs(x) AS 42",
        "PREPARE p AS SELECT 1",
        "SET VARIABLE x = 1",
        "CALL pragma_version()",
        "DELETE FROM t",
        "CHECKPOINT",
    ],
)
def test_duckdb_reaches_nothing_but_its_tables(on_duckdb: Sandbox, folder: Path, sql: str) -> None:
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises((QueryError, QueryRefused)):
        on_duckdb.run(sql.format(folder=folder), LIMITS)
    assert sorted(path.name for path in folder.iterdir()) == before


def test_duckdb_does_not_see_python_variables(on_duckdb: Sandbox) -> None:
    with pytest.raises(QueryError, match="sys"):
        on_duckdb.run("SELECT * FROM sys", LIMITS)


def test_duckdb_pivots_over_values_it_must_look_up(on_duckdb: Sandbox) -> None:
    sql = "PIVOT (SELECT i % 2 AS odd, 1 AS one FROM t) ON odd USING sum(one)"
    for _ in range(2):
        assert list(on_duckdb.run(sql, LIMITS).rows) == [(5, 5)]


def test_duckdb_shows_an_enum_type_without_its_values(on_duckdb: Sandbox) -> None:
    assert on_duckdb.run("SELECT 'a'::ENUM('a', 'b')", LIMITS).types == ("ENUM",)


@pytest.mark.parametrize("operand", ["x", "[x]", "{'a': x}"])
def test_duckdbs_messages_do_not_list_the_values_of_an_enum(on_duckdb: Sandbox, operand: str) -> None:
    with pytest.raises(QueryError, match="ENUM") as failed:
        on_duckdb.run(
            f"SELECT sum({operand}) FROM (SELECT 'a'::ENUM('a', 'it''s, so', 'sealed') AS x)", LIMITS
        )
    assert "sealed" not in str(failed.value)


def test_a_duckdb_file_that_changes_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "changing.duckdb"
    _write_duckdb(path, 1)
    sandbox = Sandbox(DuckDBFile(path))
    assert list(sandbox.run("SELECT * FROM t", LIMITS).rows) == [(1,)]
    _write_duckdb(tmp_path / "next.duckdb", 2)
    os.replace(tmp_path / "next.duckdb", path)
    assert list(sandbox.run("SELECT * FROM t", LIMITS).rows) == [(2,)]
    sandbox.close()


def test_a_duckdb_file_that_is_being_written_is_not_opened(tmp_path: Path) -> None:
    connection = duckdb.connect(str(tmp_path / "busy.duckdb"))
    connection.execute("CREATE TABLE t (i INTEGER)")
    sandbox = Sandbox(DuckDBFile(tmp_path / "busy.duckdb"))
    with pytest.raises(DatabaseOpenError, match="open for writing"):
        sandbox.start(256)
    sandbox.close()
    connection.close()


# SQLite


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM sqlite_master",
        "SELECT count(*) FROM main.sqlite_schema",
        "SELECT (SELECT sql FROM sqlite_master LIMIT 1)",
        "WITH m AS (SELECT * FROM sqlite_master) SELECT * FROM m",
        "SELECT * FROM sqlite_temp_master",
        "SELECT name FROM pragma_table_info('t')",
        "SELECT * FROM pragma_database_list",
        "SELECT * FROM dbstat",
        "SELECT load_extension('x')",
        "SELECT fts3_tokenizer('x')",
        "SELECT sqlite_compileoption_get(1)",
        "PRAGMA query_only = 0",
        "PRAGMA table_info(t)",
        "ATTACH ':memory:' AS other",
        "VACUUM INTO '{folder}/copy.sqlite'",
        "REINDEX",
        "EXPLAIN SELECT 1",
        "BEGIN",
        "CREATE TEMP TABLE x (a)",
        "INSERT INTO t VALUES (1, 'x')",
        "WITH x AS (SELECT 1) DELETE FROM t",
        "DELETE FROM t RETURNING *",
    ],
)
def test_sqlite_reaches_nothing_but_its_tables(on_sqlite: Sandbox, folder: Path, sql: str) -> None:
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(SqlbergError):
        on_sqlite.run(sql.format(folder=folder), LIMITS)
    assert sorted(path.name for path in folder.iterdir()) == before


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        (
            "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r LIMIT 3) SELECT * FROM r",
            [1, 2, 3],
        ),
        ("SELECT value FROM json_each('[1, 2]')", [1, 2]),
        ("SELECT body FROM notes WHERE notes MATCH 'red'", ["red wine"]),
        ("SELECT strftime('%Y', '2024-01-01')", ["2024"]),
        ("SELECT group_concat(s, ',') FROM (SELECT s FROM t LIMIT 2)", ["n0,n1"]),
        ("SELECT sum(i) OVER (ORDER BY i) FROM t LIMIT 3", [0, 1, 3]),
        ("VALUES (1), (2)", [1, 2]),
        ("/* a */ -- b\nSELECT 1", [1]),
    ],
)
def test_sqlite_lets_honest_queries_pass(on_sqlite: Sandbox, sql: str, rows: list[object]) -> None:
    assert [row[0] for row in on_sqlite.run(sql, LIMITS).rows] == rows


def test_trusted_statements_read_the_schema_of_sqlite_and_still_write_nothing(on_sqlite: Sandbox) -> None:
    assert ("t",) in on_sqlite.run("SELECT name FROM sqlite_master", LIMITS, trusted=True).rows
    with pytest.raises(SqlbergError):
        on_sqlite.run("DELETE FROM t RETURNING *", LIMITS, trusted=True)
    with pytest.raises(SqlbergError):
        on_sqlite.run("PRAGMA query_only = 0", LIMITS, trusted=True)


def test_a_sqlite_file_with_a_live_log_is_read_as_it_is_now(tmp_path: Path) -> None:
    path = tmp_path / "live.sqlite"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE t (i INTEGER)")
    sandbox = Sandbox(SQLiteFile(path))
    for expected in (1, 2, 3):
        connection.execute("INSERT INTO t VALUES (1)")
        assert list(sandbox.run("SELECT count(*) FROM t", LIMITS).rows) == [(expected,)]
    connection.execute("CREATE TABLE later AS SELECT 7 AS x")
    assert list(sandbox.run("SELECT x FROM later", LIMITS).rows) == [(7,)]
    connection.close()
    assert list(sandbox.run("SELECT count(*) FROM t", LIMITS).rows) == [(3,)]
    sandbox.close()


def test_nothing_is_created_beside_a_sqlite_file_in_wal_mode(tmp_path: Path) -> None:
    path = tmp_path / "resting.sqlite"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE t AS SELECT 1 AS i")
    connection.close()
    sandbox = Sandbox(SQLiteFile(path))
    assert list(sandbox.run("SELECT i FROM t", LIMITS).rows) == [(1,)]
    assert [file.name for file in tmp_path.iterdir()] == ["resting.sqlite"]
    sandbox.close()


def test_a_sqlite_writer_keeps_its_lock_while_we_look(tmp_path: Path) -> None:
    path = tmp_path / "locked.sqlite"
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("CREATE TABLE t AS SELECT 1 AS i")
    writer.execute("BEGIN EXCLUSIVE")
    assert read_head(path, 16) == b"SQLite format 3\0"
    assert version_of(str(path))
    other = (
        "import sqlite3, sys\n"
        "try: sqlite3.connect(sys.argv[1], timeout=0).execute('SELECT * FROM t')\n"
        "except sqlite3.OperationalError as error: print(error)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", other, str(path)], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "database is locked"
    writer.close()


# Versions and messages


def test_two_quick_writes_of_the_same_size_make_two_versions(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    versions = set()
    for text in ("one", "two", "six"):
        path.write_text(text)
        versions.add(version_of(str(path)))
    assert len(versions) == 3


def test_a_vanished_file_is_told_by_name_only(tmp_path: Path) -> None:
    with pytest.raises(DatabaseOpenError, match=r"^cannot read gone\.db: "):
        version_of(str(tmp_path / "gone.db"))


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("IO Error: cannot open /home/ann/x.db now", "IO Error: cannot open <path> now"),
        ('No files in "/home/ann/my files/*.csv"', "No files in <path>"),
        ("no such column: a/b", "no such column: a/b"),
        ("Binder Error: no x\n\nLINE 1: SELECT x\n        ^", "Binder Error: no x"),
        ("first\n  second", "first second"),
        ("bad line\nPossible fixes:\n* Set skip", "bad line"),
        ("bad text\n\nPossible Solution: Set the encoding", "bad text"),
    ],
)
def test_messages_are_one_line_without_paths(message: str, shown: str) -> None:
    assert one_line(message) == shown


@pytest.mark.parametrize("message", ['"' + "/" * 50_000, "ENUM('" + "''" * 25_000, "C:\\" * 20_000])
def test_no_message_takes_long_to_shorten(message: str) -> None:
    started = time.perf_counter()
    one_line(message)
    assert time.perf_counter() - started < 1


def _write_duckdb(path: Path, number: int) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"CREATE TABLE t AS SELECT {number} AS i")
