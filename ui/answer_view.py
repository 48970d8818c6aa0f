"""An `Answer` for people: words, table, SQL, confidence with its reasons, and what it rests on."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from ..tools.limits import counted
from .console import data_table, plain_text, visible, wrapped

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from ..agents.answer import Answer, Step

_PIPE_TEXT_WIDTH = 120
_HEADINGS = {
    "partial": "Partial answer",
    "clarify": "Please clarify",
    "abstained": "No answer",
    "failed": "Failed",
}


def print_answer(console: Console, answer: Answer, *, rows: int, steps: bool) -> None:
    """Print everything a person needs to judge the answer.

    rows: how many of the result are shown at most. steps: the whole dialogue first, as an analyst's notes.
    """
    from ..agents.notes import remarks, steps_rich

    answer = _inert(answer)
    if steps:
        _print_wrapped(console, steps_rich(answer))  # ends with the answer's words and remarks
        _print_results(console, answer, rows)
        _print_cost(console, answer)
        return
    heading = _HEADINGS.get(answer.status)
    if heading:
        console.print(plain_text(heading, style="bold yellow"))
    if answer.text:
        console.print(plain_text(answer.text, lines=True, style="bold"))
    _print_results(console, answer, rows)
    for remark in remarks(answer):
        console.print(plain_text(f"- {remark}"))
    _print_cost(console, answer)


def sql_text(console: Console, sql: str) -> RenderableType:
    """SQL, highlighted on a terminal."""
    if not console.is_terminal:
        return plain_text(sql, lines=True)
    from rich.syntax import Syntax

    shown = visible(sql, lines=True)
    return Syntax(shown, "sql", theme="ansi_dark", background_color="default", word_wrap=True)


def _print_wrapped(console: Console, content: RenderableType) -> None:
    """Print what fills its width; into a pipe wrapped at a width for reading, without trailing blanks."""
    if console.is_terminal:
        console.print(content)
        return
    text = wrapped(content, width=_PIPE_TEXT_WIDTH)
    console.print(plain_text("\n".join(line.rstrip() for line in text.splitlines()), lines=True))


def _print_results(console: Console, answer: Answer, rows: int) -> None:
    """The result with its SQL; both readings where the answer is a question back, the best guess where it is
    withheld.
    """
    if answer.status in ("clarify", "abstained") and answer.readings:
        shown = answer.readings if answer.status == "clarify" else answer.readings[:1]
        results = [(one.sql, one.columns, one.rows, one.cuts) for one in shown]
        if answer.status == "abstained":
            console.print(plain_text("The best guess, to be checked before it is used:", style="yellow"))
    elif answer.sql:
        results = [(answer.sql, answer.columns, answer.rows, answer.cuts)]
    else:
        return
    for number, (sql, columns, found, cuts) in enumerate(results, start=1):
        console.print()
        if len(results) > 1:
            console.print(plain_text(f"({number})", style="bold"))
        console.print(data_table(columns, found[:rows]))
        if len(found) > rows:
            count = counted(len(found), cuts)
            console.print(plain_text(f"first {rows} of {count} rows shown; --rows shows more", "dim"))
        for cut in cuts if not answer.sql else ():  # all others are among the remarks
            console.print(plain_text(str(cut), "dim"))
        console.print()
        console.print(sql_text(console, sql))
    console.print()


def _print_cost(console: Console, answer: Answer) -> None:
    about = "about " if answer.tokens.estimated else ""
    calls = f"{len(answer.steps)} tool {'call' if len(answer.steps) == 1 else 'calls'}"
    console.print(plain_text(f"{calls}, {about}{answer.tokens.new} tokens, {answer.seconds:.1f} s", "dim"))


def _inert(answer: Answer) -> Answer:
    """The answer with nothing in a model's own words that could steer a terminal."""
    return dataclasses.replace(
        answer,
        text=visible(answer.text, lines=True),
        reason=visible(answer.reason),
        steps=tuple(_inert_step(step) for step in answer.steps),
    )


def _inert_step(step: Step) -> Step:
    arguments = {
        name: visible(value, lines=True) if isinstance(value, str) else value
        for name, value in step.arguments.items()
    }
    observation = visible(step.observation, lines=True)
    return dataclasses.replace(step, arguments=arguments, observation=observation)
