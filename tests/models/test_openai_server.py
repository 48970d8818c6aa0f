"""The same dialogue over HTTP: a real vLLM server on loopback serves the taught model of tiny.py.

Skipped where vLLM is not installed; .ci/run installs it and runs these tests with `pytest -m server`.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from sqlberg.agents.budget import Budget
from sqlberg.agents.sql_agent import SqlAgent
from sqlberg.models.errors import ModelError, UnknownModel, explain
from sqlberg.models.references import list_models, load_chat_model
from sqlberg.models.transformers_chat import TransformersChatModel

from .tiny import ANSWER, CALL, GREETING, LIST, SYSTEM, THOUGHT, asked, execute_sql, observed

pytestmark = [pytest.mark.server, pytest.mark.timeout(900)]  # the first test waits for the server


@pytest.fixture(scope="module")
def served(base_url: str) -> Any:
    """The served model, as a user loads it."""
    return load_chat_model("vllm:base", base_url=base_url, temperature=0.0, max_tokens=64, seed=1)


@pytest.fixture(scope="module")
def in_process(taught_model: Path) -> TransformersChatModel:
    """The same weights in this process, in the server's precision."""
    return TransformersChatModel.load(str(taught_model), dtype="bfloat16", device="cpu", max_tokens=64)


def logprobs(message: AIMessage) -> dict[str, list[Any]]:
    content = message.response_metadata["logprobs"]["content"]
    return {name: [token[name] for token in content] for name in ("token", "logprob")}


def test_the_server_answers_in_words(served: Any) -> None:
    message = served.invoke("Hello")
    assert (message.content, message.response_metadata["finish_reason"]) == (GREETING, "stop")
    assert message.usage_metadata["output_tokens"] == len(logprobs(message)["token"])


def test_bound_tools_are_called_and_their_observation_is_answered(served: Any) -> None:
    agent = served.bind_tools([execute_sql])
    call = agent.invoke(asked())
    assert (call.content.strip(), call.tool_calls[0]["name"], call.tool_calls[0]["args"]) == (
        THOUGHT,
        CALL["name"],
        CALL["args"],
    )
    assert agent.invoke(observed(call.tool_calls[0]["id"])).content == ANSWER


def test_a_forced_tool_call_follows_the_tools_schema(served: Any) -> None:
    forced = served.bind_tools([execute_sql], tool_choice="execute_sql")
    (call,) = forced.invoke([SYSTEM, LIST]).tool_calls
    assert (call["name"], call["args"]) == ("execute_sql", {"sql": "SELECT Name FROM singer"})


def test_streamed_chunks_join_to_the_same_words_calls_and_usage(served: Any) -> None:
    agent = served.bind_tools([execute_sql])
    first, *rest = list(agent.stream(asked()))
    for chunk in rest:
        first = first + chunk
    whole = agent.invoke(asked())
    assert [(call["name"], call["args"]) for call in first.tool_calls] == [(CALL["name"], CALL["args"])]
    assert first.content.strip() == whole.content.strip()
    assert first.usage_metadata["total_tokens"] == whole.usage_metadata["total_tokens"]
    assert len(rest) > 3


def test_log_probabilities_are_those_of_the_model_in_process(
    served: Any, in_process: TransformersChatModel, capsys: pytest.CaptureFixture[str]
) -> None:
    differences: list[float] = []
    for conversation, tools in ((asked(), [execute_sql]), (observed(), [execute_sql]), ("Hello", [])):
        here, there = (
            logprobs((model.bind_tools(tools) if tools else model).invoke(conversation))
            for model in (in_process, served)
        )
        assert here["token"] == there["token"]
        pairs = zip(here["logprob"], there["logprob"], strict=True)
        differences += [abs(one - other) for one, other in pairs]
    with capsys.disabled():
        figures = {"tokens": len(differences), "largest_difference": round(max(differences), 4)}
        print(f"\nserver against in process: {json.dumps(figures)}")
    assert max(differences) < 0.05


def test_a_seeded_sample_repeats(served: Any) -> None:
    replies = [served.invoke("Hello", temperature=2.0, seed=seed).content for seed in (5, 5, 6, 7)]
    assert replies[0] == replies[1]
    assert len(set(replies)) > 1


def test_a_name_that_is_not_served_and_a_conversation_too_long_are_one_line(
    served: Any, base_url: str
) -> None:
    with pytest.raises(UnknownModel, match="serves base; not 'nobody'"):
        load_chat_model("vllm:nobody", base_url=base_url)
    with pytest.raises(Exception, match="context length") as caught:
        served.invoke("Hello " * 20_000)
    said = explain(caught.value, "vllm:base")
    assert isinstance(said, ModelError)
    assert "\n" not in str(said)


def test_the_sql_agent_ends_in_an_answer_whatever_the_served_model_says(served: Any, tmp_path: Path) -> None:
    # The model has never seen the agent's prompt, so its answer is no good; the dialogue still ends well.
    path = tmp_path / "concert.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE singer (Singer_ID INTEGER PRIMARY KEY, Name TEXT)")
        connection.execute("INSERT INTO singer VALUES (1, 'Joe Sharp'), (2, 'Rose White')")
    with SqlAgent(path, model=served, budget=Budget(rounds=3, tokens=200_000)) as agent:
        answer = agent.ask("How many singers are there?")
    assert (answer.sql, answer.status in ("abstained", "partial", "failed")) == ("", True)
    assert answer.tokens.generated > 0
    assert "Traceback" not in answer.text + answer.reason


def test_the_list_of_models_names_what_the_server_serves(base_url: str) -> None:
    assert "vllm:base" in [one.reference for one in list_models(base_url=base_url)]
