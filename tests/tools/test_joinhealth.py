"""The join-health notes on both engines, and that what cannot be checked is said."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlberg.tools.database import Database, open_database
from sqlberg.tools.errors import QueryCancelled
from sqlberg.tools.joinhealth import JoinHealth, join_health
from sqlberg.tools.limits import Limits
from sqlberg.tools.policy import AccessPolicy
from sqlberg.tools.shape_reading import query_shapes

from .small_shop import build_shop

LOST = "are left out of the join with customers: 1 without customer_id, 1 without a match."


@pytest.fixture(scope="module", params=["sqlite", "duckdb"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    folder = tmp_path_factory.mktemp("shop")
    with open_database(build_shop(folder / f"shop.{request.param}"), cache_dir=folder / "cache") as database:
        yield database


@pytest.fixture(scope="module")
def sqlite_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shop(tmp_path_factory.mktemp("shop") / "shop.sqlite")


def health_of(sql: str, database: Database, *, cancel: threading.Event | None = None) -> JoinHealth:
    return join_health(query_shapes(sql, database), database, cancel=cancel)


def test_a_row_with_an_empty_key_and_one_with_a_dangling_key_are_told_apart(shop: Database):
    health = health_of("SELECT o.id FROM orders o JOIN customers c ON o.customer_id = c.id", shop)
    assert health == JoinHealth((f"2 of 5 rows of orders {LOST}",))


def test_only_rows_that_meet_the_conditions_are_counted(shop: Database):
    health = health_of(
        "SELECT o.id FROM orders o, customers c WHERE o.customer_id = c.id AND o.total > 5", shop
    )
    assert health.notes == (
        "1 of the 3 rows of orders that meet the conditions has no customer_id and is left out.",
    )


def test_a_group_that_disappears_is_told(shop: Database):
    sql = "SELECT c.id, COUNT(*) FROM customers c JOIN reviews r ON r.customer_id = c.id GROUP BY c.id"
    assert health_of(sql, shop).notes == (
        "1 of 3 rows of customers has no match in reviews and is left out.",
    )


def test_an_unmatched_row_that_is_merely_not_asked_for_is_no_news(shop: Database):
    sql = 'SELECT DISTINCT "First Name" FROM customers JOIN reviews ON reviews.customer_id = customers.id'
    assert health_of(sql, shop) == JoinHealth()


def test_an_outer_join_loses_nothing(shop: Database):
    sql = (
        "SELECT c.id, COUNT(r.id) FROM customers c LEFT JOIN reviews r ON r.customer_id = c.id GROUP BY c.id"
    )
    assert health_of(sql, shop) == JoinHealth()


def test_a_side_that_is_declared_unique_repeats_nothing(tmp_path: Path):
    with sqlite3.connect(tmp_path / "x.sqlite") as connection:
        connection.execute("CREATE TABLE sale (year INTEGER, shop INTEGER, total REAL)")
        connection.execute("CREATE TABLE plan (year INTEGER, shop INTEGER, goal REAL, UNIQUE (year, shop))")
        connection.execute("INSERT INTO sale VALUES (2020, 1, 5), (2020, 2, 6), (2021, 1, 7)")
        connection.execute("INSERT INTO plan VALUES (2020, 1, 9), (2020, 2, 9), (2021, 1, 9)")
    connection.close()
    sql = "SELECT SUM(s.total) FROM sale s JOIN plan p ON p.year = s.year AND p.shop = s.shop"
    with open_database(tmp_path / "x.sqlite", cache_dir=tmp_path / "cache") as database:
        assert health_of(sql, database) == JoinHealth()


def test_a_sum_over_repeated_rows_is_told(shop: Database):
    health = health_of("SELECT SUM(o.total) FROM orders o JOIN items i ON i.order_id = o.id", shop)
    assert health.notes[0] == (
        "SUM(orders.total) takes rows of orders more than once: joined with items,"
        " 3 rows become 4 (one up to 2 times)."
    )


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT SUM(total) FROM (SELECT o.total FROM orders o JOIN items i ON i.order_id = o.id) AS x",
        "WITH x AS (SELECT o.total AS t FROM orders o JOIN items i ON i.order_id = o.id), "
        "y AS (SELECT t AS u FROM x WHERE t > 0) SELECT SUM(y.u) FROM y WHERE u < 100",
    ],
)
def test_a_sum_over_a_subquery_with_repeated_rows_is_told_as_without_the_subquery(shop: Database, sql: str):
    assert health_of(sql, shop).notes == (
        "SUM(orders.total) takes rows of orders more than once: joined with items,"
        " 3 rows become 4 (one up to 2 times).",
    )


@pytest.mark.parametrize(
    "inner",
    [
        "SELECT o.id, o.total FROM orders o JOIN items i ON i.order_id = o.id GROUP BY o.id, o.total",
        "SELECT DISTINCT o.id, o.total FROM orders o JOIN items i ON i.order_id = o.id",
        "SELECT i.qty AS total FROM orders o JOIN items i ON i.order_id = o.id WHERE o.total > 0",
    ],
)
def test_a_sum_over_a_subquery_whose_rows_are_not_repeated_is_healthy(shop: Database, inner: str):
    health = health_of(f"SELECT SUM(x.total) FROM ({inner}) AS x", shop)
    assert health == health_of(inner, shop)


def test_a_subquery_with_repeated_rows_that_is_joined_again_is_told_to_be_unchecked(shop: Database):
    sql = (
        "SELECT SUM(x.total) FROM (SELECT o.total, o.customer_id FROM orders o JOIN items i"
        " ON i.order_id = o.id) AS x LEFT JOIN customers c ON c.id = x.customer_id"
    )
    [line] = health_of(sql, shop).unchecked
    assert line.startswith("The join of orders, items was not checked further: a query around it")


@pytest.mark.parametrize(
    "select",
    ["SUM(i.qty)", "COUNT(*)", "MAX(o.total)", "COUNT(DISTINCT o.id)", "o.id, COUNT(o.id)"],
)
def test_an_aggregate_that_repetition_does_not_change_is_no_news(shop: Database, select: str):
    group = " GROUP BY o.id" if select.startswith("o.id") else ""
    health = health_of(f"SELECT {select} FROM items i JOIN orders o ON i.order_id = o.id{group}", shop)
    assert not any("more than once" in note or "combinations" in note for note in health.notes)


def test_rows_repeated_only_across_groups_are_no_news(shop: Database):
    sql = "SELECT i.id, SUM(o.total) FROM orders o JOIN items i ON i.order_id = o.id GROUP BY i.id"
    assert not any("more than once" in note for note in health_of(sql, shop).notes)


def test_counting_combinations_of_two_lists_is_told(shop: Database):
    sql = (
        "SELECT COUNT(*) FROM customers c JOIN orders o ON o.customer_id = c.id"
        " JOIN reviews r ON r.customer_id = c.id"
    )
    assert health_of(sql, shop).notes[0] == (
        "COUNT(*) counts 5 combinations: every joined table (customers, orders, reviews) has rows repeated."
    )


def test_counting_the_many_where_nothing_of_the_one_is_used_is_told(shop: Database):
    joined = "FROM orders o JOIN items i ON i.order_id = o.id"
    assert health_of(f"SELECT COUNT(*) {joined} WHERE i.qty > 0", shop).notes == (
        "COUNT(*) counts 4 rows of items; they belong to 3 rows of orders, of which nothing else is used.",
    )
    assert health_of(f"SELECT COUNT(*) {joined} WHERE o.total > 0", shop).notes == ()
    assert health_of(f"SELECT COUNT(DISTINCT o.id) {joined}", shop).notes == ()


def test_the_other_of_two_foreign_keys_is_named(shop: Database):
    sql = "SELECT a.city, COUNT(*) FROM orders o JOIN addresses a ON o.ship_to = a.id GROUP BY a.city"
    assert health_of(sql, shop).notes == (
        "addresses is joined by orders.ship_to; orders.bill_to also refers to addresses and was not used.",
    )


def test_using_both_foreign_keys_is_no_news(shop: Database):
    sql = (
        "SELECT o.id, a.city, b.city FROM orders o JOIN addresses a ON o.ship_to = a.id"
        " JOIN addresses b ON o.bill_to = b.id"
    )
    assert health_of(sql, shop) == JoinHealth()


def test_tables_without_a_join_condition_are_told(shop: Database):
    health = health_of("SELECT c.id FROM customers c JOIN items i ON c.id = c.id", shop)
    assert [note.split(":")[0] for note in health.notes] == [
        "customers and items are combined without a join condition"
    ]


def test_a_single_figure_may_be_combined_with_every_row(shop: Database):
    sql = "SELECT o.id, o.total / t.best FROM orders o CROSS JOIN (SELECT MAX(total) AS best FROM orders) t"
    assert health_of(sql, shop) == JoinHealth()


def test_a_cte_grouped_by_the_join_column_repeats_nothing(shop: Database):
    sql = (
        "WITH spent AS (SELECT customer_id, SUM(total) AS s FROM orders GROUP BY customer_id)"
        " SELECT SUM(r.stars) FROM reviews r JOIN spent USING (customer_id)"
    )
    assert health_of(sql, shop) == JoinHealth()


def test_a_cte_can_lose_rows_too(shop: Database):
    sql = (
        "WITH spent AS (SELECT customer_id, SUM(total) AS s FROM orders GROUP BY customer_id)"
        " SELECT c.id, s FROM spent JOIN customers c ON c.id = spent.customer_id"
    )
    assert health_of(sql, shop).notes == (f"2 of 4 rows of spent {LOST}",)


def test_a_query_without_joins_is_healthy(shop: Database):
    assert health_of("SELECT COUNT(*) FROM orders", shop) == JoinHealth()


def test_a_join_that_depends_on_its_outer_query_is_said_to_be_unchecked(shop: Database):
    sql = (
        "SELECT id FROM orders WHERE EXISTS (SELECT 1 FROM items JOIN reviews ON items.id = reviews.id"
        " WHERE items.order_id = orders.id)"
    )
    health = health_of(sql, shop)
    assert health.notes == ()
    assert health.unchecked == (
        "The join of items, reviews was not checked further: the subquery depends on the query around it.",
    )


def test_more_joins_than_the_budget_allows_are_said_to_be_unchecked(shop: Database):
    select = "SELECT o.id FROM orders o JOIN customers c ON o.customer_id = c.id AND o.total > "
    health = health_of(" UNION ".join(f"{select}{amount}" for amount in range(10)), shop)
    assert any("too many joins" in text for text in health.unchecked)


def test_a_check_out_of_time_is_said_to_be_unchecked(sqlite_shop: Path, tmp_path: Path):
    many = " CROSS JOIN ".join(f"orders o{i}" for i in range(12))
    sql = (
        f"WITH big AS (SELECT o1.customer_id FROM {many})"
        " SELECT c.id FROM big JOIN customers c ON c.id = big.customer_id"
    )
    with open_database(sqlite_shop, cache_dir=tmp_path, limits=Limits(seconds=0.2)) as database:
        health = health_of(sql, database)
    assert health.unchecked == (
        "The join of big, customers was not checked further: checking took more than the allowed seconds.",
    )


def test_the_policy_holds_for_the_checks(sqlite_shop: Path, tmp_path: Path):
    policy = AccessPolicy(row_filters={"orders": "total > 5"}, hide_columns=("customers.First Name",))
    with open_database(sqlite_shop, cache_dir=tmp_path, policy=policy) as database:
        health = health_of("SELECT o.id FROM orders o JOIN customers c ON o.customer_id = c.id", database)
    assert health.notes == ("1 of 3 rows of orders has no customer_id and is left out.",)


def test_a_cancelled_check_stops(shop: Database):
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(QueryCancelled):
        health_of("SELECT o.id FROM orders o JOIN customers c ON o.customer_id = c.id", shop, cancel=cancel)
