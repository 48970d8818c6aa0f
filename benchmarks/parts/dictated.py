"""A served model that is made to work as in real dialogues: the server reads every prompt and writes as many
tokens as the reply has, and the reply itself comes from a plan. So the load is that of an agent whose model
knows its trade, whatever the weights.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from pydantic import ConfigDict, SkipValidation

from .plan_model import PlanModel


@dataclass
class Sent:
    """The requests of a run, as they went over the line."""

    salt: str
    bodies: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class DictatedModel(BaseChatModel):
    """inner: the served model, as sqlberg connects to it; words: what is said; tokens: how many tokens a
    text has there; sent: where requests are kept (its salt keeps the caches of runs apart).
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    inner: SkipValidation[Any]
    words: PlanModel
    tokens: SkipValidation[Callable[[str], int]]
    sent: SkipValidation[Sent]

    @property
    def _llm_type(self) -> str:
        return "dictated"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        return self.bind(tools=tools, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        tools: Sequence[Any] = (),
        **kwargs: Any,
    ) -> ChatResult:
        reply = self.words.invoke(messages)
        written = str(reply.content) + "".join(str(call["args"]) for call in reply.tool_calls)
        length = self.tokens(written) + 12 * len(reply.tool_calls)  # tags and names of a call
        extra = {"ignore_eos": True, "min_tokens": length, "cache_salt": self.sent.salt}
        speaker = self.inner.bind_tools(tools)
        options = {"max_tokens": length, "temperature": 0.0, "extra_body": extra}
        for _ in speaker.stream(messages, **options):
            pass
        body = self.inner._get_request_payload(messages, **speaker.kwargs, **options, stream=True)
        with self.sent.lock:
            self.sent.bodies.append(body)
        return ChatResult(generations=[ChatGeneration(message=reply)])
