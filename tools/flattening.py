"""A SELECT over a plain subquery or CTE as the one SELECT that both amount to.

`SELECT sum(total) FROM (SELECT o.total FROM orders AS o JOIN items AS i ON ...)` adds up what the inner join
repeats, though neither of its SELECTs does so by itself. Covered: subqueries and CTEs that filter and join,
one inside the other. Not covered: those that group, aggregate, number, cut or drop rows, whose rows are
their own; those that are themselves joined with other sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlglot import exp
from sqlglot.optimizer.scope import find_all_in_scope, walk_in_scope

from .query_shape import QueryShape

_KEPT = frozenset({"expressions", "from_", "joins", "where", "order", "with_"})
"""Parts of a SELECT that has a row for each joined row behind it."""


@dataclass(frozen=True)
class Flat:
    """The SELECT `outer` with the subquery that it calls `alias` dissolved in it: a shape over the subquery's
    sources. whole: False where that cannot be done; `shape` then is that of the subquery alone.
    """

    outer: QueryShape
    alias: str
    shape: QueryShape
    whole: bool


def flattened(shapes: Sequence[QueryShape]) -> list[Flat]:
    """The flat form of every SELECT that reads a plain subquery. shapes: inner ones first."""
    known = {id(shape.select): shape for shape in shapes}
    found = []
    for shape in shapes:
        for alias, source in shape.sources.items():
            inner = known.get(id(source.query)) if source.table is None else None
            if inner is None or not _is_plain(inner.select):
                continue
            merged = _merged(shape, alias, inner) if len(shape.sources) == 1 else None
            if merged is not None:
                known[id(shape.select)] = merged
            found.append(Flat(shape, alias, merged or inner, merged is not None))
    return found


def _is_plain(select: exp.Select) -> bool:
    present = {name for name, value in select.args.items() if value}
    parts = walk_in_scope(select)
    return present <= _KEPT and not any(isinstance(part, (exp.AggFunc, exp.Window)) for part in parts)


def _merged(outer: QueryShape, alias: str, inner: QueryShape) -> QueryShape | None:
    """The outer SELECT over the inner one's sources, its columns replaced by what they stand for there; None
    where one of them stands for nothing.
    """
    meant = {part.alias_or_name.lower(): part.unalias() for part in inner.select.selects}
    select = outer.select.copy()
    for column in list(find_all_in_scope(select, exp.Column)):
        if column.table == alias:
            origin = meant.get(column.name.lower())
            if origin is None:
                return None
            column.replace(origin.copy() if isinstance(origin, exp.Column) else exp.paren(origin))
    for name in ("from_", "joins"):
        part = inner.select.args.get(name)
        select.set(name, [join.copy() for join in part] if isinstance(part, list) else part and part.copy())
    if (where := inner.select.args.get("where")) is not None:
        select.where(where.this, copy=False)
    return replace(inner, select=select, correlated=inner.correlated or outer.correlated)
