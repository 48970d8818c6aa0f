"""What the catalog knows of a query's joins: which keys they follow, and which side can match only once."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from .query_shape import Edge, QueryShape, Source
from .schema import Catalog, Join, Table


def known_joins(shape: QueryShape, edge: Edge, catalog: Catalog) -> list[Join]:
    """The catalog's joins that an edge follows, in either direction."""
    left, right = shape.sources[edge.left].table, shape.sources[edge.right].table
    return joins_along(left, right, edge.pairs, catalog) if left and right else []


def joins_along(left: Table, right: Table, pairs: Sequence[tuple[str, str]], catalog: Catalog) -> list[Join]:
    """The catalog's joins between two tables that the given pairs of (left, right) columns make complete."""
    ends = (left.name.lower(), right.name.lower())
    forward = {(one.lower(), other.lower()) for one, other in pairs}
    backward = {(other, one) for one, other in forward}
    found = []
    for join in catalog.joins:
        join_ends = (join.table.lower(), join.ref_table.lower())
        columns = zip(join.columns, join.ref_columns, strict=True)
        needed = {(one.lower(), other.lower()) for one, other in columns}
        if (join_ends == ends and needed <= forward) or (join_ends == ends[::-1] and needed <= backward):
            found.append(join)
    return found


def is_unique(source: Source, columns: Sequence[str], catalog: Catalog) -> bool:
    """Whether at most one row has given values in `columns`, as the keys and statistics tell."""
    names = {name.lower() for name in columns}
    table = source.table
    if is_single_row(source):
        return True
    if table is None:
        return _is_grouped_by(source.query, names)
    keys = [*table.unique, table.primary_key] if table.primary_key else [*table.unique]
    keys += [
        join.ref_columns
        for join in catalog.joins
        if join.origin == "declared" and join.ref_table.lower() == table.name.lower()
    ]
    if any({name.lower() for name in key} <= names for key in keys):
        return True
    for name in names:
        column = table.column(name)
        distinct = column.statistics.distinct if column else None
        if distinct is not None and table.rows and distinct >= table.rows:
            return True
    return False


def is_single_row(source: Source) -> bool:
    """Whether the source has one row at most: a table of one row, or a subquery of nothing but aggregates."""
    if source.table is not None:
        return source.table.rows is not None and source.table.rows <= 1
    query = source.query
    if not isinstance(query, exp.Select) or query.args.get("group") or query.args.get("limit"):
        return isinstance(query, exp.Query) and _limit(query) == "1"
    return bool(query.selects) and all(
        projection.find(exp.AggFunc) and not projection.find(exp.Window) for projection in query.selects
    )


def _is_grouped_by(query: exp.Expr | None, names: set[str]) -> bool:
    """Whether a subquery has one row per value of `names`, because it groups by them."""
    group = query.args.get("group") if isinstance(query, exp.Select) else None
    if not isinstance(query, exp.Select) or group is None:
        return False
    outputs = {projection.unalias(): projection.alias_or_name.lower() for projection in query.selects}
    grouped = [outputs.get(part) for part in group.expressions]
    return bool(grouped) and all(name in names for name in grouped)


def _limit(query: exp.Query) -> str:
    limit = query.args.get("limit")
    return limit.expression.name if isinstance(limit, exp.Limit) and limit.expression else ""
