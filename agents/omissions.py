"""What a question names outright and its statement does not: numbers, and what stands in quotes.

`How many orders were cancelled in 2024?` is not answered by counting all that were cancelled. Numbers and
quoted words are copied into SQL, so that a statement without them answers another question: of Spider's train
questions that have any, the gold of 8 in 1,848 leaves one out, each time because it is the gold of another
question. Of 18,492 statements that a small model wrote for them, those that leave one out give the right rows
half as often as the others (13 and 24 %), and read beside their questions, by chance. Ours.

Passed over, as they are said otherwise in SQL: numbers inside of words, dates, times and shares (`Q3`, `5th`,
`2024-05-01`, `20 %`), days beside a month (`31 January`) and spans (`the last 7 days`), before units that are
reckoned with (`1.5 million`, `12 months`, `3 pm`), and below 2;
a number counts as said where its neighbour is (`at least 3` is `> 2`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal, InvalidOperation

from rapidfuzz import fuzz, process
from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

_RECKONED = (
    r"%|per ?cent|hundred|thousand|million|billion|bn|k|m|a\.?m|p\.?m|o'clock|minutes?|hours?|weeks?|months?|"
    r"quarters?"
)
_MONTHS = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|"
    r"oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_TIME = re.compile(
    rf"\b\d{{1,2}}\s+(?:of\s+)?{_MONTHS}|\b{_MONTHS}\s+\d{{1,2}}(?!\d)|\b(?:last|past|next|previous)\s+\d+",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    rf"(?<![\w.,:/#'-])\d+(?:[.,]\d+)*(?![\w:/'-]|[.,]\d)(?!\s*(?:{_RECKONED})(?!\w))", re.IGNORECASE
)
_QUOTED = re.compile(
    r"""(?<!\w)(?:"([^"]{2,60})"|'([^']{2,60})'(?!\w)|“([^”]{2,60})”|‘([^’]{2,60})’(?!\w))"""
)
# Bounded, so that each is a decimal that can be reckoned with.
_WHOLE = re.compile(r"\d{1,30}(?:\.\d{1,30})?(?:e[+-]?\d{1,3})?", re.IGNORECASE)
_DIGITS = re.compile(r"\d{1,30}")
_LETTER = re.compile(r"[^\W\d_]")
LEAST = 2
"""Numbers below it are said in many ways (`more than 0`, `one`)."""
_LONGEST = 30
"""Characters of a number; longer ones are passed over."""
_ALIKE = 75
"""Least similarity (rapidfuzz WRatio, 0 to 100) of a name or value to quoted words that it stands for."""


def omissions(question: str, sql: str, dialect: str, *, within: str = "") -> tuple[str, ...]:
    """Numbers and quoted words of the question that no value and no name of the statement holds, in order.

    within: what else says them, such as the database's name. Empty where the statement cannot be read.
    """
    words = _TIME.sub(" ", _QUOTED.sub(" ", question))
    quoted = ["".join(groups) for groups in _QUOTED.findall(question)]
    found = _NUMBER.findall(words) if _LETTER.search(words) else []
    numbers = [text for text in found if len(text) <= _LONGEST]
    if not quoted and not numbers:
        return ()
    try:
        tree = parse_one(sql, dialect=dialect)
    except (SqlglotError, RecursionError):
        return ()
    said = [within, *(node.name for node in tree.walk() if isinstance(node, exp.Literal | exp.Identifier))]
    held = {number for text in said for number in _numbers_in(text)}
    left = [text for text in numbers if not any(_is_held(number, held) for number in _read(text))]
    left += [text for text in quoted if not _is_said(text, said, held)]
    return tuple(dict.fromkeys(left))


def _read(text: str) -> Iterator[Decimal]:
    """A number with points and commas, in either reading."""
    for thousands, point in ((",", "."), (".", ",")):
        with suppress(InvalidOperation):
            yield Decimal(text.replace(thousands, "").replace(point, "."))


def _numbers_in(text: str) -> Iterator[Decimal]:
    for pattern in (_WHOLE, _DIGITS):
        yield from map(Decimal, pattern.findall(text))


def _is_held(number: Decimal, held: set[Decimal]) -> bool:
    return number < LEAST or not held.isdisjoint((number - 1, number, number + 1))


def _is_said(quoted: str, said: list[str], held: set[Decimal]) -> bool:
    if not held.isdisjoint(_numbers_in(quoted)):
        return True
    return (
        process.extractOne(quoted, said, scorer=fuzz.WRatio, processor=_plain, score_cutoff=_ALIKE)
        is not None
    )


def _plain(text: str) -> str:
    return text.replace("_", " ").replace("%", " ").lower()
