"""Augmentation that forces reading: names and values changed consistently in question, schema and target.

Plain training memorises the names of the training databases. Here content words that stand both in the
question and in the schema are exchanged for others ("How many singers" over `singer` becomes "How many
branches" over `branch`), some of those in the question alone for synonyms, matched cell values likewise,
tables come in any order, columns the target does not need are sometimes missing, and tables of other
databases stand among the database's own, for many a schema is wider than those of the training databases.
Some questions are made unanswerable (`unanswerable`).
Words that stand only in the schema are kept where the target needs them: "the oldest" must still find `age`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from ...models.embedded.items import Item, Token
from ...models.embedded.prompt import STOP_WORDS, WORD, as_number, spoken, stem, stems
from ...models.embedded.reading import SeenTable, SeenValue, Situation
from ...models.embedded.sql_writer import JoinKey
from ..synthesis.lexicon import SYNONYMS
from .unanswerable import ask_elsewhere, take_away

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS = {
    letter: row[max(0, place - 1) : place] + row[place + 1 : place + 2]
    for row in _ROWS
    for place, letter in enumerate(row)
}
"""The keys beside each letter."""
_SYNONYMS = {stem(word): others for word, others in SYNONYMS.items()}
MOST_STRANGE = 8
"""Tables of another database that are put among those of an example."""


@dataclass(frozen=True)
class Rates:
    """How often each change is made: `widen`, `rename`, `reword`, `revalue`, `typo`, `take`, `elsewhere` (the
    last two make the question unanswerable) per example, `word` per word, `drop` (at most) per column.
    """

    rename: float = 0.6
    word: float = 0.6
    revalue: float = 0.4
    drop: float = 0.5
    typo: float = 0.2
    take: float = 0.06
    elsewhere: float = 0.015
    widen: float = 0.2
    reword: float = 0.15


@dataclass(frozen=True)
class Pools:
    """What is exchanged in: words of names, short cell texts, questions and whole schemas, of the training
    databases.
    """

    words: Sequence[str]
    values: Sequence[str]
    questions: Sequence[str] = ()
    schemas: Sequence[Situation] = ()

    @classmethod
    def collect(cls, situations: Sequence[Situation]) -> Pools:
        words: set[str] = set()
        values: set[str] = set()
        for situation in situations:
            for name in (*(t.name for t in situation.tables), *(c.name for c in situation.columns)):
                words.update(
                    w for w in spoken(name).split() if len(w) > 2 and w.isalpha() and w not in STOP_WORDS
                )
            values.update(
                str(v.value) for v in situation.values if isinstance(v.value, str) and len(v.value) < 30
            )
        schemas = list({tuple(t.name for t in s.tables): s for s in situations}.values())
        return cls(sorted(words), sorted(values), sorted({s.question for s in situations}), schemas)


def augment(
    situation: Situation, target: Sequence[Token], pools: Pools, rates: Rates, rng: random.Random
) -> tuple[Situation, list[Token]]:
    """A changed copy of a situation and its target."""
    needed = {(item.table, item.column) for item in target if isinstance(item, Item) and item.column}
    drop = rng.random() * rates.drop
    columns = [c for c in situation.columns if (c.table, c.name) in needed or rng.random() >= drop]
    situation = replace(
        situation, columns=columns, tables=rng.sample(situation.tables, len(situation.tables))
    )
    if pools.schemas and rng.random() < rates.widen:
        situation = _widen(situation, target, rng.choice(pools.schemas), rng)
    new_target = list(target)
    if target[0] == "execute":
        changed = None
        if rng.random() < rates.take:
            changed = take_away(situation, target, rng)
        elif pools.questions and rng.random() < rates.elsewhere:
            changed = ask_elsewhere(situation, rng.choice(pools.questions))
        situation, new_target = changed or (situation, new_target)
    if rng.random() < rates.revalue:
        situation, new_target = _revalue(situation, new_target, pools, rng)
    if rng.random() < rates.reword and new_target[0] == "execute" and not situation.earlier_words:
        situation = _reword(situation, rates, rng)
    if rng.random() < rates.rename:
        situation, new_target = _rename(situation, new_target, pools, rates, rng)
    if rng.random() < rates.typo:
        situation = replace(situation, question=typo(situation.question, rng))
    return situation, new_target


def _reword(situation: Situation, rates: Rates, rng: random.Random) -> Situation:
    """Words of the question that name tables or columns, exchanged for synonyms that name no other."""
    named = {s for t in situation.tables for s in stems(t.name)}
    named |= {s for c in situation.columns for s in stems(c.name)}
    valued = {stem(word) for value in situation.values for word in WORD.findall(str(value.value))}
    words = []
    for word in _pieces(situation.question):
        root = stem(word)
        others = [o for o in _SYNONYMS.get(root, ()) if not named & {stem(w) for w in o.split()}]
        if others and root in named - valued and rng.random() < rates.word:
            other = rng.choice(others)
            word = _plural(other) if word.lower().endswith("s") and not other.endswith("s") else other
        words.append(word)
    return replace(situation, question="".join(words))


def _widen(situation: Situation, target: Sequence[Token], other: Situation, rng: random.Random) -> Situation:
    """Tables of another database among those of this one: such as share no word with the question, with what
    the target needs, or with a table that is there.
    """
    asked = {stem(word) for word in WORD.findall(situation.question)}
    needed = {s for t in target if isinstance(t, Item) and t.table for s in stems(t.column or t.table)}
    there = {s for table in situation.tables for s in stems(table.name)}
    strange = [t for t in other.tables if not (asked | needed | there) & set(stems(t.name))][:MOST_STRANGE]
    names = {table.name for table in strange}
    columns = [c for c in other.columns if c.table in names and not asked & set(stems(c.name))]
    found = [c for c in columns if c.type]
    kept = [c for c in columns if not c.type] + rng.sample(found, rng.randint(0, len(found)))
    tables = [*situation.tables, *strange]
    return replace(
        situation,
        tables=rng.sample(tables, len(tables)),
        columns=[*situation.columns, *(replace(c, refers_to=_within(c.refers_to, names)) for c in kept)],
        joins=[*situation.joins, *(j for j in other.joins if {j.table, j.ref_table} <= names)],
    )


def _within(table: str, names: Collection[str]) -> str:
    return table if table in names else ""


def _rename(
    situation: Situation, target: list[Token], pools: Pools, rates: Rates, rng: random.Random
) -> tuple[Situation, list[Token]]:
    asked = {stem(word) for word in WORD.findall(situation.question)}
    valued = {stem(word) for value in situation.values for word in WORD.findall(str(value.value))}
    needed = {
        stem(w)
        for item in target
        if isinstance(item, Item)
        for w in spoken(item.column or item.table).split()
    }
    names = {t.name for t in situation.tables} | {c.name for c in situation.columns}
    exchange: dict[str, str] = {}
    for word in sorted({w for name in names for w in spoken(name).split()}):
        root = stem(word)
        renamable = word not in STOP_WORDS and len(word) > 2 and word.isalpha() and root not in valued
        if renamable and (root in asked or root not in needed) and rng.random() < rates.word:
            exchange[root] = rng.choice(pools.words)
    if not exchange:
        return situation, target

    def name(old: str) -> str:
        words = [exchange.get(stem(w), w) for w in spoken(old).split()]
        return "_".join(words) if words != spoken(old).split() else old

    new_names = {old: name(old) for old in names}
    if len({new.lower() for new in new_names.values()}) < len({old.lower() for old in names}):
        return situation, target  # two names would become one

    def item(token: Token) -> Token:
        if isinstance(token, str) or token.kind == "word":
            return token
        table, column = new_names.get(token.table, token.table), new_names.get(token.column, token.column)
        text = token.text if token.kind == "value" else column or table
        return replace(token, text=text, table=table, column=column)

    words = []
    for word in _pieces(situation.question):
        new = exchange.get(stem(word)) if word.lower() not in STOP_WORDS else None
        plural = word.lower().endswith("s") and not word.lower().endswith("ss")
        words.append(word if new is None else _plural(new) if plural else new)
    changed = replace(
        situation,
        question="".join(words),
        tables=[SeenTable(name(t.name), tuple(name(k) for k in t.key)) for t in situation.tables],
        columns=[
            replace(
                c, table=name(c.table), name=name(c.name), refers_to=name(c.refers_to) if c.refers_to else ""
            )
            for c in situation.columns
        ],
        values=[replace(v, table=name(v.table), column=name(v.column)) for v in situation.values],
        joins=[
            JoinKey(
                name(j.table), tuple(map(name, j.columns)), name(j.ref_table), tuple(map(name, j.ref_columns))
            )
            for j in situation.joins
        ],
    )
    if target and target[0] != "execute":
        return changed, _same_words(target, situation.question, changed.question)
    return changed, [item(token) for token in target]


def _revalue(
    situation: Situation, target: list[Token], pools: Pools, rng: random.Random
) -> tuple[Situation, list[Token]]:
    """Exchange one looked-up text of the question, and the cells it equals, for another text."""
    asked = [
        text for tool, arguments in situation.calls if tool == "search_value" for text in arguments["values"]
    ]
    if target[0] in ("search", "refuse"):
        return situation, target
    if target[0] == "lookup":
        words = [token for token in target if isinstance(token, Item)]
        asked = [w.text for w in words if w.text.isalpha() and w.text.lower() not in STOP_WORDS][:1]
    if not asked:
        return situation, target
    old, new = rng.choice(asked), rng.choice(pools.values)
    if target[0] == "lookup":
        new = WORD.findall(new)[0] if WORD.findall(new) else old
    if (
        old not in situation.question
        or as_number(old) is not None
        or len(old) < 3
        or "_" in new
        or "%" in new
    ):
        return situation, target
    question = situation.question.replace(old, new)

    def value(seen: SeenValue) -> SeenValue:
        same = isinstance(seen.value, str) and seen.value.casefold() == old.casefold()
        return replace(seen, value=new) if same else seen

    def item(token: Token) -> Token:
        same = (
            isinstance(token, Item)
            and isinstance(token.value, str)
            and token.value.casefold() == old.casefold()
        )
        return replace(token, text=new, value=new) if same and isinstance(token, Item) else token

    calls = [
        (tool, {**arguments, "values": [new if text == old else text for text in arguments["values"]]})
        if tool == "search_value"
        else (tool, arguments)
        for tool, arguments in situation.calls
    ]
    changed = replace(situation, question=question, values=[value(v) for v in situation.values], calls=calls)
    if target[0] == "lookup":
        return changed, _same_words(target, situation.question, question)
    return changed, [item(token) for token in target]


def _same_words(target: list[Token], old: str, new: str) -> list[Token]:
    """A lookup's words by their place in the question, where both questions have as many words."""
    before, after = WORD.findall(old), WORD.findall(new)
    if len(before) != len(after):
        raise ValueError("the question changed its length")
    return [replace(t, text=after[t.index]) if isinstance(t, Item) else t for t in target]


def _pieces(text: str) -> list[str]:
    return re.findall(r"\w+|\W+", text)


def _plural(word: str) -> str:
    if word.endswith(("s", "x", "ch", "sh")):
        return word + "es"
    return word[:-1] + "ies" if word.endswith("y") and word[-2] not in "aeiou" else word + "s"


def typo(question: str, rng: random.Random) -> str:
    """One letter of a word left out, doubled, swapped with the next, or hit beside its key."""
    places = [m.start() + rng.randrange(len(m[0]) - 1) for m in re.finditer(r"[A-Za-z]{4,}", question)]
    if not places:
        return question
    at = rng.choice(places)
    first, second = question[at], question[at + 1]
    near = rng.choice(_NEIGHBOURS.get(first.lower(), first))
    change = rng.choice((second + first, first + first + second, second, near + second))
    return question[:at] + change + question[at + 2 :]
