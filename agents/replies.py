"""What a chat model's reply amounts to: one tool call, words, or something to be told back. Pure functions.

Actions are structured tool calls only; SQL or code in a reply's text is never run. A reply that cannot be
acted on is rewritten into a dialogue that every chat API accepts (one assistant message with one call, one
tool message), so that one bad turn does not poison the rest. Covered: arguments that are no JSON or were cut
off, several calls at once, a call without a name, content given as blocks, reasoning in <think> tags.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import ToolCall, tool_call

# Chat templates that open the tag in the prompt leave its end alone to the reply.
_REASONING = re.compile(
    r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)|\A(?:(?!<think).)*?</think(?:ing)?>",
    re.DOTALL | re.IGNORECASE,
)
_DECLINES = re.compile(r"\W*(?:answer:\W*)?I (?:cannot|can not|can['’]t) answer this\b", re.IGNORECASE)
_FENCED = re.compile(r"```(?:\w*\n)?\s*((?:SELECT|WITH)\b.*?)```", re.DOTALL | re.IGNORECASE)
_LOOKS_LIKE_A_CALL = re.compile(
    r"```|<tool_call|<function|\bSELECT\b.{0,400}\bFROM\b|\"(?:name|tool|arguments)\"\s*:"
    r"|\b(?:search_column|search_value|find_shortest_path|execute_sql)\b",
    re.DOTALL | re.IGNORECASE,
)
_CALL = re.compile(r"<tool_call|<function", re.IGNORECASE)
_CUT_OFF = {"length", "max_tokens", "MAX_TOKENS"}
_UNREADABLE = "execute_sql"


@dataclass(frozen=True)
class Reply:
    """A reply, read.

    message: what goes into the dialogue; at most one tool call. call: the call to run. problem: why it cannot
    run, for the model. dropped: how many further calls were left out. text: the words, without reasoning
    tags.
    """

    message: AIMessage
    text: str
    call: ToolCall | None = None
    problem: str = ""
    dropped: int = 0


def read_reply(message: AIMessage) -> Reply:
    """Reads one reply of a chat model, streamed or whole."""
    text = thought_of(message)
    calls = [*message.tool_calls]
    broken = [*message.invalid_tool_calls]
    if isinstance(message, AIMessageChunk):
        calls, streamed = _whole_calls(message)
        broken = [*broken, *streamed]
    cut_off = _finish_reason(message) in _CUT_OFF
    if calls and not (cut_off and len(calls) == 1):
        call = tool_call(
            name=str(calls[0]["name"] or ""), args=dict(calls[0]["args"]), id=calls[0]["id"] or _new_id()
        )
        return Reply(_rewritten(message, call), text, call, dropped=len(calls) + len(broken) - 1)
    if calls or broken:
        first: Any = calls[0] if calls else broken[0]
        call = tool_call(name=str(first["name"] or _UNREADABLE), args={}, id=first["id"] or _new_id())
        problem = (
            "the reply was cut off before the call was complete; make the call shorter"
            if cut_off
            else "the arguments were not a JSON object"
        )
        return Reply(_rewritten(message, call), text, call, problem=problem)
    return Reply(_rewritten(message, None), text)


def thought_of(message: AIMessage) -> str:
    """The words of a reply, without reasoning tags, blanks trimmed."""
    return _REASONING.sub("", str(message.text)).strip()


def is_unfinished(text: str) -> bool:
    """Whether words without a tool call look like a call that was meant, or like nothing at all."""
    return not text or bool(_LOOKS_LIKE_A_CALL.search(text))


def declines(text: str) -> bool:
    """Whether words say, as the prompt asks for, that the database does not hold what is wanted."""
    return bool(_DECLINES.match(text))


def holds_unrun(text: str, ran: Sequence[str]) -> bool:
    """Whether words hold a call, or in a code block a statement that is none of those that ran."""
    known = {_bare(sql) for sql in ran}
    return bool(_CALL.search(text)) or any(_bare(sql) not in known for sql in _FENCED.findall(text))


def _bare(sql: str) -> str:
    """A statement without its layout."""
    return "".join(sql.split()).rstrip(";").casefold()


def _whole_calls(message: AIMessageChunk) -> tuple[list[ToolCall], list[dict[str, Any]]]:
    """The calls of a streamed reply whose arguments are complete JSON objects, and the others.

    LangChain completes a broken-off JSON text by itself; SQL that was cut in the middle must not run.
    """
    if not message.tool_call_chunks:
        return list(message.tool_calls), []
    whole: list[ToolCall] = []
    broken: list[dict[str, Any]] = []
    for chunk in message.tool_call_chunks:
        try:
            arguments = json.loads(chunk["args"] or "{}")
        except ValueError:
            arguments = None
        if isinstance(arguments, dict):
            whole.append(tool_call(name=chunk["name"] or "", args=arguments, id=chunk["id"]))
        else:
            broken.append({"name": chunk["name"], "id": chunk["id"]})
    return whole, broken


def _finish_reason(message: AIMessage) -> str:
    metadata = message.response_metadata
    return str(metadata.get("finish_reason") or metadata.get("stop_reason") or "")


def _rewritten(message: AIMessage, call: ToolCall | None) -> AIMessage:
    """The reply as one plain message with that call. The model's own message when it is already that."""
    calls = [call] if call else []
    same = type(message) is AIMessage and not message.invalid_tool_calls and message.tool_calls == calls
    if same and (not call or len(message.tool_calls) == 1):
        return message
    return AIMessage(
        content=str(message.text),
        tool_calls=calls,
        response_metadata=message.response_metadata,
        usage_metadata=message.usage_metadata,
        id=message.id,
    )


def _new_id() -> str:
    return f"call_{uuid.uuid4().hex[:12]}"
