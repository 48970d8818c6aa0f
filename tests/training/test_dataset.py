"""Reading a folder of questions: what is set aside, chosen, filled in; which gold results are ambiguous."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlberg.errors import SqlbergError
from sqlberg.tools.limits import Result
from sqlberg.training.evaluation.ambiguity import ambiguity
from sqlberg.training.evaluation.dataset import load_dataset, read_questions
from sqlberg.training.evaluation.difficulty import difficulty
from sqlberg.training.rows import write_rows


def write(folder: Path, *lines: Any) -> Path:
    (folder / "databases").mkdir()
    sqlite3.connect(folder / "databases" / "shop.sqlite").close()
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (folder / "questions.jsonl").write_text("\n".join(texts) + "\n", encoding="utf-8")
    return folder


def question(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {"id": f"q{number}", "db_id": "shop", "question": "How many?", "sql": "SELECT 1", **fields}


def test_a_parquet_file_says_what_lines_say(tmp_path: Path) -> None:
    rows = [question(1, id=7), question(2, sql=None, difficulty="easy")]
    write_rows(tmp_path / "q.parquet", [{**row, "id": str(row["id"])} for row in rows])
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = [read_questions(tmp_path / f"q.{ending}", db_id="shop") for ending in ("parquet", "jsonl")]
    assert found[0] == found[1]
    assert [one.sql for one in found[0].rows] == ["SELECT 1", None]


def test_a_bad_line_is_set_aside_with_its_number(tmp_path: Path) -> None:
    dataset = load_dataset(write(tmp_path, question(1), "{not json", question(2)))
    assert [item.id for item in dataset.questions] == ["q1", "q2"]
    assert [(bad.number, bad.reason.split(":")[0]) for bad in dataset.bad_lines] == [(2, "not JSON")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (question(2, db_id="../shop"), "db_id: db_id must be a plain name"),
        (question(2, db_id="gone"), "there is no database 'gone'"),
        (question(1), "id 'q1' was used before"),
        ({"id": "q2", "db_id": "shop", "question": "?"}, "sql: Field required"),
        ("[1, 2]", "not a JSON object"),
    ],
)
def test_each_kind_of_bad_line_says_what_is_wrong(tmp_path: Path, line: Any, reason: str) -> None:
    dataset = load_dataset(write(tmp_path, question(1), line))
    assert dataset.bad_lines[0].reason.startswith(reason)


def test_split_offset_and_limit_choose_questions(tmp_path: Path) -> None:
    lines = [question(i, split="dev" if i % 2 else "train") for i in range(10)]
    dataset = load_dataset(write(tmp_path, *lines), split="dev", offset=1, limit=2)
    assert [item.id for item in dataset.questions] == ["q3", "q5"]


def test_an_unknown_split_names_the_splits_there_are(tmp_path: Path) -> None:
    folder = write(tmp_path, question(1, split="dev"))
    with pytest.raises(SqlbergError, match="no question of split 'test'; it has 'dev'"):
        load_dataset(folder, split="test")


def test_a_folder_without_questions_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(SqlbergError, match=r"give a folder with questions\.jsonl and databases/"):
        load_dataset(tmp_path)


def test_a_missing_difficulty_is_worked_out_and_a_given_one_kept(tmp_path: Path) -> None:
    dataset = load_dataset(write(tmp_path, question(1), question(2, difficulty="mine")))
    assert [item.difficulty for item in dataset.questions] == ["easy", "mine"]


def test_sql_null_marks_a_question_without_an_answer(tmp_path: Path) -> None:
    dataset = load_dataset(write(tmp_path, question(1, sql=None)))
    assert dataset.gold(dataset.questions[0]) is None


@pytest.mark.parametrize(
    ("sql", "level"),
    [
        ("SELECT count(*) FROM t", "easy"),
        ("SELECT a, b FROM t WHERE c = 1", "medium"),
        ("SELECT a FROM t WHERE b = (SELECT max(b) FROM t)", "hard"),
        ("SELECT a FROM t EXCEPT SELECT a FROM u", "hard"),
        ("SELECT a, count(*) FROM t JOIN u ON t.x = u.x WHERE b = 1 GROUP BY a ORDER BY 2 LIMIT 1", "extra"),
        ("SELEC nonsense", None),
    ],
)
def test_difficulty_follows_the_published_rule(sql: str, level: str | None) -> None:
    assert difficulty(sql) == level


def reasons(sql: str) -> tuple[str, ...]:
    connection = sqlite3.connect(":memory:")
    connection.executescript("""
        CREATE TABLE pet (id INTEGER PRIMARY KEY, name TEXT, kind TEXT, age INTEGER);
        INSERT INTO pet VALUES (1, 'Ada', 'cat', 3), (2, 'Bo', 'dog', 3), (3, 'Cy', 'cat', 1);
    """)

    def run(text: str) -> Result | None:
        return Result(columns=(), rows=connection.execute(text).fetchall())

    return ambiguity(sql, "sqlite", run, lambda table: ("id",))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT name FROM pet ORDER BY age DESC LIMIT 1",
        "SELECT kind FROM pet WHERE age = 3 LIMIT 1",
        "SELECT name FROM pet WHERE id = (SELECT id FROM pet ORDER BY age DESC LIMIT 1)",
    ],
)
def test_a_tie_that_a_limit_cuts_is_ambiguous(sql: str) -> None:
    assert reasons(sql) == ("ties under LIMIT",)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT name FROM pet ORDER BY age LIMIT 1",
        "SELECT age FROM pet ORDER BY age DESC LIMIT 1",
        "SELECT name FROM pet ORDER BY age DESC LIMIT 2",
        "SELECT name FROM pet ORDER BY age DESC",
    ],
)
def test_a_limit_that_cuts_no_tie_or_equal_rows_is_not_ambiguous(sql: str) -> None:
    assert reasons(sql) == ()


def test_a_bare_column_that_differs_within_its_group_is_ambiguous() -> None:
    assert reasons("SELECT name, count(*) FROM pet GROUP BY kind") == ("bare column beside GROUP BY",)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT kind, count(*) FROM pet GROUP BY kind",
        "SELECT name, count(*) FROM pet GROUP BY id",
        "SELECT kind AS k, count(*) FROM pet GROUP BY k",
        "SELECT kind, count(*) FROM pet GROUP BY 1",
        "SELECT kind FROM pet WHERE kind = 'cat' GROUP BY age",
    ],
)
def test_a_column_that_the_group_determines_is_not_ambiguous(sql: str) -> None:
    assert reasons(sql) == ()
