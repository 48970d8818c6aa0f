"""Fan-out: a join that repeats rows of a table before an aggregate adds them up.

`SELECT SUM(orders.total) FROM orders JOIN items ON ...` counts an order once per item. Keys tell where that
can happen; one query per table then counts, within each group, how often each of its rows really occurs.
Not covered: aggregates over several tables at once, tables without a primary key (both are `Unchecked`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlglot import exp
from sqlglot.optimizer.scope import find_all_in_scope

from .join_keys import is_single_row, is_unique
from .probe import Probe, Unchecked
from .query_shape import QueryShape
from .schema import Catalog

# Aggregates that a repeated row does not change.
_IMMUNE = (exp.Max, exp.Min, exp.AnyValue, exp.LogicalAnd, exp.LogicalOr, exp.ApproxDistinct)

Repetition = tuple[int, int, int]
"""Joined rows, distinct rows of the table behind them, most repeats of one."""


def repeated_rows(shape: QueryShape, catalog: Catalog, probe: Probe) -> Iterator[str]:
    """Aggregates whose rows a join repeats within a group."""
    measured: dict[str, Repetition | None] = {}

    def repetition(alias: str) -> Repetition | None:
        if alias not in measured:
            measured[alias] = _repetition(shape, probe, alias)
        return measured[alias]

    for aggregate in aggregates_of(shape):
        aliases = shape.aliases_in(aggregate)
        if len(aliases) > 1 or "" in aliases:
            raise Unchecked(f"{shape.spelled(aggregate)} runs over several tables")
        alias = next(iter(aliases), None)
        group = shape.select.args.get("group")
        if isinstance(aggregate, exp.Count) and group is not None and alias in shape.aliases_in(group):
            alias = None  # COUNT(parent.key) per parent counts the joined rows, as COUNT(*) does
        if alias is None:
            yield from _combinations(shape, catalog, repetition)
        elif may_repeat(shape, catalog, alias) and (found := repetition(alias)) is not None:
            rows, distinct, most = found
            causes = ", ".join(shape.label(cause) for cause in _causes(shape, catalog, alias))
            text = shape.spelled(aggregate)
            become = "row becomes" if distinct == 1 else "rows become"
            yield (
                f"{text} takes rows of {shape.label(alias)} more than once: joined with {causes},"
                f" {distinct} {become} {rows} (one up to {most} times)."
            )


def _combinations(
    shape: QueryShape, catalog: Catalog, repetition: Callable[[str], Repetition | None]
) -> Iterator[str]:
    """COUNT(*) over two independent one-to-many joins counts combinations, not the rows of any table; and
    over one, the rows of the many: told where nothing of the one is used, which then was perhaps meant.
    """
    counted = [alias for alias in shape.sources if not may_repeat(shape, catalog, alias)]
    if counted:
        for alias in _bystanders(shape):
            if alias not in counted and (found := repetition(alias)) is not None:
                yield (
                    f"COUNT(*) counts {found[0]} rows of {' and '.join(map(shape.label, counted))};"
                    f" they belong to {found[1]} rows of {shape.label(alias)}, of which nothing else is used."
                )
        return
    counts = {alias: repetition(alias) for alias in shape.sources}
    if all(counts.values()):
        rows = max(found[0] for found in counts.values() if found)
        yield f"COUNT(*) counts {rows} combinations: every joined table ({shape.listed()}) has rows repeated."


def _bystanders(shape: QueryShape) -> list[str]:
    """The sources at an end of the joins of which nothing is used but the key of their one join."""
    select = shape.select.args
    parts = (select.get(name) for name in ("where", "group", "having", "qualify", "order"))
    used = {alias for part in (*select["expressions"], *parts) if part for alias in shape.aliases_in(part)}
    joined = [alias for edge in shape.edges for alias in (edge.left, edge.right)]
    return [alias for alias in shape.sources if joined.count(alias) == 1 and not {alias, ""} & used]


def _repetition(shape: QueryShape, probe: Probe, alias: str) -> Repetition | None:
    """(joined rows, distinct rows of the table behind them, most repeats of one), counted within each group;
    None when no row is repeated.
    """
    source = shape.sources[alias]
    if source.table is None or not source.table.primary_key:
        raise Unchecked(f"{shape.label(alias)} has no primary key to count its rows by")
    keys = [shape.column(alias, name) for name in source.table.primary_key]
    group = shape.select.args.get("group")
    if group is not None and any(group.args.get(kind) for kind in ("all", "cube", "rollup", "grouping_sets")):
        raise Unchecked("its GROUP BY is more than a list of columns")
    from_, where = (
        shape.sql(part).strip() if (part := shape.select.args.get(name)) else ""
        for name in ("from_", "where")
    )
    joins = " ".join(shape.sql(join).strip() for join in shape.select.args.get("joins") or [])
    present = " AND ".join(f"{key} IS NOT NULL" for key in keys)
    where = f"WHERE ({where.removeprefix('WHERE')}) AND {present}" if where else f"WHERE {present}"
    groups = [shape.sql(part) for part in (group.expressions if group else [])]
    row = probe.first_row(
        f"{shape.with_clause}SELECT SUM(n), COUNT(*), MAX(n) FROM (SELECT COUNT(*) AS n"
        f" {from_} {joins} {where} GROUP BY {', '.join(keys + groups)}) AS repeated"
    )
    rows, distinct, most = (int(value or 0) for value in row or (0, 0, 0))
    return (rows, distinct, most) if most > 1 else None


def may_repeat(shape: QueryShape, catalog: Catalog, alias: str) -> bool:
    """Whether the joins can repeat rows of this source, as far as keys tell."""
    return bool(_causes(shape, catalog, alias))


def _causes(shape: QueryShape, catalog: Catalog, alias: str) -> list[str]:
    """The sources that may repeat rows of `alias`: joined by columns that are no key of theirs."""
    reached, causes = [alias], []
    for here in reached:  # grows while it is walked
        for edge in shape.edges:
            for one, other, columns in (
                (edge.left, edge.right, [right for _, right in edge.pairs]),
                (edge.right, edge.left, [left for left, _ in edge.pairs]),
            ):
                if one == here and other not in reached:
                    reached.append(other)
                    if not is_unique(shape.sources[other], columns, catalog):
                        causes.append(other)
    apart = [other for other in shape.sources if other not in reached]
    return causes + [other for other in apart if not is_single_row(shape.sources[other])]


def aggregates_of(shape: QueryShape) -> list[exp.AggFunc]:
    """Aggregates of this SELECT that repeated rows change: no MIN, MAX, DISTINCT, no window functions."""
    return [
        aggregate
        for aggregate in find_all_in_scope(shape.select, exp.AggFunc)
        if not isinstance(aggregate, _IMMUNE)
        and not isinstance(aggregate.this, exp.Distinct)
        and not aggregate.find_ancestor(exp.Window)
    ]
