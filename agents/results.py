"""When two results say the same, and a digest of a result that survives a file. Pure functions.

Covered: numbers compare by value whatever their type (1, 1.0, Decimal("1.00")) to nine significant digits,
because a parallel sum differs in the last ones; whole numbers compare in full, since they may be ids; row
order counts only where the statement orders its rows; `result_key` also forgets column names and column
order, since two candidates may list the same facts differently. Not covered: columns whose values are the
same multiset in different arrangements are matched by position, so two such results may be told apart though
they are equal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from .answer import plain

Row = Sequence[Any]
_DIGITS = 9


def result_key(rows: Sequence[Row], *, ordered: bool) -> str:
    """A digest that is equal for results that hold the same facts: any column order, row order only if
    `ordered`.
    """
    table = [[_cell(value) for value in row] for row in rows]
    width = len(table[0]) if table else 0
    order = sorted(range(width), key=lambda index: sorted(row[index] for row in table))
    lines = ["\x1f".join(row[index] for index in order) for row in table]
    return _digest([str(width), *(lines if ordered else sorted(lines))])


def result_digest(columns: Sequence[str], rows: Sequence[Row], *, ordered: bool) -> str:
    """A digest of exactly this result: names, column order, cells, and row order if `ordered`."""
    lines = ["\x1f".join(_cell(value) for value in row) for row in rows]
    return _digest([json.dumps(list(columns)), *(lines if ordered else sorted(lines))])


def is_empty(rows: Sequence[Row]) -> bool:
    """Whether a result says nothing: no rows, or one row that is all NULL (a maximum over nothing)."""
    return not rows or (len(rows) == 1 and all(value is None for value in rows[0]))


def _cell(value: Any) -> str:
    """A value as text that is equal exactly for values that count as equal; the first letter is its kind."""
    if value is None:
        return "0"
    if isinstance(value, bool):
        return f"n{int(value)}"
    if isinstance(value, (int, float, Decimal)):
        return f"n{_number(value)}"
    return "t" + json.dumps(plain(value), sort_keys=True, ensure_ascii=False)


def _number(value: int | float | Decimal) -> str:
    if isinstance(value, int):
        return str(value)
    number = float(value)
    # Rounded before it is looked at, or noise would tell a whole number from itself. From 10^9 on only to
    # cents: whole numbers stay whole, equal to the integer of the same value and no other.
    large = abs(number) >= 10**_DIGITS
    rounded = round(number, 2) if large else float(f"{number:.{_DIGITS}g}")
    if rounded.is_integer() and abs(rounded) < 2**53:
        return str(int(rounded))
    return f"{number:.{_DIGITS}g}"


def _digest(lines: list[str]) -> str:
    return hashlib.sha256("\x1e".join(lines).encode("utf-8", "surrogatepass")).hexdigest()
