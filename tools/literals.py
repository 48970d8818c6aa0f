"""Numbers and dates as people write them: "$1,200.50", "12%", "March 2014", "5/3/2014", "2014-03-05 10:30".

Covered: English month names, ISO, day-month-year and month-day-year order (both when either is possible),
years, months and days as ranges. Not covered: words ("last week", "two"), dates without a year, other
languages.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

Precision = Literal["year", "month", "day", "moment"]

_NUMBER = re.compile(
    r"[$€£¥]?\s*([+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][+-]?\d{1,2})?|[+-]?\.\d+)\s*[%$€£¥]?"
)
_MONTHS = {name.lower(): i for i, name in enumerate(calendar.month_name) if name}
_MONTHS |= {name.lower(): i for i, name in enumerate(calendar.month_abbr) if name} | {"sept": 9}
_MONTH = "(?P<month>" + "|".join(sorted(_MONTHS, key=len, reverse=True)) + r")\.?"
_CLOCK = r"(?:[ T,]+(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
_FORMS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?P<y>\d{4})",
        r"(?P<y>\d{4})[-/.](?P<m>\d{1,2})",
        rf"(?P<y>\d{{4}})[-/.](?P<m>\d{{1,2}})[-/.](?P<d>\d{{1,2}}){_CLOCK}",
        rf"{_MONTH},?\s*(?P<y>\d{{4}})",
        rf"{_MONTH}\s*(?P<d>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<y>\d{{4}}){_CLOCK}",
        rf"(?P<d>\d{{1,2}})(?:st|nd|rd|th)?[\s-]+(?:of\s+)?{_MONTH}[\s,-]+(?P<y>\d{{4}}){_CLOCK}",
    )
]
_EITHER = re.compile(rf"(?P<a>\d{{1,2}})(?P<s>[-/.])(?P<b>\d{{1,2}})(?P=s)(?P<y>\d{{4}}){_CLOCK}")
_EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True)
class Span:
    """A stretch of time, `start` inclusive to `end` exclusive, in seconds since 1970; `text` is its ISO
    form."""

    start: float
    end: float
    precision: Precision
    text: str


def parse_number(text: str) -> float | None:
    """The number that the whole text is, or None."""
    match = _NUMBER.fullmatch(text.strip())
    return float(match[1].replace(",", "")) if match else None


def parse_spans(text: str) -> list[Span]:
    """The stretches of time that the whole text may mean; empty when it is no date."""
    text = text.strip()
    if len(text) > 40 or not re.search(r"\d{4}", text):
        return []
    for form in _FORMS:
        if match := form.fullmatch(text):
            part = match.groupdict()
            month = _MONTHS[part["month"].lower()] if part.get("month") else part.get("m")
            return _span(part["y"], month, part.get("d"), part)
    if match := _EITHER.fullmatch(text):
        part = match.groupdict()
        spans = _span(part["y"], part["b"], part["a"], part)
        return spans + [s for s in _span(part["y"], part["a"], part["b"], part) if s not in spans]
    return []


def seconds_of(value: date | datetime) -> float:
    """Seconds since 1970 of a date or of a datetime (its clock as it stands; the zone is left out)."""
    moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
    return (moment.replace(tzinfo=None) - _EPOCH).total_seconds()


def _span(year: str, month: str | int | None, day: str | None, clock: dict[str, str | None]) -> list[Span]:
    try:
        if month is None:
            first = date(int(year), 1, 1)
            return [Span(seconds_of(first), _next_year(int(year)), "year", f"{int(year):04d}")]
        first = date(int(year), int(month), int(day or 1))
        if day is None:
            days = calendar.monthrange(first.year, first.month)[1]
            return [Span(seconds_of(first), seconds_of(first) + days * 86400, "month", f"{first:%Y-%m}")]
        if clock.get("hour") is None:
            return [Span(seconds_of(first), seconds_of(first) + 86400, "day", first.isoformat())]
        moment = datetime(
            first.year, first.month, first.day,
            int(clock["hour"] or 0), int(clock["minute"] or 0), int(clock["second"] or 0),
        )  # fmt: skip
        width = timedelta(seconds=1) if clock["second"] else timedelta(minutes=1)
        start = seconds_of(moment)
        return [Span(start, start + width.total_seconds(), "moment", moment.isoformat(sep=" "))]
    except ValueError:  # the 31st of February, month 13
        return []


def _next_year(year: int) -> float:
    return seconds_of(date(year, 12, 31)) + 86400
