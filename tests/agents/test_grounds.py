"""What an answer rests on is looked up, or it is said that it was not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from sqlberg.agents.grounds import Grounds, grounds_of
from sqlberg.tools.database import Database, open_database


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
