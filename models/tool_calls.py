"""Reads tool calls out of the text that a chat model wrote.

Covered: the Hermes/Qwen format, one `<tool_call>{"name": ..., "arguments": {...}}</tool_call>` per call after
optional words, with a leading `<think>...</think>`; and, for models that leave the tags out, a reply that is
nothing but one JSON object of that shape (`parameters` is accepted for `arguments`, code fences are dropped).
Not covered: Python-style calls, XML arguments, Mistral's `[TOOL_CALLS]`.

A call that cannot be read is never guessed at: it becomes an invalid tool call that keeps the raw text and
says what is wrong, so that the agent can answer it and a truncated statement never runs. The raw text keeps
its tag on purpose: LangChain completes broken JSON when it joins streamed chunks, and the tag prevents that.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import InvalidToolCall, ToolCall
from langchain_core.messages.tool import invalid_tool_call, tool_call

OPENING, CLOSING = "<tool_call>", "</tool_call>"
_THINKING = re.compile(r"\s*<think>(.*?)(?:</think>\s*|\Z)", re.DOTALL)
_FENCED = re.compile(r"```(?:json|tool_call)?[^\S\n]*\n(.*?)\n?```", re.DOTALL)
_NAME = re.compile(r'"name"\s*:\s*"([^"\\]+)"')


@dataclass(frozen=True)
class Reply:
    """One reply taken apart: the words, the thinking before them and the tool calls after them."""

    content: str
    thinking: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    invalid_tool_calls: tuple[InvalidToolCall, ...] = ()


def parse_reply(text: str, *, tool_names: Collection[str] = (), salt: str = "") -> Reply:
    """Take `text` apart. Without `tool_names` there are no calls to look for and all of it is content.

    `tool_names` are the tools the model was offered; a bare JSON object counts as a call only when it names
    one of them, while a tagged call may name any (the agent says which tools exist). The calls' ids derive
    from `salt` and the call itself, so the same reply to the same prompt has the same ids.
    """
    thinking, text = _split_thinking(text)
    if not tool_names:
        return Reply(content=text, thinking=thinking)
    bare = _bare_call(text, tool_names)
    if bare is not None:
        text = OPENING + bare
    words, *calls = text.split(OPENING)
    valid: list[ToolCall] = []
    invalid: list[InvalidToolCall] = []
    for position, written in enumerate(calls):
        # Without its closing tag a call still counts when its JSON is complete: nothing is missing from it.
        body, _, rest = written.partition(CLOSING)
        read = _read_call(body)
        if isinstance(read, str):
            invalid.append(_invalid(body, read, salt, position))
        else:
            valid.append(_valid(*read, salt, position))
        words += rest if rest.strip() else ""
    return Reply(words.strip(), thinking, tuple(valid), tuple(invalid))


def speakable(text: str, *, with_tools: bool) -> str:
    """The part of an unfinished reply that is certainly content and may be shown while the rest is written.

    Held back: thinking, everything from the first tool call on, a tail that may become a tag, and, when tools
    were offered, a reply that starts like a bare JSON call. What is returned only ever grows as `text` grows.
    """
    start = text.lstrip()
    if "<think>".startswith(start[:7]):
        if "</think>" not in start:
            return ""
        text = _split_thinking(text)[1]
    if not with_tools:
        return text
    text = text.lstrip()
    if text.startswith(("{", "`")):
        return ""
    text, found, _ = text.partition(OPENING)
    for length in range(min(len(OPENING) - 1, len(text)), 0, -1):
        # Before a whole tag nothing can become one any more.
        if not found and OPENING.startswith(text[-length:]):
            text = text[:-length]
            break
    return text.rstrip()


def _split_thinking(text: str) -> tuple[str, str]:
    match = _THINKING.match(text)
    return (match.group(1).strip(), text[match.end() :]) if match else ("", text)


def _read_call(body: str) -> tuple[str, dict[str, Any]] | str:
    """(name, arguments) of one call's JSON, or what is wrong with it."""
    try:
        call = json.loads(body)
    except json.JSONDecodeError as error:
        return f"the tool call is not valid JSON: {error.msg} at character {error.pos}"
    except (ValueError, RecursionError):
        return "the tool call cannot be read: it is nested too deeply, or a number in it is too long"
    if not isinstance(call, dict) or not isinstance(call.get("name"), str) or not call["name"]:
        return 'the tool call is no object with a "name"'
    arguments = call.get("arguments", call.get("parameters", {}))
    if isinstance(arguments, str):
        # Some models quote the arguments once more, as OpenAI's wire format does.
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            return 'the "arguments" of the tool call are not a JSON object'
    if not isinstance(arguments, dict):
        return 'the "arguments" of the tool call are not a JSON object'
    return call["name"], arguments


def _bare_call(text: str, tool_names: Collection[str]) -> str | None:
    """The JSON of a reply that is one untagged call (complete or cut off) of an offered tool, else None."""
    fenced = _FENCED.fullmatch(text.strip())
    body = (fenced.group(1) if fenced else text).strip()
    named = _NAME.match(body[1:].lstrip()) if body.startswith("{") else None
    return body if named and named.group(1) in tool_names else None


def _valid(name: str, arguments: dict[str, Any], salt: str, position: int) -> ToolCall:
    identity = _call_id(salt, position, json.dumps([name, arguments], sort_keys=True))
    return tool_call(name=name, args=arguments, id=identity)


def _invalid(body: str, problem: str, salt: str, position: int) -> InvalidToolCall:
    raw = OPENING + body
    named = _NAME.search(body)
    return invalid_tool_call(
        name=named.group(1) if named else None, args=raw, id=_call_id(salt, position, raw), error=problem
    )


def _call_id(salt: str, position: int, content: str) -> str:
    digest = hashlib.blake2b(f"{salt}\0{position}\0{content}".encode(), digest_size=9)
    return f"call_{digest.hexdigest()}"
