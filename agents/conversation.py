"""What a thread remembers between questions: each question, its final SQL and a short result. No observations
else.

Turns are plain JSON values, so a checkpoint holds no pickled or constructed objects, and they become again
the same messages that the agent's protocol has everywhere: question, execute_sql, observation, answer.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from typing import TypedDict

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from ..errors import SqlbergError
from .answer import Answer

TURNS_KEPT = 6
RESULT_CHARS = 600
_THREAD_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@-]{0,127}")


class Turn(TypedDict):
    """One earlier question. sql and result are empty when nothing ran."""

    question: str
    sql: str
    result: str
    text: str


def remember(turns: Sequence[Turn], turn: Turn) -> list[Turn]:
    """The conversation with one more turn; the oldest beyond `TURNS_KEPT` are forgotten."""
    return [*turns, turn][-TURNS_KEPT:]


def turn_of(answer: Answer) -> Turn:
    """What is worth remembering of an answer: of its observations only the head of the last result. Of one
    that was withheld also the best guess, which a next question may go on from.
    """
    sql = answer.sql or next((reading.sql for reading in answer.readings), "")
    shown = [step.observation for step in answer.steps if sql and step.sql and not step.failed]
    return Turn(question=answer.question, sql=sql, result=_head(shown[-1]) if shown else "", text=answer.text)


def messages_of(turns: Sequence[Turn]) -> list[BaseMessage]:
    """Earlier turns as messages of the agent's own protocol."""
    messages: list[BaseMessage] = []
    for number, turn in enumerate(turns, 1):
        messages.append(HumanMessage(turn["question"]))
        if turn["sql"]:
            call_id = f"earlier_{number}"
            call = {"name": "execute_sql", "args": {"sql": turn["sql"]}, "id": call_id, "type": "tool_call"}
            messages.append(AIMessage("", tool_calls=[call]))
            messages.append(ToolMessage(turn["result"], tool_call_id=call_id, name="execute_sql"))
        messages.append(AIMessage(turn["text"] or "I could not answer this."))
    return messages


def valid_thread_id(thread_id: str) -> str:
    """`thread_id` itself; raises SqlbergError unless it is a plain name (no path, no blanks, at most 128
    characters).
    """
    if not isinstance(thread_id, str) or not _THREAD_ID.fullmatch(thread_id) or ".." in thread_id:
        raise SqlbergError(
            "a thread id is 1 to 128 letters, digits or _ . : @ - and starts with a letter or digit; "
            "choose such a name"
        )
    return thread_id


def new_thread_id() -> str:
    """A thread id that nobody guesses."""
    return secrets.token_hex(16)


def _head(text: str) -> str:
    """Whole lines of an observation, at most `RESULT_CHARS` characters."""
    return text if len(text) <= RESULT_CHARS else text[:RESULT_CHARS].rsplit("\n", 1)[0] + "\n(shortened)"
