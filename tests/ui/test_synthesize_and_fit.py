"""`sqlberg synthesize` and `sqlberg fit` as a person calls them."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from sqlberg.errors import SqlbergError
from sqlberg.training.evaluation.dataset import Question
from sqlberg.ui.cli import app
from typer.testing import CliRunner, Result


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    file = tmp_path / "shop.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, kind TEXT, price REAL)")
        rows = [(n, f"Item {n}", ["toy", "tool", "book"][n % 3], 2.5 * n) for n in range(30)]
        connection.executemany("INSERT INTO item VALUES (?, ?, ?, ?)", rows)
    connection.close()
    return file


def sqlberg(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_questions_are_printed_with_their_sql(shop: Path):
    done = sqlberg("synthesize", shop, "-n", 5, "--unanswerable", 1, "--follow-ups", 1)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert len(lines) == 14
    assert sum(line.strip().startswith("SELECT") for line in lines) == 6
    assert sum("no answer: nothing about" in line for line in lines) == 1


def test_a_file_is_gone_on_with_where_a_kill_left_it(shop: Path, tmp_path: Path):
    whole, torn = tmp_path / "whole.jsonl", tmp_path / "torn.jsonl"
    options = ("-n", 12, "--unanswerable", 3, "--follow-ups", 3)
    sqlberg("synthesize", shop, *options, "--out", whole)
    content = whole.read_bytes()
    torn.write_bytes(content[: len(content) // 2])
    done = sqlberg("synthesize", shop, *options, "--out", torn)
    assert done.exit_code == 0
    assert torn.read_bytes() == content
    assert {"id", "db_id", "question", "sql"} <= json.loads(content.splitlines()[0]).keys()


def test_a_file_of_something_else_is_not_written_to(shop: Path, tmp_path: Path):
    notes = tmp_path / "notes.txt"
    notes.write_text("my notes\n")
    done = sqlberg("synthesize", shop, "--out", notes)
    assert done.exit_code == 1
    assert "something else" in done.stderr
    assert notes.read_text() == "my notes\n"


def test_json_is_one_list(shop: Path):
    done = sqlberg("synthesize", shop, "-n", 3, "--json")
    assert [line["db_id"] for line in json.loads(done.stdout)] == ["shop"] * 3


def test_what_is_printed_as_json_is_in_the_file_too(shop: Path, tmp_path: Path):
    file = tmp_path / "made.jsonl"
    for count in (3, 5):
        done = sqlberg("synthesize", shop, "-n", count, "--json", "--out", file)
        printed = json.loads(done.stdout)
        assert len(printed) == count
        assert [json.loads(line) for line in file.read_text().splitlines()] == printed


def test_a_file_that_cannot_be_written_is_one_line(shop: Path, tmp_path: Path):
    (tmp_path / "file").touch()
    for output in (tmp_path, tmp_path / "file" / "below.jsonl"):
        done = sqlberg("synthesize", shop, "--out", output)
        assert done.exit_code == 1
        assert done.stderr.startswith(f"sqlberg: cannot write {output}: ")
        assert len(done.stderr.splitlines()) == 1


def test_questions_of_another_database_with_the_same_name_are_not_gone_on_with(shop: Path, tmp_path: Path):
    made, other = tmp_path / "made.jsonl", tmp_path / "other" / "shop.sqlite"
    sqlberg("synthesize", shop, "-n", 3, "--out", made)
    content = made.read_bytes()
    other.parent.mkdir()
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE animal AS SELECT 1 AS id, 'cat' AS name, 4 AS legs")
    connection.close()
    done = sqlberg("synthesize", other, "-n", 6, "--out", made)
    assert (done.exit_code, "something else" in done.stderr) == (1, True)
    assert made.read_bytes() == content


def test_questions_that_cannot_be_read_are_set_aside_by_their_line(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("peft", reason="fitting needs the train extra")

    def measured_by(*arguments: object, people: list[Question], **options: object) -> None:
        raise SqlbergError(f"measured by {[one.question for one in people]}")

    monkeypatch.setattr("sqlberg.training.embedded.fitting.fit", measured_by)
    asked = tmp_path / "asked.jsonl"
    asked.write_text('not json\n{"question": "How many?", "sql": "SELECT 1"}\n{"question": "No SQL?"}\n')
    done = sqlberg("fit", shop, "--questions", asked, "--out", tmp_path / "run")
    assert [f"asked.jsonl line {number} set aside" in done.stderr for number in (1, 3)] == [True, True]
    assert "measured by ['How many?']" in done.stderr


def test_a_file_without_any_question_is_not_fitted_by(shop: Path, tmp_path: Path):
    pytest.importorskip("peft", reason="fitting needs the train extra")
    asked = tmp_path / "asked.jsonl"
    asked.write_text("not json\n")
    done = sqlberg("fit", shop, "--questions", asked, "--out", tmp_path / "run")
    assert done.exit_code == 1
    assert "asked.jsonl line 1 set aside" in done.stderr
    assert "holds no valid question" in done.stderr
    assert not (tmp_path / "run").exists()


def test_fitting_a_file_that_is_not_there_is_one_line(tmp_path: Path):
    pytest.importorskip("peft", reason="fitting needs the train extra")
    done = sqlberg("fit", tmp_path / "missing.duckdb", "--out", tmp_path / "run")
    assert done.exit_code == 1
    assert len(done.stderr.strip().splitlines()) == 1
