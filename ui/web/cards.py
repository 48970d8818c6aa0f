"""The steps of a question as cards of the chat: what the model thinks, which tool it calls, what comes back.

Pure: events go in, messages of Gradio's chat come out. Everything from a model or a database is inert: words
are escaped, observations and SQL stand in code blocks.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ...agents.answer import Answer, Step
from ...agents.events import Event
from ...agents.markdown import code, escape
from ...agents.notes import action_of, observed, remarks, thought_of
from ...training.feedback.store import Asked

Message = dict[str, Any]
HEADINGS = {
    "partial": "Stopped before the end.",
    "clarify": "Please choose.",
    "abstained": "I am not sure enough to answer.",
    "failed": "This did not work.",
}


class Cards:
    """Of one question, while it is answered."""

    def __init__(self, question: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._question, self._clock = question, clock
        self._steps: dict[int, list[Message]] = {}
        self._begun: dict[int, float] = {}
        self._said: dict[int, str] = {}
        self._answer: Answer | None = None

    def add(self, event: Event) -> None:
        """Take in what happened."""
        number = event.candidate
        begun = self._begun.setdefault(number, self._clock())
        steps = self._steps.setdefault(number, [])
        if event.kind == "token":
            self._said[number] = self._said.get(number, "") + event.text
        elif event.kind == "call" and event.step is not None:
            steps.append(card(event.step, pending=True))
        elif event.kind == "step" and event.step is not None:
            done = card(event.step, pending=False, seconds=self._clock() - begun)
            if steps and steps[-1]["metadata"]["status"] == "pending":
                steps[-1] = done
            else:
                steps.append(done)
            self._begun[number], self._said[number] = self._clock(), ""
        elif event.kind == "answer":
            self._answer = event.answer

    def messages(self) -> list[Message]:
        """The question, the steps so far and, once it is there, the answer."""
        return [asked(self._question), *self._shown()]

    def _shown(self) -> list[Message]:
        if self._answer is not None:
            return [*(card(step, pending=False) for step in self._answer.steps), answered(self._answer)]
        several = len(self._steps) > 1
        shown = []
        for number, steps in sorted(self._steps.items()):
            if several and steps:  # of many candidates only what each is at
                title = f"Candidate {number + 1}: {steps[-1]['metadata']['title']}"
                shown.append({**steps[-1], "metadata": {**steps[-1]["metadata"], "title": title}})
            else:
                shown += steps
        words = self._said.get(0, "")
        if not several and words.strip() and not (shown and shown[-1]["metadata"]["status"] == "pending"):
            shown.append({"role": "assistant", "content": escape(words[-2000:])})
        return shown


def asked(question: str) -> Message:
    return {"role": "user", "content": escape(question)}


def failed(why: str) -> Message:
    return {"role": "assistant", "content": f"**{HEADINGS['failed']}** {escape(why)}"}


def remarked(words: str) -> Message:
    """The page's own words."""
    return {"role": "assistant", "content": f"*{escape(words)}*"}


def kept_answer(kept: Asked) -> Message:
    """The words of an answer of an earlier day."""
    words = kept.answer.get("text") or kept.answer.get("reason") or "Done."
    return {"role": "assistant", "content": escape(str(words))}


def card(step: Step, *, pending: bool, seconds: float | None = None) -> Message:
    """One step. seconds: that it took, if the step itself does not say."""
    parts = []
    if step.sql:
        parts.append(code(step.sql.strip(), "sql"))
    elif action := action_of(step):
        parts.append(escape(action))
    if not pending:
        parts.append(code("\n".join(observed(step)), "text"))
    took = step.seconds or seconds or 0.0
    tokens = f"{step.tokens:,} tokens" if step.tokens else ""
    metadata: dict[str, Any] = {
        "title": escape(thought_of(step)),
        "status": "pending" if pending else "done",
    }
    if not pending:
        metadata |= {"duration": round(took, 2), "log": "failed" if step.failed else tokens}
    return {"role": "assistant", "content": "\n\n".join(parts), "metadata": metadata}


def answered(answer: Answer) -> Message:
    """The words of an answer with what to keep in mind."""
    parts = []
    if heading := HEADINGS.get(answer.status):
        parts.append(f"**{heading}**")
    if answer.text and answer.status != "failed":
        parts.append("\n".join(escape(line) for line in answer.text.splitlines()))
    notes = [f"- {escape(remark)}" for remark in remarks(answer)]
    if notes:
        parts.append("\n".join(notes))
    return {"role": "assistant", "content": "\n\n".join(parts) or "Done."}
