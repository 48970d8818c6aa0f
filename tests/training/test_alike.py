"""What answers to questions asked alike say of an answer."""

from __future__ import annotations

import math

import pytest
from sqlberg.training.preferences import FunctionCall, Message, ToolCall
from sqlberg.training.rounds.alike import asked_alike
from sqlberg.training.rounds.candidates import Response, Sampled
from sqlberg.training.rounds.rewards import Scored

COUNT, LIST = "SELECT count(*) FROM singer", "SELECT name FROM singer"


def asked(name: str, question: str, *statements: str, db_id: str = "concert") -> Sampled:
    def said(sql: str) -> tuple[Message, ...]:
        call = ToolCall(function=FunctionCall(name="execute_sql", arguments={"sql": sql}))
        return (Message(role="assistant", tool_calls=(call,)),)

    responses = tuple(Response(id=f"{name}-{n}", sql=s, messages=said(s)) for n, s in enumerate(statements))
    return Sampled(id=name, db_id=db_id, question=question, responses=responses)


FIRST = asked("a", "How many singers are there?", LIST, COUNT)
AGAIN = asked("b", "What is the number of singers?", COUNT + " ;", LIST)
SCORED = {
    "a-0": Scored(-0.7),
    "a-1": Scored(-0.8),
    "b-0": Scored(math.log(0.9)),
    "b-1": Scored(math.log(0.1)),
}


def test_a_surer_wording_speaks_for_its_answer():
    agreed = asked_alike([FIRST, AGAIN], SCORED)
    assert agreed["a-1"] == pytest.approx(0.9)
    assert agreed["a-0"] == pytest.approx(0.1)


def test_where_no_likelihood_is_known_candidates_count_alike():
    assert asked_alike([FIRST, AGAIN], {})["a-1"] == pytest.approx(0.5)


def test_many_wordings_count_no_more_than_one_that_is_sure():
    again = [AGAIN.model_copy(update={"id": f"c{n}"}) for n in range(3)]
    assert asked_alike([FIRST, *again], SCORED)["a-1"] == 1.0


@pytest.mark.parametrize(
    "other",
    [
        asked("b", "Which stadiums opened before 1980?", COUNT),
        asked("b", "What is the number of singers?", COUNT, db_id="orchestra"),
        asked("b", "What is the number of singers?"),
    ],
    ids=["asked of something else", "asked of another database", "without an answer"],
)
def test_other_questions_say_nothing(other: Sampled):
    assert set(asked_alike([FIRST, other], SCORED).values()) <= {0.0}
    assert asked_alike([FIRST], SCORED) == {"a-0": 0.0, "a-1": 0.0}
