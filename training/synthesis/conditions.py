"""Conditions on one table's rows, each as SQL and in words: "older than 20", "whose country is France"."""

from __future__ import annotations

import random
from dataclasses import dataclass

from ...tools.schema import Column
from ...tools.text import split_name
from .lexicon import ADJECTIVES, BIRTH_ADJECTIVES, TIME_ADJECTIVES

_MORE = ("more than", "greater than", "above", "over", "higher than", "larger than", "exceeding")
_LESS = ("less than", "below", "under", "lower than", "smaller than")
_AT_LEAST = ("at least", "no less than", "not less than", "equal to or above", "a minimum of")
_AT_MOST = ("at most", "no more than", "not more than", "up to", "equal to or below", "a maximum of")
COMPARISONS = {">": _MORE, "<": _LESS, ">=": _AT_LEAST, "<=": _AT_MOST}


@dataclass(frozen=True)
class Condition:
    """sql: the predicate. that: what follows the noun (" whose age is above 20"). verb, verb1: the same as a
    verb phrase, plural and singular ("are older than 20", "is older than 20"). before: a word that goes
    before the noun instead ("female"); then the rest may be left out.
    """

    sql: str
    that: str
    verb: str
    verb1: str
    before: str = ""


def worded(rng: random.Random, sql: str, verb: str, verb1: str, *others: str, before: str = "") -> Condition:
    """others: further phrases after the noun, such as "with an age above 20"."""
    relative = [f"that {verb}", f"which {verb}"]
    that = rng.choice([*relative, *others, *others])
    return Condition(sql, f" {that}", verb, verb1, before)


def also(first: Condition, second: Condition, connector: str) -> Condition:
    """Both conditions, or either ("and", "or")."""
    bracketed = f"({second.sql})" if " OR " in second.sql and connector == "and" else second.sql
    left = f"({first.sql})" if " OR " in first.sql and connector == "and" else first.sql
    return Condition(
        f"{left} {connector.upper()} {bracketed}",
        f"{first.that} {connector}{second.that}",
        f"{first.verb} {connector} {second.verb}",
        f"{first.verb1} {connector} {second.verb1}",
    )


def adjectives_of(column: Column) -> tuple[str, str, str, str] | None:
    """More, most, less, least of what the column measures."""
    words = split_name(column.name)
    if "birth" in words or "born" in words or "birthday" in words:
        return BIRTH_ADJECTIVES
    named = next((ADJECTIVES[word] for word in words if word in ADJECTIVES), None)
    return named or (TIME_ADJECTIVES if {"year", "date"} & set(words) else None)


def a(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def of_side(side: str) -> str:
    """ "an age above 20", but "an age of at least 20"."""
    return f"of {side} " if side in (*_AT_LEAST, *_AT_MOST) and not side.startswith("equal") else f"{side} "


def quoted(value: str, rng: random.Random) -> str:
    draw = rng.random()
    if draw < 0.2:
        return f"'{value}'"
    if draw < 0.4:
        return f'"{value}"'
    return value.lower() if draw < 0.5 else value
