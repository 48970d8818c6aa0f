"""What a session looks at: a kept question with a result, and how it is shown. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape as html
from typing import Any

from ...tools.export import json_value
from ...tools.limits import Result
from ...training.feedback.store import Asked
from .charts import Chart, first_chart, told_rows

Updates = dict[Any, Any]
"""What changes on a page: components with their new values."""
TABLE_ROWS = 1_000


@dataclass(frozen=True)
class LookedAt:
    """kept: the question; result: of its SQL, or of what a person ran instead; chart: of the result; theirs:
    somebody else's, who shared it.
    """

    kept: Asked | None = None
    result: Result | None = None
    chart: Chart | None = None
    theirs: bool = False

    @classmethod
    def of(cls, kept: Asked | None, *, theirs: bool = False) -> LookedAt:
        """A kept question with what was answered; of one that was withheld, the best guess."""
        if kept is None:
            return cls()
        told, seen = kept.answer, cls(kept, theirs=theirs)
        best = told if told.get("columns") else next(iter(told.get("readings") or ()), {})
        if not best.get("columns"):
            return seen
        return seen.showing(best["columns"], best["rows"], kept.sql)

    def showing(self, columns: Sequence[str], rows: Sequence[Sequence[Any]], sql: str) -> LookedAt:
        """The same question with another result."""
        return self.with_result(Result(tuple(columns), [tuple(row) for row in rows], sql=sql))

    def with_result(self, result: Result) -> LookedAt:
        return replace(self, result=result, chart=first_chart(result))

    @property
    def rivals(self) -> list[dict[str, Any]]:
        """The two readings that the question asks back about, else none."""
        if self.kept is None or self.kept.status != "clarify" or self.theirs:
            return []
        return self.kept.answer.get("readings", [])[:2]


def frame(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """A result as Gradio's table takes it: numbers as numbers, all else as text."""
    return {
        "headers": [str(name) for name in columns],
        "data": [[_cell(value) for value in row] for row in rows[:TABLE_ROWS]],
    }


def datatypes(result: Result) -> list[str]:
    """Of each column, so that numbers are sorted as numbers; never one that a page would render."""
    columns = zip(*result.rows, strict=True) if result.rows else [()] * len(result.columns)
    return ["number" if _numbers(column) else "str" for column in columns]


def facts(seen: LookedAt) -> str:
    """Confidence, model, seconds, tokens, rows and cuts, as HTML."""
    kept, result = seen.kept, seen.result
    if kept is None:
        return ""
    told, parts = kept.answer, []
    sure = told.get("confidence")
    if sure is not None:
        meter = f'<meter min="0" max="1" value="{sure:.3f}" aria-label="confidence"></meter>'
        parts.append(f"{meter} {sure:.0%} sure")
    if kept.status == "abstained" and result is not None and result.sql == kept.sql:
        parts.append("<strong>a best guess and no answer: check it before you use it</strong>")
    tokens = told.get("tokens", {})
    parts.append(f"answered by {html(kept.model)}")
    parts.append(f"{told.get('seconds', 0.0):.1f} s")
    parts.append(f"{tokens.get('prompt', 0) + tokens.get('dialogue', 0):,} tokens")
    if result is not None:
        parts.append(f"{len(result.rows):,} row{'' if len(result.rows) == 1 else 's'}")
        parts += [f"<strong>{html(str(cut))}</strong>" for cut in result.cuts]
        cuts = told.get("cuts", ()) if result.sql == kept.sql and not result.cuts else ()
        parts += [f"<strong>{html(_cut(cut))}</strong>" for cut in cuts]
        if len(result.rows) > TABLE_ROWS:
            parts.append(f"the table shows the first {TABLE_ROWS:,}")
        if note := told_rows(result):
            parts.append(html(note))
    return f'<p class="facts">{" · ".join(parts)}</p>'


def told(text: str, *, good: bool = True) -> str:
    """One line for the person, as HTML."""
    return f'<p role="status" class="{"good" if good else "bad"}">{html(text)}</p>'


def _cut(cut: Any) -> str:
    from ...tools.limits import Cut

    return str(Cut(**cut)) if isinstance(cut, dict) else str(cut)


def _numbers(column: Sequence[Any]) -> bool:
    there = [_cell(value) for value in column if value is not None]
    return bool(there) and all(isinstance(value, (int, float)) for value in there)


def _cell(value: Any) -> Any:
    shown = json_value(value)
    return (
        shown
        if shown is None or (isinstance(shown, (int, float)) and not isinstance(shown, bool))
        else str(shown)
    )
