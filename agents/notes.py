"""The dialogue of one question as an analyst's notes: what was looked for, what was found, what follows.
Pure.

`steps_markdown` for files and pages, `steps_rich` for the terminal; both show the same. Everything from a
model or a database is inert text in both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..tools.cells import neutralise, shorten
from .answer import Answer, Step
from .conclusion import in_words
from .markdown import code, escape

if TYPE_CHECKING:
    from rich.console import RenderableType

LINES_SHOWN = 14
LINE_CHARS = 160
_VERBS = {
    "search_column": "Look for the columns",
    "search_value": "Look for the values",
    "find_shortest_path": "Find how to join",
    "execute_sql": "Run",
}


def steps_markdown(answer: Answer) -> str:
    """The whole course of an answer as Markdown: question, steps, answer, grounds."""
    parts = [f"## {escape(answer.question)}"]
    for number, step in enumerate(answer.steps, 1):
        parts.append(f"**{number}. {escape(thought_of(step))}**")
        if step.sql:
            parts.append(code(step.sql.strip(), "sql"))
        elif action := action_of(step):
            parts.append(f"*{escape(action)}*")
        parts.append(code("\n".join(observed(step)), "text"))
    parts.append(f"**{_headline(answer)}** {escape(answer.text)}".rstrip())
    parts.append("\n".join(f"- {escape(remark)}" for remark in remarks(answer)))
    return "\n\n".join(part for part in parts if part) + "\n"


def steps_rich(answer: Answer) -> RenderableType:
    """The same for a terminal."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.syntax import Syntax
    from rich.text import Text

    lines: list[RenderableType] = []
    for number, step in enumerate(answer.steps, 1):
        lines.append(Text(f"{number}. {thought_of(step)}", style="bold"))
        if step.sql:
            lines.append(
                Padding(Syntax(step.sql.strip(), "sql", word_wrap=True, background_color="default"), (0, 3))
            )
        elif action := action_of(step):
            lines.append(Padding(Text(action, style="cyan"), (0, 3)))
        style = "red" if step.failed else "dim"
        lines.append(Padding(Text("\n".join(observed(step)), style=style), (0, 3, 1, 3)))
    lines.append(Text.assemble((f"{_headline(answer)} ", "bold"), answer.text))
    lines.extend(Text(f"- {remark}", style="yellow") for remark in remarks(answer))
    return Group(*lines)


def thought_of(step: Step) -> str:
    """The step's thought on one line; what its call does, when the model gave none."""
    thought = neutralise(" ".join(step.thought.split()))
    return thought or (f"{_VERBS[step.tool]}." if step.tool in _VERBS else "Go on.")


def action_of(step: Step) -> str:
    """The step's call in words: what was searched, in which tables."""
    arguments = step.arguments
    if step.tool == "find_shortest_path":
        return f"{_listed(arguments.get('start'))} to {_listed(arguments.get('end'))}"
    asked = arguments.get("queries") or arguments.get("values")
    if not asked:
        return neutralise(f"{step.tool} {dict(arguments)}") if step.tool not in _VERBS else ""
    places = arguments.get("tables") or arguments.get("columns")
    return _listed(asked, quoted=True) + (f" in {_listed(places)}" if places else "")


def observed(step: Step) -> list[str]:
    """The observation's lines, shortened; queries that it answers are left out where the action has named
    them.
    """
    lines = [line for line in step.observation.splitlines() if line.strip()]
    if step.tool in ("search_column", "search_value") and sum(line.startswith("# ") for line in lines) == 1:
        lines = [line for line in lines if not line.startswith("# ")]
    shown = [shorten(line, LINE_CHARS) for line in lines[:LINES_SHOWN]]
    return shown + ([f"… {len(lines) - LINES_SHOWN} more lines"] if len(lines) > LINES_SHOWN else [])


def remarks(answer: Answer) -> list[str]:
    """What to keep in mind: why it is not a plain answer, confidence, cuts, grounds, join health, other
    readings.
    """
    return list(dict.fromkeys(remark for remark in _remarks(answer) if remark))


def _remarks(answer: Answer) -> Iterator[str]:
    if answer.reason and answer.reason not in answer.text:
        yield answer.reason
    if answer.confidence is not None:
        agreed = f", {answer.tried} candidates" if answer.tried > 1 else ""
        yield f"confidence {answer.confidence:.0%}{agreed}"
    yield from (str(cut) for cut in answer.cuts)
    # A literal that is compared with nothing (LIMIT 5, SELECT 1) rests on nothing.
    yield from (str(line) for line in answer.evidence if getattr(line, "compared", True))
    yield from answer.notes
    for reading in answer.readings[1:] if answer.status != "clarify" else answer.readings:
        found = in_words(reading.columns, reading.rows, reading.cuts)
        yield f"read as {reading.sql} ({reading.share:.0%}): {found}"


def _headline(answer: Answer) -> str:
    return {
        "answered": "Answer:",
        "partial": "Partial answer:",
        "clarify": "A question back:",
        "abstained": "No answer:",
        "failed": "Failed:",
    }[answer.status]


def _listed(given: object, *, quoted: bool = False) -> str:
    items = [given] if isinstance(given, str) or not isinstance(given, Sequence) else list(given)
    return ", ".join(f'"{neutralise(str(item))}"' if quoted else neutralise(str(item)) for item in items)
