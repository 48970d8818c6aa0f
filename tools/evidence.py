"""What an answer's SQL rests on: where each of its literals is looked for, and whether each join is known.

Each literal is checked against the data: does any row of the table it is compared in meet that comparison?
The catalog's statistics may tell, else one bounded query does. A join is "declared" (a foreign key),
"inferred" (found by sqlberg), "none" (the model's own idea) or "derived" (a side is the result of a
subquery). Not covered: literals compared with aggregates or given to functions, which stand in no column;
their `found` is None.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from sqlglot import exp
from sqlglot.optimizer.scope import find_all_in_scope

from .cells import neutralise, qualified
from .join_keys import joins_along
from .probe import Probe, Unchecked
from .query_shape import QueryShape, Source
from .schema import Catalog

if TYPE_CHECKING:
    from .database import Database

MAX_STATEMENTS = 20
SECONDS = 2.0

_COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NullSafeEQ: "=",
    exp.NEQ: "<>",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.Like: "LIKE",
    exp.ILike: "ILIKE",
    exp.Glob: "GLOB",
    exp.SimilarTo: "SIMILAR TO",
    exp.In: "IN",
    exp.Between: "BETWEEN",
}
_SWAPPED = {">": "<", ">=": "<=", "<": ">", "<=": ">="}
_EQUALITIES = ("=", "<>", "IN")


@dataclass(frozen=True)
class LiteralEvidence:
    """One literal of the SQL.

    literal: as SQL (`1 AND 9` for BETWEEN). operator: how it is compared; "LIMIT", "OFFSET", or "" for none.
    compared: what it is compared with, as SQL ("" for none). column: the one column in it, as `table.column`.
    found: some row meets the comparison (for <>: the value itself occurs); None when that was not checked.
    """

    literal: str
    operator: str = ""
    compared: str = ""
    column: str | None = None
    found: bool | None = None

    def __str__(self) -> str:
        if not self.compared:
            return f"{self.operator} {self.literal}".strip()
        text = f"{self.compared} {self.operator} {self.literal}"
        if self.found is None:
            return text
        if self.operator in _EQUALITIES:
            return f"{text}: the value {'occurs' if self.found else 'does not occur'} in the data"
        return f"{text}: {'some rows match' if self.found else 'no row matches'}"


@dataclass(frozen=True)
class JoinEvidence:
    """One join condition (also `x IN (SELECT y ...)`) and where it comes from."""

    condition: str
    origin: Literal["declared", "inferred", "none", "derived"]

    def __str__(self) -> str:
        meaning = {
            "declared": "a foreign key",
            "inferred": "a join inferred from names and values",
            "none": "neither a foreign key nor an inferred join",
            "derived": "with the result of a subquery",
        }
        return f"{self.condition}: {meaning[self.origin]}"


@dataclass(frozen=True)
class Evidence:
    """Literals and joins, inner queries first; `unchecked` says what could not be looked at, and why."""

    literals: tuple[LiteralEvidence, ...] = ()
    joins: tuple[JoinEvidence, ...] = ()
    unchecked: tuple[str, ...] = ()


def gather_evidence(
    shapes: Sequence[QueryShape], database: Database, *, cancel: threading.Event | None = None
) -> Evidence:
    """The evidence for a statement that ran, taken apart (shape_reading.py). Raises only QueryCancelled."""
    probe = Probe(database, statements=MAX_STATEMENTS, seconds=SECONDS, cancel=cancel)
    literals: dict[LiteralEvidence, LiteralEvidence] = {}
    unchecked: list[str] = []
    for shape in shapes:
        for found, test in _literals(shape):
            if found in literals:
                continue
            literals[found] = found
            if test is None:
                continue
            try:
                literals[found] = replace(found, found=probe.first_row(test) is not None)
            except Unchecked as error:
                unchecked.append(f"{found} was not looked up: {error}.")
    by_select = {id(shape.select): shape for shape in shapes}
    joins = dict.fromkeys(join for shape in shapes for join in _joins(shape, by_select, database.catalog))
    return Evidence(tuple(literals.values()), tuple(joins), tuple(unchecked))


def _literals(shape: QueryShape) -> Iterator[tuple[LiteralEvidence, str | None]]:
    """Each literal of this SELECT (not of its subqueries), with the statement that can look it up."""
    for literal in find_all_in_scope(shape.select, exp.Literal):
        if isinstance(literal.parent, exp.Escape):
            continue  # the sign that escapes, which says nothing of the data
        value = literal.parent if isinstance(literal.parent, exp.Neg) else literal
        text = neutralise(value.sql(shape.dialect))
        comparison, side = _comparison(value)
        if comparison is None:
            clause = value.find_ancestor(exp.Limit, exp.Offset, exp.Select)
            operator = type(clause).__name__.upper() if isinstance(clause, (exp.Limit, exp.Offset)) else ""
            yield LiteralEvidence(text, operator), None
            continue
        if isinstance(comparison, exp.Between):
            text = " AND ".join(
                neutralise(comparison.args[end].sql(shape.dialect)) for end in ("low", "high")
            )
        other = comparison.this if side is not comparison.this else comparison.args["expression"]
        operator = _COMPARISONS[type(comparison)]
        if side is comparison.this:
            operator = _SWAPPED.get(operator, operator)
        columns = {column.sql(): column for column in other.find_all(exp.Column)}
        column = None
        if len(columns) == 1:
            [only] = columns.values()
            source = shape.sources.get(only.table)
            column = qualified(source.name, source.column(only.name)) if source else None
        found = LiteralEvidence(text, operator, shape.spelled(other), column)
        if side is value and _is_known(shape, other, value, operator):
            yield replace(found, found=True), None
        else:
            yield found, _look_up(shape, comparison, other, side, operator)


def _comparison(value: exp.Expr) -> tuple[exp.Expr | None, exp.Expr]:
    """The comparison that a literal takes part in, and its side of it; (None, ...) when it is in none.

    In `strftime('%Y', day) = '2014'` the second literal is compared, the first is an argument.
    """
    side: exp.Expr = value
    node = value.parent
    while node is not None and not isinstance(node, exp.Query):
        if type(node) in _COMPARISONS:
            if isinstance(node, (exp.In, exp.Between)) and side is node.this:
                return None, side  # `2014 BETWEEN first AND last`: no one value stands opposite
            return (None if side.find(exp.Column, exp.AggFunc, exp.Query) else node), side
        if isinstance(node, (exp.Predicate, exp.Connector, exp.Case, exp.If)):
            break
        side, node = node, node.parent
    return None, side


def _is_known(shape: QueryShape, other: exp.Expr, value: exp.Expr, operator: str) -> bool:
    """Whether the catalog's statistics show a row that meets the comparison, so that no query is needed."""
    source = shape.sources.get(other.table) if isinstance(other, exp.Column) else None
    # A subquery over a table may hold fewer of its rows.
    column = source.table.column(other.name) if source and source.table and source.query is None else None
    if column is None:
        return False
    statistics = column.statistics
    if value.is_string:
        # Samples that are not all there are may be shortened.
        return operator in ("=", "<>") and statistics.samples_complete and value.name in statistics.samples
    least, most = statistics.minimum, statistics.maximum
    # Text that spells numbers has its least and most as well, and compares otherwise.
    numeric = re.search(r"int|real|floa|doub|dec|num", column.type, re.IGNORECASE)
    if not numeric or not isinstance(least, (int, float)) or not isinstance(most, (int, float)):
        return False
    number = float(value.sql())
    return (
        (operator == ">" and most > number)
        or (operator == ">=" and most >= number)
        or (operator == "<" and least < number)
        or (operator == "<=" and least <= number)
    )


def _look_up(
    shape: QueryShape, comparison: exp.Expr, other: exp.Expr, side: exp.Expr, operator: str
) -> str | None:
    """A statement with a row when some row meets the comparison; None when no single table can tell."""
    aliases = shape.aliases_in(other)
    alias = next(iter(aliases), "")
    if len(aliases) != 1 or alias not in shape.sources or other.find(exp.AggFunc, exp.Window, exp.Query):
        return None
    if shape.aliases_in(comparison) != aliases or comparison.find(exp.Query):
        return None
    escape = comparison.parent if isinstance(comparison.parent, exp.Escape) else None
    if operator in _EQUALITIES:
        test = exp.EQ(this=other.copy(), expression=side.copy())
    else:
        test = (escape or comparison).copy()
    (test.this if escape else test).set("negate", None)  # for NOT LIKE, too: does the pattern occur?
    source = shape.sql(shape.sources[alias].node)
    return f"{shape.with_clause}SELECT 1 FROM {source} WHERE {shape.sql(test)} LIMIT 1"


def _joins(
    shape: QueryShape, by_select: Mapping[int, QueryShape], catalog: Catalog
) -> Iterator[JoinEvidence]:
    for edge in shape.edges:
        left, right = shape.sources[edge.left], shape.sources[edge.right]
        condition = " AND ".join(
            f"{shape.place(edge.left, one)} = {shape.place(edge.right, other)}" for one, other in edge.pairs
        )
        yield JoinEvidence(condition, _origin(left, right, edge.pairs, catalog))
    for within in find_all_in_scope(shape.select, exp.In):
        query = within.args.get("query")
        inner = by_select.get(id(query.unnest())) if query is not None else None
        one = within.this.unnest()
        if inner is None or not isinstance(one, exp.Column) or one.table not in shape.sources:
            continue
        other = inner.select.selects[0].unalias()
        if isinstance(other, exp.Column) and other.table in inner.sources:
            condition = f"{shape.place(one.table, one.name)} IN {inner.place(other.table, other.name)}"
            pairs = ((one.name, other.name),)
            origin = _origin(shape.sources[one.table], inner.sources[other.table], pairs, catalog)
            yield JoinEvidence(condition, origin)


def _origin(
    left: Source, right: Source, pairs: tuple[tuple[str, str], ...], catalog: Catalog
) -> Literal["declared", "inferred", "none", "derived"]:
    if left.table is None or right.table is None:
        return "derived"
    origins = {join.origin for join in joins_along(left.table, right.table, pairs, catalog)}
    return "declared" if "declared" in origins else "inferred" if origins else "none"
