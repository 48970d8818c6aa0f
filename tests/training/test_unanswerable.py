"""Questions made unanswerable: what the dialogue no longer holds must be searched, then refused."""

from __future__ import annotations

import random

from sqlberg.models.embedded.items import Item
from sqlberg.models.embedded.reading import SeenColumn, SeenTable, Situation
from sqlberg.training.embedded.unanswerable import ask_elsewhere, take_away

SALARY = Item("column", text="salary", table="worker", column="salary")
SITUATION = Situation(
    question="What is the average salary?",
    tables=[SeenTable("worker", ("id",))],
    columns=[SeenColumn("worker", "salary", "INTEGER"), SeenColumn("worker", "name", "TEXT")],
)


def test_a_column_the_target_needs_is_taken_away_and_asked_for_by_its_words():
    turns = set()
    for seed in range(8):
        taken = take_away(SITUATION, ["execute", "select", "avg", SALARY, "end"], random.Random(seed))
        assert taken is not None
        rest, target = taken
        assert [column.name for column in rest.columns] == ["name"]
        assert [t.text for t in target if isinstance(t, Item)] == ["salary", "salary"]
        turns.add(target[0])
    assert turns == {"search", "refuse"}


def test_nothing_is_taken_that_another_column_could_stand_for():
    twice = Situation(
        question=SITUATION.question,
        tables=SITUATION.tables,
        columns=[*SITUATION.columns, SeenColumn("worker", "last_salary", "INTEGER")],
    )
    assert take_away(twice, ["execute", "select", "avg", SALARY, "end"], random.Random(0)) is None


def test_a_question_about_something_else_is_refused_at_once():
    asked = ask_elsewhere(SITUATION, "Which airports lie in Alaska?")
    assert asked is not None
    assert asked[1] == ["refuse", "end"]
    assert ask_elsewhere(SITUATION, "Which worker flies the plane?") is None
