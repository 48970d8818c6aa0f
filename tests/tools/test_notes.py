"""What people know of a database, and that the tools go by it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlberg.errors import SqlbergError
from sqlberg.tools.database import Database, open_database
from sqlberg.tools.notes import Notes, join_text, read_notes, terms_in, write_notes
from sqlberg.tools.policy import AccessPolicy
from sqlberg.tools.toolbox import make_tools


@pytest.fixture
def database(tmp_path: Path):
    file = tmp_path / "crm.sqlite"
    with sqlite3.connect(file) as connection:
        connection.executescript(
            """CREATE TABLE account (id INTEGER PRIMARY KEY, nm TEXT, xq7 REAL);
            CREATE TABLE visit (id INTEGER PRIMARY KEY, account_id INTEGER, seen_on TEXT);
            INSERT INTO account VALUES (1, 'Ada', 3.5), (2, 'Bo', 1.0), (3, 'Cy', 9.0);
            INSERT INTO visit VALUES (1, 1, '2024-01-02'), (2, 2, '2024-02-03'), (3, 3, '2024-03-04');"""
        )
    with open_database(file) as opened:
        yield opened


def found(database: Database, query: str) -> str:
    return make_tools(database)[0].invoke({"queries": [query], "top_k": 1})


def test_a_description_is_found_by_and_read(database: Database):
    assert "xq7" not in found(database, "how much they owe us")
    database.notes = Notes(
        columns={"Account.XQ7": "how much they owe us, in euros"}, tables={"account": "customers"}
    )
    seen = found(database, "how much they owe us")
    assert "account.xq7" in seen
    assert "in euros" in seen
    table = database.catalog.table("account")
    assert table is not None
    assert table.comment == "customers"
    database.notes = Notes()
    assert "xq7" not in found(database, "how much they owe us")


def test_a_term_is_explained_and_searched_for_by_its_meaning(database: Database):
    database.notes = Notes(terms={"active account": "visit.seen_on in the last 90 days"})
    seen = found(database, "number of active accounts")
    assert '("active account" means here: visit.seen_on in the last 90 days)' in seen
    assert "means here" not in found(database, "name of the account")


def test_an_inferred_join_is_confirmed_or_rejected(database: Database):
    (join,) = database.catalog.joins
    assert (join.origin, join_text(join)) == ("inferred", "visit.account_id = account.id")
    database.notes = Notes(confirmed=("VISIT.account_id = account.id",))
    assert database.catalog.joins[0].confidence == 1.0
    database.notes = Notes(rejected=(join_text(join),))
    assert database.catalog.joins == ()
    path = make_tools(database)[2].invoke({"start": ["visit"], "end": ["account"]})
    assert "visit.account_id" not in path


def test_declared_keys_stay(shop: Path):
    with open_database(shop) as opened:
        (join,) = opened.catalog.joins
        opened.notes = Notes(rejected=(join_text(join),), columns={"nowhere.at_all": "x"})
        assert opened.catalog.joins == (join,)


def test_terms_are_known_by_whole_words(database: Database):
    database.notes = Notes(terms={"ARR": "annual revenue", "big account": "xq7 > 5"})
    assert terms_in("What is the ARR?", database.catalog) == {"ARR": "annual revenue"}
    assert terms_in("Who carried big, old accounts?", database.catalog) == {}
    assert set(terms_in("arr of big accounts", database.catalog)) == {"ARR", "big account"}


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (AccessPolicy(), {"spender", "seen", "old", "Visits paid"}),
        (AccessPolicy(hide_tables=("visit",)), {"spender", "Visits paid"}),
        (AccessPolicy(hide_columns=("account.xq7",)), {"seen", "old", "Visits paid"}),
        (AccessPolicy(hide_columns=("account.id",)), {"spender", "seen", "Visits paid"}),
        (AccessPolicy(row_filters={"visit": "id > 1"}), {"spender", "seen", "old", "Visits paid"}),
    ],
)
def test_a_term_that_names_what_is_hidden_is_told_to_nobody_it_is_hidden_from(
    database: Database, policy: AccessPolicy, told: set[str]
):
    meanings = {
        "spender": 'account."XQ7" > 5',
        "seen": "has a visit, by VISIT.seen_on",
        "old": "those of account whose id < 100 in visit",
        "Visits paid": "the visiting_hours of our people",  # holds the name, but not as a word
    }
    with open_database(database.reference, policy=policy) as opened:
        opened.notes = Notes(terms=meanings)
        assert set(opened.catalog.terms) == told
        seen = found(opened, " and ".join(meanings))
        assert {term for term in meanings if f'"{term}" means here' in seen} == told
        opened.notes = Notes(terms={"visit": "a call"})
        assert bool(opened.catalog.terms) == policy.sees_table("visit")


def test_notes_are_kept_in_a_file(tmp_path: Path):
    notes = Notes(columns={"a.b": "x"}, rejected=("a.b = c.d",))
    file = tmp_path / "deep" / "notes.json"
    assert read_notes(file) == Notes()
    write_notes(file, notes)
    assert read_notes(file) == notes
    file.write_text('{"column": {}}')
    with pytest.raises(SqlbergError, match="column: Extra inputs"):
        read_notes(file)
    file.write_text("{")
    with pytest.raises(SqlbergError, match=r"notes .*notes\.json: the file"):
        read_notes(file)
