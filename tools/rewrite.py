"""Replace restricted tables in a query by subqueries that hold only what the policy lets the caller see.

    FROM staff AS s     becomes     FROM (SELECT id, name FROM staff WHERE (region = 'EU') LIMIT ...) AS s

Whatever reaches for the table then (`*`, `NATURAL JOIN`, `COLUMNS('.*')`, `to_json(s)`, `rowid`, a pattern
in EXCLUDE) finds neither the hidden columns nor the other rows. The LIMIT (the greatest there is) beside a
row filter keeps the engine from moving the caller's conditions below the filter: a cast that fails there
would show a value of a hidden row in its message, as DuckDB does with filters that become anti joins. Tables
without restrictions stay as they are, in the catalog's own spelling and without their schema.

An engine calls an output column without a name by its SQL, the row filter included: such a column is named by
the SQL as the caller wrote it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError

from .dialects import faithful_dialect
from .errors import SqlbergError
from .policy import AccessPolicy
from .resolver import TableUse
from .schema import Table

_ALL_ROWS = 2**63 - 1
_KEPT = ("joins", "laterals", "pivots", "sample")


def restrict(uses: Iterable[TableUse], policy: AccessPolicy, dialect: str) -> None:
    """Rewrite, in place, every table use of one query. Raises SqlbergError when a row filter cannot be
    read."""
    restricted = []
    for use in uses:
        if policy.restricts(use.table.name):
            restricted.append(use)
        else:
            _spell(use)
    for use in restricted:
        _name_outputs(use, dialect)
    for use in restricted:
        _replace(use, policy, dialect)


def _name_outputs(use: TableUse, dialect: str) -> None:
    """Name every output column of the query that is computed from this table and has no name."""
    node: exp.Expr = use.node
    while (parent := node.parent) is not None:
        if isinstance(parent, exp.Select) and node.arg_key == "expressions" and not _is_named(node):
            written = faithful_dialect(dialect).generate(node, comments=False, normalize_functions=False)
            named = exp.Alias(alias=exp.to_identifier(written, quoted=True))
            node.replace(named)
            named.set("this", node)
        node = parent


def _is_named(projection: exp.Expr) -> bool:
    """Whether an output column has a name, or those of other columns (`* REPLACE ...`, `COLUMNS(...)`)."""
    if isinstance(projection, (exp.Alias, exp.Star, exp.Column)):
        return True
    return any(
        isinstance(node, exp.Anonymous)
        and node.name.lower() == "columns"
        and not (isinstance(node.parent, exp.Anonymous) and node.parent.name.lower() == "unpack")
        for node in projection.walk(prune=lambda node: isinstance(node, exp.Query))
    )


def _spell(use: TableUse) -> None:
    written = use.node.this
    if written.name.lower() != use.table.name.lower() or not use.table.name.isascii():
        written.set("quoted", True)
    written.set("this", use.table.name)
    use.node.set("db", None)


def _replace(use: TableUse, policy: AccessPolicy, dialect: str) -> None:
    node, table = use.node, use.table
    columns = [c.name for c in table.columns if policy.sees_column(table.name, c.name)]
    if not columns:
        raise SqlbergError("no column of the table may be read; ask the database's owner for access")
    visible = exp.Select(
        expressions=[exp.Column(this=exp.to_identifier(name, quoted=True)) for name in columns],
        from_=exp.From(this=exp.Table(this=exp.to_identifier(table.name, quoted=True))),
    )
    condition = policy.row_filter(table.name)
    if condition is not None:
        visible.set("where", exp.Where(this=exp.Paren(this=_condition(condition, table, dialect))))
    # MATCH would search a full-text table's hidden columns, too, if it reached the table itself.
    if condition is not None or node.root().find(exp.Match):
        visible.set("limit", exp.Limit(expression=exp.Literal.number(_ALL_ROWS)))
    alias = node.args.get("alias")
    if alias is None or alias.this is None:
        alias = exp.TableAlias(this=node.this, columns=alias.columns if alias else None)
    subquery = exp.Subquery(this=visible, alias=alias)
    for key in _KEPT:
        if value := node.args.get(key):
            subquery.set(key, value)
    node.replace(subquery)


def _condition(sql: str, table: Table, dialect: str) -> exp.Expr:
    try:
        return parsed_condition(sql, dialect).copy()
    except SqlglotError:
        raise SqlbergError(
            f"the row filter of {table.name} is no {dialect} condition; the database's owner must correct it"
        ) from None


@lru_cache(maxsize=256)
def parsed_condition(sql: str, dialect: str) -> exp.Expr:
    """A row filter's condition. It is the owner's, so all of the dialect's grammar is allowed in it. Raises
    SqlglotError."""
    faithful = faithful_dialect(dialect)
    (condition,) = faithful.parser().parse_into(exp.Condition, faithful.tokenize(sql), sql)
    if condition is None:
        raise ParseError("nothing but comments")
    return condition
