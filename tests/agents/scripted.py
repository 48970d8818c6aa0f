"""A chat model that plays given replies: the tests' model, with no latency and no mind of its own."""

from __future__ import annotations

import itertools
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from pydantic import ConfigDict, Field, PrivateAttr, SkipValidation

Script = Sequence[AIMessage | BaseException | float] | Callable[[list[BaseMessage]], AIMessage]


class ScriptedModel(BaseChatModel):
    """Plays `script` in order: a message is said, an exception raised, a number slept (seconds) before the
    next.

    A function instead of a list answers from the messages it sees. `sent` holds what each call was given,
    `options` its call options; the last message is said again when the script is over.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    script: SkipValidation[Script]
    sent: list[list[BaseMessage]] = Field(default_factory=list)
    options: list[dict[str, Any]] = Field(default_factory=list)
    _turn: Iterator[int] = PrivateAttr(default_factory=itertools.count)
    _lock: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        return self.bind(tools=[tool.name for tool in tools], **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        seed: int | None = None,
        temperature: float | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with self._lock:
            self.sent.append(list(messages))
            self.options.append({"seed": seed, "temperature": temperature})
        return ChatResult(generations=[ChatGeneration(message=self._next(messages))])

    def _next(self, messages: list[BaseMessage]) -> AIMessage:
        script = self.script
        while not callable(script):
            item = script[min(next(self._turn), len(script) - 1)]
            if isinstance(item, (int, float)):
                time.sleep(item)
            elif isinstance(item, BaseException):
                raise item
            else:
                return item
        return script(messages)


class StreamingModel(ScriptedModel):
    """The same, said word by word with `pause` seconds between; `said` counts the words that were really
    said.
    """

    pause: float = 0.0
    said: list[str] = Field(default_factory=list)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        message = self._next(messages)
        for word in str(message.text).split(" "):
            time.sleep(self.pause)
            self.said.append(word)
            yield ChatGenerationChunk(message=AIMessageChunk(content=word + " "))
        calls: list[Any] = [
            {"name": call["name"], "args": call["args"], "id": call["id"], "index": number}
            for number, call in enumerate(_raw_calls(message))
        ]
        if calls:
            yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=calls))


def call(tool: str, thought: str = "Next.", *, logprob: float | None = None, **arguments: Any) -> AIMessage:
    """A reply with one tool call. logprob: of each of ten tokens."""
    metadata = {}
    if logprob is not None:
        metadata = {"logprobs": {"content": [{"token": "x", "logprob": logprob}] * 10}}
    return AIMessage(
        thought,
        tool_calls=[{"name": tool, "args": arguments, "id": f"call_{uuid.uuid4().hex[:8]}"}],
        response_metadata=metadata,
    )


def sql(statement: str, thought: str = "I run it.", *, logprob: float | None = None) -> AIMessage:
    """A reply that runs a statement."""
    return call("execute_sql", thought, logprob=logprob, sql=statement)


def words(text: str) -> AIMessage:
    """A reply without a call: the closing words."""
    return AIMessage(text)


def _raw_calls(message: AIMessage) -> list[Any]:
    good = [{**call, "args": json.dumps(call["args"])} for call in message.tool_calls]
    return [*good, *(dict(call) for call in message.invalid_tool_calls)]
