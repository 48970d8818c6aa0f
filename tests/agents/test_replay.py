"""A saved answer can be checked again, and the check says what changed."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from sqlberg.agents.answer import Answer
from sqlberg.agents.budget import Budget
from sqlberg.agents.replay import load, replay
from sqlberg.agents.sql_agent import SqlAgent
from sqlberg.errors import SqlbergError
from sqlberg.tools.database import open_database
from sqlberg.tools.limits import Limits
from sqlberg.tools.policy import AccessPolicy

from .conftest import write_sqlite
from .scripted import ScriptedModel, sql, words

STATEMENT = (
    "SELECT singer.name, count(*) FROM singer JOIN concert ON concert.singer_id = singer.id "
    "WHERE singer.country = 'France' GROUP BY singer.name"
)


@pytest.fixture
def database_path(tmp_path: Path) -> Path:
    write_sqlite(tmp_path / "music.sqlite")
    return tmp_path / "music.sqlite"


@pytest.fixture
def saved(database_path: Path, tmp_path: Path) -> Path:
    with SqlAgent(database_path, ScriptedModel(script=[sql(STATEMENT), words("Two.")])) as agent:
        return agent.ask("Concerts of French singers?").save(tmp_path / "answer.json")


def changes(saved: Path, database_path: Path, statement: str) -> dict[str, str]:
    """What replaying reports after `statement` changed the database."""
    with sqlite3.connect(database_path) as connection:
        connection.executescript(statement)
    connection.close()
    with open_database(database_path) as database:
        return {change.name: change.detail for change in replay(saved, database).changes}


def test_an_unchanged_database_replays_without_a_change(saved: Path, database_path: Path) -> None:
    with open_database(database_path) as database:
        report = replay(saved, database)
    assert report.ok
    assert {check.name for check in report.checks} == {"policy", "schema", "sql", "result", "evidence"}


def test_the_file_holds_question_sql_and_evidence_but_no_rows(saved: Path) -> None:
    text = saved.read_text()
    held = load(saved)
    assert (held.question, held.sql) == ("Concerts of French singers?", STATEMENT)
    assert "singer.country = 'France': the value occurs in the data" in held.evidence
    assert "Justin Brown" not in text


def test_more_rows_are_a_changed_result(saved: Path, database_path: Path) -> None:
    found = changes(
        saved,
        database_path,
        "INSERT INTO singer VALUES (5, 'Eve', 'France', 30); INSERT INTO concert VALUES (6, 'x', 2016, 5)",
    )
    assert found["result"] == "the result had 2 rows, has 3"


def test_other_values_in_as_many_rows_are_a_changed_result(saved: Path, database_path: Path) -> None:
    found = changes(saved, database_path, "INSERT INTO concert VALUES (6, 'x', 2016, 3)")
    assert found["result"] == "the result still has 2 rows, but not the same values"


@pytest.fixture
def saved_cut(database_path: Path, tmp_path: Path) -> Path:
    """Two of the four singers."""
    model = ScriptedModel(script=[sql("SELECT name FROM singer ORDER BY id"), words("Two.")])
    with SqlAgent(database_path, model, limits=Limits(rows=2)) as agent:
        return agent.ask("Who sings?").save(tmp_path / "cut.json")


def test_what_was_never_looked_up_is_no_change(saved: Path, database_path: Path, tmp_path: Path) -> None:
    model = ScriptedModel(script=[sql(STATEMENT), 0.3, words("Two.")])
    with SqlAgent(database_path, model, budget=Budget(seconds=0.25)) as agent:
        answer = agent.ask("Concerts of French singers?")
    assert (answer.status, answer.evidence) == ("partial", ())
    with open_database(database_path) as database:
        assert replay(answer.save(tmp_path / "partial.json"), database).ok


def test_a_limit_beyond_a_million_rows_is_kept(database_path: Path, tmp_path: Path) -> None:
    statement = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500) SELECT i FROM n"
    )
    model = ScriptedModel(script=[sql(statement), words("Many.")])
    with SqlAgent(database_path, model, limits=Limits(rows=2_000_000)) as agent:
        file = agent.ask("Count.").save(tmp_path / "many.json")
    with open_database(database_path) as database:
        assert replay(file, database).ok


def test_of_a_cut_result_only_what_was_kept_holds(saved_cut: Path, database_path: Path) -> None:
    assert changes(saved_cut, database_path, "DELETE FROM singer WHERE id = 4") == {}
    with open_database(database_path) as database:
        told = {check.name: check.detail for check in replay(saved_cut, database).checks}
    assert told["result"] == (
        "the same as far as it was kept, 2 rows; whether the rest has changed cannot be told: "
        "only the first 2 of more rows were read"
    )
    assert told["schema"] == "the tables it reads have the same columns and types"


def test_a_cut_result_that_is_whole_now_is_changed(saved_cut: Path, database_path: Path) -> None:
    found = changes(saved_cut, database_path, "DELETE FROM singer WHERE id > 2")
    assert found["result"] == "the result had more than 2 rows, has 2"


def test_a_whole_result_that_is_cut_now_is_changed(saved_cut: Path, database_path: Path) -> None:
    saved_cut.write_text(json.dumps({**json.loads(saved_cut.read_text()), "cuts": []}))
    assert changes(saved_cut, database_path, "")["result"] == "the result had 2 rows, has more than 2"


def test_a_literal_that_vanished_is_reported(saved: Path, database_path: Path) -> None:
    found = changes(saved, database_path, "UPDATE singer SET country = 'FR' WHERE country = 'France'")
    assert "does not occur" in found["evidence"]


def test_a_renamed_column_is_named(saved: Path, database_path: Path) -> None:
    found = changes(saved, database_path, "ALTER TABLE singer RENAME COLUMN country TO land")
    assert "column singer.country is gone" in found["schema"]
    assert found["sql"].startswith("the SQL no longer runs")


def test_another_policy_is_reported(saved: Path, database_path: Path) -> None:
    with open_database(database_path, policy=AccessPolicy(hide_columns=("singer.age",))) as database:
        report = replay(saved, database)
    assert [change.name for change in report.changes] == ["policy", "schema"]


def test_a_statement_that_was_put_into_the_file_is_refused(saved: Path, database_path: Path) -> None:
    content = json.loads(saved.read_text())
    saved.write_text(json.dumps({**content, "sql": "DROP TABLE singer"}))
    with open_database(database_path) as database:
        report = replay(saved, database)
        assert not report.ok
        assert database.execute("SELECT count(*) FROM singer").rows


@pytest.mark.parametrize("content", ["", "[]", '{"format": "other"}', "[" * 100_000, "\x00"])
def test_a_file_that_is_no_saved_answer_is_refused_in_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(SqlbergError, match=r"x\.json is no saved answer"):
        load(tmp_path / "x.json")


def test_saving_does_not_overwrite_another_file(saved: Path, tmp_path: Path) -> None:
    other = tmp_path / "package.json"
    other.write_text('{"name": "mine"}')
    with pytest.raises(SqlbergError, match="no saved answer"):
        Answer("q", sql="SELECT 1").save(other)
    assert other.read_text() == '{"name": "mine"}'


def test_an_answer_without_sql_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(SqlbergError, match="no SQL"):
        Answer("q", status="abstained").save(tmp_path / "x.json")
