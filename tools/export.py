"""A result as CSV, Markdown or JSON text, safe to open elsewhere.

CSV: RFC 4180; NULL is an empty field and an empty string is `""`. A text that a spreadsheet would run as a
formula (it begins with = + - @, a tab or a line break) gets a leading apostrophe, unless it is a number.
Markdown: a GitHub table whose cells cannot become links, images, HTML or emphasis.
JSON: columns and rows apart, because column names may repeat; says whether the result is complete.
Cuts are told in Markdown and JSON; CSV has no place for them.
"""

from __future__ import annotations

import json
import math
import re
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from .cells import neutralise, plain
from .limits import Result

_FORMULA = re.compile(r"^[\s\x00-\x1f]*[=+\-@＝＋－＠]|^[\t\r\n]")
_NUMBER = re.compile(r"^[+-]?(\d+([.,]\d+)*|\.\d+)([eE][+-]?\d+)?$")
_NEEDS_QUOTES = re.compile(r'[",\r\n]|^\s|\s$|^$')
# An underscore inside a word is plain text in GitHub's Markdown and common in names.
_MARKDOWN = re.compile(r"[\\`*\[\]<>|~&#!$]|(?<![^\W_])_|_(?![^\W_])")


def to_csv(result: Result) -> str:
    """Header and rows, each ended by CRLF."""
    lines = [",".join(_csv_field(name) for name in result.columns)]
    lines += [",".join(_csv_field(value) for value in row) for row in result.rows]
    return "\r\n".join(lines) + "\r\n"


def to_markdown(result: Result) -> str:
    """A table, numbers aligned right, with a line for each cut."""
    if not result.columns:
        return ""
    lines = ["| " + " | ".join(_markdown_cell(name) for name in result.columns) + " |"]
    lines.append("| " + " | ".join(_alignment(result, index) for index in range(len(result.columns))) + " |")
    lines += ["| " + " | ".join(_markdown_cell(value) for value in row) + " |" for row in result.rows]
    if result.cuts:
        lines += ["", *(f"*{cut}*" for cut in result.cuts)]
    return "\n".join(lines) + "\n"


def to_json(result: Result, *, indent: int | None = None) -> str:
    """`{"columns": [...], "rows": [[...]], "complete": bool, "cuts": [...]}`."""
    document = {
        "columns": list(result.columns),
        "rows": [[json_value(value) for value in row] for row in result.rows],
        "complete": result.complete,
        "cuts": [str(cut) for cut in result.cuts],
    }
    return json.dumps(document, ensure_ascii=False, indent=indent, allow_nan=False)


def json_value(value: Any) -> Any:
    """A cell as JSON can hold it: dates as ISO text, bytes as hex, numbers that JSON has not as text."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    if isinstance(value, (list, tuple, set, frozenset)):
        return [json_value(item) for item in value]
    if isinstance(value, dict):
        return {plain(key): json_value(item) for key, item in value.items()}
    return str(value)  # timedelta, UUID


def _decimal(value: Decimal) -> int | float | str:
    """An exact number where one exists in JSON as everybody reads it (a double); else the digits as text."""
    if not value.is_finite():
        return str(value)
    if value == value.to_integral_value():
        return int(value)
    return float(value) if Decimal(repr(float(value))) == value else format(value, "f")


def _csv_field(value: Any) -> str:
    if value is None:
        return ""
    converted = json_value(value)
    if isinstance(converted, bool):
        return "true" if converted else "false"
    if isinstance(converted, (int, float)):
        return repr(converted)
    text = converted if isinstance(converted, str) else json.dumps(converted, ensure_ascii=False)
    if _FORMULA.match(text) and not _NUMBER.match(text):
        text = "'" + text
    return '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES.search(text) else text


def _markdown_cell(value: Any) -> str:
    return _MARKDOWN.sub(lambda match: "\\" + match[0], neutralise(plain(value)))


def _alignment(result: Result, index: int) -> str:
    values = [row[index] for row in result.rows if row[index] is not None]
    numeric = values and all(
        isinstance(value, (int, float, Decimal)) and not isinstance(value, bool) for value in values
    )
    return "---:" if numeric else "---"
