"""The sample shop: there on first use, the same everywhere, and big and untidy enough to ask about."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from sqlberg.tools import sample
from sqlberg.tools.catalog import build_catalog
from sqlberg.tools.errors import QueryError
from sqlberg.tools.limits import Result
from sqlberg.tools.paths import join_paths
from sqlberg.tools.sample import build_sample, sample_rows
from sqlberg.tools.sample.schema import TABLES
from sqlberg.tools.schema import Catalog


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    path = tmp_path_factory.mktemp("sample") / "sample.duckdb"
    build_sample(path)
    return duckdb.connect(str(path), read_only=True)


@pytest.fixture(scope="module")
def catalog(shop: duckdb.DuckDBPyConnection) -> Catalog:
    def read(sql: str) -> Result:
        try:
            cursor = shop.execute(sql)
            return Result(tuple(column[0] for column in cursor.description or ()), cursor.fetchall())
        except duckdb.Error as error:
            raise QueryError(str(error)) from error

    return build_catalog(read, name="sample", dialect="duckdb")


def one(shop: duckdb.DuckDBPyConnection, sql: str) -> object:
    row = shop.execute(sql).fetchone()
    assert row is not None
    return row[0]


def test_there_is_enough_to_ask_about(catalog: Catalog) -> None:
    tables = [table for table in catalog.tables if not table.is_view]
    assert len(tables) >= 8
    assert sum(table.rows or 0 for table in tables) >= 20_000
    assert max(len(table.columns) for table in tables) >= 40
    assert any(table.is_view for table in catalog.tables)
    assert any(table.comment for table in catalog.tables)


def test_two_keys_lead_from_orders_to_addresses(catalog: Catalog) -> None:
    paths = join_paths(catalog, "orders", "addresses")
    columns = {path.joins[0].columns for path in paths if len(path.joins) == 1}
    assert columns == {("billing_address_id",), ("shipping_address_id",)}


def test_orders_spread_over_the_years(shop: duckdb.DuckDBPyConnection) -> None:
    years = shop.execute("SELECT DISTINCT year(order_date) FROM orders ORDER BY 1").fetchall()
    assert [year for (year,) in years] == [2022, 2023, 2024, 2025]


def test_december_sells_more_than_february(shop: duckdb.DuckDBPyConnection) -> None:
    counted = "SELECT count(*) FROM orders WHERE month(order_date) = "
    assert one(shop, f"SELECT ({counted} 12) > 1.5 * ({counted} 2)")


def test_some_dates_are_missing_where_they_must_be(shop: duckdb.DuckDBPyConnection) -> None:
    assert one(shop, "SELECT count(*) FROM orders WHERE status = 'cancelled' AND shipped_date IS NULL")
    assert not one(
        shop, "SELECT count(*) FROM orders WHERE (status = 'delivered') <> (delivered_date IS NOT NULL)"
    )


def test_nothing_happens_before_its_cause(shop: duckdb.DuckDBPyConnection) -> None:
    assert not one(
        shop, "SELECT count(*) FROM orders WHERE shipped_date < order_date OR delivered_date < shipped_date"
    )
    early = "o.order_date < c.registered_on"
    assert not one(
        shop, f"SELECT count(*) FROM orders AS o JOIN customers AS c USING (customer_id) WHERE {early}"
    )


def test_an_order_goes_to_its_customers_addresses(shop: duckdb.DuckDBPyConnection) -> None:
    joined = (
        "orders AS o JOIN addresses AS a ON a.address_id IN (o.billing_address_id, o.shipping_address_id)"
    )
    assert not one(shop, f"SELECT count(*) FROM {joined} WHERE a.customer_id <> o.customer_id")


def test_the_rows_are_the_same_every_time(shop: duckdb.DuckDBPyConnection) -> None:
    made = sample_rows()
    assert list(made) == list(TABLES)
    for table in ("orders", "payments", "reviews"):
        assert shop.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() == made[table]


def test_it_is_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new" / "sample.duckdb"
    built: list[Path] = []
    monkeypatch.setattr(sample, "_write", lambda file: (built.append(file), file.write_bytes(b"shop")))
    build_sample(path)
    build_sample(path)
    assert len(built) == 1
    assert path.read_bytes() == b"shop"


def test_another_version_is_built_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "sample.duckdb"
    monkeypatch.setattr(sample, "_write", lambda file: file.write_bytes(sample.VERSION.encode()))
    build_sample(path)
    monkeypatch.setattr(sample, "VERSION", "next")
    build_sample(path)
    assert path.read_bytes() == b"next"


def test_nothing_half_made_is_left_when_building_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(file: Path) -> None:
        file.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(sample, "_write", fail)
    with pytest.raises(OSError, match="disk full"):
        build_sample(tmp_path / "sample.duckdb")
    assert list(tmp_path.iterdir()) == []
