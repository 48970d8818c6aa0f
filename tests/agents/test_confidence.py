"""Confidence of one candidate: the model's own probability, lowered by doubts, or honestly unknown."""

from __future__ import annotations

import math

import pytest
from langchain_core.messages import AIMessage
from sqlberg.agents.answer import Answer, Logprob
from sqlberg.agents.confidence import Doubts, confidence, logprob_of
from sqlberg.agents.sql_agent import SqlAgent
from sqlberg.tools.database import Database

from .scripted import ScriptedModel, sql, words


def test_it_is_the_mean_token_probability() -> None:
    assert confidence(Logprob(-2.0, 10), Doubts()) == pytest.approx(math.exp(-0.2))


@pytest.mark.parametrize(("told", "expected"), [(0.3, 0.3), (1.7, math.exp(-0.2)), ("sure", math.exp(-0.2))])
def test_a_model_that_says_how_sure_it_is_is_believed(told: object, expected: float) -> None:
    content = [{"token": "x", "logprob": -0.2}] * 10
    message = AIMessage("x", response_metadata={"logprobs": {"content": content}, "confidence": told})
    assert confidence(logprob_of(message), Doubts()) == pytest.approx(expected)


def test_it_is_unknown_without_log_probabilities() -> None:
    assert confidence(None, Doubts()) is None


@pytest.mark.parametrize(
    "doubts",
    [
        Doubts(missing_literals=1),
        Doubts(unknown_joins=1),
        Doubts(inferred_joins=1),
        Doubts(empty=True),
        Doubts(omitted=1),
    ],
)
def test_every_doubt_lowers_it(doubts: Doubts) -> None:
    sure, doubted = confidence(Logprob(-1.0, 10), Doubts()), confidence(Logprob(-1.0, 10), doubts)
    assert sure is not None
    assert doubted is not None
    assert 0 < doubted < sure


@pytest.mark.parametrize(
    "metadata",
    [{}, {"logprobs": None}, {"logprobs": {"content": []}}, {"logprobs": {"content": [{"token": "x"}]}}],
)
def test_incomplete_log_probabilities_are_unknown(metadata: dict[str, object]) -> None:
    assert logprob_of(AIMessage("x", response_metadata=metadata)) is None


def test_a_literal_that_the_data_does_not_hold_halves_it(music: Database) -> None:
    def of(country: str) -> float | None:
        statement = f"SELECT count(*) FROM singer WHERE country = '{country}'"
        return (
            SqlAgent(music, ScriptedModel(script=[sql(statement, logprob=-0.1), words("x")]))
            .ask("?")
            .confidence
        )

    known, unknown = of("France"), of("Frankreich")
    assert known is not None
    assert unknown == pytest.approx(known / 2)


def test_what_the_question_names_and_the_statement_does_not_is_told_and_halves_it(music: Database) -> None:
    def asked(question: str) -> Answer:
        script = [sql("SELECT count(*) FROM singer", logprob=-0.1), words("x")]
        return SqlAgent(music, ScriptedModel(script=script)).ask(question)

    said, left_out = asked("How many singers are there?"), asked("How many singers are over 48?")
    assert said.notes == ()
    assert left_out.notes == ("The question names 48, which the SQL does not use.",)
    assert said.confidence is not None
    assert left_out.confidence == pytest.approx(said.confidence / 2)
