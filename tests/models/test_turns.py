"""The moves of the embedded model around its network: searching again, and refusing."""

from __future__ import annotations

import pytest
from sqlberg.agents.replies import is_unfinished
from sqlberg.models.embedded import turns
from sqlberg.models.embedded.items import Item
from sqlberg.models.embedded.reading import Situation

SITUATION = Situation(question="What is the blood type of each singer?")
SPAN = [(Item("word", "blood", index=3), Item("word", "type", index=4))]


def test_it_searches_again_for_the_words_that_nothing_stands_for():
    turn = turns.search_again(SITUATION, SPAN)
    assert (turn.tool, turn.arguments) == ("search_column", {"queries": ["blood type"], "top_k": 6})


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ("3 rows, 1 column", "3 rows: a; b; c."),
        ("3+ rows, 1 column", "More than 3 rows: a; b; c; …."),
        ("1,000 rows, 1 column", "1000 rows: a; b; c; …."),
    ],
)
def test_a_result_that_was_cut_is_told_as_more_than_its_rows(counts: str, told: str):
    situation = Situation(question="Which letters?", observations=[f"{counts}\nletter\na\nb\nc"])
    assert turns.conclude(situation).thought == told


@pytest.mark.parametrize("columns", [1, 2])
def test_one_row_of_more_is_not_the_answer(columns: int):
    rows = "a\nx" if columns == 1 else "a | b\nx | y"
    situation = Situation(question="Which?", observations=[f"1+ rows, {columns} columns\n{rows}"])
    assert turns.conclude(situation).thought.startswith("More than 1 row")


def test_a_refusal_names_what_is_missing_and_is_a_whole_reply():
    turn = turns.refuse(SITUATION, SPAN)
    assert not turn.tool
    assert '"blood type"' in turn.thought
    assert turn.thought.startswith("I cannot answer this:")
    assert not is_unfinished(turn.thought)
    assert "does not hold" in turns.refuse(SITUATION, []).thought
