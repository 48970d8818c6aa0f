"""Questions that a database cannot answer, made from answerable ones by taking away what they ask for.

A column or table that the question names by its own words, and that the target needs, is left out of what the
dialogue showed: now the model should search for these words, and when that was in vain say that nothing is
stored about them. A question over another database altogether is to be refused at once.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from ...models.embedded.items import Item, Token
from ...models.embedded.prompt import STOP_WORDS, WORD, spoken, stem, stems
from ...models.embedded.reading import Situation
from .targets import spans_of


def take_away(
    situation: Situation, target: Sequence[Token], rng: random.Random
) -> tuple[Situation, list[Token]] | None:
    """The situation without one thing the target needs, and what to do there; None where nothing can go."""
    words = WORD.findall(situation.question)
    needed = list(
        dict.fromkeys((t.kind, t.table, t.column) for t in target if isinstance(t, Item) and t.table)
    )
    for kind, table, column in rng.sample(needed, len(needed)):
        if kind == "value":
            continue
        spans = spans_of([spoken(column or table)], words)
        rest = _without_column(situation, table, column) if column else _without_table(situation, table)
        if not spans or _still_named(rest, column or table):
            continue
        pairs: list[Token] = []
        for first, last in spans:
            pairs += [",", Item("word", words[first], index=first), Item("word", words[last], index=last)]
        turn = rng.choice(("search", "refuse"))
        return rest, [turn, *pairs[1:], "end"]
    return None


def ask_elsewhere(situation: Situation, question: str) -> tuple[Situation, list[Token]] | None:
    """Another database's question over this one; None where the two share a word of content."""
    asked = {stem(word) for word in WORD.findall(question) if word.lower() not in STOP_WORDS}
    names = [t.name for t in situation.tables] + [c.name for c in situation.columns]
    if asked & {s for name in names for s in stems(name)}:
        return None
    return replace(situation, question=question, values=[], calls=situation.calls[:1]), ["refuse", "end"]


def _without_column(situation: Situation, table: str, column: str) -> Situation:
    def other(one: str, name: str) -> bool:
        return (one, name) != (table, column)

    return replace(
        situation,
        columns=[c for c in situation.columns if other(c.table, c.name)],
        values=[v for v in situation.values if other(v.table, v.column)],
    )


def _without_table(situation: Situation, table: str) -> Situation:
    return replace(
        situation,
        tables=[t for t in situation.tables if t.name != table],
        columns=[c for c in situation.columns if c.table != table],
        values=[v for v in situation.values if v.table != table],
        joins=[j for j in situation.joins if table not in (j.table, j.ref_table)],
    )


def _still_named(situation: Situation, name: str) -> bool:
    """Whether another table or column has all, or all but the most general, of the name's words."""
    sought = set(stems(name))
    names = [t.name for t in situation.tables] + [c.name for c in situation.columns]
    return any(sought <= set(stems(other)) or set(stems(other)) <= sought for other in names)
