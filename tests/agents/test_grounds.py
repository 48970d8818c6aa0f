"""What an answer rests on is looked up, or it is said that it was not."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from sqlberg.agents.confidence import Doubts
from sqlberg.agents.grounds import Grounds, grounds_of
from sqlberg.tools.database import Database, open_database
from sqlberg.tools.policy import AccessPolicy


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Database]:
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE city (id INTEGER PRIMARY KEY, name VARCHAR)")
        connection.execute("CREATE TABLE person (id INTEGER, city_id INTEGER REFERENCES city (id))")
        connection.execute("INSERT INTO city VALUES (1, 'Bonn'), (2, 'Lyon')")
        connection.execute("INSERT INTO person VALUES (1, 1), (2, NULL)")
    with open_database(path, cache_dir=tmp_path / "cache") as database:
        yield database


def grounds(database: Database, sql: str, *, explain: bool = True) -> Grounds:
    return grounds_of(database, sql, database.execute(sql), explain=explain)


def test_literals_joins_and_lost_rows_are_told_together(shop: Database) -> None:
    found = grounds(shop, "SELECT p.id FROM person p JOIN city c ON p.city_id = c.id WHERE c.name = 'Rome'")
    assert [str(evidence) for evidence in found.evidence] == [
        "city.name = 'Rome': the value does not occur in the data",
        "person.city_id = city.id: a foreign key",
    ]
    assert found.notes == ("1 of 2 rows of person has no city_id and is left out.",)
    assert found.doubts.missing_literals == 1
    assert found.doubts.empty


def test_a_statement_that_cannot_be_taken_apart_says_so(shop: Database) -> None:
    found = grounds(shop, "SELECT c.name, t.n FROM city c, unnest([1, 2]) AS t(n)")
    assert found.evidence == ()
    assert len(found.notes) == 1
    assert found.notes[0].startswith("What the SQL rests on was not looked at: ")


def test_nothing_is_looked_up_when_it_is_not_asked_for(shop: Database) -> None:
    found = grounds(shop, "SELECT name FROM city WHERE name = 'Rome'", explain=False)
    assert (found.evidence, found.notes) == ((), ())
    assert found.origin.tables == ("city",)


FILTER = """"salary" < 300 AND region <> 'ASIA' AND id IN (SELECT person_id FROM present)"""


@pytest.fixture(params=["duckdb", "sqlite"])
def office_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"office.{request.param}"
    connect = duckdb.connect if request.param == "duckdb" else sqlite3.connect
    with closing(connect(str(path))) as connection:
        for statement in (
            "CREATE TABLE staff (id INTEGER PRIMARY KEY, name VARCHAR, region VARCHAR, salary INTEGER)",
            "CREATE TABLE present (person_id INTEGER)",
            "INSERT INTO staff VALUES (1, 'Ann', 'EU', 111), (2, 'Bob', 'US', 333)",
            "INSERT INTO present VALUES (1), (2)",
        ):
            connection.execute(statement)
        connection.commit()
    return path


@pytest.fixture
def office(office_file: Path, tmp_path: Path) -> Iterator[Database]:
    """A database whose policy hides a column, a table, and rows by both."""
    policy = AccessPolicy(
        hide_tables=("present",), hide_columns=("staff.salary",), row_filters={"staff": FILTER}
    )
    with open_database(office_file, policy=policy, cache_dir=tmp_path / "cache") as database:
        yield database


@pytest.mark.parametrize(
    ("sql", "evidence"),
    [
        ("SELECT count(*) FROM staff", []),
        (
            "SELECT 1 FROM staff WHERE name = 'Bob'",
            ["1", "staff.name = 'Bob': the value does not occur in the data"],
        ),
        ("SELECT name FROM staff WHERE region = 'EU'", ["staff.region = 'EU': the value occurs in the data"]),
        (
            "SELECT s.id FROM staff AS s JOIN staff AS t ON s.id = t.id WHERE s.id > 0",
            [
                "s.id > 0: some rows match",
                "s.id = t.id: neither a foreign key nor an inferred join",
            ],
        ),
        (
            "SELECT 1 WHERE (SELECT max(id) FROM staff AS s) = 1",
            ["1", '(SELECT MAX(s.id) AS _col_0 FROM "staff" AS s) = 1'],
        ),
    ],
)
def test_a_row_filter_is_no_part_of_what_the_sql_rests_on(
    office: Database, sql: str, evidence: list[str]
) -> None:
    assert [str(found) for found in grounds(office, sql).evidence] == evidence


def test_a_row_filter_raises_no_doubt(office_file: Path, tmp_path: Path) -> None:
    policy = AccessPolicy(row_filters={"staff": "region <> 'ASIA'"})
    with open_database(office_file, policy=policy, cache_dir=tmp_path / "cache") as database:
        assert grounds(database, "SELECT name FROM staff").doubts == Doubts()
