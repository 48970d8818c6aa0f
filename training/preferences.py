"""Trajectories and preferences: dialogues in the chat format with tool calls, and which of two is better.

A trajectory is what the agent said and saw; a preference holds two of them that answer the same prompt. Both
are checked when they are read (pydantic), whatever file they come from (`formats.py`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Source = Literal["person", "gold", "implicit", "execution", "judge", "combined"]
"""Who says that one is better: a person, the gold SQL, or an annotator by this name (agents/annotator)."""


class FunctionCall(BaseModel):
    """A tool and its arguments, read from an object or (OpenAI's wire format) from its JSON text."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(min_length=1)
    arguments: dict[str, Any] = {}

    @field_validator("arguments", mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return _writable(value)
        try:
            return _writable(json.loads(value or "{}"))
        except json.JSONDecodeError as error:
            raise ValueError(f"not JSON: {error.msg}") from None


class ToolCall(BaseModel):
    """One call that an assistant's message makes."""

    model_config = ConfigDict(frozen=True)

    id: str = ""
    function: FunctionCall


class Message(BaseModel):
    """One message of a dialogue. tool_call_id: of the call that a tool's message answers."""

    model_config = ConfigDict(frozen=True)

    role: Literal["system", "user", "assistant", "tool"]
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    name: str = ""

    @field_validator("role", mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        return "system" if value == "developer" else value

    @field_validator("content", mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        if value is None:
            return ""
        if isinstance(value, list) and all(isinstance(b, dict) and b.get("type") == "text" for b in value):
            value = "".join(str(block.get("text", "")) for block in value)
        return _writable(value)

    @field_validator("tool_calls", mode="before")
    @classmethod
    def _calls(cls, value: Any) -> Any:
        return () if value is None else value

    @field_validator("tool_call_id", "name", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        return "" if value is None else value

    @model_validator(mode="after")
    def _own_calls(self) -> Message:
        if self.tool_calls and self.role != "assistant":
            raise ValueError(f"a {self.role}'s message calls no tools")
        return self

    def plain(self) -> dict[str, Any]:
        """As chat templates and TRL take it: only what is set, arguments as an object."""
        row: dict[str, Any] = {"role": self.role, "content": self.content}
        if self.tool_calls:
            row["tool_calls"] = [
                {"type": "function", "id": call.id, "function": call.function.model_dump()}
                for call in self.tool_calls
            ]
        return row | {n: v for n in ("tool_call_id", "name") if (v := getattr(self, n))}

    def wired(self) -> dict[str, Any]:
        """As it is on the wire to a model: the same with arguments as JSON text."""
        row = self.plain()
        for call in row.get("tool_calls", ()):
            arguments = call["function"]["arguments"]
            call["function"]["arguments"] = json.dumps(arguments, ensure_ascii=False)
        return row


Messages = tuple[Message, ...]


class Trajectory(BaseModel):
    """A dialogue: `prompt` up to the question, `response` what the policy said and the tools answered."""

    model_config = ConfigDict(frozen=True)

    id: str = ""
    db_id: str = ""
    prompt: Messages
    response: Messages
    tools: tuple[dict[str, Any], ...] = ()

    @field_validator("prompt")
    @classmethod
    def _asked(cls, prompt: Messages) -> Messages:
        return _asks(prompt)

    @field_validator("response")
    @classmethod
    def _answered(cls, response: Messages) -> Messages:
        return _answers(response)

    @property
    def responses(self) -> tuple[Messages, ...]:
        """What there is to learn from: the one."""
        return (self.response,)

    @property
    def question(self) -> str:
        """The last that was asked."""
        return _question(self.prompt)


class Preference(BaseModel):
    """Two trajectories for one prompt, `chosen` the better.

    source: who says so; probability: how sure that is; margin: by how much, in the annotator's own measure;
    reasons: for people to read.
    """

    model_config = ConfigDict(frozen=True)

    id: str = ""
    db_id: str = ""
    prompt: Messages
    chosen: Messages
    rejected: Messages
    tools: tuple[dict[str, Any], ...] = ()
    source: Source = "person"
    probability: float = Field(default=1.0, ge=0.5, le=1.0)
    margin: float | None = Field(default=None, allow_inf_nan=False)
    reasons: tuple[str, ...] = ()

    @field_validator("prompt")
    @classmethod
    def _asked(cls, prompt: Messages) -> Messages:
        return _asks(prompt)

    @field_validator("chosen", "rejected")
    @classmethod
    def _answered(cls, response: Messages) -> Messages:
        return _answers(response)

    @model_validator(mode="after")
    def _differ(self) -> Preference:
        if said(self.chosen) == said(self.rejected):
            raise ValueError("chosen and rejected say the same")
        return self

    @property
    def responses(self) -> tuple[Messages, ...]:
        """What there is to learn from: the better, the worse."""
        return (self.chosen, self.rejected)

    @property
    def question(self) -> str:
        """The last that was asked."""
        return _question(self.prompt)


Lesson = Preference | Trajectory
"""Something to learn from: which of two is better, or one to imitate."""


def said(response: Sequence[Message]) -> list[tuple[str, list[tuple[str, str]]]]:
    """What the policy itself says in a response: words and calls, without the calls' ids."""
    return [
        (
            m.content,
            [(c.function.name, json.dumps(c.function.arguments, sort_keys=True)) for c in m.tool_calls],
        )
        for m in response
        if m.role == "assistant"
    ]


def _writable(value: Any) -> Any:
    """The value, with a mark in the place of each half of a character: models write these, files cannot hold
    them.
    """
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_writable(name): _writable(one) for name, one in value.items()}
    return [_writable(one) for one in value] if isinstance(value, list) else value


def _question(prompt: Messages) -> str:
    return next(message.content for message in reversed(prompt) if message.role == "user")


def _asks(prompt: Messages) -> Messages:
    if not prompt or prompt[-1].role not in ("user", "tool"):
        raise ValueError("a prompt ends with a question")
    if not any(message.role == "user" for message in prompt):
        raise ValueError("a prompt holds a question of the user")
    return prompt


def _answers(response: Messages) -> Messages:
    if not response or response[0].role != "assistant":
        raise ValueError("a response begins with the assistant")
    # A user's message after the first is what the agent told a policy that made no call.
    if any(m.role == "system" for m in response):
        raise ValueError("a response holds no message of the system")
    called = {call.id for m in response for call in m.tool_calls}
    if unasked := [m.tool_call_id for m in response if m.tool_call_id and m.tool_call_id not in called]:
        raise ValueError(f"a tool answers a call {unasked[0]!r} that was not made")
    return response
