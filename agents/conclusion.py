"""Turns the end of a run into an `Answer`: the last statement that ran, in words, with what it rests on.

The words are the model's; where it left none (a budget ended first), they are made from the result and say
so.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from langchain_core.messages import BaseMessage

from ..models.errors import one_line
from ..tools.cells import cell
from ..tools.errors import QueryCancelled
from ..tools.limits import Cut, counted
from .acting import Executed
from .answer import Answer, Origin, Step
from .budget import Budget, Spent
from .confidence import confidence
from .deadline import Cancelled, OutOfTime, run_until
from .grounds import Grounds, grounds_of
from .omissions import omissions
from .state import Ending

if TYPE_CHECKING:
    from ..tools.database import Database

GROUNDS_SECONDS = 10.0
_ROWS_IN_WORDS = 3


def conclude(
    database: Database,
    *,
    question: str,
    ending: Ending,
    best: Executed | None,
    steps: tuple[Step, ...],
    spent: Spent,
    messages: Sequence[BaseMessage],
    budget: Budget,
    cancel: threading.Event,
    explain: bool,
    model_name: str,
) -> Answer:
    """The answer of one run. explain: look up what SQL rests on, in at most `GROUNDS_SECONDS` of the time
    left.
    """
    answer = Answer(
        question=question,
        steps=steps,
        status=ending.status,
        reason=ending.reason,
        text=ending.text,
        tokens=spent.tokens,
        messages=tuple(messages),
        origin=Origin(database=database.name, dialect=database.dialect, model=model_name),
    )
    if best is None:
        text = answer.text or _without_result(ending)
        return dataclasses.replace(answer, text=text, seconds=spent.seconds())
    grounds, unknown = _grounds(database, best, seconds=spent.left(budget), cancel=cancel, explain=explain)
    omitted = omissions(question, best.sql, database.dialect, within=database.name)
    doubts = dataclasses.replace(grounds.doubts, omitted=len(omitted))
    result = best.result
    return dataclasses.replace(
        answer,
        sql=best.sql,
        columns=result.columns,
        rows=result.rows,
        types=result.types,
        cuts=result.cuts,
        text=answer.text or _with_result(ending, best),
        ordered=grounds.ordered,
        evidence=grounds.evidence,
        notes=(*_told_of(omitted), *grounds.notes, *unknown),
        origin=dataclasses.replace(grounds.origin, model=model_name),
        confidence=confidence(best.logprob, doubts),
        support=doubts.factor,
        logprob=best.logprob,
        seconds=spent.seconds(),
    )


def _told_of(omitted: Sequence[str]) -> tuple[str, ...]:
    """A note on what the question names and the statement does not."""
    shown = ", ".join(map(cell, omitted[:_ROWS_IN_WORDS]))
    more = ", …" if len(omitted) > _ROWS_IN_WORDS else ""
    return (f"The question names {shown}{more}, which the SQL does not use.",) if omitted else ()


def in_words(columns: Sequence[str], rows: Sequence[Sequence[object]], cuts: Sequence[Cut]) -> str:
    """A result in one line: the value, or the count and the first rows."""
    more = any(cut.what == "rows" for cut in cuts)
    if not rows:
        return "no rows"
    if len(rows) == 1 and len(columns) == 1 and not more:
        return cell(rows[0][0])
    shown = "; ".join(" | ".join(cell(value) for value in row[:6]) for row in rows[:_ROWS_IN_WORDS])
    count = f"{counted(len(rows), cuts)} row{'s' if len(rows) > 1 else ''}"
    return f"{count}: {shown}{'; …' if more or len(rows) > _ROWS_IN_WORDS else ''}"


def _grounds(
    database: Database, best: Executed, *, seconds: float, cancel: threading.Event, explain: bool
) -> tuple[Grounds, tuple[str, ...]]:
    """What the SQL rests on, and a note when there was no time or way to find out."""

    def look_up(stop: threading.Event) -> Grounds:
        return grounds_of(database, best.sql, best.result, explain=explain, cancel=stop)

    try:
        # The look-ups bound themselves (tools/probe.py); only where less time is left may it run out.
        if seconds > GROUNDS_SECONDS:
            return look_up(cancel), ()
        return run_until(look_up, seconds=seconds, cancel=cancel), ()
    except OutOfTime:
        note = "what the SQL rests on was not looked up: no time was left"
    except (Cancelled, QueryCancelled):
        note = "what the SQL rests on was not looked up: the caller cancelled"
    except Exception as error:  # a fault in explaining an answer must not lose the answer
        note = f"what the SQL rests on could not be looked up: {one_line(error)}"
    return _unexplained(database, best), (note,)


def _unexplained(database: Database, best: Executed) -> Grounds:
    """What can be said of the SQL without asking the data."""
    try:
        return grounds_of(database, best.sql, best.result, explain=False)
    except Exception:  # such as a file that is gone: the answer must not be lost
        return Grounds(origin=Origin(database=database.name, dialect=database.dialect))


def _with_result(ending: Ending, best: Executed) -> str:
    found = in_words(best.result.columns, best.result.rows, best.result.cuts)
    if ending.status == "answered":
        return found
    return f"Not finished: {ending.reason}. The last statement that ran gave {found}"


def _without_result(ending: Ending) -> str:
    reason = ending.reason or "no statement ran"
    return f"Not finished: {reason}. No statement had run." if ending.status == "partial" else reason
