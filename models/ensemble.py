"""Several chat models as one whose members vote: candidate i of an agent is answered by member i.

So the members of a LoRA Dropout ensemble, exported as plain adapters and served side by side, answer together
(`vllm:sales-1,sales-2,sales-3`): the agent groups their answers by result, as it does with samples of one
model, and how many agree is what its confidence rests on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatResult
from langchain_core.runnables import Runnable, RunnableConfig
from pydantic import ConfigDict, Field, SkipValidation


class EnsembleChatModel(BaseChatModel):
    """members: chat models of one kind, which take tools and options alike. Each member's first answer is its
    most likely one; candidates beyond the members are samples, with the temperature and seed given.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    members: SkipValidation[Sequence[BaseChatModel]] = Field(exclude=True, repr=False)
    model_name: str = "ensemble"

    @property
    def voters(self) -> int:
        """Candidates that an agent asks for at least."""
        return len(self.members)

    @property
    def _llm_type(self) -> str:
        return "sqlberg-ensemble"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        bound: Any = self.members[0].bind_tools(tools, **kwargs)
        return self.bind(**bound.kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        candidate: int = 0,
        temperature: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        member, options = self._asked(candidate, temperature, seed)
        return member._generate(messages, stop=stop, run_manager=run_manager, **options, **kwargs)

    def stream(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        candidate: int = 0,
        temperature: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> Iterator[AIMessageChunk]:
        """As the member streams, or in one piece where it does not."""
        member, options = self._asked(candidate, temperature, seed)
        yield from member.stream(input, config, stop=stop, **options, **kwargs)

    def _asked(
        self, candidate: int, temperature: float, seed: int | None
    ) -> tuple[BaseChatModel, dict[str, Any]]:
        """Who answers a candidate, and with which options."""
        options: dict[str, Any] = {"temperature": 0.0}
        if candidate >= len(self.members):
            options = {"temperature": temperature} | ({} if seed is None else {"seed": seed})
        return self.members[candidate % len(self.members)], options
