"""The moves of the embedded model that need no network: what it asks first, how it joins, what it says at
the end.

The order of work is fixed: search the columns the question speaks of, and once more for words that found
none; look up the values it names; find the join path where tables are not neighbours; execute; after an error
the next best sketch; answer. What to search again and look up, which SQL to write, and whether the database
holds an answer at all, the network decides (`chat_model`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .grammar import Expression, Predicate, Query
from .items import DATE_PARTS, Item
from .prompt import WORD
from .reading import Situation
from .sql_writer import SqlWriter, UnconnectedTables, connect, own_columns

TOP_COLUMNS = 14
MORE_COLUMNS = 6
MAX_TRIES = 3
REFUSAL = "I cannot answer this"


@dataclass(frozen=True)
class Turn:
    """What the model says: a thought with a tool call, or (tool "") its closing words."""

    thought: str
    tool: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)


def search_columns(situation: Situation, top_k: int = TOP_COLUMNS) -> Turn:
    """The opening: every column the question may speak of."""
    return Turn(
        "Which columns does the question speak of?",
        "search_column",
        {"queries": [situation.question], "top_k": top_k},
    )


def search_again(situation: Situation, spans: list[tuple[Item, Item]]) -> Turn:
    """Search the columns for the spans of words that none of those found stands for."""
    texts = _texts(situation, spans)
    named = " and ".join(f'"{text}"' for text in texts)
    thought = f"None of these is about {named}: is there another column for it?"
    return Turn(thought, "search_column", {"queries": texts, "top_k": MORE_COLUMNS})


def refuse(situation: Situation, spans: list[tuple[Item, Item]]) -> Turn:
    """Say that the database does not hold what is asked for."""
    named = " or ".join(f'"{text}"' for text in _texts(situation, spans))
    missing = f"holds nothing about {named}" if named else "does not hold what you ask for"
    return Turn(f"{REFUSAL}: as far as I can see, this database {missing}.")


def look_up(situation: Situation, spans: list[tuple[Item, Item]]) -> Turn:
    """Search the spans of words as values."""
    texts = _texts(situation, spans)
    named = " and ".join(f'"{text}"' for text in texts)
    return Turn(f"Is {named} stored, and in which column?", "search_value", {"values": texts})


def find_join(situation: Situation, writer: SqlWriter, query: Query) -> Turn | None:
    """A join path to ask for before the query runs: its tables are not all neighbours, or several keys
    join them.
    """
    if situation.called("find_shortest_path"):
        return None
    for part in _selects(query):
        tables = writer.tables(part)
        if part.source is not None or len(tables) < 2 or part.on:
            continue
        try:
            order = connect(tables, writer.joins)
        except UnconnectedTables as error:
            return _path_turn(error.reached, error.missing)
        reached = [table for table, _ in order]
        if len(order) > len(tables):
            return _path_turn(tables[0], next(table for table in reversed(reached) if table in tables[1:]))
        for table, keys in order[1:]:
            ends = {table, keys[0].table, keys[0].ref_table}
            if sum({join.table, join.ref_table} == ends for join in writer.joins) > 1:
                return _path_turn(*sorted(ends, key=reached.index))
    return None


def execute(query: Query, sql: str, tries: int) -> Turn:
    """Run the SQL, saying what it does."""
    again = "That did not work; another reading: " if tries else ""
    text = again + describe(query)
    return Turn(text[0].upper() + text[1:] + ".", "execute_sql", {"sql": sql})


def conclude(situation: Situation) -> Turn:
    """The closing words, from the last result."""
    rows = situation.observations[-1].splitlines()
    found = re.match(r"([\d,]+)(\+?) rows?, (\d+) columns?", rows[0]) if rows else None
    if not found:
        return Turn("The query could not be run; the steps above say why.")
    count, more = int(found[1].replace(",", "")), bool(found[2])
    cells = [row.split(" | ") for row in rows[1 : 2 + min(count, 5)]]
    if count == 0 or len(cells) < 2:
        return Turn("Nothing in the data matches the question: the result is empty.")
    header, first = cells[0], cells[1]
    if count == 1 and not more and len(header) == 1:
        return Turn(f"The answer is {first[0]}.")
    if count == 1 and not more:
        return Turn("; ".join(f"{name}: {cell}" for name, cell in zip(header, first, strict=False)) + ".")
    told = f"{'More than ' if more else ''}{count} row{'s' if count > 1 else ''}"
    if len(header) == 1:
        shown = "; ".join(row[0] for row in cells[1:])
        return Turn(f"{told}: {shown}{'; …' if more or count > len(cells) - 1 else ''}.")
    return Turn(f"{told} with {', '.join(header)}.")


def ran(observation: str) -> bool:
    """Whether an execute_sql observation holds a result."""
    return bool(re.match(r"[\d,]+\+? rows?, \d+ columns?", observation))


def describe(query: Query) -> str:
    """A query in a few words: "count the rows of singer where Country = 'France'"."""
    what = ", ".join(_speak(expression) for expression in query.select)
    where = " from the rows of a nested query" if query.source else ""
    listed = query.tables or ([] if query.source else own_columns(query))
    tables = ", ".join(dict.fromkeys(item.table for item in listed))
    if what == "count(*)":
        text = f"count the rows of {tables}{where}"
    else:
        text = f"take {'the different ' if query.distinct else ''}{what}" + (
            f" of {tables}" if tables else where
        )
    if query.where:
        text += " where " + _conditions(query.where)
    if query.group:
        text += " for each " + ", ".join(_speak(group) for group in query.group)
    if query.having:
        text += " with " + _conditions(query.having)
    if query.order:
        order = (_speak(e) + (" from the highest" if desc else " from the lowest") for e, desc in query.order)
        text += ", by " + ", ".join(order)
    if query.limit is not None:
        limit = query.limit.text if isinstance(query.limit, Item) else query.limit
        text += ", only the first" + (f" {limit}" if limit != "1" else "")
    if query.set_operation:
        word, right = query.set_operation
        joined = {"union": "together with", "intersect": "that are also in", "except": "without"}[word]
        text += f", {joined}: {describe(right)}"
    return text


def _speak(expression: Expression) -> str:
    operand = expression.operand
    text = operand.text if isinstance(operand, Item) else operand
    if expression.function in DATE_PARTS:
        text = f"{expression.function} of {text}"
    elif expression.function:
        function, _, distinct = expression.function.partition("_")
        text = f"{function}({'distinct ' if distinct else ''}{text})"
    elif text == "*":
        text = "all columns"
    if expression.tail:
        operator, rest = expression.tail
        text += f" {'*' if operator == 'times' else operator} {_speak(rest)}"
    return text


def _conditions(predicates: list[Predicate]) -> str:
    text = ""
    for predicate in predicates:
        text += f" {predicate.connector} " if predicate.connector else ""
        operator = predicate.operator.replace("like_", "").replace("_", " ")
        text += f"{_speak(predicate.left)} {operator} " + " and ".join(
            _side(right) for right in predicate.right
        )
    return text.strip()


def _side(right: object) -> str:
    if isinstance(right, Query):
        return f"({describe(right)})"
    if isinstance(right, Expression):
        item = right.operand
        quoted = isinstance(item, Item) and isinstance(item.value, str)
        return f"'{item.text}'" if quoted and isinstance(item, Item) else _speak(right)
    return f"'{right.text}'" if isinstance(right, Item) else str(right)


def _selects(query: Query) -> Iterator[Query]:
    yield query
    if query.source is not None:
        yield from _selects(query.source)
    for predicate in [*query.where, *query.having]:
        for right in predicate.right:
            if isinstance(right, Query):
                yield from _selects(right)
    if query.set_operation:
        yield from _selects(query.set_operation[1])


def _path_turn(start: str, end: str) -> Turn:
    return Turn(f"How do {start} and {end} join?", "find_shortest_path", {"start": [start], "end": [end]})


def _texts(situation: Situation, spans: list[tuple[Item, Item]]) -> list[str]:
    return list(dict.fromkeys(_text(situation.question, first, last) for first, last in spans))


def _text(question: str, first: Item, last: Item) -> str:
    """The question's own text from one word to another (in either order)."""
    low, high = sorted((first.index, last.index))
    words = list(WORD.finditer(question))
    return question[words[low].start() : words[high].end()]
