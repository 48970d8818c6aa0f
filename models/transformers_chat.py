"""A LangChain chat model over a transformers model in this process.

Covered: tool calling through the tokenizer's chat template, streaming, log-probabilities of every generated
token (response_metadata["logprobs"], OpenAI's shape, the ending token included), usage, several conversations
as one padded batch, sampling with a seed, stopping on time or on request, use from many threads.

Not covered: constrained decoding. A forced tool call forces the tool's name only, and arguments may be
malformed; they then arrive as invalid tool calls. A prompt's forward pass cannot be interrupted, the tokens
after it can.

    model = TransformersChatModel.load("path/to/model", temperature=0.7, seed=1)
    model.bind_tools(tools).invoke("How many singers are there?")

With equal options a conversation alone always gives the same reply. In a batch its numbers differ in the last
bits, as padded matrix products do, so a near tie may fall the other way.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult, LLMResult
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import run_in_executor
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field, PrivateAttr

from .chat_template import forced_start, render
from .draft import Draft
from .errors import ModelError, UnsupportedOption
from .generation import Decoding
from .loading import load_network
from .request import Request, read_request


@dataclass
class _Together:
    """The conversations of one `generate` call and, once generated, their messages by prompt."""

    conversations: list[list[BaseMessage]]
    messages: dict[str, deque[AIMessage]] | None = None


# LangChain's `generate` asks for one conversation after the other; the first asks for all that belong
# together.
_TOGETHER: ContextVar[_Together | None] = ContextVar("conversations generated as one batch", default=None)


class TransformersChatModel(BaseChatModel):
    """A causal language model and its tokenizer as a chat model.

    Every option below can also be given per call (`model.invoke(..., temperature=0.7, seed=3)`), and so can
    `stop` (strings), `cancel` (a threading.Event), `tools`, `tool_choice` and `parallel_tool_calls=False`
    (the reply ends behind its first tool call). An unknown option raises UnsupportedOption.
    """

    network: Any = Field(exclude=True, repr=False)
    """The transformers (or PEFT) model, in eval mode."""
    tokenizer: Any = Field(exclude=True, repr=False)
    model_name: str = "transformers"
    temperature: float = Field(default=0.0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    top_k: int = Field(default=0, ge=0)
    seed: int | None = Field(default=None, ge=0)
    """Row i of a batch draws with seed + i. None draws anew each time."""
    max_tokens: int = Field(default=1024, ge=1)
    timeout: float | None = Field(default=None, gt=0)
    """Seconds after which a reply ends as it is, with finish_reason "timeout"."""
    batch_size: int = Field(default=16, ge=1)
    """Conversations per padded batch at most."""
    members: int = Field(default=0, ge=0)
    """Of a masked adapter's ensemble, which answers as one (0: its mean, in a single pass)."""
    template_arguments: dict[str, Any] = Field(default_factory=dict)
    """Passed to the chat template, for instance {"enable_thinking": False}."""

    _lock: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    @classmethod
    def load(
        cls,
        name_or_path: str,
        *,
        adapter: str | Path | None = None,
        dtype: str = "auto",
        device: str = "auto",
        **options: Any,
    ) -> TransformersChatModel:
        """Load a model (see loading.load_network); `options` are this class's fields."""
        unknown = sorted(set(options) - set(cls.model_fields))
        if unknown:
            raise UnsupportedOption(f"a model in process has no option {', '.join(unknown)}")
        members = int(options.get("members", 0))
        network, tokenizer = load_network(
            name_or_path, adapter=adapter, dtype=dtype, device=device, members=members
        )
        name = f"transformers:{name_or_path}" + (f"+{adapter}" if adapter is not None else "")
        return cls(network=network, tokenizer=tokenizer, model_name=name, **options)

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | bool | dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Offer tools. `tool_choice`: "auto", "none", "any", "required", True or a tool's name."""
        if isinstance(tool_choice, dict):
            tool_choice = tool_choice["function"]["name"]
        if tool_choice is True or tool_choice == "any":
            tool_choice = "required"
        return super().bind(
            tools=[convert_to_openai_tool(tool) for tool in tools],
            tool_choice=tool_choice or "auto",
            **kwargs,
        )

    def generate(self, messages: list[list[BaseMessage]], *args: Any, **kwargs: Any) -> LLMResult:
        """As in LangChain, but several conversations run as padded batches of at most `batch_size`."""
        if len(messages) < 2:
            return super().generate(messages, *args, **kwargs)
        token = _TOGETHER.set(_Together(messages))
        try:
            return super().generate(messages, *args, **kwargs)
        finally:
            _TOGETHER.reset(token)

    def batch(
        self,
        inputs: list[LanguageModelInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[AIMessage]:
        """Several conversations as padded batches; one by one where each has its own configuration."""
        configs = config if isinstance(config, list) else [config or {}]
        if len(inputs) < 2 or return_exceptions or any(one != configs[0] for one in configs):
            return super().batch(inputs, config, return_exceptions=return_exceptions, **kwargs)
        shared = {key: configs[0].get(key) for key in ("callbacks", "tags", "metadata", "run_name")}
        result = self.generate_prompt([self._convert_input(one) for one in inputs], **shared, **kwargs)
        return [cast("AIMessage", cast("ChatGeneration", one[0]).message) for one in result.generations]

    async def abatch(
        self,
        inputs: list[LanguageModelInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[AIMessage]:
        """`batch` in a thread of its own."""
        return await run_in_executor(
            None, self.batch, inputs, config, return_exceptions=return_exceptions, **kwargs
        )

    @property
    def _llm_type(self) -> str:
        return "sqlberg-transformers"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        names = ("model_name", "temperature", "top_p", "top_k", "seed", "max_tokens", "template_arguments")
        return {name: getattr(self, name) for name in names}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return self._reply_to(messages, self._request(stop, kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        given_up = threading.Event()
        request = self._request(stop, kwargs)
        request = replace(request, cancels=(*request.cancels, given_up))
        try:
            return await run_in_executor(None, self._reply_to, messages, request)
        except asyncio.CancelledError:
            given_up.set()
            raise

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        request = self._request(stop, kwargs)
        prompt = self._prompt(messages, request)
        for (draft,) in self._write([prompt], request):
            yield ChatGenerationChunk(message=draft.chunk())

    def _reply_to(self, messages: list[BaseMessage], request: Request) -> ChatResult:
        prompt = self._prompt(messages, request)
        together = _TOGETHER.get()
        if together is not None and together.messages is None:
            prompts = [self._prompt(conversation, request) for conversation in together.conversations]
            together.messages = {}
            for one, message in zip(prompts, self._messages(prompts, request), strict=True):
                together.messages.setdefault(one, deque()).append(message)
        waiting = together.messages.get(prompt) if together is not None and together.messages else None
        message = waiting.popleft() if waiting else self._messages([prompt], request)[0]
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _messages(self, prompts: list[str], request: Request) -> list[AIMessage]:
        messages: list[AIMessage] = []
        for start in range(0, len(prompts), self.batch_size):
            seed = request.sampling.seed
            sampling = replace(request.sampling, seed=None if seed is None else seed + start)
            batch = prompts[start : start + self.batch_size]
            drafts: list[Draft] = []
            for drafts in self._write(batch, replace(request, sampling=sampling)):  # noqa: B007
                pass
            messages += [draft.message() for draft in drafts]
        return messages

    def _write(self, prompts: list[str], request: Request) -> Iterator[list[Draft]]:
        """Generate one padded batch, giving its drafts after every token until all have ended."""
        start = ""
        if request.forced is not None:
            start = forced_start(self.tokenizer, request.tool_names, request.forced)
        rows = [self.tokenizer(prompt + start, add_special_tokens=False)["input_ids"] for prompt in prompts]
        drafts = [self._draft(*both, request, start) for both in zip(prompts, rows, strict=True)]
        pad = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else 0
        decoding = Decoding(
            self.network, rows, request.sampling, pad=pad, lock=self._lock, members=max(1, self.members)
        )
        while decoding.unfinished:
            reason = request.interruption()
            if reason is None:
                for emitted in decoding.advance():
                    drafts[emitted.row].add(emitted.token, emitted.logprob)
            for row in decoding.unfinished:
                if reason is not None:
                    drafts[row].end(reason)
                if drafts[row].finish_reason is not None:
                    decoding.finish(row)
            yield drafts

    def _draft(self, prompt: str, ids: list[int], request: Request, start: str) -> Draft:
        limit = getattr(self.network.config.get_text_config(), "max_position_embeddings", None)
        room = request.ending.max_tokens if limit is None else limit - len(ids)
        if room < 1:
            raise ModelError(
                f"the conversation is {len(ids)} tokens long and {self.model_name} reads at most {limit}:"
                " start a new thread or choose a model with a longer context"
            )
        ending = replace(request.ending, max_tokens=min(request.ending.max_tokens, room))
        if prompt.rstrip().endswith("<think>"):
            start = "<think>\n" + start  # the template has opened the thinking for the model
        return Draft(self.tokenizer, prompt, len(ids), ending, tool_names=request.tool_names, start=start)

    def _prompt(self, messages: Sequence[BaseMessage], request: Request) -> str:
        return render(self.tokenizer, messages, tools=request.tools, arguments=self.template_arguments)

    def _request(self, stop: list[str] | None, options: dict[str, Any]) -> Request:
        return read_request({**options, "stop": stop or ()}, self, self._ending_tokens())

    def _ending_tokens(self) -> frozenset[int]:
        configured = getattr(self.network.generation_config, "eos_token_id", None)
        several = configured if isinstance(configured, list) else [configured]
        return frozenset(token for token in [*several, self.tokenizer.eos_token_id] if token is not None)
