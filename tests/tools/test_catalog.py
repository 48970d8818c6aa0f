"""The catalog: everything declared is read, nothing hidden is shown, and the cache never lies."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import duckdb
import pytest
from sqlberg.tools.catalog import build_catalog, catalog_key, load_catalog, save_catalog
from sqlberg.tools.database import open_database
from sqlberg.tools.errors import LimitExceeded
from sqlberg.tools.limits import Result
from sqlberg.tools.policy import AccessPolicy
from sqlberg.tools.schema import Catalog, Table

from .readers import duckdb_reader, sqlite_reader

SHOP = (
    "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT)",
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers (id), total REAL)",
    "CREATE VIEW totals AS SELECT customer_id, sum(total) AS total FROM orders GROUP BY 1",
    "CREATE VIEW mails AS SELECT email FROM customers",
    "INSERT INTO customers VALUES (1, 'Ann', 'a@example.org'), (2, 'Bob', 'b@example.org')",
    "INSERT INTO orders VALUES (1, 1, 10.5), (2, 1, 4.5), (3, 2, 80)",
)


def sqlite_catalog(*statements: str, policy: AccessPolicy | None = None) -> Catalog:
    return build_catalog(sqlite_reader(*statements), name="test", dialect="sqlite", policy=policy)


def duckdb_catalog(*statements: str, policy: AccessPolicy | None = None) -> Catalog:
    return build_catalog(duckdb_reader(*statements), name="test", dialect="duckdb", policy=policy)


def table(catalog: Catalog, name: str) -> Table:
    found = catalog.table(name)
    assert found is not None
    return found


@pytest.fixture(params=[sqlite_catalog, duckdb_catalog], ids=["sqlite", "duckdb"])
def build(request: pytest.FixtureRequest):
    return request.param


def test_tables_views_keys_and_rows_are_read(build) -> None:
    catalog = build(*SHOP)
    assert [(one.name, one.is_view, one.rows) for one in catalog.tables] == [
        ("customers", False, 2),
        ("orders", False, 3),
        ("totals", True, 2),
        ("mails", True, 2),
    ]
    assert table(catalog, "orders").primary_key == ("id",)
    declared = [join for join in catalog.joins if join.origin == "declared"]
    assert [(join.table, join.columns, join.ref_table, join.ref_columns) for join in declared] == [
        ("orders", ("customer_id",), "customers", ("id",))
    ]


def test_columns_keep_order_type_and_nullability(build) -> None:
    columns = table(build(*SHOP), "customers").columns
    assert [column.name for column in columns] == ["id", "name", "email"]
    assert [column.nullable for column in columns] == [False, False, True]
    assert columns[1].kind == "text"


def test_composite_keys_keep_their_order(build) -> None:
    catalog = build(
        "CREATE TABLE items (order_id INTEGER, line INTEGER, PRIMARY KEY (order_id, line))",
        "CREATE TABLE refunds (line INTEGER, order_id INTEGER, "
        "FOREIGN KEY (order_id, line) REFERENCES items (order_id, line))",
    )
    assert catalog.joins[0].columns == catalog.joins[0].ref_columns == ("order_id", "line")


def test_comments_are_read() -> None:
    catalog = duckdb_catalog(
        "CREATE TABLE t (x INTEGER)", "COMMENT ON TABLE t IS 'a table'", "COMMENT ON COLUMN t.x IS 'a column'"
    )
    assert (table(catalog, "t").comment, table(catalog, "t").columns[0].comment) == ("a table", "a column")


def test_a_key_without_target_columns_means_the_primary_key() -> None:
    catalog = sqlite_catalog(
        "CREATE TABLE a (x INTEGER PRIMARY KEY)", "CREATE TABLE b (y INTEGER REFERENCES A)"
    )
    assert (catalog.joins[0].ref_table, catalog.joins[0].ref_columns) == ("a", ("x",))


def test_keys_to_missing_tables_and_columns_are_dropped() -> None:
    catalog = sqlite_catalog(
        "CREATE TABLE a (x INTEGER)",
        "CREATE TABLE b (y REFERENCES gone (z), w REFERENCES a (nope), v REFERENCES a)",
    )
    assert catalog.joins == ()


def test_a_view_that_no_longer_works_is_left_out() -> None:
    catalog = sqlite_catalog(
        *SHOP, "CREATE TABLE old (x)", "CREATE VIEW broken AS SELECT x FROM old", "DROP TABLE old"
    )
    assert catalog.table("broken") is None
    assert catalog.table("totals") is not None


def test_shadow_tables_of_a_text_index_are_left_out() -> None:
    catalog = sqlite_catalog(
        "CREATE VIRTUAL TABLE notes USING fts5(body)", "INSERT INTO notes VALUES ('hello')"
    )
    assert [one.name for one in catalog.tables] == ["notes"]


def test_names_of_any_kind_are_read(build) -> None:
    catalog = build(
        'CREATE TABLE "order ""x"" of\'s" ("select" INTEGER, "a b" TEXT, "naïve 名前" TEXT)',
        'INSERT INTO "order ""x"" of\'s" VALUES (1, \'y\', \'z\')',
    )
    (only,) = catalog.tables
    assert only.name == 'order "x" of\'s'
    assert [column.statistics.samples for column in only.columns] == [(1,), ("y",), ("z",)]


def test_hidden_tables_and_their_joins_are_absent(build) -> None:
    catalog = build(*SHOP, policy=AccessPolicy(hide_tables=("customers",)))
    assert catalog.table("customers") is None
    assert catalog.joins == ()


def test_hidden_columns_and_what_needs_them_are_absent(build) -> None:
    catalog = build(*SHOP, policy=AccessPolicy(hide_columns=("customers.id", "*.email")))
    assert [column.name for column in table(catalog, "customers").columns] == ["name"]
    assert table(catalog, "customers").primary_key == ()
    assert catalog.joins == ()


def test_views_over_hidden_things_are_absent(build) -> None:
    catalog = build(*SHOP, policy=AccessPolicy(hide_columns=("customers.email",)))
    assert catalog.table("mails") is None
    assert catalog.table("totals") is not None


def visible(catalog: Catalog) -> list[str]:
    return [table.name for table in catalog.tables]


@pytest.mark.parametrize("name", ["staff", "st\"a`f'f"])
def test_a_view_that_spells_a_hidden_table_in_any_quotes_is_absent(build, name: str) -> None:
    quotes = ('""', "``") if build is sqlite_catalog else ('""',)
    spelled = [mark[0] + name.replace(mark[0], mark) + mark[0] for mark in quotes]
    views = [f"CREATE VIEW v{number} AS SELECT * FROM {one}" for number, one in enumerate(spelled)]
    catalog = build(
        f"CREATE TABLE {spelled[0]} (id INTEGER)", *views, policy=AccessPolicy(hide_tables=(name,))
    )
    assert visible(catalog) == []


BEYOND = (
    "CREATE TABLE staff (id INTEGER, salary INTEGER)",
    "CREATE MACRO everybody() AS TABLE SELECT * FROM staff",
    "CREATE MACRO most() AS (SELECT max(salary) FROM everybody())",
    "CREATE MACRO twice(x) AS 2 * x",
    "CREATE SCHEMA hr",
    "CREATE TABLE hr.pay (id INTEGER, amount INTEGER)",
    "CREATE VIEW hr.everyone AS SELECT * FROM main.staff",
    "CREATE VIEW by_macro AS SELECT * FROM everybody()",
    "CREATE VIEW by_macros AS SELECT most() AS most",
    "CREATE VIEW by_schema AS SELECT * FROM hr.pay",
    "CREATE VIEW by_schemas AS SELECT * FROM hr.everyone",
    "CREATE VIEW plain AS SELECT twice(21) AS answer",
)


@pytest.mark.parametrize(
    ("policy", "left"),
    [
        (AccessPolicy(hide_tables=("staff", "pay")), ["plain"]),
        (AccessPolicy(hide_columns=("staff.salary",)), ["staff", "by_schema", "plain"]),
        (
            AccessPolicy(row_filters={"pay": "id = 1"}),
            ["staff", *"by_macro by_macros by_schemas plain".split()],
        ),
        (AccessPolicy(allow_tables=("by_macro",)), ["by_macro"]),
        (AccessPolicy(), ["staff", *"by_macro by_macros by_schema by_schemas plain".split()]),
    ],
)
def test_views_that_reach_hidden_things_through_macros_and_schemas_are_absent(
    policy: AccessPolicy, left: list[str]
) -> None:
    assert visible(duckdb_catalog(*BEYOND, policy=policy)) == left


INDEXED = (
    "CREATE TABLE staff (id INTEGER PRIMARY KEY, name TEXT, salary INTEGER)",
    "CREATE VIRTUAL TABLE staff_search USING fts5(name, salary, content='staff', content_rowid='id')",
    "CREATE VIRTUAL TABLE staff_words USING fts5vocab('staff_search', 'row')",
    "CREATE VIRTUAL TABLE own USING fts5(name)",
    "CREATE VIRTUAL TABLE own_words USING fts5vocab('own', 'row')",
)


@pytest.mark.parametrize(
    ("policy", "left"),
    [
        (AccessPolicy(hide_tables=("staff",)), ["own", "own_words"]),
        (AccessPolicy(hide_columns=("staff.salary",)), ["staff", "own", "own_words"]),
        (AccessPolicy(row_filters={"staff": "id = 1"}), ["staff", "own", "own_words"]),
        (AccessPolicy(hide_tables=("own",)), ["staff", "staff_search", "staff_words"]),
        (AccessPolicy(), ["staff", "staff_search", "staff_words", "own", "own_words"]),
    ],
)
def test_a_text_index_over_hidden_things_is_absent(policy: AccessPolicy, left: list[str]) -> None:
    assert visible(sqlite_catalog(*INDEXED, policy=policy)) == left


def test_row_filters_hold_for_rows_and_samples(build) -> None:
    catalog = build(*SHOP, policy=AccessPolicy(row_filters={"customers": "name <> 'Bob'"}))
    assert table(catalog, "customers").rows == 1
    assert table(catalog, "customers").columns[1].statistics.samples == ("Ann",)


def test_the_type_of_an_enumeration_does_not_list_its_values() -> None:
    catalog = duckdb_catalog(
        "CREATE TYPE mood AS ENUM ('it''s', 'so, so')",
        "CREATE TABLE moods (one mood, many mood[], two STRUCT(a mood, b INTEGER))",
    )
    types = [column.type for column in table(catalog, "moods").columns]
    assert types == ["ENUM", "ENUM[]", "STRUCT(a ENUM, b INTEGER)"]


def test_the_cache_gives_back_what_was_saved(build, tmp_path: Path) -> None:
    catalog = build(
        *SHOP,
        "CREATE TABLE odd (d DATE, m DECIMAL(10, 2), b BLOB, t TIMESTAMP)",
        "INSERT INTO odd VALUES ('2024-02-29', 3.25, 'x', '2024-02-29 10:00:00')",
    )
    save_catalog(tmp_path / "deep" / "catalog.json", catalog)
    assert load_catalog(tmp_path / "deep" / "catalog.json", catalog.fingerprint) == catalog


def test_a_damaged_cache_is_no_catalog(tmp_path: Path) -> None:
    path = tmp_path / "catalog.json"
    catalog = sqlite_catalog(*SHOP)
    save_catalog(path, catalog)
    whole = path.read_bytes()
    for damaged in (b"", b"\0\xff", b"{}", b"[1]", whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        assert load_catalog(path, catalog.fingerprint) is None


def test_a_catalog_that_ran_into_its_limits_is_soon_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "catalog.json"
    read = sqlite_reader(*SHOP)

    def hurried(sql: str) -> Result:
        if "GROUP BY" in sql or 'FROM "customers"' in sql:
            raise LimitExceeded("too slow", limit="seconds")
        return read(sql)

    for reader, kept in ((read, True), (hurried, False)):
        catalog = build_catalog(reader, name="shop", dialect="sqlite", fingerprint="one")
        assert catalog.whole is kept
        save_catalog(path, catalog)
        assert load_catalog(path, catalog.fingerprint) == catalog
        os.utime(path, (0, 0))
        assert (load_catalog(path, catalog.fingerprint) is not None) is kept


def test_unique_columns_are_read_as_far_as_the_policy_shows_them(build) -> None:
    statements = (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER UNIQUE, b INTEGER, c INTEGER, UNIQUE (b, c))",
    )
    assert table(build(*statements), "t").unique == (("a",), ("b", "c"))
    shown = build(*statements, policy=AccessPolicy(hide_columns=("t.c",)))
    assert table(shown, "t").unique == (("a",),)


def test_only_an_index_over_all_rows_and_plain_columns_makes_them_unique() -> None:
    catalog = sqlite_catalog(
        "CREATE TABLE t (a INTEGER, b TEXT)",
        "CREATE UNIQUE INDEX some ON t (a) WHERE a > 5",
        "CREATE UNIQUE INDEX computed ON t (lower(b))",
        "CREATE INDEX plain ON t (b)",
        "CREATE UNIQUE INDEX whole ON t (b, a)",
    )
    assert table(catalog, "t").unique == (("b", "a"),)


def test_another_policy_has_another_key() -> None:
    keys = {
        catalog_key("f", None),
        catalog_key("f", AccessPolicy(hide_tables=("a",))),
        catalog_key("g", None),
    }
    assert len(keys) == 3


def test_a_change_of_the_database_refreshes_the_catalog(tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite"
    with sqlite3.connect(path) as connection:
        for statement in SHOP:
            connection.execute(statement)
    with open_database(path, cache_dir=tmp_path) as database:
        assert table(database.catalog, "customers").rows == 2
        connection.execute("INSERT INTO customers VALUES (3, 'Cleo', NULL)")
        connection.commit()
        connection.close()
        assert table(database.catalog, "customers").rows == 3


def test_a_damaged_cache_file_is_rebuilt_silently(tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite"
    with sqlite3.connect(path) as connection:
        for statement in SHOP:
            connection.execute(statement)
    connection.close()
    with open_database(path, cache_dir=tmp_path / "cache") as database:
        first = database.catalog
        (file,) = (tmp_path / "cache").rglob("catalog.json")
    file.write_text("{nonsense")
    with open_database(path, cache_dir=tmp_path / "cache") as database:
        assert database.catalog == first


def test_parquet_files_are_tables_not_views(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    duckdb.execute(f"COPY (SELECT 1 AS id, 'Ann' AS name) TO '{folder / 'customers.parquet'}'")
    with open_database(folder, cache_dir=tmp_path / "cache") as database:
        (only,) = database.catalog.tables
        assert (only.name, only.is_view, only.rows) == ("customers", False, 1)
