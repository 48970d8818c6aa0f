"""What flows through the SQL agent's graph, and what belongs to one run of it.

A checkpointer keeps `conversation` only (plain JSON): what belongs to one question lives as long as its run,
so a thread stays small, holds no stored data beyond short results, and a question that was killed is simply
asked again.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

from langchain_core.messages import BaseMessage
from langgraph.channels import UntrackedValue

from .acting import Executed
from .answer import Answer, Status, Step
from .budget import Spent
from .conversation import Turn
from .replies import Reply


@dataclass(frozen=True)
class Asking:
    """What belongs to one run and is never stored: LangGraph's runtime context.

    cancel: set it to stop the model and the query. sampling: call options of the model (seed, temperature).
    candidate: which of several runs for the same question this is.
    """

    cancel: threading.Event = field(default_factory=threading.Event)
    sampling: Mapping[str, Any] = field(default_factory=dict)
    candidate: int = 0


@dataclass(frozen=True)
class Ending:
    """Why a run is over. text: the model's closing words, if it had any."""

    status: Status
    reason: str = ""
    text: str = ""


class SqlState(TypedDict, total=False):
    """`question` goes in, `answer` comes out, `conversation` is what a thread remembers; the rest is work.

    messages: the dialogue, system message first. reply: the model's latest, with the seconds it took in
    `thinking`. observation: what came of its call. ran: the statements that ran, the
    one that counts last. sent_back: how often a suspicious result or missing call was questioned. repeats:
    how many of the latest calls had been made before. ending: set when the run is over.
    """

    question: Annotated[str, UntrackedValue]
    conversation: list[Turn]
    messages: Annotated[list[BaseMessage], UntrackedValue]
    steps: Annotated[tuple[Step, ...], UntrackedValue]
    spent: Annotated[Spent, UntrackedValue]
    reply: Annotated[Reply, UntrackedValue]
    thinking: Annotated[float, UntrackedValue]
    ran: Annotated[tuple[Executed, ...], UntrackedValue]
    sent_back: Annotated[int, UntrackedValue]
    repeats: Annotated[int, UntrackedValue]
    ending: Annotated[Ending | None, UntrackedValue]
    answer: Annotated[Answer, UntrackedValue]


class SqlInput(TypedDict, total=False):
    """What the graph is invoked with; `conversation` only where no checkpointer brings it."""

    question: str
    conversation: list[Turn]


class SqlOutput(TypedDict):
    """What the graph returns."""

    answer: Answer
