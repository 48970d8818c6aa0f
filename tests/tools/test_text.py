"""Words come out of names and texts alike, whatever their case, accents, plurals and spelling habits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlberg.tools.text import fold, plain, singular, split_name, stem, words


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("SourceAirport", ["source", "airport"]),
        ("source_airport", ["source", "airport"]),
        ("Source Airport2", ["source", "airport", "2"]),
        ("HTTPServer", ["http", "server"]),
        ("stuID", ["stu", "id"]),
        ("first-name", ["first", "name"]),
        ("École", ["ecole"]),
        ("名前", ["名前"]),
        ("год_рождения", ["год", "рождения"]),
    ],
)
def test_a_name_is_split_into_its_words(name: str, parts: list[str]) -> None:
    assert split_name(name) == parts


@pytest.mark.parametrize(
    ("one", "other"), [("José", "JOSE"), ("Straße", "STRASSE"), ("ﬁle", "file"), ("Ａ１", "a1")]
)
def test_case_accents_and_compatibility_forms_fold_together(one: str, other: str) -> None:
    assert fold(one) == fold(other)


def test_plain_text_has_no_punctuation_but_keeps_what_is_nothing_else() -> None:
    assert plain("O'Neil,  José!") == "oneil jose"
    assert plain("++") == "++"


@given(st.text(max_size=40))
def test_plain_text_stays_as_it_is_when_made_plain_again(text: str) -> None:
    assert plain(plain(text)) == plain(text)


@pytest.mark.parametrize(
    ("plural", "word"),
    [("cities", "city"), ("boxes", "box"), ("singers", "singer"), ("people", "person"), ("status", "status")],
)
def test_plurals_become_singular(plural: str, word: str) -> None:
    assert singular(plural) == word


@pytest.mark.parametrize(
    ("one", "other"),
    [("directed", "director"), ("released", "release"), ("location", "located"), ("names", "named")],
)
def test_words_of_one_family_share_a_stem(one: str, other: str) -> None:
    assert stem(one) == stem(other)


def test_a_possessive_is_no_word() -> None:
    assert words("the singer's name") == ["the", "singer", "name"]
