"""Replies of chat models are read as one call, as words, or as something to be told back."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from sqlberg.agents.replies import is_unfinished, read_reply

from .scripted import sql, words


def test_a_plain_reply_with_one_call_is_kept_as_it_is() -> None:
    message = sql("SELECT 1")
    assert read_reply(message).message is message


def test_reasoning_is_not_part_of_the_words() -> None:
    assert read_reply(words("<think>Hm.\nLet me see.</think>\n\nFour.")).text == "Four."


def test_reasoning_that_was_begun_in_the_prompt_is_not_part_of_the_words() -> None:
    assert read_reply(AIMessage("The user wants a count.</think>\n\nFour.")).text == "Four."
    assert read_reply(AIMessage("a</think>b<think>c</think>d")).text == "bd"


def test_content_given_as_blocks_is_read_as_text() -> None:
    blocks = AIMessage(content=[{"type": "text", "text": "Four."}])
    assert read_reply(blocks).text == "Four."


def test_a_call_without_an_id_gets_one() -> None:
    reply = read_reply(
        AIMessage("x", tool_calls=[{"name": "execute_sql", "args": {"sql": "SELECT 1"}, "id": None}])
    )
    assert reply.call is not None
    assert reply.call["id"]


def test_a_streamed_call_with_complete_arguments_is_a_call() -> None:
    chunk = AIMessageChunk(
        content="x",
        tool_call_chunks=[
            {
                "name": "execute_sql",
                "args": '{"sql": "SELECT 1"}',
                "id": "a",
                "index": 0,
                "type": "tool_call_chunk",
            }
        ],
    )
    reply = read_reply(chunk)
    assert reply.call is not None
    assert (reply.call["args"], reply.problem) == ({"sql": "SELECT 1"}, "")


def test_a_streamed_call_with_broken_arguments_is_a_problem_though_langchain_completes_it() -> None:
    chunk = AIMessageChunk(
        content="x",
        tool_call_chunks=[
            {
                "name": "execute_sql",
                "args": '{"sql": "SELECT 1',
                "id": "a",
                "index": 0,
                "type": "tool_call_chunk",
            }
        ],
    )
    assert chunk.tool_calls[0]["args"] == {"sql": "SELECT 1"}  # what must not run
    assert read_reply(chunk).problem


def test_a_reply_that_hit_the_length_limit_in_its_call_is_a_problem() -> None:
    message = sql("SELECT 1")
    message.response_metadata = {"finish_reason": "length"}
    assert "cut off" in read_reply(message).problem


@pytest.mark.parametrize("text", ["", "```sql\nSELECT 1\n```", "SELECT a FROM b", '{"name": "execute_sql"}'])
def test_words_that_mean_a_call_are_unfinished(text: str) -> None:
    assert is_unfinished(text)


@pytest.mark.parametrize("text", ["There are four singers.", "I cannot answer this: there are no prices."])
def test_plain_words_are_finished(text: str) -> None:
    assert not is_unfinished(text)
