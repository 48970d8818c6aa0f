"""The evaluation run: scores, resumption after a kill, no mixing, what stops it. Real SQLite, no model."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlberg.agents.answer import Answer, Step, Tokens
from sqlberg.errors import SqlbergError
from sqlberg.tools.database import Database, open_database
from sqlberg.training.evaluation.dataset import Dataset, load_dataset
from sqlberg.training.evaluation.records import RESULTS, Record, RunFolder
from sqlberg.training.evaluation.runner import run

SETTINGS = {"model": "scripted"}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQLBERG_CACHE", str(tmp_path / "cache"))


def make_dataset(folder: Path, golds: list[str | None]) -> Dataset:
    """One question per gold query over a table of three pets; question i asks "q<i>"."""
    (folder / "databases").mkdir(parents=True)
    with sqlite3.connect(folder / "databases" / "pets.sqlite") as connection:
        connection.executescript("""
            CREATE TABLE pet (id INTEGER PRIMARY KEY, name TEXT, age INTEGER);
            INSERT INTO pet VALUES (1, 'Ada', 3), (2, 'Bo', 3), (3, 'Cy', 1);
        """)
    lines = [
        json.dumps({"id": f"q{i}", "db_id": "pets", "question": f"q{i}", "sql": gold})
        for i, gold in enumerate(golds)
    ]
    (folder / "questions.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return load_dataset(folder)


def saying(*sqls: str) -> Callable[[str, Database, threading.Event], Answer]:
    """Answers question i with the i-th SQL."""
    return lambda question, database, cancel: Answer(question=question, sql=sqls[int(question[1:])])


def evaluate(dataset: Dataset, answer: Any, folder: Path, **options: Any) -> list[Record]:
    with RunFolder(folder, options.pop("settings", SETTINGS)) as run_folder:
        return run(
            dataset,
            answer,
            run_folder,
            open_database=lambda db: open_database(dataset.database(db)),
            **options,
        )


def test_answers_are_scored_against_the_gold_result(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", ["SELECT name FROM pet"] * 2)
    records = evaluate(dataset, saying("SELECT name FROM pet", "SELECT age FROM pet"), tmp_path / "run")
    assert [record.scores["multiset"] for record in records] == [1.0, 0.0]


def test_sql_that_does_not_run_scores_nothing_and_is_marked(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", ["SELECT name FROM pet"])
    [record] = evaluate(dataset, saying("SELECT nme FROM pet"), tmp_path / "run")
    assert not record.runs
    assert set(record.scores.values()) == {0.0}


def test_an_error_of_the_gold_never_equals_an_error_of_the_prediction(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", ["SELECT nme FROM pet"])
    [record] = evaluate(dataset, saying("SELECT nme FROM pet"), tmp_path / "run")
    assert "nme" in record.gold_error
    assert set(record.scores.values()) == {0.0}


def test_row_order_counts_where_the_gold_orders(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", ["SELECT id FROM pet ORDER BY id"])
    [record] = evaluate(dataset, saying("SELECT id FROM pet ORDER BY id DESC"), tmp_path / "run")
    assert (record.scores["multiset"], record.scores["bird"]) == (0.0, 1.0)


def test_an_ambiguous_gold_is_marked(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", ["SELECT name FROM pet ORDER BY age DESC LIMIT 1"])
    [record] = evaluate(dataset, saying("SELECT name FROM pet"), tmp_path / "run")
    assert record.ambiguous == ("ties under LIMIT",)


def test_tokens_calls_and_confidence_of_an_answer_are_recorded(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", ["SELECT 1"])

    def answer(question: str, database: Database, cancel: threading.Event) -> Answer:
        return Answer(
            question,
            sql="SELECT 1",
            steps=(Step("", "execute_sql", {}, ""),) * 2,
            tokens=Tokens(prompt=100, dialogue=50, sent=300, generated=20),
            confidence=0.5,
        )

    [record] = evaluate(dataset, answer, tmp_path / "run")
    assert (record.new_tokens, record.prompt_tokens, record.sent_tokens) == (150, 130, 300)
    assert (record.tool_calls, record.confidence) == (2, 0.5)


def test_a_second_run_asks_nothing_again(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", ["SELECT 1"] * 3)
    first = evaluate(dataset, saying(*["SELECT 1"] * 3), tmp_path / "run")

    def unwanted(question: str, database: Database, cancel: threading.Event) -> Answer:
        raise AssertionError(f"{question} was asked twice")

    assert evaluate(dataset, unwanted, tmp_path / "run") == first


def test_questions_run_concurrently_and_records_keep_their_order(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", ["SELECT 1"] * 4)
    together = threading.Barrier(4, timeout=30)

    def answer(question: str, database: Database, cancel: threading.Event) -> Answer:
        together.wait()  # breaks unless all four are asked at once
        return Answer(question, sql="SELECT 1")

    records = evaluate(dataset, answer, tmp_path / "run", concurrency=4)
    assert [record.id for record in records] == ["q0", "q1", "q2", "q3"]


def test_a_torn_last_line_is_cut_off_and_asked_again(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", ["SELECT 1"] * 2)
    evaluate(dataset, saying("SELECT 1", "SELECT 1"), tmp_path / "run")
    results = tmp_path / "run" / RESULTS
    whole = results.read_bytes()
    results.write_bytes(whole[:-20])
    evaluate(dataset, saying("SELECT 1", "SELECT 2"), tmp_path / "run")
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    assert [(line["id"], line["sql"]) for line in lines] == [("q0", "SELECT 1"), ("q1", "SELECT 2")]


def test_a_damaged_line_in_the_middle_is_reported_by_number(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", ["SELECT 1"])
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / RESULTS).write_text("nonsense\n")
    with pytest.raises(SqlbergError, match="line 1 is damaged"):
        evaluate(dataset, saying("SELECT 1"), tmp_path / "run")


def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", ["SELECT 1"])
    evaluate(dataset, saying("SELECT 1"), tmp_path / "run")
    with pytest.raises(SqlbergError, match="other settings \\(model is 'other', was 'scripted'\\)"):
        evaluate(dataset, saying("SELECT 1"), tmp_path / "run", settings={"model": "other"})


def test_two_runs_cannot_write_one_folder(tmp_path: Path) -> None:
    with (
        RunFolder(tmp_path / "run", SETTINGS),
        pytest.raises(SqlbergError, match="another run is writing"),
    ):
        RunFolder(tmp_path / "run", SETTINGS)


def test_a_folder_is_free_again_though_a_process_that_is_being_started_has_it_open(tmp_path: Path) -> None:
    with RunFolder(tmp_path, {}) as records:
        copy = os.dup(records._file.fileno())  # as between fork and exec
    try:
        RunFolder(tmp_path, {}).close()
    finally:
        os.close(copy)


def test_ten_failures_in_a_row_stop_the_run_and_stay_unfinished(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", ["SELECT 1"] * 20)

    def answer(question: str, database: Database, cancel: threading.Event) -> Answer:
        if question in ("q0", "q1"):
            return Answer(question, sql="SELECT 1")
        raise SqlbergError("no server answers")

    with pytest.raises(SqlbergError, match="10 questions in a row failed, the last with: no server answers"):
        evaluate(dataset, answer, tmp_path / "run")
    kept = [json.loads(line)["id"] for line in (tmp_path / "run" / RESULTS).read_text().splitlines()]
    assert kept == ["q0", "q1"]


def test_a_single_failure_is_recorded_with_its_cause(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", ["SELECT 1"] * 2)

    def answer(question: str, database: Database, cancel: threading.Event) -> Answer:
        if question == "q0":
            raise SqlbergError("the model said nothing")
        return Answer(question, sql="SELECT 1")

    records = evaluate(dataset, answer, tmp_path / "run")
    assert [(record.status, record.error) for record in records] == [
        ("failed", "the model said nothing"),
        ("answered", ""),
    ]


def test_a_run_of_which_every_question_failed_keeps_none(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", ["SELECT 1"] * 3)

    def answer(question: str, database: Database, cancel: threading.Event) -> Answer:
        raise SqlbergError("no server answers")

    with pytest.raises(SqlbergError, match="every question failed, the last with: no server answers"):
        evaluate(dataset, answer, tmp_path / "run")
    assert (tmp_path / "run" / RESULTS).read_text() == ""


def test_what_failed_is_asked_again_where_that_is_wanted(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", ["SELECT 1"] * 3)
    away, asked = ["q1", "q2"], []

    def answer(question: str, database: Database, cancel: threading.Event) -> Answer:
        asked.append(question)
        if question in away:
            raise SqlbergError("no server answers")
        return Answer(question, sql="SELECT 1")

    evaluate(dataset, answer, tmp_path / "run")
    away.remove("q1")
    assert [one.status for one in evaluate(dataset, answer, tmp_path / "run")] == [
        "answered",
        "failed",
        "failed",
    ]
    for _ in range(2):
        records = evaluate(dataset, answer, tmp_path / "run", again=True)
        assert [record.status for record in records] == ["answered", "answered", "failed"]
    assert asked == ["q0", "q1", "q2", "q1", "q2", "q2"]


def test_a_programming_error_stops_the_run_and_keeps_what_was_finished(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", ["SELECT 1"] * 2)

    def answer(question: str, database: Database, cancel: threading.Event) -> Answer:
        if question == "q1":
            raise TypeError("a bug")
        return Answer(question, sql="SELECT 1")

    with pytest.raises(TypeError, match="a bug"):
        evaluate(dataset, answer, tmp_path / "run")
    assert len((tmp_path / "run" / RESULTS).read_text().splitlines()) == 1


def test_an_interrupted_run_cancels_the_questions_under_way(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", ["SELECT 1"] * 2)
    cancelled = threading.Event()

    def answer(question: str, database: Database, cancel: threading.Event) -> Answer:
        if question == "q0":
            raise KeyboardInterrupt
        if cancel.wait(30):
            cancelled.set()
        return Answer(question, sql="SELECT 1")

    with pytest.raises(KeyboardInterrupt):
        evaluate(dataset, answer, tmp_path / "run", concurrency=2)
    assert cancelled.is_set()
    assert (tmp_path / "run" / RESULTS).read_text() == ""


def test_an_unanswerable_question_has_no_gold_to_be_scored_against(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", [None])
    [record] = evaluate(dataset, saying("SELECT 1"), tmp_path / "run")
    assert not record.answerable


_SLOW_RUN = """
import sys, time
from pathlib import Path
from sqlberg.agents.answer import Answer
from sqlberg.tools.database import open_database
from sqlberg.training.evaluation.dataset import load_dataset
from sqlberg.training.evaluation.records import RunFolder
from sqlberg.training.evaluation.runner import run

def answer(question, database, cancel):
    time.sleep(0.05)
    return Answer(question, sql="SELECT 1")

dataset = load_dataset(sys.argv[1])
with RunFolder(Path(sys.argv[2]), {"model": "scripted"}) as folder:
    run(dataset, answer, folder, open_database=lambda db: open_database(dataset.database(db)), concurrency=2)
"""


def test_after_kill_9_nothing_finished_is_lost_or_repeated(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", ["SELECT 1"] * 200)
    results = tmp_path / "run" / RESULTS
    child = subprocess.Popen(
        [sys.executable, "-c", _SLOW_RUN, str(tmp_path / "data"), str(tmp_path / "run")], env=os.environ
    )
    try:
        while not results.exists() or results.read_bytes().count(b"\n") < 5:
            assert child.poll() is None, "the run ended before it could be killed"
            time.sleep(0.02)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    finished = {json.loads(line)["id"] for line in results.read_bytes().split(b"\n")[:-1]}
    asked: list[str] = []

    def answer(question: str, database: Database, cancel: threading.Event) -> Answer:
        asked.append(question)
        return Answer(question, sql="SELECT 1")

    evaluate(dataset, answer, tmp_path / "run", concurrency=2)
    assert sorted(asked) == sorted({f"q{i}" for i in range(200)} - finished)
    kept = [json.loads(line)["id"] for line in results.read_text().splitlines()]
    assert sorted(kept) == sorted(f"q{i}" for i in range(200))
