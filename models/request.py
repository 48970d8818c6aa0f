"""The options of one call to a model in process, checked where they come in: nothing is ignored silently."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .draft import Ending
from .errors import UnsupportedOption
from .generation import Sampling


@runtime_checkable
class Cancel(Protocol):
    """Anything that says whether to stop, such as a threading.Event."""

    def is_set(self) -> bool: ...


class CallOptions(BaseModel):
    """What a call may set; None keeps the model's own setting."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    temperature: float | None = Field(default=None, ge=0)
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=0)
    seed: int | None = Field(default=None, ge=0)
    max_tokens: int | None = Field(default=None, ge=1)
    timeout: float | None = Field(default=None, gt=0)
    stop: tuple[str, ...] = ()
    tools: tuple[dict[str, Any], ...] = ()
    """In OpenAI's format."""
    tool_choice: str = "auto"
    """"auto", "none", "required" or a tool's name."""
    parallel_tool_calls: bool = True
    """False: the reply ends behind its first tool call."""
    cancel: Cancel | None = None
    stream: bool | None = None
    """LangChain's own switch; the reply is the same either way."""


@dataclass(frozen=True)
class Request:
    """One call, checked. `forced` is None, "required" or a tool's name; `deadline` in monotonic seconds."""

    sampling: Sampling
    ending: Ending
    tools: tuple[dict[str, Any], ...]
    forced: str | None
    deadline: float | None
    cancels: tuple[Cancel, ...]

    @property
    def tool_names(self) -> tuple[str, ...]:
        return tuple(tool["function"]["name"] for tool in self.tools)

    def interruption(self) -> str | None:
        """The finish reason when the reply must end now, else None."""
        if any(cancel.is_set() for cancel in self.cancels):
            return "cancelled"
        if self.deadline is not None and time.monotonic() > self.deadline:
            return "timeout"
        return None


def read_request(options: dict[str, Any], settings: Any, ending_tokens: frozenset[int]) -> Request:
    """The request that `options` make of a model whose own settings are attributes of `settings`.

    Raises UnsupportedOption for an option that does not exist or cannot have that value.
    """
    try:
        call = CallOptions(**options)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            known = ", ".join(sorted(CallOptions.model_fields))
            raise UnsupportedOption(f"a model in process has no option {name}: it takes {known}") from None
        raise UnsupportedOption(f"the option {name} cannot be {first['input']!r}: {first['msg']}") from None

    def setting(name: str) -> Any:
        given = getattr(call, name)
        return getattr(settings, name) if given is None else given

    tools = () if call.tool_choice == "none" else call.tools
    names = [tool["function"]["name"] for tool in tools]
    forced = None if call.tool_choice in ("auto", "none") else call.tool_choice
    if forced is not None and forced not in names and not (forced == "required" and names):
        offered = ", ".join(names) or "none"
        raise UnsupportedOption(f"tool_choice {forced!r} is none of the tools on offer: {offered}")
    timeout = setting("timeout")
    return Request(
        sampling=Sampling(setting("temperature"), setting("top_p"), setting("top_k"), setting("seed")),
        ending=Ending(
            tokens=ending_tokens,
            strings=tuple(text for text in call.stop if text),
            max_tokens=setting("max_tokens"),
            first_call=not call.parallel_tool_calls,
        ),
        tools=tools,
        forced=forced,
        deadline=None if timeout is None else time.monotonic() + timeout,
        cancels=() if call.cancel is None else (call.cancel,),
    )
