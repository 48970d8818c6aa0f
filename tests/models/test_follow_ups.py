"""A follow-up is read together with the question before it."""

from __future__ import annotations

from sqlberg.models.embedded.follow_up import in_context
from sqlberg.models.embedded.prompt import ROLES
from sqlberg.models.embedded.reading import SeenColumn, SeenTable, Situation
from sqlberg.models.embedded.weights import SHIPPED, load_writer


def test_the_question_before_stands_in_front_and_is_marked_as_earlier():
    situation = Situation(
        "And from Italy?",
        earlier=("Who is old", "How many singers are from France?"),
        tables=[SeenTable("singer")],
        columns=[SeenColumn("singer", "country", "TEXT")],
    )
    joined = in_context(situation)
    assert joined.question == "How many singers are from France? And from Italy?"
    prompt = load_writer(SHIPPED).write(joined)
    words = {
        item.text: ROLES[prompt.roles[span[0]]]
        for item, span in zip(prompt.items, prompt.spans, strict=True)
        if item.kind == "word"
    }
    assert (words["France"], words["Italy"]) == ("earlier", "question")


def test_after_a_follow_up_the_question_that_it_followed_is_read_too():
    earlier = ("How many singers are from France?", "And from Italy?")
    joined = in_context(Situation("Only those over 30.", earlier=earlier))
    assert joined.question == "How many singers are from France? And from Italy? Only those over 30."


def test_a_long_past_is_cut_to_its_last_words():
    joined = in_context(Situation("And now?", earlier=("word " * 100,)))
    assert len(joined.question.split()) == 32


def test_a_first_question_stays_as_it_is():
    situation = Situation("How many singers are there?")
    assert in_context(situation) is situation
