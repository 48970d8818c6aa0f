"""Slips of the pen are read as what was meant, and only where that is sure."""

from __future__ import annotations

import pytest
from sqlberg.models.embedded.prompt import PromptWriter
from sqlberg.models.embedded.reading import SeenColumn, SeenTable, SeenValue, Situation
from sqlberg.models.embedded.spelling import QUESTION_WORDS, corrected
from sqlberg.models.embedded.weights import SHIPPED, load_writer


@pytest.fixture(scope="module")
def writer() -> PromptWriter:
    return load_writer(SHIPPED)


def situation(question: str) -> Situation:
    return Situation(
        question,
        tables=[SeenTable("singer")],
        columns=[SeenColumn("singer", "nationality", "TEXT"), SeenColumn("singer", "name", "TEXT")],
        values=[SeenValue("singer", "name", "Singre", "exact")],
    )


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("avreage", "average"), ("hihgest", "highest"), ("numbr", "number"), ("Whhat", "what"),
        ("dfiferent", "different"),
    ],
)  # fmt: skip
def test_one_slip_is_set_right(typed: str, meant: str):
    assert corrected(typed, QUESTION_WORDS) == meant


@pytest.mark.parametrize("typed", ["cat", "R2D2", "Xylophone", "", "wher3"])
def test_a_word_that_could_be_anything_stays(typed: str):
    assert corrected(typed, QUESTION_WORDS) == typed


def test_the_network_reads_the_words_of_the_schema(writer: PromptWriter):
    typed, right = (
        writer.write(situation(f"What is the {word}?")) for word in ("natoinality", "nationality")
    )
    assert typed.pieces == right.pieces
    assert typed.matches == right.matches
    assert [item.text for item in typed.items if item.kind == "word"][3] == "natoinality"


def test_what_is_stored_is_no_slip(writer: PromptWriter):
    pieces = writer.write(situation("Who is Singre?")).pieces
    assert list(writer.pieces("Singre")) == pieces[3:5] or writer.pieces("Singre")[0] in pieces
