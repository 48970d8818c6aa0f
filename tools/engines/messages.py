"""Engine messages for people: one line, no file paths, bounded in length."""

from __future__ import annotations

import re

# An absolute path of at least two parts, or a Windows drive path. A quoted path may hold spaces.
_QUOTED_PATH = re.compile(r"""(["'])(?:file:)?(?:/|[A-Za-z]:\\)[^"'/\\\n]*[/\\][^"'\n]*\1""")
_PATH = re.compile(r"""(?<![\w.:)\]])(?:file:)?(?:/[\w.@+~=-]+){2,}/?|\b[A-Za-z]:\\[^\s"']+""")
_ENUM_VALUES = re.compile(r"\bENUM\((?:'(?:[^']|'')*+'(?:, )?|\.\.\.)*+\)?")
_LONGEST = 500


def one_line(message: str) -> str:
    """The first paragraph of an engine's message, without its "LINE 1: ... ^" excerpt, without paths and the
    values of types."""
    kept = []
    for line in without_enum_values(message).strip().splitlines():
        # "Possible fixes" and "Possible Solution" are followed by options that nobody here can set.
        if line.startswith("LINE ") or line.lower().startswith(("possible fix", "possible solution")):
            break
        if line.strip():
            kept.append(line.strip())
    text = _PATH.sub("<path>", _QUOTED_PATH.sub("<path>", " ".join(kept)))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def without_enum_values(text: str) -> str:
    """`text` with `ENUM('a', 'b', ...)` as `ENUM`: DuckDB's name of the type lists all values, which may be
    thousands, and those of rows that the caller may not see."""
    return _ENUM_VALUES.sub("ENUM", text) if "ENUM(" in text else text
