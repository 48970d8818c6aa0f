"""A result as a file to take away: CSV, Excel or Parquet, without anything that a spreadsheet would run."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, time
from decimal import Decimal
from io import BytesIO
from typing import Any

from ...errors import SqlbergError
from ...tools.export import json_value, to_csv
from ...tools.limits import Result

_CELL_CHARS, _SHEET_ROWS = 32_767, 1_048_575
"""What Excel can hold."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # XML has no place for them


def as_csv(result: Result) -> bytes:
    """In UTF-8 with its mark, by which Excel knows it."""
    return b"\xef\xbb\xbf" + to_csv(result).encode()


def as_excel(result: Result) -> bytes:
    """One sheet; numbers and dates as such, every other cell as text, formulas among them. Raises
    `SqlbergError` for more rows than a sheet has.
    """
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    if len(result.rows) > _SHEET_ROWS:
        raise SqlbergError(f"a sheet has {_SHEET_ROWS:,} rows and this result {len(result.rows):,}: take CSV")
    book = Workbook(write_only=True)
    sheet = book.create_sheet("result")

    def cell(value: Any) -> Any:
        found = WriteOnlyCell(sheet)
        if value is None:
            return found
        if isinstance(value, datetime) and value.tzinfo:  # a sheet knows no time zones
            with suppress(OverflowError):  # the first and the last day of all
                value = value.astimezone(UTC).replace(tzinfo=None)
        plain = isinstance(value, (int, float, Decimal, date, datetime, time)) and not _beyond(value)
        if plain or isinstance(value, bool):
            found.value = value
            return found
        text = value if isinstance(value, str) else str(json_value(value))
        found.value = _CONTROL.sub("", text)[:_CELL_CHARS]
        found.data_type = "s"  # a text that begins with = stays a text
        return found

    for row in (result.columns, *result.rows):
        sheet.append([cell(value) for value in row])
    file = BytesIO()
    book.save(file)
    return file.getvalue()


def as_parquet(result: Result) -> bytes:
    """With the types that the values have."""
    import pyarrow
    import pyarrow.parquet

    from ...agents.answer import Answer

    table = Answer("", columns=_unlike(result.columns), rows=result.rows).to_arrow()
    file = BytesIO()
    pyarrow.parquet.write_table(table, file)
    return file.getvalue()


FORMATS: dict[str, Callable[[Result], bytes]] = {"csv": as_csv, "xlsx": as_excel, "parquet": as_parquet}


def _beyond(value: Any) -> bool:
    """What a sheet would round or refuse: long integers, infinities, dates before 1900."""
    if isinstance(value, (int, Decimal)):
        return abs(value) >= 10**15 if not isinstance(value, Decimal) or value.is_finite() else True
    if isinstance(value, float):
        return value != value or value in (float("inf"), float("-inf"))
    if isinstance(value, (time, datetime)) and value.tzinfo:
        return True
    return isinstance(value, date) and value.year < 1900


def _unlike(names: tuple[str, ...]) -> tuple[str, ...]:
    """Column names made unlike: readers of Parquet want each once."""
    found: list[str] = []
    for name in names:
        tries = 2
        wanted = name
        while wanted in found:
            wanted, tries = f"{name}_{tries}", tries + 1
        found.append(wanted)
    return tuple(found)
