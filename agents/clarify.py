"""A question back to the person, when two readings of the question really differ. Pure functions.

Asked only when rival readings, once run, gave different results and are close in weight; both are shown, with
what sets their SQL apart. Wording is fixed, not a model's: it says what the SQL does, no more. Covered:
differences of tables, columns, literals, functions and operators. Not covered: the same parts combined
differently; then both statements are shown.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from ..tools.cells import cell, excerpt
from .answer import Answer, Reading
from .results import is_empty

CLOSE = 0.6  # the second reading weighs at least this share of the first
_SHOWN = 4
_LONGEST = 200  # characters of a statement


def rivals(readings: Sequence[Reading]) -> tuple[Reading, Reading] | None:
    """The two readings to choose between, or None when one is clearly ahead or the other found nothing."""
    if len(readings) < 2:
        return None
    first, second = readings[:2]
    if second.share < CLOSE * first.share or is_empty(first.rows) or is_empty(second.rows):
        return None
    return first, second


def ask_back(answer: Answer) -> Answer:
    """`answer` as a clarifying question if its readings call for one, else `answer` itself.

    SQL and rows of the leading reading stay, so that a caller who cannot ask has them.
    """
    pair = rivals(answer.readings) if answer.status == "answered" else None
    if pair is None:
        return answer
    return dataclasses.replace(
        answer,
        status="clarify",
        text=question_back(*pair, dialect=answer.origin.dialect),
        reason="two readings of the question give different results and are about equally likely",
        readings=pair,
    )


def question_back(first: Reading, second: Reading, *, dialect: str) -> str:
    """One sentence for each reading: what only it uses (or its statement), and what it gives."""
    parts = differences(first.sql, second.sql, dialect=dialect)
    if any(parts):
        one, other = map(_uses, parts)
    else:
        one, other = (excerpt(" ".join(reading.sql.split()), _LONGEST) for reading in (first, second))
    return (
        "The question can be read in two ways. Which do you mean? "
        f"(1) {one}: {_gives(first)}. (2) {other}: {_gives(second)}."
    )


def differences(first: str, second: str, *, dialect: str) -> tuple[list[str], list[str]]:
    """Parts of each statement that the other does not have, at most a few; empty lists when none can be
    named.
    """
    one, two = _parts(first, dialect), _parts(second, dialect)
    return [part for part in one if part not in two][:_SHOWN], [part for part in two if part not in one][
        :_SHOWN
    ]


def _parts(sql: str, dialect: str) -> list[str]:
    """Columns with their real tables, tables, literals, functions and modifiers, in order of appearance."""
    try:
        tree = sqlglot.parse_one(sql, dialect=dialect)
    except SqlglotError:
        return []
    names = {table.alias_or_name: table.name for table in tree.find_all(exp.Table)}
    parts: dict[str, None] = {}
    for node in tree.walk():
        if isinstance(node, exp.Column):
            table = names.get(node.table, node.table)
            parts[f"{table}.{node.name}" if table else node.name] = None
        elif isinstance(node, exp.Table):
            parts[f"table {node.name}"] = None
        elif isinstance(node, exp.Literal):
            parts[f"'{node.this}'" if node.is_string else str(node.this)] = None
        elif isinstance(node, exp.Distinct):
            parts["DISTINCT"] = None
        elif isinstance(node, (exp.AggFunc, exp.Predicate, exp.Ordered)):
            parts[_operator(node)] = None
    return list(parts)


def _operator(node: exp.Expr) -> str:
    if isinstance(node, exp.Ordered):
        return "descending order" if node.args.get("desc") else "ascending order"
    return node.key.upper()


def _uses(parts: Sequence[str]) -> str:
    return f"with {', '.join(parts)}" if parts else "without that"


def _gives(reading: Reading) -> str:
    cut = any(cut.what == "rows" for cut in reading.cuts)
    if len(reading.rows) == 1 and len(reading.columns) == 1 and not cut:
        return cell(reading.rows[0][0])
    first = " | ".join(cell(value) for value in reading.rows[0][:6])
    rest = "many" if cut else len(reading.rows) - 1
    return f"{first}, and {rest} more rows" if rest else first
