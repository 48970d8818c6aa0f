"""The moves of the embedded model around its network: searching again, and refusing."""

from __future__ import annotations

from sqlberg.agents.replies import is_unfinished
from sqlberg.models.embedded import turns
from sqlberg.models.embedded.items import Item
from sqlberg.models.embedded.reading import Situation

SITUATION = Situation(question="What is the blood type of each singer?")
SPAN = [(Item("word", "blood", index=3), Item("word", "type", index=4))]


def test_it_searches_again_for_the_words_that_nothing_stands_for():
    turn = turns.search_again(SITUATION, SPAN)
    assert (turn.tool, turn.arguments) == ("search_column", {"queries": ["blood type"], "top_k": 6})


def test_a_refusal_names_what_is_missing_and_is_a_whole_reply():
    turn = turns.refuse(SITUATION, SPAN)
    assert not turn.tool
    assert '"blood type"' in turn.thought
    assert turn.thought.startswith("I cannot answer this:")
    assert not is_unfinished(turn.thought)
    assert "does not hold" in turns.refuse(SITUATION, []).thought
