"""What one question may use, and what it has used: rounds, seconds, tokens. Frozen data, no I/O."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from langchain_core.messages import AIMessage, BaseMessage

from .answer import Tokens

CHARS_PER_TOKEN = 4


@dataclass(frozen=True)
class Budget:
    """Limits of one question; whichever ends first ends in a partial answer that says so.

    rounds: model calls. seconds: wall clock, model and tools together. tokens: new tokens, prompt included,
    each counted once however many rounds send it again. retries: how often the agent is sent back after a
    suspicious result, or after words where a tool call was due.
    """

    rounds: int = 12
    seconds: float = 120.0
    tokens: int = 24_000
    retries: int = 2

    def __post_init__(self) -> None:
        for name, least in (("rounds", 1), ("seconds", 0), ("tokens", 1), ("retries", 0)):
            value = getattr(self, name)
            if not (value >= least and math.isfinite(value)) or (name == "seconds" and value == 0):
                raise ValueError(f"budget {name} must be a number above {max(0, least - 1)}, not {value!r}")


@dataclass(frozen=True)
class Spent:
    """What a question has used so far. `started` is on the monotonic clock."""

    started: float = field(default_factory=time.monotonic)
    rounds: int = 0
    tokens: Tokens = field(default_factory=Tokens)
    # Tokens of the dialogue after the latest model call, as counted and as estimated: the rest is new then.
    length: int = 0
    guess: int = 0

    def seconds(self) -> float:
        return time.monotonic() - self.started

    def left(self, budget: Budget) -> float:
        """Seconds left, never negative."""
        return max(0.0, budget.seconds - self.seconds())

    def over(self, budget: Budget) -> str:
        """Which budget has ended, as words for the person; empty while all last."""
        if self.seconds() >= budget.seconds:
            return f"the time budget of {budget.seconds:g} seconds ended"
        if self.rounds >= budget.rounds:
            return f"the budget of {budget.rounds} rounds ended"
        if self.tokens.new >= budget.tokens:
            return f"the budget of {budget.tokens} tokens ended"
        return ""

    def after(self, sent: Sequence[BaseMessage], reply: AIMessage) -> tuple[Spent, int]:
        """The account after one model call, and the tokens of the observation that the call was the first to
        read.
        """
        usage = reply.usage_metadata
        read = usage["input_tokens"] if usage else 0
        written = usage["output_tokens"] if usage else 0
        guess = sum(_estimate(message) for message in sent)
        first = self.rounds == 0
        # A model that reads less than the dialogue (the embedded one does), or does not count, is estimated.
        counted = read > 0 and read >= self.length
        if not counted:
            read, written = self.length + guess - self.guess, _estimate(reply)
        observed = 0 if first else read - self.length
        tokens = Tokens(
            prompt=read if first else self.tokens.prompt,
            dialogue=self.tokens.dialogue + observed + written,
            sent=self.tokens.sent + read,
            generated=self.tokens.generated + written,
            estimated=self.tokens.estimated or not counted,
        )
        spent = dataclasses.replace(
            self,
            rounds=self.rounds + 1,
            tokens=tokens,
            length=read + written,
            guess=guess + _estimate(reply),
        )
        return spent, observed


def _estimate(message: BaseMessage) -> int:
    calls = getattr(message, "tool_calls", None) or []
    chars = len(str(message.text)) + sum(len(str(call["args"])) + len(call["name"]) for call in calls)
    return 4 + chars // CHARS_PER_TOKEN
