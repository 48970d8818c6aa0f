"""Conditions by the kind of column: numbers, years, dates, texts, flags."""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable
from functools import partial
from typing import Any

from ...tools.cells import identifier, literal, qualified
from ...tools.schema import Column
from ...tools.text import split_name
from .conditions import COMPARISONS, Condition, a, of_side, quoted, worded
from .lexicon import CURRENCIES, MONEY, PLACES, UNITS, VALUE_WORDS, YES
from .wording import Wording
from .world import LONGEST_VALUE, Entity

_COUNTS = {
    ">": ("more than", "over"),
    "<": ("fewer than", "less than", "under"),
    ">=": ("at least", "no fewer than"),
    "<=": ("at most", "no more than", "up to"),
}
"""Comparisons of things that are counted."""
_WHEN_YEAR = (
    ("=", "in"), ("=", "in"), (">", "after"), (">", "later than"), ("<", "before"), ("<", "earlier than"),
    (">=", "since"), (">=", "in or after"), ("<=", "in or before"), ("<=", "until"),
)  # fmt: skip
_WHEN_DATE = (
    ("=", "in"), ("=", "during"), ("=", "of"),
    (">", "after"), ("<", "before"), (">=", "since"), ("<=", "until"),
)  # fmt: skip
_PATTERNS = {
    "%{}%": ("contains", "includes", "has"),
    "{}%": ("starts with", "begins with"),
    "%{}": ("ends with", "ends in"),
}


def column_sql(column: Column, joined: bool) -> str:
    return qualified(column.table, column.name) if joined else identifier(column.name)


def a_condition(entity: Entity, wording: Wording, rng: random.Random, joined: bool) -> Condition | None:
    """One condition on the entity's rows, on any of its columns; None when it has none to compare."""
    makers: list[tuple[int, Callable[..., Condition | None], tuple[Column, ...]]] = [
        (4, partial(_of_number, entity), entity.measures),
        (2, partial(_of_year, entity), entity.years),
        (2, partial(_of_date, entity), entity.dates),
        (5, _of_text, entity.groups),
        (3, _of_text, entity.labels),
        (1, _of_flag, entity.flags),
    ]
    usable = [(weight, maker, columns) for weight, maker, columns in makers if columns]
    if not usable:
        return None
    _, maker, columns = rng.choices(usable, [weight for weight, _, _ in usable])[0]
    column = rng.choice(columns)
    values = entity.cells.get(column.name, [])
    if not values:
        return None
    return maker(column, values, wording, rng, column_sql(column, joined))


def _of_number(
    entity: Entity, column: Column, values: list[Any], wording: Wording, rng: random.Random, sql: str
) -> Condition | None:
    value = _round(rng.choice(values), rng)
    attribute, counted = wording.attribute(column), wording.counted(column)
    unit = _unit(column, rng)
    draw = rng.random()
    if draw < 0.12:
        low, high = sorted((value, _round(rng.choice(values), rng)))
        if low == high:
            return None
        span = rng.choice(
            (f"between {low} and {high}", f"from {low} to {high}", f"in the range {low} to {high}")
        )
        span += unit
        return worded(
            rng,
            f"{sql} BETWEEN {low} AND {high}",
            f"have {a(attribute)} {span}",
            f"has {a(attribute)} {span}",
            f"whose {attribute} is {span}",
            f"with {a(attribute)} {span}",
        )
    if draw < 0.27:
        exact = rng.choice(values)
        return worded(
            rng,
            f"{sql} = {exact}",
            f"have {a(attribute)} of {exact}{unit}",
            f"has {a(attribute)} of {exact}{unit}",
            f"whose {attribute} is {rng.choice(('', 'exactly ', 'equal to '))}{exact}{unit}",
            f"with {a(attribute)} of {exact}{unit}",
            f"with {attribute} {exact}{unit}",
        )
    operator = rng.choice((">", ">", "<", "<", ">=", "<="))
    side = rng.choice(COMPARISONS[operator])
    compared = f"{sql} {operator} {value}"
    if counted and rng.random() < 0.7:
        many = f"{rng.choice(_COUNTS[operator])} {value} {counted}"
        return worded(rng, compared, f"have {many}", f"has {many}", f"with {many}")
    adjectives = entity.adjectives(column)
    if adjectives and operator in "<>" and rng.random() < 0.4:
        word = adjectives[0] if operator == ">" else adjectives[2]
        return worded(
            rng,
            compared,
            f"are {word} than {value}{unit}",
            f"is {word} than {value}{unit}",
            f"{word} than {value}{unit}",
        )
    after = side if side not in ("exceeding",) else "above"
    other = {
        ">=": f"{value}{unit} or more",
        "<=": f"{value}{unit} or less",
        ">": f"> {value}",
        "<": f"< {value}",
    }[operator]
    return worded(
        rng,
        compared,
        f"have {a(attribute)} {of_side(after)}{value}{unit}",
        f"has {a(attribute)} {of_side(after)}{value}{unit}",
        f"whose {attribute} is {after} {value}{unit}",
        f"with {a(attribute)} {of_side(after)}{value}{unit}",
        f"where the {attribute} is {after} {value}{unit}",
        f"with {attribute} {other}",
    )


def _unit(column: Column, rng: random.Random) -> str:
    """What people may say after a number of this column: its unit, or nothing."""
    words = split_name(column.name)
    own = [word for word in words[1:] if word in UNITS]
    units = own[-1:] or (CURRENCIES if MONEY & set(words) else ("years",) if "age" in words else ())
    return f" {rng.choice(units)}" if units and rng.random() < 0.3 else ""


def _of_year(
    entity: Entity, column: Column, values: list[Any], wording: Wording, rng: random.Random, sql: str
) -> Condition | None:
    year = rng.choice(values)
    attribute = wording.attribute(column)
    operator, words = rng.choice(_WHEN_YEAR)
    when = f"{words} {year}"
    link = "is" if operator != "=" else "is in"
    if (happened := wording.happened(column)) and rng.random() < 0.5:
        return _happened(rng, f"{sql} {operator} {year}", happened, when)
    return worded(
        rng,
        f"{sql} {operator} {year}",
        f"have {a(attribute)} {when if operator != '=' else f'of {year}'}",
        f"has {a(attribute)} {when if operator != '=' else f'of {year}'}",
        f"whose {attribute} {link} {when if operator != '=' else year}",
        f"with {attribute} {when if operator != '=' else year}",
        *((when, f"from {year if operator == '=' else when}") if len(entity.times) == 1 else ()),
    )


def _of_date(
    entity: Entity, column: Column, values: list[Any], wording: Wording, rng: random.Random, sql: str
) -> Condition | None:
    value = rng.choice(values)
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    day, year = text[:10], text[:4]
    attribute = wording.attribute(column)
    operator, words = rng.choice(_WHEN_DATE)
    whole_day = operator != "=" and rng.random() < 0.4
    if whole_day:
        timed = any(len(str(value)) > len(day) for value in values)
        # A time is later than the day alone that it lies in.
        compared = _day_of(sql, wording.dialect) if timed and operator in (">", "<=") else sql
        when, predicate = f"{words} {day}", f"{compared} {operator} '{day}'"
    else:
        part = f"CAST(strftime('%Y', {sql}) AS INTEGER)" if wording.dialect == "sqlite" else f"year({sql})"
        when, predicate = f"{words} {year}", f"{part} {operator} {year}"
    if (happened := wording.happened(column)) and rng.random() < 0.5:
        return _happened(rng, predicate, happened, when.replace("of ", "in "))
    return worded(
        rng,
        predicate,
        f"have {a(attribute)} {when}",
        f"has {a(attribute)} {when}",
        f"whose {attribute} is {when.replace('of ', 'in ')}",
        f"with {a(attribute)} {when}",
        f"with {attribute} {when}",
        *(
            (when.replace("during", "in"), f"from {year}" if operator == "=" else when)
            if len(entity.times) == 1
            else ()
        ),
    )


def _day_of(sql: str, dialect: str) -> str:
    return f"date({sql})" if dialect == "sqlite" else f"CAST({sql} AS DATE)"


def _happened(rng: random.Random, sql: str, happened: str, when: str) -> Condition:
    """ "hired after 2020"."""
    what = f"{happened} {when}"
    return worded(rng, sql, f"were {what}", f"was {what}", what, what)


def _of_text(
    column: Column, values: list[Any], wording: Wording, rng: random.Random, sql: str
) -> Condition | None:
    value = str(rng.choice(values))
    attribute = wording.attribute(column)
    draw = rng.random()
    words = value.split()
    if draw < 0.08 and words and words[0].isalpha() and len(words[0]) > 3:
        return _pattern(words[0], attribute, rng, sql)
    shown = quoted(value, rng)
    if draw < 0.2 and len(values) > 2:
        other = str(rng.choice([v for v in values if str(v) != value]))
        return worded(
            rng,
            f"{sql} = {literal(value)} OR {sql} = {literal(other)}"
            if rng.random() < 0.6
            else f"{sql} IN ({literal(value)}, {literal(other)})",
            f"have {attribute} {shown} or {quoted(other, rng)}",
            f"has {attribute} {shown} or {quoted(other, rng)}",
            f"whose {attribute} is {rng.choice(('', 'either '))}{shown} or {quoted(other, rng)}",
            f"with {attribute} {shown} or {quoted(other, rng)}",
        )
    if draw < 0.3:
        other_than = rng.choice(("not", "anything but", "different from", "other than"))
        return worded(
            rng,
            f"{sql} != {literal(value)}",
            f"do not have {attribute} {shown}",
            f"does not have {attribute} {shown}",
            f"whose {attribute} is {other_than} {shown}",
            f"with {a(attribute)} other than {shown}",
            f"with {attribute} not {shown}",
        )
    equal = f"{sql} = {literal(value)}"
    last = attribute.split()[-1]
    kind = set(attribute.split())
    spoken = VALUE_WORDS.get(value.lower(), "") if kind & {"gender", "sex"} else ""
    if spoken:
        return worded(
            rng, equal, f"are {spoken}", f"is {spoken}", f"whose {attribute} is {spoken}", before=spoken
        )
    if (
        kind & {"status", "state", "condition", "outcome"}
        and value.replace(" ", "").isalpha()
        and last != "state"
    ):
        word = value.lower()
        others = (f"with {attribute} {shown}", f"whose {attribute} is {shown}")
        return worded(rng, equal, f"are {word}", f"is {word}", *others, before=word)
    others = [
        f"whose {attribute} is {shown}",
        f"with {attribute} {shown}",
        f"with the {attribute} {shown}",
        f"where the {attribute} is {shown}",
        f"that have {shown} as {attribute}",
    ]
    if set(split_name(column.name)) & PLACES:  # a status is also called a state, but nothing is from there
        others += [f"from {shown}", f"in {shown}", f"located in {shown}", f"from {shown}"]
    if "name" in kind or "title" in kind:
        others += [f"named {shown}", f"called {shown}", f"named {shown}"]
    return worded(rng, equal, f"have {attribute} {shown}", f"has {attribute} {shown}", *others)


def _pattern(word: str, attribute: str, rng: random.Random, sql: str) -> Condition:
    """A part of a text: its beginning, its end, or anywhere."""
    pattern = rng.choice(("%{}%", "%{}%", "{}%", "%{}"))
    length = rng.choice((1, 2, len(word), len(word)))
    part = word[-min(length, 3) :] if pattern == "%{}" else word[:length]
    what = f"the letter {part}" if len(part) == 1 else f"the word {part}" if part == word else f"'{part}'"
    said = f"{rng.choice(_PATTERNS[pattern])} {rng.choice((what, repr(part), repr(part)))}"
    return worded(
        rng,
        f"{sql} LIKE {literal(pattern.format(part))}",
        f"have {a(attribute)} that {said}",
        f"has {a(attribute)} that {said}",
        f"whose {attribute} {said}",
        f"with {a(attribute)} that {said}",
    )


def _of_flag(
    column: Column, values: list[Any], wording: Wording, rng: random.Random, sql: str
) -> Condition | None:
    value = rng.choice(values)
    attribute = wording.attribute(column).removeprefix("is ").removeprefix("has ")
    yes = str(value).strip().lower() in YES
    negation = "" if yes else "not "
    return worded(
        rng,
        f"{sql} = {literal(value)}",
        f"are {negation}{attribute}",
        f"is {negation}{attribute}",
        f"where {attribute} is {rng.choice(('true', 'yes') if yes else ('false', 'no'))}",
    )


def equal_text(entity: Entity, predicate: str, rng: random.Random) -> tuple[str, str] | None:
    """Another value of the column that `predicate` sets equal to a text: as said, and the predicate with it.

    None for other predicates, and where the column holds no other short text.
    """
    column, equals, value = predicate.partition(" = ")
    values = entity.cells.get(column.strip('"'), []) if equals and value.startswith("'") else []
    others = [v for v in values if isinstance(v, str) and literal(v) != value and len(v) <= LONGEST_VALUE]
    if not others or " OR " in predicate:
        return None
    other = rng.choice(others)
    return quoted(other, rng), f"{column} = {literal(other)}"


def _round(value: Any, rng: random.Random) -> Any:
    """A number near the value as people say it: 50 for 48.37."""
    if isinstance(value, (datetime.date, str)) or rng.random() < 0.4:
        return value
    number = float(value)
    if abs(number) < 10:
        return round(number, 1) if number != int(number) else int(number)
    step = 10 ** (len(str(int(abs(number)))) - 1)
    step = step if rng.random() < 0.5 else max(1, step // 2)
    rounded = int(round(number / step) * step)
    return rounded or int(number)
