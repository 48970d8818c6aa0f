"""What a column amounts to (`kind`): from its declared type, corrected by what it holds.

SQLite stores anything in any column, and CSV imports declare everything as text. So a column of declared
text whose values are all numbers counts as "number", and a declared number that holds words as "text". Text
counts as "date" only in ISO form ('2024-05-31', '2024-05-31 10:00:00'): other spellings do not sort as dates
in SQL. Digits with a leading zero ('02139') are codes, not numbers. Types that a database enforces are left
as they are (`is_enforced`).

`plain_value` turns the database's Python values into what JSON keeps: str, int, float, bool or None.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from .schema import Kind

_SPELLINGS: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (re.compile(r"\[|STRUCT|MAP\b|UNION|LIST|ARRAY|JSON|BLOB|BYTEA|BINARY|BIT\b|POINT|INTERVAL"), "other"),
    (re.compile(r"^BOOL"), "boolean"),
    (re.compile(r"CHAR|TEXT|CLOB|STRING|UUID|ENUM|NAME|INET|XML"), "text"),
    (re.compile(r"INT|REAL|FLOA|DOUB|NUMERIC|DECIMAL|NUMBER|SERIAL|MONEY|\bDEC\b|\bFIXED\b"), "number"),
    (re.compile(r"DATE|TIME|YEAR"), "date"),
)

_NUMERAL = re.compile(r"[+-]?(?:0|[1-9]\d{0,17})(?:\.\d+)?(?:[eE][+-]?\d{1,3})?|[+-]?\.\d+")
_ISO_DATE = re.compile(
    r"\d{4}-[01]\d-[0-3]\d(?:[ T][0-2]\d:[0-5]\d(?::[0-6]\d(?:\.\d+)?)?(?:Z|[+-]\d\d(?::?\d\d)?)?)?"
)


def declared_kind(declared: str) -> Kind:
    """The kind that a declared type stands for, in the spellings of the common databases; "" is "other"."""
    spelling = declared.upper().strip()
    for pattern, kind in _SPELLINGS:
        if pattern.search(spelling):
            return kind
    return "other"


def is_enforced(dialect: str, declared: str) -> bool:
    """Whether a column of that type holds nothing else and is no catch-all text."""
    return dialect != "sqlite" and not declared.upper().startswith(("VARCHAR", "TEXT", "CHAR", "STRING"))


def content_kind(values: Iterable[Any]) -> Kind | None:
    """The kind that all of `values` (NULLs aside) have in common; None without values."""
    kinds: set[Kind] = {_value_kind(value) for value in values if value is not None}
    if len(kinds) > 1:
        return "other" if "other" in kinds else "text"
    return next(iter(kinds), None)


def settled_kind(declared: Kind, values: Sequence[Any]) -> Kind:
    """The declared kind, corrected by a sample of the column's values."""
    content = content_kind(values)
    if content is None or content == declared or declared == "boolean":
        return declared
    if declared == "number" and content == "text":
        # One stray word ('N/A') among numbers does not make a text column.
        numbers = [_value_kind(value) == "number" for value in values if value is not None]
        return "number" if sum(numbers) > len(numbers) / 2 else "text"
    return content


def is_numeral(text: str) -> bool:
    """Whether the text is a plain number, fit to be compared as one."""
    return _NUMERAL.fullmatch(text.strip()) is not None


def plain_value(value: Any) -> Any:
    """The value as JSON keeps it: dates and times in ISO form, Decimals as numbers, nested as None."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return _plain_decimal(value)
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta | UUID):
        return str(value)
    return None


def _plain_decimal(value: Decimal) -> int | float | None:
    if not value.is_finite():
        return None
    return int(value) if value == value.to_integral_value() else float(value)


def _value_kind(value: Any) -> Kind:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float | Decimal):
        return "number"
    if isinstance(value, date | datetime | time):
        return "date"
    if isinstance(value, str):
        if is_numeral(value):
            return "number"
        return "date" if _ISO_DATE.fullmatch(value.strip()) else "text"
    return "text" if isinstance(value, UUID) else "other"
