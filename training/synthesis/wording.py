"""How one question calls the tables and columns of a database: in the schema's words, or in others.

A `Wording` is made for each question, so that a column has one name within a question and many across them.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from ...tools.schema import Column, Table
from ...tools.text import split_name
from .lexicon import ABBREVIATIONS, HAPPENINGS, PEOPLE, SYNONYMS, UNITS

OWN_WORDS = 0.7
"""How often a name is said in the schema's own words."""

_GENERIC = frozenset({"list", "table", "data", "info", "information", "ref", "tbl", "dim", "fact", "details"})
_PREPOSITIONS = frozenset({"of", "in", "per", "for", "to", "at", "by", "from", "on", "with"})
_COUNTED = frozenset({"number", "num", "no", "count", "nbr"})


_SHORT = re.compile(r"^[a-z](name|number|location|title|type|date)$")
"""`dname` of a department is its name."""


class Wording:
    """The names of one question, over a database of that dialect.

    taken: what the schema calls something, and nothing else is called then: a cost is no "price" where there
    is a price.
    """

    def __init__(
        self,
        rng: random.Random,
        dialect: str,
        own_words: float = OWN_WORDS,
        taken: frozenset[str] = frozenset(),
    ) -> None:
        self.rng, self.dialect, self.own_words, self.taken = rng, dialect, own_words, taken
        self._said: dict[object, str] = {}

    def thing(self, table: str) -> str:
        """A row of the table: "singer"."""
        return self._once(("table", table), _spoken_table(table))

    def things(self, table: str) -> str:
        return plural(self.thing(table))

    def call_table(self, table: str, name: str) -> None:
        """Call the table's rows by another name throughout the question."""
        self._said["table", table] = name

    def call_column(self, column: Column, name: str) -> None:
        self._said["column", column.table, column.name] = name

    def attribute(self, column: Column) -> str:
        """One cell of the column: "name", "date of birth"."""
        return self._once(("column", column.table, column.name), _spoken_column(column.table, column.name))

    def attributes(self, columns: Sequence[Column], many: bool = True) -> str:
        """Several columns: "names, ages and countries", or one row's: "name, age and country"."""
        words = [plural(w) if many else w for w in map(self.attribute, columns)]
        if len(words) == 1:
            return words[0]
        return ", ".join(words[:-1]) + self.rng.choice((" and ", " and ", ", and ")) + words[-1]

    def counted(self, column: Column) -> str:
        """What a column of counts counts, plural ("employees" for `Number_of_employees`); empty if none."""
        words = [w for w in split_name(column.name) if w not in ("of", "the")]
        rest = [w for w in words if w not in _COUNTED]
        if len(rest) == len(words) or not rest or (words[0] not in _COUNTED and words[-1] not in _COUNTED):
            return ""
        return plural(" ".join(rest))

    def happened(self, column: Column) -> str:
        """What happened in a column's years or dates, as a participle ("hired" for `hire_date`), or empty."""
        words = split_name(column.name)
        done = (word for word in words if word.endswith("ed") and len(word) > 4)
        return next(done, "") or next((HAPPENINGS[word] for word in words if word in HAPPENINGS), "")

    def is_person(self, table: str) -> bool:
        return self.thing(table).split()[-1] in PEOPLE

    def _once(self, key: object, own: str) -> str:
        if key not in self._said:
            other = own if self.rng.random() < self.own_words else self._other(own)
            self._said[key] = own if other in self.taken else other
        return self._said[key]

    def _other(self, own: str) -> str:
        """Another way to say it: a synonym of the whole, of its last word, or of any other."""
        if own in SYNONYMS:
            return self.rng.choice(SYNONYMS[own])
        words = own.split()
        if len(words) > 1 and words[-1] in UNITS:
            return " ".join(words[:-1])
        for place in (len(words) - 1, *range(len(words) - 1)):
            if words[place] in SYNONYMS:
                other = self.rng.choice(SYNONYMS[words[place]])
                return " ".join([*words[:place], other, *words[place + 1 :]])
        return own


def names_of(tables: Iterable[Table]) -> frozenset[str]:
    """What tables and their columns are called in their own words."""
    own = {_spoken_table(table.name) for table in tables}
    return frozenset(own | {_spoken_column(c.table, c.name) for table in tables for c in table.columns})


@cache
def _spoken_table(table: str) -> str:
    words = [ABBREVIATIONS.get(word, word) for word in split_name(table)]
    kept = [word for word in words if word and word not in _GENERIC] or words
    return singular(" ".join(word for word in kept if word) or table.lower())


@cache
def _spoken_column(table: str, column: str) -> str:
    """The column's words without the table's: `singer_name` of `singer` is its "name"."""
    words = [w for word in split_name(column) if (w := ABBREVIATIONS.get(word, _SHORT.sub(r"\1", word)))]
    own = _spoken_table(table).split()
    if len(words) > len(own) and [singular(w) for w in words[: len(own)]] == own:
        words = words[len(own) :]
    if len(words) > 1 and words[0] == "number" and words[1] not in ("of", "in"):
        words.insert(1, "of")
        words[-1] = plural(words[-1])
    if len(words) > 1 and words[-1] in ("on", "at"):
        words = ["date", *words[:-1]]
    return " ".join(words) or column.lower()


@cache
def _engine() -> Any:
    import inflect

    return inflect.engine()


@cache
def plural(text: str) -> str:
    """The plural of a noun phrase: of the noun before a preposition, else of the last word."""
    words = text.split()
    ends = (place for place, word in enumerate(words) if place and word in _PREPOSITIONS)
    head = 0 if text.startswith("date ") and len(words) == 2 else next(ends, len(words)) - 1
    if not words or not words[head].isalpha() or words[-1] in _PREPOSITIONS:
        return text
    if words[head].endswith("s") and not words[head].endswith("ss"):
        return text
    words[head] = str(_engine().plural_noun(words[head]) or words[head])
    return " ".join(words)


@cache
def singular(text: str) -> str:
    """The singular of a noun phrase, by its last word."""
    *rest, last = text.split() or [""]
    if last.endswith(("ss", "us", "is")) or not last.isalpha():
        return text
    found = _engine().singular_noun(last)
    return " ".join([*rest, str(found) if found else last])
