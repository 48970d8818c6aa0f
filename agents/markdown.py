"""Data as Markdown that shows what it is and does nothing else. Pure functions.

Covered: everything that could become markup when a page renders it (HTML tags, links, images, emphasis, code,
table bars, line breaks) is escaped, and control tokens are made visible (tools/cells.py). Not covered: text
that persuades in plain words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..tools.cells import neutralise, plain, shorten

# Underscores inside words, and brackets that follow no link text, are plain text in Markdown already.
_MARKUP = re.compile(r"([\\`*\[\]~|<>&$]|(?<!\w)_|_(?!\w)|^[#+!-])")
_HTML = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


def escape(text: str) -> str:
    """`text` on one line, so that Markdown shows it letter by letter."""
    return _MARKUP.sub(lambda match: _HTML.get(match[1], "\\" + match[1]), neutralise(text))


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, width: int = 80) -> str:
    """A Markdown table; cells longer than `width` characters end in "…". Without columns: an empty string."""
    if not columns:
        return ""
    lines = [_line([escape(name) or " " for name in columns]), "|" + " --- |" * len(columns)]
    lines.extend(_line([escape(shorten(plain(value), width)) for value in row]) for row in rows)
    return "\n".join(lines)


def code(text: str, language: str = "") -> str:
    """A fenced block that its own content cannot close."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
