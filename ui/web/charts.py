"""Which chart a result asks for, and its declarative spec (Vega-Lite). No model writes any of it.

    chart = first_chart(result)                      # None: a table says it better
    altair.Chart.from_dict(spec(chart, result))

A date or time along x makes a line; a name for each number, bars; two numbers, points. Columns go into the
spec by their position (c0, c1, ...), for Vega would read dots and brackets in a name as paths.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from ...tools.export import json_value
from ...tools.limits import Result

Mark = Literal["bar", "line", "area", "point"]
Kind = Literal["number", "time", "name"]
MARKS: tuple[Mark, ...] = ("bar", "line", "area", "point")
MOST_ROWS = 2_000
MOST_BARS = 40
MOST_COLOURS = 10
ACTIONS = {"export": True, "source": False, "compiled": False, "editor": False}
"""Pictures may be saved; the editor would be on another host, and would be sent the data."""
ACCENT = "#0d9488"
GREY = {"labelColor": "#808080", "titleColor": "#808080", "gridColor": "#80808033", "domainColor": "#808080"}
"""Can be read on light and dark."""
_KEY_ENDINGS = ("id", "_id", "_key", "code", "zip")
_CHANNEL = {"number": "quantitative", "time": "temporal", "name": "nominal"}


@dataclass(frozen=True)
class Chart:
    """x, y, colour: columns of the result by their position."""

    mark: Mark
    x: int
    y: int
    colour: int | None = None


def kinds(result: Result) -> list[Kind]:
    """What each column holds, by its values. A number that tells things apart (an id, a code) is a name."""
    return [_kind(name, [row[n] for row in result.rows]) for n, name in enumerate(result.columns)]


def first_chart(result: Result) -> Chart | None:
    """The chart that the shape of a result asks for; None for one row, no numbers, or too many names."""
    found = kinds(result)
    numbers = [n for n, kind in enumerate(found) if kind == "number"]
    times = [n for n, kind in enumerate(found) if kind == "time"]
    names = [n for n, kind in enumerate(found) if kind == "name"]
    if len(result.rows) < 2 or not numbers:
        return None
    if times:
        colour = next((n for n in names if 1 < _different(result, n) <= MOST_COLOURS), None)
        if colour is None and _different(result, times[0]) < len(result.rows):
            return Chart("point", times[0], numbers[0])
        return Chart("line", times[0], numbers[0], colour)
    if names:
        by_size = sorted(names, key=lambda n: -_different(result, n))
        x, others = by_size[0], by_size[1:]
        if _different(result, x) > MOST_BARS:
            return Chart("point", numbers[0], numbers[1]) if len(numbers) > 1 else None
        colour = next((n for n in others if 1 < _different(result, n) <= MOST_COLOURS), None)
        if colour is None and _different(result, x) < len(result.rows):
            return Chart("point", x, numbers[0])
        return Chart("bar", x, numbers[0], colour)
    return Chart("point", numbers[0], numbers[1]) if len(numbers) > 1 else None


def fitting(chart: Chart, result: Result) -> Chart:
    """The chart that a person chose, with colours only where they can be told apart."""
    if chart.colour is not None and not 1 < _different(result, chart.colour) <= MOST_COLOURS:
        return replace(chart, colour=None)
    return chart


def spec(chart: Chart, result: Result) -> dict[str, Any]:
    """The Vega-Lite spec, its data inside, at most `MOST_ROWS` rows."""
    found = kinds(result)
    used = [n for n in (chart.x, chart.y, chart.colour) if n is not None]
    rows = [{f"c{n}": _value(row[n], found[n]) for n in used} for row in result.rows[:MOST_ROWS]]
    x: dict[str, Any] = _channel(chart.x, result, found)
    y: dict[str, Any] = _channel(chart.y, result, found)
    if chart.mark == "bar" and found[chart.x] == "name":
        x["sort"] = None  # as the rows come: the statement may have ordered them
        x["axis"] = {"labelAngle": -35 if _longest(result, chart.x) > 6 else 0, "labelLimit": 160}
    if chart.mark == "line":
        y["scale"] = {"zero": False}
    encoding: dict[str, Any] = {"x": x, "y": y, "tooltip": [_channel(n, result, found) for n in used]}
    if chart.colour is not None:
        encoding["color"] = _channel(chart.colour, result, found) | {"type": "nominal"}
        if chart.mark == "bar":
            encoding["xOffset"] = {"field": f"c{chart.colour}", "type": "nominal"}
    marks: dict[str, Any] = {"line": {"type": "line", "point": len(rows) <= 60}, "area": {"type": "area"}}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "usermeta": {"embedOptions": {"actions": ACTIONS}},
        "background": "transparent",
        "config": {
            "axis": GREY,
            "legend": {n: c for n, c in GREY.items() if n[0] in "lt"},
            "mark": {"color": ACCENT},
            "view": {"stroke": "transparent"},
        },
        "data": {"values": rows},
        "mark": marks.get(chart.mark, {"type": chart.mark}),
        "encoding": encoding,
        "width": "container",
        "height": 280,
    }


def told_rows(result: Result) -> str:
    """What a chart leaves out, "" for nothing."""
    more = len(result.rows) - MOST_ROWS
    return f"the chart shows the first {MOST_ROWS:,} of {len(result.rows):,} rows" if more > 0 else ""


def _kind(name: str, values: Sequence[Any]) -> Kind:
    there = [value for value in values if value is not None]
    if there and all(isinstance(value, (date, datetime)) or _is_date(value) for value in there):
        return "time"
    numeric = all(isinstance(value, (int, float, Decimal)) and not isinstance(value, bool) for value in there)
    return "number" if there and numeric and not _tells_apart(name) else "name"


def _tells_apart(name: str) -> bool:
    return any(name.lower() == ending or name.lower().endswith(ending) for ending in _KEY_ENDINGS)


def _is_date(value: Any) -> bool:
    """SQLite keeps dates as ISO text."""
    if not isinstance(value, str) or len(value) < 10 or value[4] != "-":
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _different(result: Result, column: int) -> int:
    return len({str(row[column]) for row in result.rows[:MOST_ROWS]})


def _longest(result: Result, column: int) -> int:
    return max((len(str(row[column])) for row in result.rows[:MOST_BARS]), default=0)


def _channel(column: int, result: Result, found: Sequence[Kind]) -> dict[str, Any]:
    return {"field": f"c{column}", "type": _CHANNEL[found[column]], "title": result.columns[column]}


def _value(value: Any, kind: Kind) -> Any:
    """As JSON; what is no finite number is missing."""
    if kind == "number":
        number = None if value is None else float(value)
        return number if number is not None and math.isfinite(number) else None
    if kind == "time":
        return None if value is None else json_value(value)
    return "" if value is None else str(json_value(value))[:200]
