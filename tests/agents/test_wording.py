"""How a statement reads beside its question."""

from __future__ import annotations

import pytest
from sqlberg.agents.wording import Wording, wording

SAID = [
    (
        "Which customers come from Chile?",
        "SELECT name FROM customer WHERE country = 'Chile' AND 1 = 1",
        "come",
    ),
    ("How many orders cost more than 20 dollars?", "SELECT count(*) FROM orders WHERE cost > 20", "dollars"),
    ("The three cheapest products", "SELECT * FROM product ORDER BY price LIMIT 3", ""),
    ("Title and price of each book", "SELECT title FROM books GROUP BY title", "price"),
    ("Average Ratings", "SELECT avg(user_rating) FROM film", ""),
    ("Songs that hold 'love'", "SELECT title FROM song WHERE title LIKE '%love%'", "hold"),
]


@pytest.mark.parametrize(("question", "sql", "unsaid"), SAID)
def test_words_in_no_name_value_or_function_are_unsaid(question: str, sql: str, unsaid: str):
    assert wording(question, sql, "sqlite").unsaid == tuple(unsaid.split())


ODD = [
    ("How many films are there?", "SELECT title FROM film", "SELECT count(*) FROM film"),
    ("The longest film", "SELECT title FROM film", "SELECT title FROM film ORDER BY length DESC LIMIT 1"),
    ("Films by title", "SELECT title FROM film WHERE length > 3", "SELECT title FROM film"),
    ("Films per year", "SELECT year, title FROM film", "SELECT year, title FROM film GROUP BY year"),
    ("Films without an actor", "SELECT title FROM film", "SELECT title FROM film WHERE NOT actor"),
    ("Films in alphabetical order", "SELECT title FROM film", "SELECT title FROM film ORDER BY title"),
    (
        "Films from 1999 or 2001",
        "SELECT title FROM film",
        "SELECT title FROM film WHERE y = 1999 OR y = 2001",
    ),
    (
        "Films that start with A",
        "SELECT title FROM film",
        "SELECT title FROM film WHERE starts_with(title, 'A')",
    ),
    ("Films longer than 90", "SELECT title FROM film WHERE n = 90", "SELECT title FROM film WHERE n > 90"),
]


@pytest.mark.parametrize(("question", "odd", "right"), ODD)
def test_an_operation_that_only_one_of_them_speaks_of_is_odd(question: str, odd: str, right: str):
    assert wording(question, odd, "sqlite").odd == 1
    assert wording(question, right, "sqlite").odd == 0


@pytest.mark.parametrize("name", ["guest", "interest", "forest", "order", "total_cost"])
def test_a_name_is_no_operation(name: str):
    assert wording(f"Which {name.replace('_', ' of ')} is it?", f"SELECT {name} FROM t", "sqlite").odd == (
        1 if name.startswith("total") else 0
    )


def test_what_is_no_sql_says_nothing():
    assert wording("How many?", "SELECT FROM WHERE (", "sqlite") == Wording()
    assert wording("", "SELECT 1", "sqlite") == Wording()
    assert wording("How many?", "SELECT " + "(" * 3000 + "1" + ")" * 3000, "sqlite") == Wording()
