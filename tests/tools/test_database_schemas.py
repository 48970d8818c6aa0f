"""A DuckDB file with several schemas: one of them is read, and nobody reaches into another."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from sqlberg.tools.database import open_database
from sqlberg.tools.errors import DatabaseOpenError, NotPermitted
from sqlberg.tools.policy import AccessPolicy
from sqlberg.tools.references import name_of

IN_MARTS = (
    "CREATE SCHEMA marts",
    "CREATE TABLE marts.orders (id INTEGER PRIMARY KEY, amount INTEGER)",
    "INSERT INTO marts.orders VALUES (1, 10), (2, 20)",
)
IN_MAIN = ("CREATE TABLE stores (id INTEGER)", "CREATE VIEW marts.shops AS SELECT * FROM main.stores")
ODD = 'it\'s "odd".'


def made(path: Path, *statements: str) -> Path:
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("data") / "house.duckdb", *IN_MARTS, *IN_MAIN)


def tables(reference: str | Path, policy: AccessPolicy | None = None) -> list[str]:
    with open_database(reference, policy=policy) as database:
        return [table.name for table in database.catalog.tables]


def test_main_is_read_unless_another_schema_is_named(file: Path) -> None:
    assert tables(file) == tables(f"{file}#main") == ["stores"]
    assert tables(f"{file}#MARTS") == ["orders", "shops"]


def test_the_only_schema_with_tables_needs_no_name(tmp_path: Path) -> None:
    path = made(tmp_path / "marts.duckdb", "CREATE SCHEMA m", "CREATE TABLE m.t AS SELECT 7 AS i")
    with open_database(path) as database:
        assert database.execute("SELECT i FROM m.t").rows == [(7,)]


@pytest.mark.parametrize("name", ["marts", ODD])
def test_statements_may_say_the_schema_or_leave_it_out(tmp_path: Path, name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    statements = [f"CREATE SCHEMA {quoted}", f"CREATE TABLE house.{quoted}.t AS SELECT 7 AS i"]
    path = made(tmp_path / "house.duckdb", *statements, "CREATE TABLE t AS SELECT 8 AS i")
    with open_database(f"{path}#{name}") as database:
        for sql in ("SELECT i FROM t", f"SELECT i FROM {quoted}.t", f"SELECT {quoted}.t.i FROM {quoted}.t"):
            assert database.execute(sql).rows == [(7,)]


def test_a_schema_named_like_its_file_can_be_read(tmp_path: Path) -> None:
    path = made(
        tmp_path / "marts.duckdb", "CREATE SCHEMA marts", "CREATE TABLE marts.marts.t AS SELECT 7 AS i"
    )
    with open_database(path) as database:
        assert database.execute("SELECT t.i FROM marts.t").rows == [(7,)]


@pytest.mark.parametrize("table", ["stores", "main.stores", "house.main.stores"])
def test_no_statement_reaches_another_schema(file: Path, table: str) -> None:
    with open_database(f"{file}#marts") as database, pytest.raises(NotPermitted):
        database.execute(f"SELECT * FROM {table}")


def test_a_view_over_what_is_hidden_in_another_schema_is_hidden(file: Path) -> None:
    assert tables(f"{file}#marts", AccessPolicy(hide_tables=("stores",))) == ["orders"]


def test_a_row_filter_holds_in_the_schema_that_is_read(file: Path) -> None:
    policy = AccessPolicy(row_filters={"orders": "id = (SELECT max(id) FROM orders)"})
    with open_database(f"{file}#marts", policy=policy) as database:
        assert database.execute("SELECT amount FROM marts.orders").rows == [(20,)]


def test_two_schemas_of_a_file_are_two_databases(file: Path) -> None:
    with open_database(file) as one, open_database(f"{file}#marts") as other:
        assert one.fingerprint != other.fingerprint
        assert one.cache_folder != other.cache_folder
        assert (one.other_schemas(), other.other_schemas()) == (("marts",), ("main",))


def test_other_schemas_are_not_told_where_a_policy_holds(file: Path) -> None:
    with open_database(file, policy=AccessPolicy(hide_tables=("orders",))) as database:
        assert database.other_schemas() == ()


def test_a_missing_schema_and_a_choice_between_several_are_told(file: Path, tmp_path: Path) -> None:
    with pytest.raises(DatabaseOpenError, match="in a schema nope; schemas with tables: main, marts"):
        open_database(f"{file}#nope")
    several = made(
        tmp_path / "several.duckdb",
        *("CREATE SCHEMA a", "CREATE TABLE a.x AS SELECT 1 AS i"),
        *("CREATE SCHEMA b", "CREATE VIEW b.y AS SELECT 1 AS i"),
    )
    with pytest.raises(DatabaseOpenError, match=r"several schemas \(a, b\); say which: file.duckdb#a"):
        open_database(several)


def test_only_duckdb_files_have_schemas(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    with pytest.raises(DatabaseOpenError, match="only DuckDB files have"):
        open_database(f"{tmp_path / 'a.csv'}#main")


def test_a_file_with_a_hash_in_its_name_is_that_file(tmp_path: Path) -> None:
    path = made(tmp_path / "no#1.duckdb", "CREATE TABLE t AS SELECT 7 AS i")
    assert tables(path) == tables(f"{path}#main") == ["t"]
    assert (name_of(path), name_of(f"{path}#main")) == ("no#1", "no#1.main")


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("data/shop.duckdb", "shop"),
        ("data/shop.duckdb#marts", "shop.marts"),
        ("sample", "sample"),
        ("folder/", "folder"),
        ("a#b/shop.duckdb", "shop"),
        ("~nobody-here/x.db#a", "x.a"),
    ],
)
def test_a_database_has_a_short_name(reference: str, name: str) -> None:
    assert name_of(reference) == name
