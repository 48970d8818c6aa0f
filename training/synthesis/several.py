"""Shapes of questions with several figures, columns or queries in one: "the average and lowest weight for
each gender", "whose support is lower than their opposition", "older than all of those from France".
"""

from __future__ import annotations

from collections.abc import Sequence

from ...tools.schema import Column
from ...tools.text import split_name
from . import bank
from .asking import AGGREGATES, HIGH, LOW, Asking, Draft, is_extreme, names, sql, where_known, where_of
from .conditions import COMPARISONS
from .joined import JoinedShape, Pair
from .lexicon import SOLD
from .predicates import a_condition
from .single import Shape, choice, group_words, other_than, table_of
from .templates import draw
from .wording import plural


def figures_of(asking: Asking) -> Draft | None:
    """Figures of different columns: "the highest price and the average weight"."""
    measures = asking.entity.measures
    if len(measures) < 2:
        return None
    chosen = asking.rng.sample(measures, min(len(measures), asking.rng.choice((2, 2, 3))))
    functions = [asking.rng.choice(list(AGGREGATES)) for _ in chosen]
    if asking.rng.random() < 0.5:
        functions = [functions[0]] * len(chosen)
    pairs = list(zip(functions, chosen, strict=True))
    condition = asking.condition(0.3)
    question = asking.say(bank.AGGREGATE, measure=_all(asking, pairs), **asking.things(condition))
    select = ", ".join(f"{function}({names([column])})" for function, column in pairs)
    return Draft(question, sql(select, table_of(asking), where=where_of(condition)), "figures")


def group_figures(asking: Asking) -> Draft | None:
    """Two figures for each group, one of them perhaps the count."""
    group, measure = choice(asking, asking.entity.groups), choice(asking, asking.entity.measures)
    if group is None or measure is None:
        return None
    one, other = asking.rng.sample(list(AGGREGATES), 2)
    counted = asking.rng.random() < 0.35
    condition = None if counted else other_than(group, asking.condition(0.2))
    fields = asking.things(condition) | group_words(asking, group)
    if counted:
        figures = f"count(*), {one}({names([measure])})"
        said = asking.measure(one, measure)
        question = asking.say(bank.GROUP_COUNT_AND_MEASURE, measure=said, **fields)
    else:
        said = _all(asking, [(one, measure), (other, measure)])
        figures = f"{one}({names([measure])}), {other}({names([measure])})"
        question = asking.say(bank.GROUP_MEASURE, measure=said, **fields)
    return Draft(
        question,
        sql(
            f"{names([group])}, {figures}",
            table_of(asking),
            where=where_of(condition),
            tail=f"GROUP BY {names([group])}",
        ),
        "group figures",
    )


def groups_sorted(asking: Asking) -> Draft | None:
    """Groups by how many rows they have, without the number."""
    group = choice(asking, asking.entity.groups)
    if group is None:
        return None
    descending = asking.rng.random() < 0.65
    condition = other_than(group, asking.condition(0.15))
    question = asking.say(
        bank.GROUPS_SORTED,
        order="descending" if descending else "ascending",
        **asking.things(condition),
        **group_words(asking, group),
    )
    tail = f"GROUP BY {names([group])} ORDER BY count(*){' DESC' if descending else ''}"
    return Draft(
        question, sql(names([group]), table_of(asking), where=where_of(condition), tail=tail), "groups sorted"
    )


def than_other_column(asking: Asking) -> Draft | None:
    """Rows with more of one thing than of another of the same kind."""
    measures = asking.entity.measures
    kinds = [(c, asking.wording.attribute(c).split()[-1]) for c in measures]
    pairs = [(a, b) for a, kind in kinds for b, other in kinds if a != b and kind == other]
    if not pairs:
        return None
    one, other = asking.rng.choice(pairs)
    operator = asking.rng.choice("<>")
    columns = [c for c in asking.columns(2) if c not in (one, other)] or list(asking.entity.shown[:1])
    question = asking.say(
        asking.fitting(bank.THAN_OTHER, columns),
        measure=asking.wording.attribute(one),
        other=asking.wording.attribute(other),
        side=asking.rng.choice(COMPARISONS[operator]),
        attrs=asking.wording.attributes(columns),
        **asking.things(None),
    )
    where = f"{names([one])} {operator} {names([other])}"
    return Draft(question, sql(names(columns), table_of(asking), where=where), "than another column")


def at_extreme(asking: Asking) -> Draft | None:
    """How many rows share the highest of something."""
    column = choice(asking, (*asking.entity.measures, *asking.entity.years))
    if column is None:
        return None
    high = asking.rng.random() < 0.6
    best = asking.rng.choice(HIGH[:-1] if high else LOW[:-1])
    if column in asking.entity.years:
        best = asking.rng.choice(("latest", "most recent") if high else ("earliest", "first"))
    question = asking.say(
        bank.AT_EXTREME, best=best, measure=asking.wording.attribute(column), **asking.things(None)
    )
    where = is_extreme(asking, column, high)
    return Draft(question, sql("count(*)", table_of(asking), where=where), "at the extreme")


def than_those(asking: Asking) -> Draft | None:
    """Rows with more than all, any, or the average of those that meet a condition."""
    entity = asking.entity
    column = choice(asking, (*entity.measures, *entity.years))
    condition = a_condition(entity, asking.wording, asking.rng, False)
    if column is None or condition is None or names([column]) in condition.sql:
        return None
    operator = asking.rng.choice("<>")
    functions = {"all": "max" if operator == ">" else "min", "any": "min" if operator == ">" else "max"}
    kind = asking.rng.choice(("all", "any", "average") if column in entity.measures else ("all", "any"))
    fields = asking.things(condition)
    those = (
        f"the average of {fields['things']}{fields['that']}"
        if kind == "average"
        else draw("[that of |]" + ("all" if kind == "all" else "any") + " [of the |]", asking.rng)
        + f"{fields['things']}{fields['that']}"
    )
    columns = asking.columns(2)
    question = asking.say(
        bank.THAN_THOSE,
        measure=asking.wording.attribute(column),
        side=asking.rng.choice(COMPARISONS[operator]),
        those=those,
        attrs=asking.wording.attributes(columns),
        **asking.things(None),
    )
    function = functions.get(kind, "avg")
    nested = sql(f"{function}({names([column])})", table_of(asking), where=condition.sql)
    where = f"{names([column])} {operator} ({nested})"
    return Draft(question, sql(names(columns), table_of(asking), where=where), "than those")


def sorted_by_two(asking: Asking) -> Draft | None:
    """First by one column, then by another."""
    entity = asking.entity
    first = choice(asking, (*entity.groups, *entity.years, *entity.labels[:1]))
    second = choice(asking, (*entity.measures, *entity.dates, *entity.labels[:1]))
    if first is None or second is None or first == second:
        return None
    descending = asking.rng.random() < 0.4
    one, other = asking.wording.attribute(first), asking.wording.attribute(second)
    order = draw("[first by|by] {one}[,|] [and then|then] by {other}", asking.rng).format(
        one=one, other=other
    )
    order += " in descending order" if descending else ""
    columns = asking.columns()
    question = asking.say(
        bank.SORTED, order=order, attrs=asking.wording.attributes(columns), **asking.things(None)
    )
    tail = f"ORDER BY {names([first])}, {names([second])}{' DESC' if descending else ''}"
    return Draft(question, sql(names(columns), table_of(asking), tail=tail), "sorted by two")


def one_list(pair: Pair) -> Draft | None:
    """The names of both tables in one column."""
    if not pair.child.entity.labels or not pair.parent.entity.labels:
        return None
    one, other = pair.child.entity.labels[0], pair.parent.entity.labels[0]
    attribute, other_attribute = pair.child.wording.attribute(one), pair.parent.wording.attribute(other)
    fields = pair.fields()
    question = pair.child.say(
        bank.ONE_LIST,
        attrs=plural(attribute), other_attrs=plural(other_attribute),
        thing=fields["child"], things=fields["children"], other=fields["parent"], others=fields["parents"],
    )  # fmt: skip
    parts = (sql(names([one]), table_of(pair.child)), sql(names([other]), table_of(pair.parent)))
    return Draft(question, " UNION ".join(parts), "one list")


def parents_sorted(pair: Pair) -> Draft | None:
    """Parents by how many children they have."""
    condition, descending = pair.condition(0.15), pair.rng.random() < 0.65
    _, columns, words = pair.shown(True, 1)
    order = "descending" if descending else "ascending"
    question = pair.child.say(bank.PARENTS_SORTED, order=order, **pair.fields(condition), **words)
    tail = f"GROUP BY {pair.link.key} ORDER BY {pair.link.counted}{' DESC' if descending else ''}"
    return Draft(
        question, sql(columns, pair.link.source, where=where_of(condition), tail=tail), "parents sorted"
    )


def parents_by_measure(pair: Pair) -> Draft | None:
    """Parents whose children's total or average is above or below a number, perhaps sorted by it."""
    measure = choice(pair.child, pair.child.entity.measures)
    if measure is None:
        return None
    functions = [f for f in ("sum", "sum", "avg", "max", "min") if f in pair.functions]
    function, operator = pair.rng.choice(functions), pair.rng.choice("<>>")
    values = sorted(pair.child.entity.cells[measure.name])
    value = values[len(values) // 2] * (pair.rng.choice((1, 2)) if function == "sum" else 1)
    _, columns, words = pair.shown(True, 1)
    figure = f"{function}({names([measure], True)})"
    tail, order = f"GROUP BY {pair.link.key} HAVING {figure} {operator} {value}", ""
    if pair.rng.random() < 0.35:
        descending = pair.rng.random() < 0.7
        order = f", in {'descending' if descending else 'ascending'} order of it"
        tail += f" ORDER BY {figure}{' DESC' if descending else ''}"
    question = pair.child.say(
        bank.PARENTS_BY_MEASURE,
        measure=pair.child.measure(function, measure),
        than=f"{pair.rng.choice(COMPARISONS[operator])} {value}",
        order=order,
        **pair.fields(),
        **words,
    )
    return Draft(question, sql(columns, pair.link.source, tail=tail), "parents by measure")


def measure_of_extreme_parent(pair: Pair) -> Draft | None:
    """A figure of the children of the parent with the highest of something."""
    entity = pair.parent.entity
    column = choice(pair.parent, (*entity.measures, *entity.years))
    measure = choice(pair.child, pair.child.entity.measures)
    if column is None or measure is None:
        return None
    high, adjectives = pair.rng.random() < 0.6, entity.adjectives(column)
    parent = pair.fields()["parent"]
    extreme = (
        f"{adjectives[1 if high else 3]} {parent}"
        if adjectives and pair.rng.random() < 0.6
        else f"{parent} with the {pair.rng.choice(HIGH[:4] if high else LOW[:2])} "
        + pair.parent.wording.attribute(column)
    )
    function = pair.rng.choice(pair.functions)
    question = pair.child.say(
        bank.MEASURE_OF_EXTREME,
        measure=pair.child.measure(function, measure), extreme=extreme, **pair.fields(),
    )  # fmt: skip
    where = is_extreme(pair.parent, column, high, True)
    select = f"{function}({names([measure], True)})"
    return Draft(question, sql(select, pair.link.source, where=where), "measure of extreme parent")


def best_selling(pair: Pair) -> Draft | None:
    """The parents of which most was sold."""
    sold = [c for c in pair.child.entity.measures if SOLD & set(split_name(c.name))]
    labels = pair.parent.entity.labels
    if (
        pair.link.join is None
        or not sold
        or not labels
        or pair.parent.wording.is_person(pair.parent.entity.name)
    ):
        return None
    n = pair.rng.choice((1, 1, 3, 5, 10))
    question = pair.child.say(
        bank.BEST_SELLING if n == 1 else bank.TOP_SELLING, n=pair.child.number(n), **pair.fields()
    )
    tail = f"GROUP BY {pair.link.key} ORDER BY sum({names(sold[:1], True)}) DESC LIMIT {n}"
    where = where_known(None, sold[0], True)
    return Draft(
        question, sql(names(labels[:1], True), pair.link.source, where=where, tail=tail), "best selling"
    )


def measure_by_parents_group(pair: Pair) -> Draft | None:
    """A figure of the children for each category of the parents."""
    group = choice(pair.parent, pair.parent.entity.groups)
    measure = choice(pair.child, pair.child.entity.measures)
    if group is None or measure is None:
        return None
    function, condition = pair.rng.choice(pair.functions), pair.condition(0.15)
    word, column = pair.parent.wording.attribute(group), names([group], True)
    question = pair.child.say(
        bank.MEASURE_BY_GROUP,
        measure=pair.child.measure(function, measure),
        group=word,
        **pair.fields(condition),
    )
    select, tail = f"{column}, {function}({names([measure], True)})", f"GROUP BY {column}"
    return Draft(
        question,
        sql(select, pair.link.source, where=where_of(condition), tail=tail),
        "measure by parent's group",
    )


def _all(asking: Asking, pairs: Sequence[tuple[str, Column]]) -> str:
    """ "average price and highest weight"; of one function or one column, it is said once."""
    functions, columns = [f for f, _ in pairs], [c for _, c in pairs]
    said = {c: asking.wording.attribute(c) for c in columns}
    short = {f: [w[:-4] for w in AGGREGATES[f] if w.endswith(" {m}") and " of " not in w] for f in functions}
    words = {f: asking.rng.choice(short[f]) for f in functions}
    if len(set(functions)) == 1:
        parts = [f"{words[functions[0]]} {said[columns[0]]}", *(said[c] for c in columns[1:])]
    elif len(set(columns)) == 1:
        parts = [*(words[f] for f in functions[:-1]), f"{words[functions[-1]]} {said[columns[0]]}"]
    else:
        parts = [f"{words[f]} {said[c]}" for f, c in pairs]
    joint = " and " if len(set(functions)) == 1 else asking.rng.choice((" and ", " and the "))
    return ", ".join(parts[:-1]) + joint + parts[-1]


SEVERAL_SHAPES: tuple[tuple[int, Shape], ...] = (
    (4, figures_of), (4, group_figures), (4, groups_sorted), (4, than_other_column), (2, at_extreme),
    (4, than_those), (3, sorted_by_two),
)  # fmt: skip
SEVERAL_JOINED: tuple[tuple[int, JoinedShape], ...] = (
    (3, one_list), (4, parents_sorted), (4, parents_by_measure), (4, measure_of_extreme_parent),
    (3, measure_by_parents_group), (2, best_selling),
)  # fmt: skip
"""The shapes and how often each is drawn."""
