"""One question in the making: a table, the words for it, and the draws that depend on both."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...tools.cells import identifier
from ...tools.schema import Column
from .conditions import Condition, also
from .predicates import a_condition, column_sql
from .templates import say
from .wording import Wording, plural
from .world import Entity

AGGREGATES = {
    "avg": ("average {m}", "mean {m}", "average of the {m}"),
    "max": ("maximum {m}", "highest {m}", "largest {m}", "greatest {m}"),
    "min": ("minimum {m}", "lowest {m}", "smallest {m}"),
    "sum": ("total {m}", "sum of the {ms}", "total of all {ms}", "combined {m}"),
}
HIGH = ("highest", "largest", "greatest", "biggest", "maximum", "most")
LOW = ("lowest", "smallest", "least", "minimum")
_RELATIVE = re.compile(r"(?:^|(?<= and)|(?<= or)) (?:that|which) ")
"""Where a condition begins; in the rest a name is one "that begins with M"."""
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True)
class Draft:
    """A question and its SQL, not yet run. repeats: whether its rows may come twice without DISTINCT."""

    question: str
    sql: str
    shape: str
    repeats: bool = True


@dataclass(frozen=True)
class Asking:
    """One question in the making."""

    entity: Entity
    wording: Wording
    rng: random.Random

    def say(self, templates: Sequence[str], **fields: object) -> str:
        return say(self.rng.choice(templates), self.rng, **fields)

    def fitting(self, templates: Sequence[str], columns: Sequence[Column]) -> Sequence[str]:
        """The templates that may ask for these columns: all of them where the one column is what names the
        rows or their key, else those that say which columns are meant.
        """
        named = [column.name for column in columns]
        if named in ([column.name for column in self.entity.labels[:1]], list(self.entity.table.primary_key)):
            return templates
        return [template for template in templates if "attr" in template]

    def things(self, condition: Condition | None, verbal: bool = False) -> dict[str, str]:
        """The fields {things}, {thing}, {that}, {verb}, {verb1} of this table under a condition.

        verbal: the condition will be said by its verb.
        """
        things, thing = self.wording.things(self.entity.name), self.wording.thing(self.entity.name)
        if condition is None:
            return {"things": things, "thing": thing, "that": "", "verb": "", "verb1": ""}
        that = condition.that
        if self.wording.is_person(self.entity.name):
            that = _RELATIVE.sub(" who ", that)
        if condition.before and not verbal and self.rng.random() < 0.6:
            things, thing, that = f"{condition.before} {things}", f"{condition.before} {thing}", ""
        return {
            "things": things,
            "thing": thing,
            "that": that,
            "verb": condition.verb,
            "verb1": condition.verb1,
        }

    def condition(self, chance: float, joined: bool = False) -> Condition | None:
        """Perhaps a condition, seldom two."""
        if self.rng.random() > chance:
            return None
        first = a_condition(self.entity, self.wording, self.rng, joined)
        if first is None or self.rng.random() > 0.25:
            return first
        second = a_condition(self.entity, self.wording, self.rng, joined)
        if second is None or first.sql.split()[0] == second.sql.split()[0]:
            return first
        if " OR " in first.sql + second.sql:
            return first
        return also(first, second, self.rng.choice(("and", "and", "and", "or")))

    def columns(
        self, most: int = 3, *, besides: Condition | None = None, named: float = 0.75
    ) -> list[Column]:
        """One to `most` columns to show, the likeliest (`named`) first what names the rows; none that the
        condition has fixed already.
        """
        fixed = set(re.findall(r"\w+", besides.sql)) if besides else set()
        shown = [column for column in self.entity.shown if column.name not in fixed] or self.entity.shown[:1]
        labels = [column for column in self.entity.labels if column in shown]
        count = self.rng.choice((1, 1, 1, 2, 2, 3)[: 2 * most])
        chosen: list[Column] = []
        if labels and self.rng.random() < named:
            chosen.append(labels[0])
        others = [column for column in shown if column not in chosen]
        chosen += self.rng.sample(others, min(len(others), max(0, count - len(chosen))))
        return chosen or list(shown[:1])

    def measure(self, function: str, column: Column) -> str:
        """ "average age"."""
        attribute = self.wording.attribute(column)
        return self.rng.choice(AGGREGATES[function]).format(m=attribute, ms=plural(attribute))

    def number(self, value: int) -> str:
        return NUMBERS[value - 1] if value <= 10 and self.rng.random() < 0.4 else str(value)


def sql(select: str, source: str, *, where: str = "", tail: str = "") -> str:
    """A SELECT of these clauses; tail: all that follows WHERE."""
    return (
        f"SELECT {select} FROM {source}" + (f" WHERE {where}" if where else "") + (f" {tail}" if tail else "")
    )


def names(columns: Sequence[Column], joined: bool = False) -> str:
    return ", ".join(column_sql(column, joined) for column in columns)


def a_count(asking: Asking, counted: str = "count(*)") -> tuple[str, str]:
    """ "at least 3" and `count(*) >= 3`."""
    n = asking.rng.choice((1, 2, 2, 2, 3, 3, 4, 5))
    operator, words = asking.rng.choice(
        ((">=", "at least {n}"), (">=", "{n} or more"), (">", "more than {n}"), (">", "over {n}"),
         ("<", "fewer than {n}"), ("<", "less than {n}"), ("=", "exactly {n}"), ("<=", "at most {n}"))
    )  # fmt: skip
    return words.format(n=asking.number(n)), f"{counted} {operator} {n}"


def where_of(condition: Condition | None) -> str:
    return condition.sql if condition else ""


def where_known(condition: Condition | None, column: Column, joined: bool = False) -> str:
    """The condition, and that the row has a value in the column, where some have none: sorted by it, those
    come first in one database and last in another.
    """
    where = where_of(condition)
    if not column.statistics.null_share:
        return where
    known = f"{names([column], joined)} IS NOT NULL"
    if not where:
        return known
    return f"({where}) AND {known}" if " OR " in where else f"{where} AND {known}"


def is_extreme(asking: Asking, column: Column, high: bool, joined: bool = False) -> str:
    """The predicate of the rows with the highest of the column, or the lowest."""
    best = sql(f"{'max' if high else 'min'}({names([column])})", identifier(asking.entity.name))
    return f"{names([column], joined)} = ({best})"
