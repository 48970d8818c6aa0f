"""A chat model without latency that plays a plan of tool calls: what is left to measure is everything around
it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.tool import tool_call
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from pydantic import ConfigDict, SkipValidation

Plan = Callable[[str], Sequence[tuple[str, dict[str, Any]]]]


class PlanModel(BaseChatModel):
    """For a question, `plan` gives the tool calls, made one a turn; then the last observation's end is the
    answer.

    Holds no state: what it says follows from the dialogue alone, so any number of threads may share it.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    plan: SkipValidation[Plan]

    @property
    def _llm_type(self) -> str:
        return "plan"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        return self.bind(**kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> ChatResult:
        asked = max(number for number, message in enumerate(messages) if message.type == "human")
        done = sum(message.type == "tool" for message in messages[asked:])
        calls = self.plan(str(messages[asked].text))
        if done < len(calls):
            name, arguments = calls[done]
            reply = AIMessage("I look.", tool_calls=[tool_call(name=name, args=arguments, id=f"call_{done}")])
        else:
            reply = AIMessage(str(messages[-1].text).splitlines()[-1])
        return ChatResult(generations=[ChatGeneration(message=reply)])
