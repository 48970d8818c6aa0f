"""What the agent tells while it works: one small frozen record per event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .answer import Answer, Step

EventKind = Literal["token", "call", "step", "answer"]


@dataclass(frozen=True)
class Event:
    """One thing that happened while a question is being answered.

    kind: "token" (`text` is a piece of the model's words), "call" (`step` is what the model wants to do, not
    yet done), "step" (`step` is done, with its observation), "answer" (`answer` is the end; always the last
    event). candidate: which of several candidates this belongs to, from 0.
    """

    kind: EventKind
    text: str = ""
    step: Step | None = None
    answer: Answer | None = None
    candidate: int = 0
