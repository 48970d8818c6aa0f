"""The stages of an improvement run, over a small shop and the shipped model."""

from __future__ import annotations

import json
import sqlite3
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlberg.agents.annotation.annotators import annotator
from sqlberg.agents.opening import open_database
from sqlberg.errors import SqlbergError
from sqlberg.training.evaluation.dataset import Question
from sqlberg.training.rounds.annotations import annotate_all, preferences_of
from sqlberg.training.rounds.candidates import CANDIDATES, Sampled, sample_candidates

ASKED = ("How many customers are from Chile?", "Show the names of all customers.", "What is the total price?")
QUESTIONS = [
    Question(id=f"q{number}", db_id="shop", question=text, sql=None) for number, text in enumerate(ASKED)
]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("shop") / "shop.sqlite"
    with sqlite3.connect(file) as connection:
        connection.executescript(
            """CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT, country TEXT);
            CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INT REFERENCES customer, price REAL);
            INSERT INTO customer VALUES (1, 'Ada', 'Norway'), (2, 'Bo', 'Chile'), (3, 'Cy', 'Chile');
            INSERT INTO orders VALUES (1, 1, 9.5), (2, 2, 20.0), (3, 2, 7.25);"""
        )
    connection.close()
    return file


def opened(shop: Path) -> Any:
    return partial(lambda shop, db_id: open_database(shop, embedder="none"), shop)


def sampled(shop: Path, folder: Path, questions: list[Question] = QUESTIONS, **options: Any) -> list[Sampled]:
    return sample_candidates(
        questions,
        folder,
        agent_options={"model": "embedded", "candidates": 4},
        open_database=opened(shop),
        settings={"candidates": 4},
        **options,
    )


@pytest.fixture(scope="module")
def rows(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Sampled]:
    return sampled(shop, tmp_path_factory.mktemp("run"))


def test_candidates_hold_different_answers_with_their_dialogues(rows: list[Sampled]):
    assert [row.id for row in rows] == ["q0", "q1", "q2"]
    for row, asked in zip(rows, ASKED, strict=True):
        assert row.prompt[-1].content == asked
        assert len({one.sql for one in row.responses}) == len(row.responses) >= 2
        assert all(one.messages[0].role == "assistant" for one in row.responses)


def test_what_was_sampled_is_not_sampled_again(shop: Path, tmp_path: Path):
    first = sampled(shop, tmp_path, QUESTIONS[:1])
    with (tmp_path / CANDIDATES).open("a") as file:
        file.write('{"id": "q1", "db')  # torn by a kill
    told: list[Sampled] = []
    again = sampled(shop, tmp_path, QUESTIONS[:2], finished=told.append)
    assert [row.id for row in told] == ["q1"]
    assert again[0] == first[0]
    lines = [json.loads(line)["id"] for line in (tmp_path / CANDIDATES).read_text().splitlines()]
    assert lines == ["q0", "q1"]


def test_a_missing_database_is_told_of_each_question_and_ends_a_long_run(tmp_path: Path):
    def missing(db_id: str) -> Any:
        return open_database(tmp_path / f"{db_id}.sqlite")

    rows = sample_candidates(QUESTIONS, tmp_path / "a", agent_options={}, open_database=missing, settings={})
    assert all("shop.sqlite" in row.error for row in rows)
    many = [question.model_copy(update={"id": f"m{n}"}) for n in range(4) for question in QUESTIONS]
    with pytest.raises(SqlbergError, match="in a row failed"):
        sample_candidates(many, tmp_path / "b", agent_options={}, open_database=missing, settings={})


def test_annotations_become_preferences_that_say_why(shop: Path, rows: list[Sampled], tmp_path: Path):
    annotate = partial(annotate_all, open_database=opened(shop), settings={})
    annotated = annotate(rows, {}, annotator("execution"), tmp_path)
    assert [row.id for row in annotated] == ["q0", "q1", "q2"]
    preferences = preferences_of(rows, annotated)
    told = {row.id: row for row in annotated if row.verdict == "preferred"}
    assert [one.id for one in preferences] == list(told)
    assert preferences
    for one in preferences:
        assert one.source == "execution"
        assert one.probability == told[one.id].probability > 0.6
        assert one.reasons
        assert one.chosen != one.rejected
    again = annotate(rows, {}, annotator("execution"), tmp_path)
    assert again == annotated


def test_rewards_decide_where_the_annotator_goes_by_them(shop: Path, rows: list[Sampled], tmp_path: Path):
    rewards = {one.id: 30.0 * (n == 1) for row in rows for n, one in enumerate(row.responses)}
    annotated = annotate_all(
        rows, rewards, annotator("implicit"), tmp_path, open_database=opened(shop), settings={}
    )
    assert {row.chosen for row in annotated if row.verdict == "preferred"} <= {f"q{n}-1" for n in range(3)}
    assert any(row.verdict == "preferred" for row in annotated)
