"""Shapes of questions over one table: what is asked, as SQL, and the words for it (bank.py).

A shape takes an `Asking` and returns a `Draft`, or None where the table has not the columns for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ...tools.cells import identifier
from ...tools.schema import Column
from . import bank
from .asking import AGGREGATES, HIGH, LOW, Asking, Draft, a_count, names, sql, where_known, where_of
from .conditions import COMPARISONS, Condition
from .predicates import a_condition
from .templates import draw
from .wording import plural

Shape = Callable[[Asking], Draft | None]


def listing(asking: Asking) -> Draft | None:
    condition = asking.condition(0.7)
    columns = asking.columns(besides=condition)
    bank_of = bank.WHICH if condition and asking.rng.random() < 0.4 else bank.LIST
    is_person = asking.wording.is_person(asking.entity.name)
    if condition and is_person and asking.entity.labels and asking.rng.random() < 0.2:
        columns, bank_of = list(asking.entity.labels[:1]), bank.WHO
    question = asking.say(
        asking.fitting(bank_of, columns),
        attrs=asking.wording.attributes(columns),
        attr=asking.wording.attributes(columns, many=False),
        **asking.things(condition, verbal=bank_of is not bank.LIST),
    )
    return Draft(question, sql(names(columns), table_of(asking), where=where_of(condition)), "list")


def counting(asking: Asking) -> Draft | None:
    condition = asking.condition(0.8)
    bank_of = bank.COUNT_VERB if condition and asking.rng.random() < 0.35 else bank.COUNT
    question = asking.say(bank_of, **asking.things(condition, verbal=bank_of is bank.COUNT_VERB))
    return Draft(question, sql("count(*)", table_of(asking), where=where_of(condition)), "count")


def different(asking: Asking) -> Draft | None:
    group = choice(asking, asking.entity.groups)
    if group is None:
        return None
    condition = other_than(group, asking.condition(0.25))
    fields = asking.things(condition) | group_words(asking, group)
    if asking.rng.random() < 0.4:
        text, select = asking.say(bank.COUNT_DISTINCT, **fields), f"count(DISTINCT {names([group])})"
    else:
        text, select = asking.say(bank.DISTINCT, **fields), f"DISTINCT {names([group])}"
    return Draft(text, sql(select, table_of(asking), where=where_of(condition)), "distinct")


def aggregate(asking: Asking) -> Draft | None:
    measure = choice(asking, asking.entity.measures)
    if measure is None:
        return None
    condition = asking.condition(0.5)
    functions = asking.rng.sample(list(AGGREGATES), asking.rng.choice((1, 1, 1, 2, 2, 3)))
    if len(functions) == 1:
        said = asking.measure(functions[0], measure)
    else:
        words = [asking.rng.choice(AGGREGATES[function]) for function in functions]
        short = [word.split(" {m}")[0] for word in words if word.endswith(" {m}")]
        if len(short) < len(words):
            return None
        said = ", ".join(short[:-1]) + f" and {short[-1]} {asking.wording.attribute(measure)}"
    select = ", ".join(f"{function}({names([measure])})" for function in functions)
    question = asking.say(bank.AGGREGATE, measure=said, **asking.things(condition))
    return Draft(question, sql(select, table_of(asking), where=where_of(condition)), "aggregate")


def grouped(asking: Asking) -> Draft | None:
    """A count or a measure for each group, perhaps sorted by it."""
    group = choice(asking, asking.entity.groups)
    if group is None:
        return None
    condition = other_than(group, asking.condition(0.3))
    fields = asking.things(condition) | group_words(asking, group)
    measure = choice(asking, asking.entity.measures)
    if measure is not None and asking.rng.random() < 0.4:
        function = asking.rng.choice(list(AGGREGATES))
        figure = f"{function}({names([measure])})"
        question = asking.say(bank.GROUP_MEASURE, measure=asking.measure(function, measure), **fields)
    else:
        figure, question = "count(*)", asking.say(bank.GROUP_COUNT, **fields)
    tail = f"GROUP BY {names([group])}"
    if asking.rng.random() < 0.15:
        descending = asking.rng.random() < 0.6
        end = ", from highest to lowest" if descending else ", from lowest to highest"
        said = question.rstrip("?.")
        question = said + end + question[len(said) :]
        tail += f" ORDER BY {figure}" + (" DESC" if descending else "")
    return Draft(
        question,
        sql(f"{names([group])}, {figure}", table_of(asking), where=where_of(condition), tail=tail),
        "group",
    )


def group_extreme(asking: Asking) -> Draft | None:
    """The group with the most rows, the fewest, or the first few."""
    group = choice(asking, asking.entity.groups)
    if group is None:
        return None
    condition = other_than(group, asking.condition(0.25))
    n = asking.rng.choice((2, 3, 3, 5))
    fields = asking.things(condition) | group_words(asking, group)
    kind = asking.rng.choices(("most", "fewest", "top"), (5, 2, 2))[0]
    templates = {"most": bank.GROUP_MOST, "fewest": bank.GROUP_LEAST, "top": bank.GROUP_TOP}[kind]
    question = asking.say(templates, n=asking.number(n), **fields)
    order = (
        "ORDER BY count(*)" + ("" if kind == "fewest" else " DESC") + f" LIMIT {n if kind == 'top' else 1}"
    )
    tail, where = f"GROUP BY {names([group])} {order}", where_known(condition, group)
    return Draft(question, sql(names([group]), table_of(asking), where=where, tail=tail), "group extreme")


def group_having(asking: Asking) -> Draft | None:
    group = choice(asking, asking.entity.groups)
    if group is None:
        return None
    condition = other_than(group, asking.condition(0.25))
    fields = asking.things(condition) | group_words(asking, group)
    measure = choice(asking, asking.entity.measures)
    if measure is not None and asking.rng.random() < 0.35:
        function, operator = asking.rng.choice(("avg", "sum", "max", "min")), asking.rng.choice("<>")
        values = sorted(asking.entity.cells[measure.name])
        value = values[len(values) // 2]
        than = f"{asking.rng.choice(COMPARISONS[operator])} {value}"
        question = asking.say(
            bank.GROUP_HAVING_MEASURE, measure=asking.measure(function, measure), than=than, **fields
        )
        having = f"{function}({names([measure])}) {operator} {value}"
    else:
        times, having = a_count(asking)
        question = asking.say(bank.GROUP_HAVING, times=times, **fields)
    tail = f"GROUP BY {names([group])} HAVING {having}"
    return Draft(
        question, sql(names([group]), table_of(asking), where=where_of(condition), tail=tail), "having"
    )


def superlative(asking: Asking) -> Draft | None:
    """The row with the highest or lowest of something, or the first few."""
    entity = asking.entity
    column = choice(asking, (*entity.measures, *entity.years, *entity.dates))
    if column is None:
        return None
    columns = [c for c in asking.columns(2) if c != column] or list(entity.shown[:1])
    condition, high = asking.condition(0.25), asking.rng.random() < 0.6
    fields = asking.things(condition) | {
        "attr": asking.wording.attributes(columns, many=False), "attrs": asking.wording.attributes(columns),
    }  # fmt: skip
    adjectives = entity.adjectives(column)
    several = asking.rng.random() < 0.3
    n = asking.rng.choice((2, 3, 3, 5, 10)) if several else 1
    if adjectives and asking.rng.random() < 0.6:
        templates = bank.TOP_ADJECTIVE if several else bank.SUPERLATIVE_ADJECTIVE
        question = asking.say(
            asking.fitting(templates, columns),
            adjective=adjectives[1 if high else 3],
            n=asking.number(n),
            **fields,
        )
    else:
        counted = asking.wording.counted(column)
        measure = counted if counted and asking.rng.random() < 0.6 else asking.wording.attribute(column)
        best = asking.rng.choice(HIGH[:-1] if high else LOW[:-1])
        if measure == counted:
            best = "most" if high else "fewest"
        if column in entity.years + entity.dates:
            best = asking.rng.choice(("latest", "most recent") if high else ("earliest", "first"))
        templates = bank.TOP if several else bank.SUPERLATIVE
        side = "" if high else ", lowest first"
        question = asking.say(
            asking.fitting(templates, columns),
            best=best,
            measure=measure,
            measure_from=measure + side,
            n=asking.number(n),
            **fields,
        )
    tail = f"ORDER BY {names([column])}" + (" DESC" if high else "") + f" LIMIT {n}"
    where = where_known(condition, column)
    return Draft(question, sql(names(columns), table_of(asking), where=where, tail=tail), "superlative")


def sorted_listing(asking: Asking) -> Draft | None:
    entity = asking.entity
    pool = (*entity.measures, *entity.years, *entity.dates, *entity.labels[:1])
    column = choice(asking, pool)
    if column is None:
        return None
    condition = asking.condition(0.3)
    columns = asking.columns(besides=condition)
    descending = asking.rng.random() < 0.5
    attribute = asking.wording.attribute(column)
    words = bank.ALPHABETICALLY if column in entity.labels else bank.BY_NUMBER
    order = draw(words[descending], asking.rng).format(a=attribute)
    question = asking.say(
        bank.SORTED, order=order, attrs=asking.wording.attributes(columns), **asking.things(condition)
    )
    tail = f"ORDER BY {names([column])}" + (" DESC" if descending else "")
    return Draft(
        question, sql(names(columns), table_of(asking), where=where_of(condition), tail=tail), "sorted"
    )


def against_average(asking: Asking) -> Draft | None:
    measure = choice(asking, asking.entity.measures)
    if measure is None:
        return None
    operator = asking.rng.choice((">", "<"))
    side = asking.rng.choice(COMPARISONS[operator])
    where = f"{names([measure])} {operator} (SELECT avg({names([measure])}) FROM {table_of(asking)})"
    fields = asking.things(None) | {"measure": asking.wording.attribute(measure), "side": side}
    if asking.rng.random() < 0.35:
        return Draft(
            asking.say(bank.COMPARED_COUNT, **fields),
            sql("count(*)", table_of(asking), where=where),
            "average",
        )
    columns = asking.columns()
    question = asking.say(bank.COMPARED, attrs=asking.wording.attributes(columns), **fields)
    return Draft(question, sql(names(columns), table_of(asking), where=where), "average")


def both_or_none(asking: Asking) -> Draft | None:
    """Groups that have rows of two sorts (INTERSECT), or none of one (EXCEPT)."""
    group = choice(asking, asking.entity.groups)
    first = a_condition(asking.entity, asking.wording, asking.rng, False)
    if group is None or first is None or names([group]) in first.sql:
        return None
    select, table = names([group]), table_of(asking)
    one = asking.things(first)
    if asking.rng.random() < 0.45:
        question = asking.say(bank.EITHER_NOT, one=one["things"] + one["that"], **group_words(asking, group))
        text = f"{sql(select, table)} EXCEPT {sql(select, table, where=first.sql)}"
        return Draft(question, text, "except")
    second = a_condition(asking.entity, asking.wording, asking.rng, False)
    if second is None or names([group]) in second.sql or second.sql == first.sql:
        return None
    two = asking.things(second)
    question = asking.say(
        bank.BOTH,
        one=one["things"] + one["that"],
        other=two["things"] + two["that"],
        **group_words(asking, group),
    )
    text = f"{sql(select, table, where=first.sql)} INTERSECT {sql(select, table, where=second.sql)}"
    return Draft(question, text, "both")


def over_time(asking: Asking) -> Draft | None:
    """Counts or measures by year or month of a date."""
    day = choice(asking, asking.entity.dates)
    if day is None:
        return None
    part = asking.rng.choice(("year", "month"))
    condition, day_sql = asking.condition(0.2), names([day])
    if asking.wording.dialect == "sqlite":
        cut = (
            f"CAST(strftime('%Y', {day_sql}) AS INTEGER)"
            if part == "year"
            else f"strftime('%Y-%m', {day_sql})"
        )
    else:
        cut = f"year({day_sql})" if part == "year" else f"strftime(CAST({day_sql} AS DATE), '%Y-%m')"
    named = len(asking.entity.times) > 1 or asking.rng.random() < 0.2
    said = f"{part} of the {asking.wording.attribute(day)}" if named else part
    fields = asking.things(condition) | {"part": said}
    measure = choice(asking, asking.entity.measures)
    if measure is not None and asking.rng.random() < 0.45:
        function = asking.rng.choice(("sum", "sum", "avg", "max"))
        figure = f"{function}({names([measure])})"
        question = asking.say(bank.MEASURE_PER_TIME, measure=asking.measure(function, measure), **fields)
    else:
        figure, question = "count(*)", asking.say(bank.PER_TIME, **fields)
    return Draft(
        question,
        sql(f"{cut}, {figure}", table_of(asking), where=where_of(condition), tail=f"GROUP BY {cut}"),
        "over time",
    )


def table_of(asking: Asking) -> str:
    """The table's name, as SQL."""
    return identifier(asking.entity.name)


def other_than(group: Column, condition: Condition | None) -> Condition | None:
    """The condition, unless it is on the group itself."""
    return None if condition and names([group]) in re.findall(r"\w+", condition.sql) else condition


def choice(asking: Asking, columns: Sequence[Column]) -> Column | None:
    """One of the columns; None of none."""
    return asking.rng.choice(columns) if columns else None


def group_words(asking: Asking, group: Column) -> dict[str, str]:
    """The fields {group} and {groups}."""
    word = asking.wording.attribute(group)
    return {"group": word, "groups": plural(word)}


SHAPES: tuple[tuple[int, Shape], ...] = (
    (8, listing), (7, counting), (3, different), (5, aggregate), (6, grouped), (4, group_extreme),
    (4, group_having), (7, superlative), (4, sorted_listing), (3, against_average), (4, both_or_none),
    (2, over_time),
)  # fmt: skip
"""The shapes and how often each is drawn."""
