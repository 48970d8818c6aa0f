"""Data as text that a chat model may safely read: identifiers, SQL literals, table cells.

Everything a database holds (cells, names, comments, engine messages) is data, never an instruction and never
a part of the dialogue's frame. Covered: control tokens of chat templates (`<|im_start|>`, `[INST]`, `<s>`,
BERT's `[SEP]`), tags of tool calls (`<tool_call>`, `<function=...>`), line breaks, control, bidirectional and
other invisible characters. Each is replaced by something visible, so that the reader sees that it was there.
Not covered: persuasion in plain words ("ignore your instructions"); guard and sandbox answer for that.
"""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from ..reserved import RESERVED

LINE_BREAK = "⏎"

_TAGS = (
    "tool_calls?|tool_responses?|tool_results?|tool_outputs?|tools|function_calls?|function_results?|functions?"
    "|parameters?|invoke|arguments|think|thinking|reasoning|scratchpad|system|user|assistant|developer|human|model"
    "|im_start|im_end|start_of_turn|end_of_turn|begin_of_text|end_of_text|eot|endoftext|bos|eos|pad|unk|mask|sep|cls|s"
    r"|(?:antml|anthropic)\s*:\s*\w+|unused\d+|extra_id_\d+|start_function_\w+|end_function_\w+"
)
_ANGLE_TOKEN = re.compile(
    r"<\s*[|｜][^<>\n]{0,80}?[|｜]\s*>"  # <|im_start|>, <｜tool▁calls▁begin｜>
    rf"|</?\s*(?:{_TAGS})(?=[\s=/>:])[^<>]{{0,200}}>"  # </tool_call>, <function=execute_sql>, <s>
    r"|<<\s*(?:/\s*)?SYS\s*>>",
    re.IGNORECASE,
)
_SQUARE_TOKEN = re.compile(
    r"\[\s*(?:/\s*)?(?:INST|SYS|SYSTEM_PROMPT|TOOL_CALLS?|AVAILABLE_TOOLS|TOOL_RESULTS|TOOL_CONTENT|ARGS|CALL_ID|IMG|"
    r"CLS|SEP|PAD|MASK|UNK|BOS|EOS|gMASK|unused\d+)\s*\]",
    re.IGNORECASE,
)
_VISIBLE = str.maketrans({"<": "‹", ">": "›", "[": "⟦", "]": "⟧", "|": "¦", "｜": "¦"})
_LONGEST_TOKEN = 400
_LINE_BREAKS = re.compile("\r\n|[\n\r\v\f\x85\u2028\u2029]")
_JOINERS = "\u200c\u200d"  # part of ordinary Persian, Hindi and emoji


def neutralise(text: str) -> str:
    """`text` on one line, with control tokens, tool-call tags and invisible characters made visible."""
    if text.isascii() and text.isprintable() and not ("<" in text or "[" in text):
        return text
    text = _LINE_BREAKS.sub(LINE_BREAK, text)
    if not text.isprintable():
        text = "".join(char if _is_visible(char) else _escaped(char) for char in text)
    # Again until nothing is left: in `<tool_call <s>>` the outer tag is one only after the inner is gone.
    while (safe := _SQUARE_TOKEN.sub(_made_visible, _ANGLE_TOKEN.sub(_made_visible, text))) != text:
        text = safe
    return text


def shorten(text: str, width: int) -> str:
    """`text` in at most `width` characters; a cut is marked by a last character "…"."""
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"


def excerpt(text: str, width: int) -> str:
    """`text` neutralised, in at most `width` characters; what lies far beyond them is not even looked at."""
    return shorten(neutralise(text[: 2 * width + _LONGEST_TOKEN]), width)


def identifier(name: str) -> str:
    """A table or column name as SQL takes it: plain identifiers as they are; reserved words and others in
    double quotes.
    """
    name = neutralise(name)
    is_plain = name.isidentifier() and name.lower() not in RESERVED
    return name if is_plain else '"' + name.replace('"', '""') + '"'


def qualified(table: str, column: str) -> str:
    """`table.column`, each quoted where needed."""
    return f"{identifier(table)}.{identifier(column)}"


def literal(value: Any) -> str:
    """A value as a SQL literal that finds it again: strings and dates in single quotes, numbers in full.

    Line breaks and control tokens are replaced even here (see `is_verbatim`). More than 16 bytes become
    `<n bytes>`.
    """
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _float(value, digits=17) if math.isfinite(value) else f"'{value}'"
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else f"'{value}'"
    if isinstance(value, (bytes, bytearray, memoryview)):
        data = bytes(value)
        return f"X'{data.hex().upper()}'" if len(data) <= 16 else f"<{len(data)} bytes>"
    return "'" + neutralise(plain(value)).replace("'", "''") + "'"


def is_verbatim(value: Any) -> bool:
    """Whether `literal` shows a string exactly as it is stored."""
    return not isinstance(value, str) or neutralise(value) == value


def plain(value: Any) -> str:
    """A value as compact text, before neutralising: NULL, floats without noise, ISO dates, `<12 bytes>`."""
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        # Without binary noise such as 0.30000000000000004; but 12 digits of a large sum would hold no cents.
        return _float(value, digits=12 if abs(value) < 1e10 else 15)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, (bytes, bytearray, memoryview)):
        size = len(bytes(value))
        return f"<{size} byte>" if size == 1 else f"<{size} bytes>"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, (list, tuple, set, frozenset)):
        return "[" + ", ".join(_inner(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{plain(key)}: {_inner(item)}" for key, item in value.items()) + "}"
    return str(value)  # int, timedelta, UUID


def cell(value: Any, width: int = 60) -> str:
    """A value as one cell of a ` | `-separated row, at most `width` characters.

    A string that would be misread bare (empty, the word NULL, blanks at an end) is shown in single quotes.
    """
    text = excerpt(plain(value), width).replace("|", "\\|")
    if isinstance(value, str) and (not text or text == "NULL" or value != value.strip(" ")):
        return f"'{text}'"
    return text


def _inner(value: Any) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else plain(value)


def _made_visible(match: re.Match[str]) -> str:
    return match[0].translate(_VISIBLE)


def _float(value: float, digits: int) -> str:
    """A float in at most `digits` significant digits; the shortest exact form when that is enough."""
    if value.is_integer() and abs(value) < 1e15:
        return f"{value:.1f}"
    exact = repr(value)
    return exact if sum(char.isdigit() for char in exact) <= digits else f"{value:.{digits}g}"


def _is_visible(char: str) -> bool:
    # Unassigned and private-use characters (Cn, Co) stay: they are visible as boxes and carry no meaning.
    return char in _JOINERS or unicodedata.category(char) not in ("Cc", "Cf", "Cs")


def _escaped(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return "\\t" if char == "\t" else f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
