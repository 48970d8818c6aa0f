"""Shapes of questions over two tables that a key links: a child's rows belong to a parent's.

Also where a third table stands between (a student enrols in courses through enrolments): the link then leads
through it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from ...tools.cells import identifier
from ...tools.schema import Column
from . import bank
from .asking import (
    AGGREGATES,
    HIGH,
    LOW,
    Asking,
    Draft,
    a_count,
    is_extreme,
    names,
    sql,
    where_known,
    where_of,
)
from .conditions import Condition
from .predicates import a_condition
from .wording import plural
from .world import Link


@dataclass(frozen=True)
class Pair:
    """A link, and both of its ends as something to ask about in one question's words."""

    link: Link
    child: Asking
    parent: Asking

    @property
    def rng(self) -> random.Random:
        return self.child.rng

    @property
    def functions(self) -> tuple[str, ...]:
        """The aggregates of the children's numbers that are right also where a child comes twice."""
        return tuple(AGGREGATES) if self.link.join else ("max", "min")

    def listed(self, columns: str) -> str:
        """The SELECT list where a row could come twice, at times with DISTINCT. Without it the generator
        keeps it only where none does.
        """
        return f"DISTINCT {columns}" if self.rng.random() < 0.3 else columns

    def fields(self, condition: Condition | None = None, *, of_parent: bool = False) -> dict[str, str]:
        """The words for both tables; the condition is the child's, or the parent's."""
        child = self.child.things(None if of_parent else condition)
        parent = self.parent.things(condition if of_parent else None)
        return {
            "children": child["things"],
            "child": child["thing"],
            "children_that": child["things"] + child["that"],
            "child_that1": child["thing"] + child["that"],
            "parents": parent["things"],
            "parent": parent["thing"],
            "parent_that": parent["thing"] + parent["that"],
            "parent_verb1": parent["verb1"],
        }

    def shown(self, of_parent: bool, most: int = 2) -> tuple[list[Column], str, dict[str, str]]:
        """A few columns of the child or the parent, with their SQL and their words."""
        asking = self.parent if of_parent else self.child
        columns = asking.columns(most, named=0.9 if of_parent else 0.75)
        prefix = "parent_attr" if of_parent else "attr"
        return (
            columns,
            names(columns, joined=True),
            {
                prefix + "s": asking.wording.attributes(columns),
                prefix: asking.wording.attributes(columns, many=False),
            },
        )

    def condition(self, chance: float, *, of_parent: bool = False) -> Condition | None:
        asking = self.parent if of_parent else self.child
        return (
            a_condition(asking.entity, asking.wording, self.rng, True) if self.rng.random() < chance else None
        )


JoinedShape = Callable[[Pair], Draft | None]


def beside_parent(pair: Pair) -> Draft | None:
    """Columns of both."""
    _, own, own_words = pair.shown(False)
    _, others, other_words = pair.shown(True, 1)
    condition = pair.condition(0.2)
    fields = pair.fields(condition)
    fields["children"], fields["child"] = fields["children_that"], fields["child_that1"]
    templates = bank.PARENT_OF if pair.link.join else bank.LINKED
    question = pair.child.say(templates, **fields, **own_words, **other_words)
    first, second = (own, others) if templates is bank.PARENT_OF else (others, own)
    select, direct = f"{first}, {second}", pair.link.join is not None
    text = sql(select, pair.link.source, where=where_of(condition))
    return Draft(question, text, "join list", repeats=direct)


def of_parent(pair: Pair) -> Draft | None:
    """The children of the parents that meet a condition: listed, counted or measured."""
    condition = pair.condition(1.0, of_parent=True)
    if condition is None:
        return None
    fields = pair.fields(condition, of_parent=True)
    where = condition.sql
    own_condition = pair.condition(0.2)
    if own_condition and " OR " not in where + own_condition.sql:
        fields["children"] = pair.fields(own_condition)["children_that"]
        where += f" AND {own_condition.sql}"
    kind = pair.rng.choices(("list", "count", "measure"), (5, 4, 2))[0]
    if kind == "count":
        return Draft(
            pair.child.say(bank.COUNT_OF_PARENT, **fields),
            sql(pair.link.counted, pair.link.source, where=where),
            "join count",
        )
    if kind == "measure":
        measures = pair.child.entity.measures
        if not measures:
            return None
        measure, function = pair.rng.choice(measures), pair.rng.choice(pair.functions)
        said = pair.child.measure(function, measure)
        question = pair.child.say(bank.MEASURE_OF_PARENT, measure=said, **fields)
        return Draft(
            question,
            sql(f"{function}({names([measure], True)})", pair.link.source, where=where),
            "join measure",
        )
    direct = pair.link.join is not None
    columns, own, words = pair.shown(False)
    return Draft(
        pair.child.say(pair.child.fitting(bank.OF_PARENT, columns), **fields, **words),
        sql(own if direct else pair.listed(own), pair.link.source, where=where),
        "join filter",
        repeats=direct,
    )


def having_children(pair: Pair) -> Draft | None:
    """Parents that have any child, or one that meets a condition."""
    condition = pair.condition(0.7)
    columns, select, words = pair.shown(True)
    templates = pair.parent.fitting(bank.HAVING_CHILDREN, columns)
    question = pair.child.say(templates, **pair.fields(condition), **words)
    text = sql(pair.listed(select), pair.link.source, where=where_of(condition))
    return Draft(question, text, "has", repeats=False)


def without_children(pair: Pair) -> Draft | None:
    join = pair.link.join
    if join is None:
        return None
    condition = pair.condition(0.3)
    child, parent = identifier(join.table), identifier(join.ref_table)
    key, ref_key = identifier(join.columns[0]), identifier(join.ref_columns[0])
    if condition:
        condition = Condition(
            condition.sql.replace(f"{child}.", ""),
            condition.that,
            condition.verb,
            condition.verb1,
            condition.before,
        )
    where = f"{ref_key} NOT IN ({sql(key, child, where=where_of(condition))})"
    fields = pair.fields(condition)
    if pair.rng.random() < 0.35:
        return Draft(
            pair.child.say(bank.COUNT_WITHOUT_CHILDREN, **fields),
            sql("count(*)", parent, where=where),
            "has no",
        )
    columns = pair.parent.columns(2)
    templates = pair.parent.fitting(bank.WITHOUT_CHILDREN, columns)
    question = pair.child.say(templates, parent_attrs=pair.parent.wording.attributes(columns), **fields)
    return Draft(question, sql(names(columns), parent, where=where), "has no")


def each_parent(pair: Pair) -> Draft | None:
    """A count or a measure of the children of each parent."""
    condition = pair.condition(0.2)
    _, columns, words = pair.shown(True, 1)
    fields = pair.fields(condition) | words
    measures = pair.child.entity.measures
    if measures and pair.rng.random() < 0.35:
        measure, function = pair.rng.choice(measures), pair.rng.choice(pair.functions)
        figure = f"{function}({names([measure], True)})"
        question = pair.child.say(bank.MEASURE_EACH, measure=pair.child.measure(function, measure), **fields)
    else:
        figure, question = pair.link.counted, pair.child.say(bank.COUNT_EACH, **fields)
    tail = f"GROUP BY {pair.link.key}"
    return Draft(
        question, sql(f"{columns}, {figure}", pair.link.source, where=where_of(condition), tail=tail), "each"
    )


def extreme_parent(pair: Pair) -> Draft | None:
    """The parent with the most children, the fewest, the highest measure of them; or the first few."""
    condition = pair.condition(0.2)
    columns, select, words = pair.shown(True, 1)
    fields = pair.fields(condition) | words
    measures = pair.child.entity.measures
    n, figure, descending, where = 1, pair.link.counted, True, where_of(condition)
    kind = pair.rng.choices(("most", "fewest", "top", "measure"), (6, 2, 2, 2))[0]
    if kind == "measure":
        if not measures or pair.link.join is None:
            return None
        measure, function = pair.rng.choice(measures), pair.rng.choice(("avg", "sum"))
        where = where_known(condition, measure, True)
        descending = pair.rng.random() < 0.7
        figure = f"{function}({names([measure], True)})"
        best = pair.rng.choice(HIGH[:3] if descending else LOW[:2])
        templates, said = (
            pair.parent.fitting(bank.MOST_MEASURE, columns),
            pair.child.measure(function, measure),
        )
        question = pair.child.say(templates, best=best, measure=said, **fields)
    elif kind == "top":
        n = pair.rng.choice((2, 3, 3, 5))
        question = pair.child.say(bank.TOP_CHILDREN, n=pair.child.number(n), **fields)
    else:
        descending = kind == "most"
        templates = bank.MOST_CHILDREN if descending else bank.FEWEST_CHILDREN
        question = pair.child.say(pair.parent.fitting(templates, columns), **fields)
    tail = f"GROUP BY {pair.link.key} ORDER BY {figure}{' DESC' if descending else ''} LIMIT {n}"
    return Draft(question, sql(select, pair.link.source, where=where, tail=tail), "extreme parent")


def parents_having(pair: Pair) -> Draft | None:
    condition = pair.condition(0.25)
    _, columns, words = pair.shown(True, 2)
    times, having = a_count(pair.child, pair.link.counted)
    question = pair.child.say(bank.CHILDREN_HAVING, times=times, **pair.fields(condition), **words)
    tail = f"GROUP BY {pair.link.key} HAVING {having}"
    return Draft(
        question, sql(columns, pair.link.source, where=where_of(condition), tail=tail), "parents having"
    )


def of_extreme_parent(pair: Pair) -> Draft | None:
    """The children of the parent with the highest of something."""
    entity = pair.parent.entity
    pool = (*entity.measures, *entity.years)
    if not pool:
        return None
    column, high = pair.rng.choice(pool), pair.rng.random() < 0.6
    _, own, words = pair.shown(False)
    adjectives = entity.adjectives(column)
    best = pair.rng.choice(HIGH[:4] if high else LOW[:2])
    measure = pair.parent.wording.attribute(column)
    question = pair.child.say(bank.OF_EXTREME_PARENT, best=best, measure=measure, **pair.fields(), **words)
    if adjectives and pair.rng.random() < 0.4:
        parent = pair.fields()["parent"]
        question = question.replace(
            f"{parent} with the {best} {measure}", f"{adjectives[1 if high else 3]} {parent}"
        )
    where, direct = is_extreme(pair.parent, column, high, True), pair.link.join is not None
    text = sql(own if direct else pair.listed(own), pair.link.source, where=where)
    return Draft(question, text, "of extreme parent", repeats=direct)


def by_parents_group(pair: Pair) -> Draft | None:
    groups = pair.parent.entity.groups
    if not groups:
        return None
    group, condition = pair.rng.choice(groups), pair.condition(0.2)
    word = pair.parent.wording.attribute(group)
    question = pair.child.say(
        bank.CHILDREN_BY_GROUP, group=word, groups=plural(word), **pair.fields(condition)
    )
    column = names([group], True)
    select = f"{column}, {pair.link.counted}"
    return Draft(
        question,
        sql(select, pair.link.source, where=where_of(condition), tail=f"GROUP BY {column}"),
        "by parent's group",
    )


def both_children(pair: Pair) -> Draft | None:
    """Parents with a child of each of two sorts, told apart by their key: two may have the same name."""
    one, other = pair.condition(1.0), pair.condition(1.0)
    if one is None or other is None or one.sql == other.sql:
        return None
    columns, _, words = pair.shown(True, 1)
    first, second = pair.child.things(one), pair.child.things(other)
    fields = pair.fields() | words
    question = pair.child.say(
        pair.parent.fitting(bank.BOTH_CHILDREN, columns),
        one=first["things"] + first["that"],
        other=second["things"] + second["that"],
        **fields,
    )
    parts = (sql(pair.link.key, pair.link.source, where=condition.sql) for condition in (one, other))
    where = " AND ".join(f"{pair.link.key} IN ({part})" for part in parts)
    parent = identifier(pair.parent.entity.name)
    return Draft(question, sql(names(columns), parent, where=where), "both children")


JOINED_SHAPES: tuple[tuple[int, JoinedShape], ...] = (
    (6, beside_parent), (9, of_parent), (4, having_children), (4, without_children), (6, each_parent),
    (6, extreme_parent), (5, parents_having), (3, of_extreme_parent), (2, by_parents_group),
    (3, both_children),
)  # fmt: skip
"""The shapes and how often each is drawn."""
