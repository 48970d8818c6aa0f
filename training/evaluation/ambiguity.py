"""Questions whose gold query has more than one right result, found by running variants of it.

Covered: ties under LIMIT (the rows of a tie that fit are the database's choice), and bare columns beside
GROUP BY or an aggregate (SQLite picks any row's value). Each suspect query is rewritten twice, so that the
free choice falls to opposite ends, and run; the gold is ambiguous when the two results differ.
Marked without need: bare columns beside one MIN or MAX alone, which SQLite takes from the row that holds it.
Not covered: order among ties without a LIMIT, and choices that never reach the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from ...tools.limits import Result
from .comparators import multiset

Reason = Literal["ties under LIMIT", "bare column beside GROUP BY"]


def ambiguity(
    sql: str, dialect: str, run: Callable[[str], Result | None], columns_of: Callable[[str], tuple[str, ...]]
) -> tuple[Reason, ...]:
    """Why the result of `sql` is not determined; empty where it is, or where a variant cannot be run.

    run: executes a variant, None on error. columns_of: the primary key of a table (by name), () if it has
    none.
    """
    try:
        tree = sqlglot.parse_one(sql, dialect=dialect)
    except (SqlglotError, RecursionError):
        return ()
    reasons: list[Reason] = []
    checks: tuple[tuple[Reason, Iterator[tuple[exp.Expr, exp.Expr]]], ...] = (
        ("ties under LIMIT", _tie_variants(tree)),
        ("bare column beside GROUP BY", _bare_variants(tree, columns_of)),
    )
    for reason, variants in checks:
        for low, high in variants:
            results = [run(variant.sql(dialect=dialect)) for variant in (low, high)]
            if None not in results and _differ(*results):
                reasons.append(reason)
                break
    return tuple(reasons)


def _differ(one: Result | None, other: Result | None) -> bool:
    return one is not None and other is not None and not multiset(one.rows, other.rows, ordered=False)


def _tie_variants(tree: exp.Expr) -> Iterator[tuple[exp.Expr, exp.Expr]]:
    """For each query with a LIMIT: ties broken by all its columns ascending, and descending."""
    for position, query in enumerate(_queries(tree)):
        width = _width(query)
        if query.args.get("limit") is not None and width:
            yield _tied(tree, position, width, False), _tied(tree, position, width, True)


def _tied(tree: exp.Expr, position: int, width: int, desc: bool) -> exp.Expr:
    copy = tree.copy()
    query = _queries(copy)[position]
    order = query.args.get("order")
    terms = list(order.expressions) if order is not None else []
    # Ordinals name the selected columns whatever they are: expressions, duplicates, set operations.
    terms += [exp.Ordered(this=exp.Literal.number(i), desc=desc) for i in range(1, width + 1)]
    query.set("order", exp.Order(expressions=terms))
    return copy


def _bare_variants(
    tree: exp.Expr, columns_of: Callable[[str], tuple[str, ...]]
) -> Iterator[tuple[exp.Expr, exp.Expr]]:
    """For each aggregating query with bare selected columns: their smallest, and their largest value."""
    for position, query in enumerate(_queries(tree)):
        if isinstance(query, exp.Select) and _bare(query, columns_of):
            yield (
                _bounded(tree, position, columns_of, exp.Min),
                _bounded(tree, position, columns_of, exp.Max),
            )


def _bounded(
    tree: exp.Expr,
    position: int,
    columns_of: Callable[[str], tuple[str, ...]],
    bound: type[exp.Min] | type[exp.Max],
) -> exp.Expr:
    copy = tree.copy()
    query = _queries(copy)[position]
    assert isinstance(query, exp.Select)
    for column in _bare(query, columns_of):
        column.replace(bound(this=column.copy()))
    return copy


def _bare(query: exp.Select, columns_of: Callable[[str], tuple[str, ...]]) -> list[exp.Column]:
    """Selected columns outside of aggregates that the grouping does not determine.

    A table's primary key among the grouped columns determines all columns of that table.
    """
    group = query.args.get("group")
    if group is None and not any(_own_aggregates(item) for item in query.expressions):
        return []
    grouped = _grouped(query)
    names = {column.name.lower() for column in grouped}
    tables = {source.alias_or_name.lower(): source.name for source in _sources(query)}
    keyed = {alias for alias, name in tables.items() if _determined(alias, columns_of(name), grouped)}
    only = next(iter(tables)) if len(tables) == 1 else ""
    selected = [column for item in query.expressions for column in item.find_all(exp.Column)]
    return [
        column
        for column in selected
        if column.find_ancestor(exp.AggFunc, exp.Select) is query
        and not isinstance(column.this, exp.Star)
        and column.name.lower() not in names
        and (column.table.lower() or only) not in keyed
    ]


def _grouped(query: exp.Select) -> list[exp.Column]:
    """The columns grouped by, those behind ordinals and aliases included; all selected for GROUP BY ALL."""
    group = query.args.get("group")
    if group is None:
        return []
    terms: list[exp.Expr] = list(query.expressions) if group.args.get("all") else list(group.expressions)
    aliased = {item.alias.lower(): item for item in query.expressions if item.alias}
    for term in list(terms):
        if isinstance(term, exp.Literal) and term.is_int and 0 < int(term.this) <= len(query.expressions):
            terms.append(query.expressions[int(term.this) - 1])
        elif isinstance(term, exp.Column) and term.name.lower() in aliased:
            terms.append(aliased[term.name.lower()])
    return [column for term in terms for column in term.find_all(exp.Column)]


def _determined(alias: str, key: tuple[str, ...], grouped: list[exp.Column]) -> bool:
    held = {column.name.lower() for column in grouped if column.table.lower() in ("", alias)}
    return bool(key) and {name.lower() for name in key} <= held


def _own_aggregates(item: exp.Expr) -> list[exp.Expr]:
    walk = item.walk(prune=lambda node: isinstance(node, exp.Select))
    return [node for node in walk if isinstance(node, exp.AggFunc) and not node.find_ancestor(exp.Window)]


def _sources(query: exp.Select) -> list[exp.Table]:
    source = query.args.get("from") or query.args.get("from_")
    joined = [join.this for join in query.args.get("joins") or ()]
    return [
        table
        for table in ([source.this] if source is not None else []) + joined
        if isinstance(table, exp.Table)
    ]


def _queries(tree: exp.Expr) -> list[Any]:
    return [node for node in tree.walk() if isinstance(node, (exp.Select, exp.SetOperation))]


def _width(query: Any) -> int:
    """Number of selected columns, 0 where a star hides it."""
    expressions = query.selects
    starred = any(item.is_star for item in expressions)
    return 0 if starred else len(expressions)
