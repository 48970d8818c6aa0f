"""Markdown tables of figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Figures = Mapping[str, Any]


def table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Names to the left, figures to the right."""
    lines = [heading, ["---", *["--:"] * (len(heading) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def percent(figure: Figures) -> str:
    return number(figure["value"])


def share(value: float) -> str:
    return f"{number(100 * value)} %"


def milliseconds(figure: Figures) -> str:
    return f"{number(figure['p50'], 2)} and {number(figure['p95'], 2)} ms"


def interval(figure: Figures) -> str:
    """Of a figure that has one."""
    low, high = figure["interval"]
    return f"{low:.1f} to {high:.1f}"


def gap(middle: float, low: float, high: float) -> str:
    """A difference in points with its interval."""
    return f"{signed(middle)} ({signed(low)} to {signed(high)})"


def signed(value: float) -> str:
    """With its sign."""
    return ("+" if value > 0 else "") + number(value)


def number(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{value:,.{digits}f}".replace("-", "−")
