"""What a question names outright and a statement leaves out."""

from __future__ import annotations

import pytest
from sqlberg.agents.omissions import omissions


@pytest.mark.parametrize(
    ("question", "sql", "left"),
    [
        ("How many orders were cancelled in 2024?", "SELECT count(*) FROM o WHERE s = 'cancelled'", ["2024"]),
        ("How many orders were cancelled in 2024?", "SELECT count(*) FROM o WHERE year(d) = 2024", []),
        ("Orders of 2024, please", "SELECT * FROM o WHERE d >= DATE '2024-01-01'", []),
        ("Orders of 2024, please", "SELECT * FROM orders_2024", []),
        ("Orders of 2024, please", "SELECT season2024 FROM o", []),
        ("Which have between 5 and 80?", "SELECT a FROM t WHERE b > 5", ["80"]),
        ("Which have at least 3 rooms?", "SELECT a FROM t WHERE b > 2", []),
        ("Which have more than 1 room?", "SELECT a FROM t WHERE EXISTS (SELECT 7)", []),
        ("Who earns more than $15,000?", "SELECT a FROM t WHERE b > 15000", []),
        ("Who earns more than 15.000,50?", "SELECT a FROM t WHERE b > 15000.5", []),
        ("Who earns more than 15,000?", "SELECT a FROM t WHERE b > 150000", ["15,000"]),
        ("Who earns more than 2000000?", "SELECT a FROM t WHERE b > 2e6", []),
        ("Who earns more than 1.5 million?", "SELECT a FROM t WHERE b > 1500000", []),
        ("Which grew by more than 20 % or 30 percent?", "SELECT a FROM t WHERE b > 0.2 OR c > 0.3", []),
        (
            "Who came in the last 12 months, after 3 pm?",
            "SELECT a FROM t WHERE b > now() - INTERVAL '1 year'",
            [],
        ),
        (
            "Who came from 1 January 2024 to January 31, 2024, or in the last 7 days?",
            "SELECT a FROM t WHERE b < '2024-02-01'",
            [],
        ),
        ("Sales in Q3, on the 5th, of the A340-300 on 2024-05-01", "SELECT a FROM t", []),
        ("2", "SELECT a FROM t", []),
        ('Members of "Bootup Baltimore"', "SELECT a FROM t WHERE c = 'Tennis Club'", ["Bootup Baltimore"]),
        ('Members of "Bootup Baltimore"', "SELECT a FROM t WHERE c = 'Bootup Baltimor'", []),
        ("What is in the 'Herb' category?", "SELECT a FROM t WHERE c LIKE '%herbs%'", []),
        ("What is the customers' mean and the stores' age?", "SELECT a FROM t", []),
        ("Which have “color code” 'red'?", "SELECT color_code FROM t", ["red"]),
        ("Those of 'Model 9'", "SELECT a FROM t WHERE m = 9", []),
        ("Those of 1999 and 1999", "SELECT a FROM t", ["1999"]),
        ("Those of 1999", "SELECT (((", []),
        (
            "Those of 1999",
            "SELECT a FROM t WHERE b IN ('1e99999999999999999999999', 1e999999999999)",
            ["1999"],
        ),
        ("Those of " + "9" * 1_100_000, "SELECT a FROM t", []),
        ("Those of 1999", f"SELECT {'(' * 3000}1{')' * 3000}", []),
    ],
)
def test_numbers_and_quoted_words_that_a_statement_leaves_out(
    question: str, sql: str, left: list[str]
) -> None:
    assert list(omissions(question, sql, "duckdb")) == left


def test_the_name_of_the_database_says_what_it_holds() -> None:
    assert omissions("Orders of 2024?", "SELECT * FROM o", "duckdb", within="shop2024") == ()


def test_a_long_question_takes_no_time() -> None:
    for question in ("1" * 8_000, "1," * 4_000, "'" * 8_000, "1 " * 4_000, "1.5" * 2_700):
        omissions(f"Which {question}?", "SELECT a FROM t WHERE b = 7", "duckdb")
