"""Resolve the names of a query: which table or common table expression each reference means, and its columns.

A light walk of sqlglot's tree, scope by scope, that follows SQL's rules where they decide what is read, and
is generous where they do not: aliases are visible in the whole SELECT, subqueries in FROM see their
neighbours, and a source whose columns are not known (a table function, PIVOT, UNNEST) lets any name pass,
for the engine to judge.

That is safe because columns are not what protects: a table with hidden columns or rows is replaced by a
subquery that does not have them (rewrite.py). Tables are exact: every reference is either a table of the
catalog, or a common table expression, and the latter are renamed wherever the engine could take their name
for a table, so that a difference between its scoping rules and ours ends in an error and never in a table.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from .cells import excerpt
from .errors import NotPermitted, QueryRefused
from .names import near_tables
from .policy import AccessPolicy
from .schema import Catalog, Table
from .scopes import LONGEST, CommonTable, Scope, inside, is_naming, near_columns, output_columns, united

_ABSENT = "does not exist here or is not permitted"
_SYSTEM = ("sqlite_", "duckdb_", "pragma_", "pg_", "information_schema")
_HIDDEN_COLUMNS = {"duckdb": ("rowid",), "sqlite": ("rowid", "_rowid_", "oid", "rank")}
"""Columns that tables have beside the declared ones (`rank`: of full-text search tables)."""

_SESSION = frozenset(
    ("user", "current_user", "session_user", "current_role", "current_catalog", "current_schema")
)
"""What DuckDB takes for a function without brackets where no column has the name."""

_SIGN = re.compile(r"[^\w\s]")

_TABLE_ARGS = frozenset(
    {"this", "db", "catalog", "alias", "joins", "pivots", "sample", "laterals", "ordinality"}
)
_QUERY_NODES = (exp.Select, exp.SetOperation, exp.Subquery, exp.Values, exp.Pivot)


@dataclass(frozen=True)
class TableUse:
    """One reference to a table of the catalog: the node, to be replaced or renamed."""

    node: exp.Table
    table: Table


class Resolver:
    """Resolves one query, renaming common tables in place; `uses` then holds its references to tables."""

    def __init__(self, catalog: Catalog, policy: AccessPolicy, sql: str) -> None:
        self.uses: list[TableUse] = []
        self._catalog = catalog
        self._policy = policy
        self._sql = sql
        self._seen: set[int] = set()
        self._renamed = 0
        self._columns: dict[str, frozenset[str]] = {}

    def resolve(self, tree: exp.Expr) -> None:
        """Raises NotPermitted for a name that is not visible, QueryRefused for a source that is no table."""
        self._query(tree, Scope())
        for table in tree.find_all(exp.Table):
            if id(table) not in self._seen:
                raise QueryRefused("a table stands where none is expected; write it in FROM")

    # Queries: each returns the columns it puts out (None: not known) and the scope its ORDER BY sees.

    def _query(self, node: exp.Expr, outer: Scope) -> tuple[Collection[str] | None, Scope]:
        scope = Scope(parent=outer, ctes=outer.ctes)
        if with_ := node.args.get("with_"):
            scope.ctes = self._with(with_, scope)
        if isinstance(node, exp.Select):
            columns = self._select(node, scope)
        elif isinstance(node, exp.SetOperation):
            left, left_scope = self._query(node.this, scope)
            right, right_scope = self._query(node.expression, scope)
            for inner in (left_scope, right_scope):
                scope.names |= inner.names
                for alias, names in inner.relations.items():
                    scope.add(alias, names)
            columns = None if left is None or right is None else {*left, *right}
            self._rest(node, scope, columns, {"this", "expression", "with_"})
        elif isinstance(node, exp.Subquery):
            if isinstance(node.this, exp.Table):  # a join in parentheses
                self._source(node.this, scope)
                columns = united(scope.relations.values())
            else:
                columns, inner = self._query(node.this, scope)
                scope.names |= inner.names
                scope.relations.update(inner.relations)
            self._rest(node, scope, columns, {"this", "with_", "alias", "joins", "laterals", "pivots"})
        elif isinstance(node, exp.Values):
            columns = None
            self._rest(node, scope, columns, {"alias", "pivots", "joins", "laterals"})
        elif isinstance(node, exp.Pivot):
            self._source(node.this, scope)
            columns = None
            self._rest(node, scope, columns, {"this", "with_"})
        else:
            raise QueryRefused("only a SELECT statement runs here; write SELECT ... FROM ...")
        return columns, scope

    def _rest(
        self, node: exp.Expr, scope: Scope, columns: Collection[str] | None, done: Collection[str]
    ) -> None:
        """Resolve what is left of a query (ORDER BY, LIMIT, ...), where its output columns are names, too."""
        scope.add("", columns)
        for key, value in node.args.items():
            if key not in done:
                self._walk(value, scope)

    def _select(self, node: exp.Select, scope: Scope) -> Collection[str] | None:
        from_ = node.args.get("from_")
        if from_:
            self._source(from_.this, scope)
        joins = node.args.get("joins") or []
        for source in (*joins, *(node.args.get("laterals") or ())):
            self._source(source, scope)
        self._conditions(joins, scope)
        for projection in node.expressions:
            if isinstance(projection, exp.Alias):
                scope.names.add(projection.alias.lower())
        for key, value in node.args.items():
            if key not in ("with_", "from_", "joins", "laterals"):
                self._walk(value, scope)
        return output_columns(node, scope)

    def _with(self, with_: exp.With, scope: Scope) -> dict[str, CommonTable]:
        """The common table expressions that the query below `with_` sees, by lower-case name."""
        visible = dict(scope.ctes)
        made = [(cte, CommonTable(self._name_to_run(cte.alias))) for cte in with_.expressions]
        if self._catalog.dialect == "sqlite":  # they all see each other; DuckDB's see the earlier ones
            visible.update((cte.alias.lower(), common) for cte, common in made)
        for cte, common in made:
            own = cte.alias.lower()
            inner = dict(visible)
            if with_.args.get("recursive"):
                inner[own] = common
            declared = {column.name.lower() for column in cte.args["alias"].columns}
            common.columns = declared or None
            columns, _ = self._query(cte.this, Scope(parent=scope, ctes=inner))
            common.columns = declared or columns
            visible[own] = common
            if common.emitted != cte.alias:
                cte.args["alias"].set("this", exp.to_identifier(common.emitted, quoted=True))
        return visible

    def _name_to_run(self, name: str) -> str:
        """The name under which a common table expression runs: its own, unless a table might have it."""
        restricted = self._policy != AccessPolicy()
        if not (restricted or name.lower() in self._catalog.by_name or name.lower().startswith(_SYSTEM)):
            return name
        self._renamed += 1
        return f"{name}__with{self._renamed}"

    # Sources: what stands in FROM.

    def _source(self, node: exp.Expr, scope: Scope) -> None:
        if isinstance(node, exp.Join):
            self._source(node.this, scope)
            return
        columns: Collection[str] | None = None
        if isinstance(node, exp.Table):
            columns = self._table(node, scope)
        elif isinstance(node, (exp.Subquery, exp.Values)):
            columns, inner = self._query(node, scope)
            if isinstance(node.this, exp.Table) and not node.alias:
                scope.relations.update(inner.relations)
        elif isinstance(node, exp.Lateral) and isinstance(
            node.this, (exp.Subquery, exp.Unnest, exp.Anonymous)
        ):
            columns = self._query(node.this, scope)[0] if isinstance(node.this, exp.Subquery) else None
            if not isinstance(node.this, exp.Subquery):
                self._walk(list(node.this.args.values()), scope)
        elif isinstance(node, exp.Unnest):
            self._walk([value for key, value in node.args.items() if key != "alias"], scope)
        else:
            raise QueryRefused(
                "FROM takes tables of this database and subqueries; write SELECT ... FROM table"
            )
        for pivot in node.args.get("pivots") or ():
            columns = None
            self._walk(list(pivot.args.values()), Scope(parent=scope, relations={"": None}))
        alias = node.args.get("alias")
        if alias and alias.columns and columns is not None:
            declared = [column.name.lower() for column in alias.columns]
            columns = {*declared, *columns} if len(declared) < len(columns) else declared
        name = node.alias_or_name.lower() if isinstance(node, exp.Table) else node.alias.lower()
        scope.add(name, columns)
        joins = node.args.get("joins") or []
        for source in (*joins, *(node.args.get("laterals") or ())):
            self._source(source, scope)
        self._conditions(joins, scope)
        self._walk(node.args.get("sample"), scope)

    def _conditions(self, joins: list[exp.Join], scope: Scope) -> None:
        """What joins are made on; in SQLite it may speak of sources that come later."""
        for join in joins:
            for column in join.args.get("using") or ():
                if not scope.has_column(column.name.lower()):
                    self._unknown_column(column, column.name, scope)
            self._walk([value for key, value in join.args.items() if key not in ("this", "using")], scope)

    def _table(self, node: exp.Table, scope: Scope) -> Collection[str] | None:
        self._seen.add(id(node))
        extra = [key for key, value in node.args.items() if value and key not in _TABLE_ARGS]
        if extra:
            raise QueryRefused(f"{extra[0]} of a table is not allowed here; write the table's name alone")
        if isinstance(node.this, exp.Anonymous) and not node.args.get("db"):
            self._walk(node.this.expressions, scope)
            return None
        if not isinstance(node.this, exp.Identifier) or node.args.get("catalog"):
            raise NotPermitted(
                f"{_shown(node.sql(comments=False))} {_ABSENT}; write the table's name alone"
                f"{near_tables(self._catalog, node.name[:LONGEST])}"
            )
        schema, name = node.db.lower(), node.name
        common = scope.ctes.get(name.lower()) if not schema else None
        if common is not None:
            if common.emitted != name:
                if not node.alias:
                    node.set("alias", exp.TableAlias(this=node.this))
                node.set("this", exp.to_identifier(common.emitted, quoted=True))
            return common.columns
        table = self._catalog.table(name) if schema in ("", self._catalog.schema.lower()) else None
        if table is None or not self._policy.sees_table(table.name):
            shown = _shown(f"{node.db}.{name}" if schema else name)
            raise NotPermitted(f"table {shown} {_ABSENT}{near_tables(self._catalog, name[:LONGEST])}")
        self.uses.append(TableUse(node, table))
        if table.name not in self._columns:
            self._columns[table.name] = self._visible_columns(table)
        return self._columns[table.name]

    def _visible_columns(self, table: Table) -> frozenset[str]:
        if self._policy.restricts(table.name):
            seen = (c.name for c in table.columns if self._policy.sees_column(table.name, c.name))
            return frozenset(name.lower() for name in seen)
        return frozenset((*table.by_name, *_HIDDEN_COLUMNS[self._catalog.dialect]))

    # Expressions.

    def _walk(self, value: Any, scope: Scope) -> None:
        """Resolve the columns of an expression (or a list of them), and the queries inside it."""
        stack: list[tuple[Any, Scope]] = [(value, scope)]
        while stack:
            node, here = stack.pop()
            if isinstance(node, list):
                stack.extend((item, here) for item in node)
            elif isinstance(node, exp.Column):
                self._column(node, here)
                if isinstance(node.this, exp.Star):
                    stack.append((node.this, here))
            elif isinstance(node, exp.Identifier):
                if not here.has(node.name.lower()):
                    self._unknown_column(node, node.name, here)
            elif isinstance(node, _QUERY_NODES):
                self._query(node, here)
            elif isinstance(node, exp.Expr):
                if isinstance(node, exp.In) and node.args.get("field") and self._catalog.dialect == "sqlite":
                    raise QueryRefused("write IN (SELECT ... FROM table) instead of IN table")
                if isinstance(node, exp.In) and node.args.get("field") and isinstance(node.parent, exp.Pivot):
                    raise QueryRefused("write the values of the PIVOT: IN ('a', 'b')")
                here = inside(node, here)
                bound = ("expressions",) if isinstance(node, exp.Lambda) else ()
                bound = ("expression", "position") if isinstance(node, exp.Comprehension) else bound
                for key, child in node.args.items():
                    if key not in bound and not is_naming(node, key, child):
                        stack.append((child, here))

    def _column(self, node: exp.Column, scope: Scope) -> None:
        parts = [part.name.lower() for part in node.parts]
        if isinstance(node.this, exp.Star):
            parts.pop()
            if not parts:
                return
        if len(parts) > 2 and parts[0] == self._catalog.schema.lower() and not scope.has(parts[0]):
            node.set("db" if len(parts) == 3 else "catalog", None)
            parts.pop(0)
        if self._catalog.dialect == "duckdb" and parts[0] in _SESSION and not scope.knows(parts[0]):
            self._unknown_column(node.parts[0], parts[0], scope)
        name = node.name.lower()
        if (
            self._catalog.dialect == "sqlite"
            and _SIGN.search(name)
            and self._in_double_quotes(node.this)
            and scope.has_column(name)
            and not scope.knows(name)
        ):
            # SQLite calls it by its text, which is written anew: what is quoted here would be a string.
            raise QueryRefused(
                f"{_shown(node.name)} is the name of no column; name what is computed with AS, or write text "
                "in single quotes"
            )
        if len(parts) == 1 or not scope.has_relation(parts[0]):
            if not scope.has(parts[0]):  # a column, or a column whose fields follow
                self._unknown_column(node.parts[0], parts[0], scope)
            return
        found = [s.relations[parts[0]] for s in scope.chain() if parts[0] in s.relations]
        if not any(columns is None or parts[1] in columns for columns in found) and not scope.has_column(
            parts[0]
        ):
            self._unknown_column(node.this, parts[1], scope, table=parts[0])

    def _unknown_column(self, part: exp.Expr, name: str, scope: Scope, table: str | None = None) -> None:
        hint = ""
        if table is None and self._catalog.dialect == "sqlite" and self._in_double_quotes(part):
            if not self._policy.hide_columns:
                return  # SQLite takes it for a string, and so it stays: "Ann" means 'Ann'
            # A hidden column would become a string as well, and its comparison a wrong answer.
            hint = "; write text in single quotes"
        skip = _HIDDEN_COLUMNS[self._catalog.dialect]
        hint += near_columns(scope, name, table, skip)
        shown = _shown(part.name if table is None else f"{table}.{part.name}")
        raise NotPermitted(f"column {shown} {_ABSENT}{hint}")

    def _in_double_quotes(self, part: exp.Expr) -> bool:
        start = part.meta.get("start") if isinstance(part, exp.Identifier) else None
        return start is not None and self._sql[start : start + 1] == '"'


def _shown(text: str) -> str:
    return excerpt(text, 60)
