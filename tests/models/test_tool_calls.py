"""Tool calls in the text of a reply: read exactly, or kept as invalid; nothing in between."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from sqlberg.models.tool_calls import parse_reply, speakable

TOOLS = ("execute_sql", "search_column")
CALL = '<tool_call>\n{"name": "execute_sql", "arguments": {"sql": "SELECT 1"}}\n</tool_call>'


def test_a_tagged_call_after_words_is_read() -> None:
    reply = parse_reply("I count first.\n" + CALL, tool_names=TOOLS)
    assert reply.content == "I count first."
    assert [(call["name"], call["args"]) for call in reply.tool_calls] == [
        ("execute_sql", {"sql": "SELECT 1"})
    ]


@pytest.mark.parametrize("written", ["[" * 5000, "[" * 950, "9" * 5000 + "}}", '"' + "[" * 5000])
@pytest.mark.parametrize("opening", ["", '"'])
def test_what_no_parser_takes_is_an_invalid_call(written: str, opening: str) -> None:
    body = f'{{"name": "execute_sql", "arguments": {opening}{{"sql": {written}'
    [call] = parse_reply(f"<tool_call>{body}</tool_call>", tool_names=TOOLS).invalid_tool_calls
    assert (call["name"], bool(call["error"])) == ("execute_sql", True)


def test_several_calls_keep_their_order_and_get_ids_of_their_own() -> None:
    second = '<tool_call>{"name": "search_column", "arguments": {"queries": ["age"]}}</tool_call>'
    reply = parse_reply(CALL + "\n" + second + CALL, tool_names=TOOLS)
    assert [call["name"] for call in reply.tool_calls] == ["execute_sql", "search_column", "execute_sql"]
    assert len({call["id"] for call in reply.tool_calls}) == 3


def test_the_same_reply_to_the_same_prompt_has_the_same_ids() -> None:
    ids = [parse_reply(CALL, tool_names=TOOLS, salt=salt).tool_calls[0]["id"] for salt in ("a", "a", "b")]
    assert ids[0] == ids[1] != ids[2]


def test_thinking_is_kept_apart_from_the_content() -> None:
    reply = parse_reply("<think>\nsinger has ages\n</think>\n\nHere." + CALL, tool_names=TOOLS)
    assert (reply.thinking, reply.content, len(reply.tool_calls)) == ("singer has ages", "Here.", 1)


def test_thinking_that_never_ended_is_not_an_answer() -> None:
    reply = parse_reply("<think>let me see", tool_names=TOOLS)
    assert (reply.thinking, reply.content) == ("let me see", "")


def test_parameters_and_quoted_arguments_are_read_as_arguments() -> None:
    as_parameters = '<tool_call>{"name": "execute_sql", "parameters": {"sql": "SELECT 1"}}</tool_call>'
    quoted = '<tool_call>{"name": "execute_sql", "arguments": "{\\"sql\\": \\"SELECT 1\\"}"}</tool_call>'
    for text in (as_parameters, quoted):
        assert parse_reply(text, tool_names=TOOLS).tool_calls[0]["args"] == {"sql": "SELECT 1"}


def test_an_empty_fence_does_not_take_long_to_read() -> None:
    started = time.perf_counter()
    assert parse_reply("```" + "\n" * 50_000 + "x", tool_names=TOOLS).tool_calls == ()
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("fence", ["{}", "```json\n{}\n```", "```\n{}\n```"])
def test_a_reply_that_is_one_bare_json_call_is_read(fence: str) -> None:
    text = fence.replace("{}", '{"name": "execute_sql", "arguments": {"sql": "SELECT 1"}}')
    reply = parse_reply(text, tool_names=TOOLS)
    assert (reply.content, [call["name"] for call in reply.tool_calls]) == ("", ["execute_sql"])


def test_json_that_names_no_tool_is_an_answer() -> None:
    text = '{"name": "Joe Sharp", "arguments": {}}'
    assert parse_reply(text, tool_names=TOOLS) == parse_reply(text)
    assert parse_reply(text).content == text


def test_without_tools_a_call_is_only_text() -> None:
    assert parse_reply(CALL).content == CALL


def test_a_call_without_its_closing_tag_counts_when_its_json_is_complete() -> None:
    assert len(parse_reply(CALL.removesuffix("</tool_call>"), tool_names=TOOLS).tool_calls) == 1


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ('{"name": "execute_sql", "arguments": {"sql": "SELECT 1', "not valid JSON"),
        ('{"arguments": {"sql": "SELECT 1"}}', 'no object with a "name"'),
        ('["execute_sql"]', 'no object with a "name"'),
        ('{"name": "execute_sql", "arguments": ["SELECT 1"]}', 'the "arguments"'),
        ('{"name": "execute_sql", "arguments": "SELECT 1"}', 'the "arguments"'),
        ("", "not valid JSON"),
    ],
)
def test_a_malformed_call_is_invalid_and_says_what_is_wrong(body: str, problem: str) -> None:
    reply = parse_reply(f"<tool_call>{body}</tool_call>", tool_names=TOOLS)
    assert not reply.tool_calls
    (invalid,) = reply.invalid_tool_calls
    assert problem in str(invalid["error"])
    assert body in str(invalid["args"])


def test_a_truncated_statement_stays_invalid_when_langchain_joins_chunks() -> None:
    (cut,) = parse_reply(CALL[:-30], tool_names=TOOLS).invalid_tool_calls
    chunk = tool_call_chunk(name=cut["name"], args=cut["args"], id=cut["id"], index=0)
    joined = AIMessageChunk(content="") + AIMessageChunk(
        content="", tool_call_chunks=[chunk], chunk_position="last"
    )
    assert isinstance(joined, AIMessageChunk)
    assert (joined.tool_calls, len(joined.invalid_tool_calls)) == ([], 1)


TAGS = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool", "_call>", "<", CALL)
OTHERS = ("{", '"name": "execute_sql"', "}", "`", "words", " ", "\n")
PIECES = st.lists(st.sampled_from(TAGS + OTHERS), max_size=8)


@given(PIECES, st.booleans())
@example(["<tool", "<tool_call>"], True)
def test_what_is_shown_early_only_grows_and_is_how_the_content_starts(
    pieces: list[str], offered: bool
) -> None:
    text, shown = "", ""
    for character in "".join(pieces):
        text += character
        now = speakable(text, with_tools=offered)
        assert now.startswith(shown)
        shown = now
    content = parse_reply(text, tool_names=TOOLS if offered else ()).content
    assert content.startswith(shown)


@given(st.text(), st.booleans())
def test_no_text_makes_the_reader_fail(text: str, offered: bool) -> None:
    parse_reply(text, tool_names=TOOLS if offered else ())
    parse_reply(f"<tool_call>{text}", tool_names=TOOLS)
