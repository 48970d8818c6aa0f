"""What the embedded model can point at: words of the question, tables, columns and values of the dialogue.

The model never spells a name. It writes a *sketch*, a sequence of keywords (`KEYWORDS`) and pointers to
items, so that every table, column and literal of its SQL was read in the dialogue first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ItemKind = Literal["word", "table", "column", "value"]

# The closed vocabulary of sketches. The text on the right starts the keyword's embedding from the words it
# stands for.
KEYWORDS: dict[str, str] = {
    "<pad>": "",
    "<start>": "",
    "end": "end",
    "lookup": "search value",
    "execute": "execute query",
    "to": "to",
    "select": "select",
    "distinct": "distinct different",
    "*": "all rows",
    "count": "count number",
    "count_distinct": "count distinct different",
    "sum": "sum total",
    "sum_distinct": "sum distinct",
    "avg": "average mean",
    "avg_distinct": "average distinct",
    "min": "minimum lowest smallest",
    "max": "maximum highest largest",
    "+": "plus",
    "-": "minus difference",
    "times": "times multiplied",
    "/": "divided",
    ",": ",",
    "from": "from",
    "on": "on",
    "(": "(",
    ")": ")",
    "where": "where",
    "and": "and",
    "or": "or",
    "=": "equal is",
    "!=": "not equal",
    "<": "less below before",
    ">": "greater above after",
    "<=": "at most",
    ">=": "at least",
    "between": "between",
    "in": "in",
    "not_in": "not in",
    "like_has": "contains",
    "like_starts": "starts with",
    "like_ends": "ends with",
    "like_is": "like",
    "not_like_has": "does not contain",
    "not_like_starts": "does not start with",
    "not_like_ends": "does not end with",
    "is_null": "is null missing",
    "is_not_null": "is not null",
    "group": "for each",
    "having": "having",
    "order": "order sort",
    "desc": "descending",
    "limit": "limit top",
    "union": "union or",
    "intersect": "both and",
    "except": "except not",
    "0": "zero",
    "1": "one",
    "2": "two",
    "3": "three",
    "4": "four",
    "5": "five",
    "10": "ten",
    "100": "hundred",
    "search": "search column",
    "refuse": "not found unknown",
    "year": "year",
    "month": "month",
}
KEYWORD_IDS = {keyword: index for index, keyword in enumerate(KEYWORDS)}
PAD, START = KEYWORD_IDS["<pad>"], KEYWORD_IDS["<start>"]

CONSTANTS = ("0", "1", "2", "3", "4", "5", "10", "100")
AGGREGATES = ("count", "count_distinct", "sum", "sum_distinct", "avg", "avg_distinct", "min", "max")
DATE_PARTS = ("year", "month")
ARITHMETIC = ("+", "-", "times", "/")
COMPARISONS = ("=", "!=", "<", ">", "<=", ">=")
LIKES = (
    "like_has", "like_starts", "like_ends", "like_is", "not_like_has", "not_like_starts", "not_like_ends",
)  # fmt: skip
SET_OPERATIONS = ("union", "intersect", "except")


@dataclass(frozen=True)
class Item:
    """One thing to point at.

    kind "word": a word of the question (`text`, the `index`-th). "table": `table`. "column":
    `table`.`column`. "value": a literal, either a cell seen in `table`.`column` or (both empty) words of
    the question; `value` is what stands in SQL, a str or a number.
    """

    kind: ItemKind
    text: str = ""
    table: str = ""
    column: str = ""
    value: str | int | float | None = None
    index: int = -1


Token = str | Item
"""A sketch is a list of these: a keyword, or a pointer."""
