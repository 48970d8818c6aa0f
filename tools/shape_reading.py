"""From SQL to the shapes of its SELECTs (query_shape.py), as they run after the guard.

Names are resolved against the catalog by sqlglot's `qualify` (aliases, USING, NATURAL, stars, SQLite's
strings in double quotes). The subquery that the guard puts in the place of a restricted table is read as that
table: it is none of the statement's, and its conditions are the owner's secret. Covered: base tables, views,
CTEs, subqueries as sources; explicit and comma joins. Not covered: table functions, lateral joins and PIVOT
as sources; such statements raise `UnreadableQuery`, and the checks above say that they were skipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, traverse_scope
from sqlglot.schema import MappingSchema

from .errors import QueryRefused, SqlbergError
from .query_shape import OF_THE_GUARD, Edge, QueryShape, Side, Source
from .schema import Catalog, Table

if TYPE_CHECKING:
    from .database import Database
    from .policy import AccessPolicy

_MORE_THAN_ANY_TABLE = 10**15
_ANY_TYPE = exp.DType.UNKNOWN.into_expr()
"""Only names are resolved here; reading the declared types would cost more than the rest."""


class UnreadableQuery(SqlbergError):
    """The statement's sources or columns could not be told apart; nothing is said about it."""


def query_shapes(sql: str, database: Database) -> list[QueryShape]:
    """The shape of every SELECT in a statement, inner ones first, as it runs after the guard.

    Statements made from the parts of a shape read what the policy permits, nothing else.
    sql: as it was written, not yet rewritten by the guard. Raises UnreadableQuery (also for what it refuses).
    """
    catalog = database.catalog
    try:
        guarded = database.check(sql).sql
    except QueryRefused as error:
        raise UnreadableQuery("the guard refuses the statement") from error
    try:
        # sqlglot's own dialect, not the guard's: here SUM must be known for an aggregate.
        tree = sqlglot.parse_one(guarded, dialect=catalog.dialect)
        nodes = list(tree.walk())
        for node in nodes:
            node.meta.clear()  # places in the text, which every copy of a part would copy
        if aside := _set_aside(nodes, catalog, database.policy):
            nodes = list(tree.walk())
        # Both dialects compare names without case, so lower case is what sqlglot would look for.
        schema: dict[str, Any] = {
            table.name.lower(): {column.name.lower(): _ANY_TYPE for column in table.columns}
            for table in _tables_in(nodes, catalog)
        }
        if catalog.dialect == "sqlite":
            _strings_in_double_quotes(nodes, schema)
        tree = qualify(
            tree,
            schema=MappingSchema(schema, dialect=catalog.dialect, normalize=False),
            dialect=catalog.dialect,
            quote_identifiers=False,
            validate_qualify_columns=False,
            allow_partial_qualification=True,
        )
        scopes = traverse_scope(tree)
        _put_back(tree, aside)
        return [
            _shape(scope, scope.expression, catalog)
            for scope in scopes
            if isinstance(scope.expression, exp.Select) and not _is_of_the_guard(scope.expression)
        ]
    except (SqlglotError, RecursionError, KeyError, ValueError) as error:
        # sqlglot raises all of these on statements that it can parse but not resolve.
        raise UnreadableQuery("the statement is too unusual to be taken apart") from error


def conjuncts(condition: exp.Expr | None) -> Iterator[exp.Expr]:
    """The parts of a condition that must all hold."""
    if condition is None:
        return
    part = condition.unnest()
    if isinstance(part, exp.And):
        yield from conjuncts(part.left)
        yield from conjuncts(part.right)
    else:
        yield part


def _set_aside(nodes: Sequence[exp.Expr], catalog: Catalog, policy: AccessPolicy) -> list[exp.Expr]:
    """Mark the guard's subqueries (under a policy, only they read a restricted table) and take off their
    conditions, in which nothing is the statement's or need be known to the catalog."""
    found: list[exp.Expr] = []
    for node in nodes:  # from the outside in: tables of a condition come after the table it is for
        table = catalog.table(node.name) if isinstance(node, exp.Table) else None
        subquery = node.find_ancestor(exp.Subquery) if table and policy.restricts(table.name) else None
        if subquery is not None and not _is_of_the_guard(subquery):
            subquery.meta[OF_THE_GUARD] = True
            found.append(subquery)
    for subquery in found:
        if where := subquery.this.args.get("where"):
            subquery.meta[OF_THE_GUARD] = where.pop()
    return found


def _put_back(tree: exp.Expr, aside: Sequence[exp.Expr]) -> None:
    found = [node for node in tree.find_all(exp.Subquery) if OF_THE_GUARD in node.meta]
    if len(found) != len(aside):  # what is made of the shapes must not read other rows than the statement
        raise UnreadableQuery("the statement is too unusual to be taken apart")
    for subquery in found:
        if isinstance(where := subquery.meta[OF_THE_GUARD], exp.Where):
            subquery.this.set("where", where)
            subquery.meta[OF_THE_GUARD] = True


def _is_of_the_guard(node: exp.Expr | None) -> bool:
    while node is not None and OF_THE_GUARD not in node.meta:
        node = node.parent
    return node is not None


def _shape(scope: Scope, select: exp.Select, catalog: Catalog) -> QueryShape:
    sources = {}
    for alias, (node, origin) in scope.selected_sources.items():
        query = origin.expression if isinstance(origin, Scope) else None
        table = catalog.table(origin.name) if isinstance(origin, exp.Table) else _restricted(query, catalog)
        if isinstance(node, exp.Query) and not isinstance(node, exp.Table):
            node = exp.Subquery(this=node.copy(), alias=exp.TableAlias(this=exp.to_identifier(alias)))
        if not isinstance(node, (exp.Table, exp.Subquery)):
            raise UnreadableQuery(f"the source {alias} is neither a table nor a subquery")
        sources[alias] = Source(alias, node, table, query)
    where = select.args.get("where")
    conditions = list(conjuncts(where.this if where else None))
    edges = [edge for condition in conditions for edge in _equal_columns(condition, sources)]
    for join in select.args.get("joins") or []:
        parts = list(conjuncts(join.args.get("on")))
        side = _side(join)
        for part in parts:
            for edge in _equal_columns(part, sources):
                joined = join.this.alias_or_name
                if edge.right != joined:
                    edge = Edge(edge.right, edge.left, tuple((one, other) for other, one in edge.pairs))
                edges.append(Edge(edge.left, edge.right, edge.pairs, side))
        if side == "inner":
            conditions.extend(parts)
    return QueryShape(
        select=select,
        sources=sources,
        edges=_merged(edges),
        conditions=tuple(conditions),
        correlated=bool(scope.external_columns),
        ctes=tuple(_visible_ctes(select)),
        dialect=catalog.dialect,
    )


def _restricted(query: exp.Expr | None, catalog: Catalog) -> Table | None:
    """The table behind `(SELECT columns FROM table [WHERE ...])`, as the guard writes a restricted table."""
    if not isinstance(query, exp.Select):
        return None
    present = {name for name, value in query.args.items() if value}
    if not present <= {"expressions", "from_", "where", "limit"} or _is_limited(query):
        return None
    origin = query.args["from_"].this if query.args.get("from_") else None
    kept = all(
        isinstance(projection.unalias(), exp.Column) and projection.unalias().name == projection.alias_or_name
        for projection in query.selects
    )
    return catalog.table(origin.name) if isinstance(origin, exp.Table) and kept else None


def _is_limited(query: exp.Select) -> bool:
    """Whether LIMIT cuts rows. The guard's own, which keeps a row filter in front, exceeds any table."""
    limit = query.args.get("limit")
    amount = limit.expression.name if isinstance(limit, exp.Limit) and limit.expression else ""
    return limit is not None and not (amount.isdigit() and int(amount) >= _MORE_THAN_ANY_TABLE)


def _equal_columns(condition: exp.Expr, sources: Mapping[str, Source]) -> list[Edge]:
    """The edge that `a.x = b.y` makes between two sources; [] for any other condition."""
    if not isinstance(condition, exp.EQ):
        return []
    one, other = condition.left.unnest(), condition.right.unnest()
    if not (isinstance(one, exp.Column) and isinstance(other, exp.Column)):
        return []
    if one.table == other.table or one.table not in sources or other.table not in sources:
        return []
    return [Edge(one.table, other.table, ((one.name, other.name),))]


def _merged(edges: list[Edge]) -> tuple[Edge, ...]:
    """Edges between the same two sources as one, with all its pairs of columns."""
    merged: dict[tuple[str, str, Side], Edge] = {}
    for edge in edges:
        key = (edge.left, edge.right, edge.side)
        if (edge.right, edge.left, edge.side) in merged:
            key = (edge.right, edge.left, edge.side)
            edge = Edge(*key[:2], tuple((one, other) for other, one in edge.pairs), edge.side)
        known = merged.get(key)
        pairs = dict.fromkeys((known.pairs if known else ()) + edge.pairs)
        merged[key] = Edge(edge.left, edge.right, tuple(pairs), edge.side)
    return tuple(merged.values())


def _side(join: exp.Join) -> Side:
    side = (join.side or "").lower()
    return side if side in ("left", "right", "full") else "inner"


def _tables_in(nodes: Sequence[exp.Expr], catalog: Catalog) -> list[Table]:
    """The catalog's tables that occur in the statement; their schema prefix is dropped on the way."""
    found = {}
    for node in nodes:
        table = catalog.table(node.name) if isinstance(node, exp.Table) else None
        if table is not None:
            found[table.name] = table
            node.set("db", None)
            node.set("catalog", None)
    return list(found.values())


def _strings_in_double_quotes(nodes: Sequence[exp.Expr], schema: Mapping[str, Mapping[str, object]]) -> None:
    """SQLite reads "Bob" as a string where no column is called so; write it as one."""
    quoted = [
        node
        for node in nodes
        if isinstance(node, exp.Column)
        and not node.table
        and isinstance(node.this, exp.Identifier)
        and node.this.quoted
    ]
    if not quoted:
        return
    names = {name for columns in schema.values() for name in columns}
    names |= {node.alias.lower() for node in nodes if isinstance(node, exp.Alias)}
    names |= {
        column.name.lower() for node in nodes if isinstance(node, exp.TableAlias) for column in node.columns
    }
    for column in quoted:
        if column.name.lower() not in names:
            column.replace(exp.Literal.string(column.name))


def _visible_ctes(select: exp.Select) -> list[exp.CTE]:
    """CTEs that a query in this place can use, in the order of their definition."""
    found: list[exp.CTE] = []
    node: exp.Expr | None = select
    inside: exp.CTE | None = None
    while node is not None:
        if isinstance(node, exp.CTE):
            inside = node
        with_ = node.args.get("with_")
        if with_ is not None:
            ctes = list(with_.expressions)
            # A CTE sees those before it.
            visible = ctes[: ctes.index(inside)] if inside is not None and inside in ctes else ctes
            found = visible + found
            inside = None
        node = node.parent
    return found
