"""Follow-up questions: a first question over one table, and a second that only makes sense after it.

"How many singers are from France?" and then "And from Italy?", "What is their average age?", "Only those
older than 30.", "By city?". The SQL is that of the second question, read after the first.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ...tools.cells import identifier
from ...tools.schema import Column
from . import bank
from .asking import AGGREGATES, HIGH, LOW, Asking, names, sql, where_known
from .conditions import Condition
from .generator import TRIES, as_typed, checked
from .predicates import a_condition, equal_text
from .wording import plural
from .world import World

if TYPE_CHECKING:
    from ...tools.database import Database


@dataclass(frozen=True)
class FollowUp:
    """Two questions of one conversation, and the SQL of each."""

    first: str
    first_sql: str
    question: str
    sql: str


@dataclass(frozen=True)
class Query:
    """What is asked for, in parts that a follow-up can exchange. kind: list, count, measure or group."""

    kind: str
    select: str
    where: tuple[Condition, ...] = ()
    tail: str = ""

    def sql(self, table: str) -> str:
        where = " AND ".join(condition.sql for condition in self.where)
        return sql(self.select, identifier(table), where=where, tail=self.tail)


Change = Callable[[Asking, Query], tuple[str, Query] | None]


def follow_ups(database: Database, count: int, seed: int = 0) -> Iterator[FollowUp]:
    """Up to `count` different follow-ups whose SQL was run and gives rows; the same for the same seed."""
    world = World(database)
    seen: set[tuple[str, str]] = set()
    for number in range(count * TRIES if world.askable else 0):
        if len(seen) == count:
            return
        rng = random.Random(f"{seed}-follow-up-{number}")
        entity = rng.choices(world.askable, [len(entity.shown) for entity in world.askable])[0]
        asking = Asking(entity, world.wording(rng), rng)
        first = rng.choice(FIRST)(asking)
        changed = rng.choice(CHANGES)(asking, first[1]) if first else None
        if first is None or changed is None:
            continue
        made = FollowUp(
            as_typed(first[0], rng),
            first[1].sql(entity.name),
            as_typed(changed[0], rng),
            changed[1].sql(entity.name),
        )
        key = (made.first.casefold(), made.question.casefold())
        if key not in seen and made.sql != made.first_sql and checked(database, made.sql) is not None:
            seen.add(key)
            yield made


def _condition(asking: Asking, chance: float) -> tuple[Condition, ...]:
    """Perhaps one condition without OR, so that another can be added."""
    if asking.rng.random() > chance:
        return ()
    found = a_condition(asking.entity, asking.wording, asking.rng, False)
    return (found,) if found and " OR " not in found.sql else ()


def _first_count(asking: Asking) -> tuple[str, Query]:
    where = _condition(asking, 0.8)
    return asking.say(bank.COUNT, **asking.things(where[0] if where else None)), Query(
        "count", "count(*)", where
    )


def _first_list(asking: Asking) -> tuple[str, Query]:
    where = _condition(asking, 0.7)
    columns = asking.columns(2, besides=where[0] if where else None)
    question = asking.say(
        bank.LIST,
        attrs=asking.wording.attributes(columns),
        attr=asking.wording.attributes(columns, many=False),
        **asking.things(where[0] if where else None),
    )
    return question, Query("list", names(columns), where)


def _first_measure(asking: Asking) -> tuple[str, Query] | None:
    where = _condition(asking, 0.6)
    found = _measure(asking)
    if found is None:
        return None
    said, figure = found
    question = asking.say(bank.AGGREGATE, measure=said, **asking.things(where[0] if where else None))
    return question, Query("measure", figure, where)


def _measure(asking: Asking) -> tuple[str, str] | None:
    """ "average age" and its SQL."""
    if not asking.entity.measures:
        return None
    column, function = asking.rng.choice(asking.entity.measures), asking.rng.choice(list(AGGREGATES))
    return asking.measure(function, column), f"{function}({names([column])})"


def _another_value(asking: Asking, query: Query) -> tuple[str, Query] | None:
    """The same for another value of the same column."""
    if not query.where:
        return None
    other = equal_text(asking.entity, query.where[0].sql, asking.rng)
    if other is None:
        return None
    value, predicate = other
    said = asking.say(bank.WHAT_ABOUT, value=value)
    condition = replace(query.where[0], sql=predicate)
    return said, replace(query, where=(condition,))


def _only(asking: Asking, query: Query) -> tuple[str, Query] | None:
    more = _condition(asking, 1.0)
    if (
        not more
        or query.kind == "group"
        or any(more[0].sql.split()[0] == c.sql.split()[0] for c in query.where)
    ):
        return None
    fields = asking.things(more[0], verbal=True)
    templates = bank.HOW_MANY_OF_THEM if query.kind == "count" and asking.rng.random() < 0.5 else bank.ONLY
    return asking.say(templates, **fields), replace(query, where=(*query.where, *more))


def _how_many(asking: Asking, query: Query) -> tuple[str, Query] | None:
    if query.kind != "list":
        return None
    return asking.say(bank.HOW_MANY), Query("count", "count(*)", query.where)


def _show(asking: Asking, query: Query) -> tuple[str, Query] | None:
    columns = asking.columns(2)
    fields = {
        "attrs": asking.wording.attributes(columns),
        "things": asking.wording.things(asking.entity.name),
    }
    return asking.say(bank.SHOW_THEM, **fields), Query("list", names(columns), query.where)


def _their_measure(asking: Asking, query: Query) -> tuple[str, Query] | None:
    found = _measure(asking)
    if found is None:
        return None
    return asking.say(bank.THEIR_MEASURE, measure=found[0]), Query("measure", found[1], query.where)


def _by(asking: Asking, query: Query) -> tuple[str, Query] | None:
    fixed = " ".join(condition.sql for condition in query.where)
    groups = [group for group in asking.entity.groups if names([group]) not in fixed]
    if not groups or query.kind not in ("count", "measure"):
        return None
    group = asking.rng.choice(groups)
    word = asking.wording.attribute(group)
    question = asking.say(bank.BY_GROUP, group=word, groups=plural(word))
    column = names([group])
    return question, Query("group", f"{column}, {query.select}", query.where, f"GROUP BY {column}")


def _best_of_them(asking: Asking, query: Query) -> tuple[str, Query] | None:
    if not asking.entity.measures:
        return None
    column: Column = asking.rng.choice(asking.entity.measures)
    high = asking.rng.random() < 0.6
    best = asking.rng.choice(HIGH[:4] if high else LOW[:2])
    shown = list(asking.entity.labels[:1]) or list(asking.entity.shown[:1])
    question = asking.say(bank.WHICH_OF_THEM, best=best, measure=asking.wording.attribute(column))
    tail = f"ORDER BY {names([column])}{' DESC' if high else ''} LIMIT 1"
    known = where_known(None, column)
    where = (*query.where, Condition(known, "", "", "")) if known else query.where
    return question, Query("list", names(shown), where, tail)


FIRST = (_first_count, _first_list, _first_measure)
CHANGES: tuple[Change, ...] = (
    _another_value, _another_value, _only, _only, _how_many, _show, _their_measure, _by, _best_of_them,
)  # fmt: skip
