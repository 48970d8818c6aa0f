"""What an answer's literals and joins rest on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlberg.tools.database import Database, open_database
from sqlberg.tools.evidence import Evidence, JoinEvidence, LiteralEvidence, gather_evidence
from sqlberg.tools.shape_reading import query_shapes

from .small_shop import build_shop

NAME = 'customers."First Name"'


@pytest.fixture(scope="module", params=["sqlite", "duckdb"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    folder = tmp_path_factory.mktemp("shop")
    with open_database(build_shop(folder / f"shop.{request.param}"), cache_dir=folder / "cache") as database:
        yield database


def evidence_of(sql: str, database: Database) -> Evidence:
    return gather_evidence(query_shapes(sql, database), database)


def literals(sql: str, database: Database) -> list[LiteralEvidence]:
    return [literal for literal in evidence_of(sql, database).literals if literal.compared]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("\"First Name\" = 'Ann'", LiteralEvidence("'Ann'", "=", NAME, NAME, True)),
        ("\"First Name\" = 'ann'", LiteralEvidence("'ann'", "=", NAME, NAME, False)),
        ("\"First Name\" <> 'Bob'", LiteralEvidence("'Bob'", "<>", NAME, NAME, True)),
        ("\"First Name\" LIKE '%!%%' ESCAPE '!'", LiteralEvidence("'%!%%'", "LIKE", NAME, NAME, False)),
        ("\"First Name\" NOT LIKE '%!%%' ESCAPE '!'", LiteralEvidence("'%!%%'", "LIKE", NAME, NAME, False)),
        ("\"First Name\" NOT LIKE '%z%'", LiteralEvidence("'%z%'", "LIKE", NAME, NAME, False)),
        ("LOWER(\"First Name\") = 'ann'", LiteralEvidence("'ann'", "=", f"LOWER({NAME})", NAME, True)),
        ("id BETWEEN 2 AND 9", LiteralEvidence("2 AND 9", "BETWEEN", "customers.id", "customers.id", True)),
        ("id > 99", LiteralEvidence("99", ">", "customers.id", "customers.id", False)),
        ("-1 < id", LiteralEvidence("-1", ">", "customers.id", "customers.id", True)),
        ("id * 2 = 4", LiteralEvidence("4", "=", "customers.id * 2", "customers.id", True)),
    ],
)
def test_a_literal_is_traced_to_its_column_and_looked_up(
    shop: Database, condition: str, expected: LiteralEvidence
):
    assert literals(f"SELECT id FROM customers WHERE {condition}", shop) == [expected]


@pytest.mark.parametrize("condition", ["id > 1 * 99", "\"First Name\" = 'Ann' || 'e'"])
def test_what_is_made_of_several_literals_is_looked_up_as_a_whole(shop: Database, condition: str):
    found = literals(f"SELECT id FROM customers WHERE {condition}", shop)
    assert [literal.found for literal in found] == [False, False]


def test_a_literal_is_looked_up_in_the_rows_of_a_subquery_not_of_its_table(shop: Database):
    sql = "SELECT o.id FROM (SELECT id, total FROM orders WHERE total < 6) AS o WHERE o.total > 15"
    assert [literal.found for literal in literals(sql, shop) if literal.literal == "15"] == [False]


def test_each_value_of_a_list_is_looked_up(shop: Database):
    found = literals("SELECT id FROM customers WHERE \"First Name\" IN ('Ann', 'Zoe')", shop)
    assert [(literal.literal, literal.found) for literal in found] == [("'Ann'", True), ("'Zoe'", False)]


def test_a_literal_in_a_subquery_is_looked_up_in_the_subquerys_table(shop: Database):
    sql = "SELECT id FROM customers WHERE id IN (SELECT customer_id FROM orders WHERE total = 20)"
    assert literals(sql, shop) == [LiteralEvidence("20", "=", "orders.total", "orders.total", True)]


def test_a_literal_compared_with_an_aggregate_stands_in_no_column(shop: Database):
    sql = "SELECT customer_id FROM orders GROUP BY customer_id HAVING COUNT(*) > 1"
    assert literals(sql, shop) == [LiteralEvidence("1", ">", "COUNT(*)", None, None)]


@pytest.mark.parametrize(
    "condition", ["5 BETWEEN id AND total", "5 IN (id, total)", "5 NOT IN (SELECT id FROM items)"]
)
def test_a_literal_beside_several_values_is_not_compared(shop: Database, condition: str):
    evidence = evidence_of(f"SELECT id FROM orders WHERE {condition}", shop)
    assert evidence.literals == (LiteralEvidence("5"),)


def test_a_literal_given_to_a_function_is_not_compared(shop: Database):
    evidence = evidence_of("SELECT ROUND(total, 2) FROM orders LIMIT 3", shop)
    assert set(evidence.literals) == {LiteralEvidence("2"), LiteralEvidence("3", "LIMIT")}


def test_a_literal_compared_with_a_cte_is_looked_up_in_its_result(shop: Database):
    sql = (
        "WITH spent AS (SELECT customer_id, SUM(total) AS amount FROM orders GROUP BY customer_id)"
        " SELECT customer_id FROM spent WHERE amount = 30"
    )
    assert literals(sql, shop) == [LiteralEvidence("30", "=", "spent.amount", "spent.amount", True)]


@pytest.mark.parametrize(
    ("join", "expected"),
    [
        (
            "items i JOIN orders o ON i.order_id = o.id",
            JoinEvidence("items.order_id = orders.id", "declared"),
        ),
        (
            "orders o JOIN customers c ON o.customer_id = c.id",
            JoinEvidence("orders.customer_id = customers.id", "inferred"),
        ),
        ("orders o, addresses a WHERE o.id = a.id", JoinEvidence("orders.id = addresses.id", "none")),
        (
            "orders o JOIN (SELECT MAX(id) AS top FROM orders) m ON o.id = m.top",
            JoinEvidence("orders.id = m.top", "derived"),
        ),
        (
            "orders o WHERE o.id NOT IN (SELECT order_id FROM items)",
            JoinEvidence("orders.id IN items.order_id", "declared"),
        ),
    ],
)
def test_a_join_says_where_it_comes_from(shop: Database, join: str, expected: JoinEvidence):
    assert evidence_of(f"SELECT 'x' FROM {join}", shop).joins == (expected,)


def test_the_same_literal_in_two_places_is_told_once(shop: Database):
    sql = "SELECT id FROM orders WHERE total = 5 UNION ALL SELECT id FROM orders WHERE total = 5"
    assert len(literals(sql, shop)) == 1


def test_more_literals_than_the_budget_allows_are_said_to_be_unchecked(shop: Database):
    values = ", ".join(f"'{letter}'" for letter in "abcdefghijklmnopqrstuvwxyz")
    evidence = evidence_of(f'SELECT id FROM customers WHERE "First Name" IN ({values})', shop)
    assert sum(literal.found is None for literal in evidence.literals) == len(evidence.unchecked) == 6


def test_evidence_reads_as_sentences(shop: Database):
    evidence = evidence_of(
        "SELECT c.id FROM orders o JOIN customers c ON o.customer_id = c.id WHERE \"First Name\" = 'Zoe'",
        shop,
    )
    assert [str(part) for part in (*evidence.literals, *evidence.joins)] == [
        f"{NAME} = 'Zoe': the value does not occur in the data",
        "orders.customer_id = customers.id: a join inferred from names and values",
    ]
