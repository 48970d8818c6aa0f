"""From gold SQL to the sketch the embedded model should write (the inverse of `models.embedded.sql_writer`).

One meaning has one sketch as far as that can be told without running it: FROM lists only tables that no
column names and no join passes through, and a count of a column without NULLs is a count of rows.
What a sketch cannot say (self-joins, correlated queries, window functions, CASE, outer joins) raises
`Unsketchable`; the caller checks by execution that the sketch, written back as SQL, gives the gold's rows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from ...models.embedded.items import AGGREGATES, Item, Token
from ...models.embedded.sql_writer import JoinKey, UnconnectedTables, connect

OPERATORS = {exp.EQ: "=", exp.NEQ: "!=", exp.LT: "<", exp.GT: ">", exp.LTE: "<=", exp.GTE: ">="}
ARITHMETIC = {exp.Add: "+", exp.Sub: "-", exp.Mul: "times", exp.Div: "/"}
FUNCTIONS = {exp.Count: "count", exp.Sum: "sum", exp.Avg: "avg", exp.Min: "min", exp.Max: "max"}
BEST = {exp.ArgMin: exp.Min, exp.ArgMax: exp.Max}


class Unsketchable(ValueError):
    """The SQL says something that sketches have no words for."""


class Sketcher:
    """Sketches the queries of one database.

    schema: columns by table, in the database's spelling. joins: the keys a writer will know, in its order.
    filled: (table, column) pairs without any NULL.
    """

    def __init__(
        self,
        schema: Mapping[str, Sequence[str]],
        joins: Sequence[JoinKey],
        dialect: str = "sqlite",
        filled: Collection[tuple[str, str]] = (),
    ) -> None:
        self.tables = {table.lower(): table for table in schema}
        self.columns = {t.lower(): {c.lower(): c for c in columns} for t, columns in schema.items()}
        self.joins = list(joins)
        self.dialect = dialect
        self.filled = filled

    def sketch(self, sql: str) -> list[Token]:
        """`select … end`. Raises `Unsketchable`, also for SQL that does not parse."""
        try:
            tree = sqlglot.parse_one(sql, dialect=self.dialect)
        except SqlglotError as error:
            raise Unsketchable(str(error)) from None
        return [*self._query(tree), "end"]

    def _query(self, tree: exp.Expr) -> list[Token]:
        if isinstance(tree, exp.Subquery):
            tree = tree.unnest()
        if isinstance(tree, exp.SetOperation):
            if tree.args.get("distinct") is False or tree.args.get("order") or tree.args.get("limit"):
                raise Unsketchable("UNION ALL, or an ordered set operation")
            word = {exp.Union: "union", exp.Intersect: "intersect", exp.Except: "except"}[type(tree)]
            return [*self._query(tree.left), word, *self._query(tree.right)]
        if not isinstance(tree, exp.Select):
            raise Unsketchable(type(tree).__name__)
        return _SelectSketch(self, tree).tokens()

    def column(self, name: str, tables: Sequence[str]) -> Item:
        """The column of that name in the one of `tables` that has it."""
        for table in tables:
            found = self.columns[table.lower()].get(name.lower())
            if found:
                return Item("column", text=found, table=table, column=found)
        raise Unsketchable(f"no column {name}")


class _SelectSketch:
    """One SELECT: its scope of tables and aliases, and its tokens."""

    def __init__(self, sketcher: Sketcher, tree: exp.Select) -> None:
        self.sketcher, self.tree = sketcher, tree
        if (
            tree.args.get("with_")
            or tree.args.get("windows")
            or tree.args.get("qualify")
            or tree.args.get("offset")
        ):
            raise Unsketchable("WITH, windows or OFFSET")
        self.aliases: dict[str, str] = {}
        self.tables: list[str] = []
        self.source: exp.Expr | None = None
        self.edges: list[tuple[Item, Item]] = []
        from_ = tree.args.get("from_")
        if from_ is None:
            raise Unsketchable("no FROM")
        self._add(from_.this)
        self.join_filters: list[exp.Expr] = []
        for join in tree.args.get("joins") or []:
            self._join(join)

    def _add(self, source: exp.Expr) -> None:
        if isinstance(source, exp.Subquery):
            if self.tables:
                raise Unsketchable("a join with a nested query")
            self.source = source
            return
        if not isinstance(source, exp.Table) or self.source is not None:
            raise Unsketchable("an unusual FROM")
        name = self.sketcher.tables.get(source.name.lower())
        if name is None:
            raise Unsketchable(f"no table {source.name}")
        if name in self.tables:
            raise Unsketchable("a self-join")
        self.tables.append(name)
        self.aliases[source.alias_or_name.lower()] = name

    def _join(self, join: exp.Join) -> None:
        if join.side or join.args.get("using") or join.method:
            raise Unsketchable("an outer, natural or USING join")
        self._add(join.this)
        condition = join.args.get("on")
        if condition is None or isinstance(condition, exp.Boolean):
            return  # `FROM a JOIN b JOIN c ON …`: the conditions stand with the last join
        for part in condition.flatten() if isinstance(condition, exp.And) else [condition]:
            if (
                isinstance(part, exp.EQ)
                and isinstance(part.left, exp.Column)
                and isinstance(part.right, exp.Column)
            ):
                self.edges.append((self._column(part.left), self._column(part.right)))
            else:
                self.join_filters.append(part)

    def _column(self, column: exp.Column) -> Item:
        if column.table:
            table = self.aliases.get(column.table.lower())
            if table is None:
                raise Unsketchable("a correlated query or unknown alias")
            return self.sketcher.column(column.name, [table])
        if self.source is not None:
            # Columns of a nested FROM are those of the query inside.
            inner = [t.name for t in self.source.find_all(exp.Table)]
            return self.sketcher.column(column.name, [self.sketcher.tables[t.lower()] for t in inner])
        return self.sketcher.column(column.name, self.tables)

    def tokens(self) -> list[Token]:
        tree = self.tree
        select: list[Token] = ["select"]
        if tree.args.get("distinct") is not None:
            select.append("distinct")
        for index, expression in enumerate(tree.expressions):
            select += ([","] if index else []) + self._outermost(expression.unalias())
        clauses = self._clauses()
        return [*select, *self._from([*select, *clauses]), *clauses]

    def _clauses(self) -> list[Token]:
        """All that follows FROM."""
        tree = self.tree
        out: list[Token] = []
        where = [
            w for w in [tree.args["where"].this if tree.args.get("where") else None, *self.join_filters] if w
        ]
        if where:
            condition = where[0] if len(where) == 1 else exp.and_(*where)
            out += ["where", *self._conditions(condition)]
        group = tree.args.get("group")
        if group:
            for index, expression in enumerate(group.expressions):
                if not isinstance(expression, exp.Column) and not _date_part(expression):
                    raise Unsketchable("GROUP BY an expression")
                out += ["," if index else "group", *self._expression(expression)]
        if tree.args.get("having"):
            if not group:
                raise Unsketchable("HAVING without GROUP BY")
            out += ["having", *self._conditions(tree.args["having"].this)]
        if tree.args.get("order"):
            for index, ordered in enumerate(tree.args["order"].expressions):
                out += ["," if index else "order", *self._outermost(ordered.this)]
                if ordered.args.get("desc"):
                    out.append("desc")
        if tree.args.get("limit"):
            out += ["limit", self._literal(tree.args["limit"].expression, None)]
        return out

    def _from(self, others: Sequence[Token]) -> list[Token]:
        """FROM, where it says more than `others`, the rest of this SELECT."""
        if self.source is not None:
            return ["from", "(", *self.sketcher._query(self.source.unnest()), ")"]
        written_out = self._default_edges(self.tables) != {frozenset(edge) for edge in self.edges}
        out: list[Token] = []
        tables = self.tables if written_out else self._unnamed(_own_tables(others))
        for index, table in enumerate(tables):
            out += ["," if index else "from", Item("table", text=table, table=table)]
        if written_out:
            if len(self.tables) > 1 and not self.edges:
                raise Unsketchable("a cross join")
            for left, right in self.edges:
                out += ["on", left, right]
        return out

    def _unnamed(self, named: Sequence[str]) -> list[str]:
        """The tables without which the joins would come out different."""
        listed = list(self.tables)
        meant = self._default_edges(listed)
        for table in self.tables:
            fewer = [other for other in listed if other != table]
            whole = [*fewer, *named]
            if whole and self._default_edges(whole) == meant and (meant or set(whole) == {table}):
                listed = fewer
        return listed

    def _default_edges(self, tables: Sequence[str]) -> set[frozenset[Item]]:
        """The conditions by which a writer joins these tables by itself."""
        try:
            order = connect(list(dict.fromkeys(tables)), self.sketcher.joins)
        except UnconnectedTables:
            return set()
        return {
            frozenset({self.sketcher.column(a, [key.table]), self.sketcher.column(b, [key.ref_table])})
            for _, keys in order
            for key in keys
            for a, b in zip(key.columns, key.ref_columns, strict=True)
        }

    def _conditions(self, tree: exp.Expr) -> list[Token]:
        if isinstance(tree, exp.And | exp.Or):
            word = "and" if isinstance(tree, exp.And) else "or"
            if isinstance(tree, exp.And) and any(
                isinstance(part, exp.Or) for part in (tree.left, tree.right)
            ):
                raise Unsketchable("OR inside AND without brackets")
            return [*self._conditions(tree.left), word, *self._conditions(tree.right)]
        if isinstance(tree, exp.Paren):
            inner = tree.this
            if isinstance(inner, exp.And | exp.Or) and isinstance(tree.parent, exp.And | exp.Or | exp.Not):
                raise Unsketchable("bracketed conditions")
            return self._conditions(inner)
        return self._predicate(tree)

    def _predicate(self, tree: exp.Expr) -> list[Token]:
        negated = isinstance(tree, exp.Not)
        if negated:
            tree = tree.this.unnest()
        compared = tree.this
        if isinstance(tree, exp.Like) and isinstance(compared, exp.Cast) and compared.is_type("text"):
            compared = compared.this  # so is a date written, before LIKE
        left = self._expression(compared)
        column = next((t for t in left if isinstance(t, Item)), None)
        if isinstance(tree, exp.Is) and isinstance(tree.expression, exp.Null):
            return [*left, "is_not_null" if negated else "is_null"]
        if isinstance(tree, exp.In):
            word = "not_in" if negated else "in"
            query = tree.args.get("query")
            if query is not None:
                return [*left, word, "(", *self.sketcher._query(query.unnest()), ")"]
            out: list[Token] = [*left, word]
            for index, literal in enumerate(tree.expressions):
                out += ([","] if index else []) + [self._literal(literal, column)]
            return out
        if isinstance(tree, exp.Like):
            negated = negated or bool(tree.args.get("negate"))
            return [*left, *self._like(tree.expression, negated, column)]
        if negated:
            raise Unsketchable("NOT of a comparison")
        if isinstance(tree, exp.Between):
            low, high = (self._literal(tree.args[k], column) for k in ("low", "high"))
            return [*left, "between", low, high]
        operator = OPERATORS.get(type(tree))
        if operator is None:
            raise Unsketchable(type(tree).__name__)
        right = tree.expression
        if isinstance(right, exp.Subquery):
            return [*left, operator, "(", *self.sketcher._query(right.unnest()), ")"]
        return [*left, operator, *self._expression(right, column)]

    def _like(self, pattern: exp.Expr, negated: bool, column: Item | None) -> list[Token]:
        if not (isinstance(pattern, exp.Literal) and pattern.is_string) and not isinstance(
            pattern, exp.Column
        ):
            raise Unsketchable("LIKE a computed pattern")
        text = pattern.name
        core = text.strip("%")
        if not core or "%" in core or "_" in core:
            raise Unsketchable("LIKE a pattern with holes")
        shape = {(True, True): "has", (False, True): "starts", (True, False): "ends", (False, False): "is"}
        word = "like_" + shape[text.startswith("%"), text.endswith("%")]
        return [f"not_{word}" if negated else word, _value(core, column)]

    def _outermost(self, tree: exp.Expr) -> list[Token]:
        """An expression of SELECT or ORDER BY. Where it says which row's value a column outside GROUP BY
        takes, as the writer does for DuckDB, the sketch is the bare column.
        """
        said = tree.this if isinstance(tree, exp.IgnoreNulls) else tree
        taken = said.this
        if type(said) not in (exp.AnyValue, *BEST) or not isinstance(taken, exp.Column):
            return self._expression(tree)
        selected = [expression.unalias() for expression in self.tree.expressions]
        best = next((one for one in selected if isinstance(one, exp.Min | exp.Max)), None)
        if self.tree.args.get("group") or best is None:
            grouped = self.tree.args.get("group") or any(one.find(*FUNCTIONS) for one in selected)
            meant = bool(grouped) and isinstance(said, exp.AnyValue)
        else:
            meant = (
                BEST.get(type(said)) is type(best)
                and not said.args.get("count")
                and self._expression(said.expression) == self._expression(best.this)
            )
        if not meant:
            raise Unsketchable(f"{said.key} of another row than a bare column takes")
        return [self._column(taken)]

    def _expression(self, tree: exp.Expr, compared: Item | None = None) -> list[Token]:
        tree = tree.unnest()
        if isinstance(tree, exp.Binary) and type(tree) in ARITHMETIC:
            return [
                *self._expression(tree.left, compared),
                ARITHMETIC[type(tree)],
                *self._expression(tree.right, compared),
            ]
        if type(tree) in FUNCTIONS:
            return self._aggregate(tree)
        if part := _date_part(tree):
            return [part[0], self._column(part[1])]
        if isinstance(tree, exp.Star):
            return ["*"]
        if isinstance(tree, exp.Column):
            if isinstance(tree.this, exp.Star):
                if len(self.tables) > 1:
                    raise Unsketchable("table.*")
                return ["*"]
            quoted = isinstance(tree.this, exp.Identifier) and tree.this.quoted
            if quoted and not tree.table and compared is not None and not self._known(tree.name):
                return [_value(tree.name, compared)]
            return [self._column(tree)]
        return [self._literal(tree, compared)]

    def _aggregate(self, tree: exp.Expr) -> list[Token]:
        function = FUNCTIONS[type(tree)]
        inner = tree.this
        if isinstance(inner, exp.Distinct):
            function = f"{function}_distinct"
            inner = inner.expressions[0]
        operand = self._expression(inner)
        if len(operand) != 1 or (operand == ["*"] and function != "count"):
            raise Unsketchable("an aggregate of an expression")
        if function not in AGGREGATES or not (operand == ["*"] or isinstance(operand[0], Item)):
            raise Unsketchable(f"{function} of {operand}")
        counted = operand[0]
        if function == "count" and isinstance(counted, Item):
            filled = (counted.table, counted.column) in self.sketcher.filled
            return ["count", "*"] if filled else ["count", counted]
        return [function, *operand]

    def _known(self, name: str) -> bool:
        return any(name.lower() in self.sketcher.columns[table.lower()] for table in self.tables)

    def _literal(self, tree: exp.Expr, column: Item | None) -> Token:
        if isinstance(tree, exp.Neg) and isinstance(tree.this, exp.Literal):
            return _value(f"-{tree.this.name}", column, number=True)
        if isinstance(tree, exp.Literal):
            return _value(tree.name, column, number=not tree.is_string)
        if isinstance(tree, exp.Column) and isinstance(tree.this, exp.Identifier) and tree.this.quoted:
            return _value(tree.name, column)
        raise Unsketchable(f"a literal {type(tree).__name__}")


def _own_tables(tokens: Sequence[Token]) -> list[str]:
    """The tables of the columns among a SELECT's tokens, those of nested queries left out.

    None where ORDER BY is the first to name one: the grammar wants FROM before it.
    """
    depth, tables = 0, []
    for token in tokens:
        depth += (token == "(") - (token == ")")
        if depth == 0 and token == "order" and not tables:
            return []
        if depth == 0 and isinstance(token, Item) and token.kind == "column":
            tables.append(token.table)
    return list(dict.fromkeys(tables))


def _date_part(tree: exp.Expr) -> tuple[str, exp.Column] | None:
    """ "year" or "month" (as "2024-05") and the column, where the tree takes that part of its dates."""
    if isinstance(tree, exp.Cast):
        tree = tree.this
    part = ""
    if isinstance(tree, exp.Year) or (isinstance(tree, exp.Extract) and tree.name.lower() == "year"):
        part = "year"
    elif isinstance(tree, exp.TimeToStr):
        part = {"%Y": "year", "%Y-%m": "month"}.get(tree.args["format"].name, "")
    if not part:
        return None
    inner = tree.expression if isinstance(tree, exp.Extract) else tree.this
    while isinstance(inner, exp.Cast | exp.TsOrDsToTimestamp | exp.TsOrDsToDate):
        inner = inner.this
    return (part, inner) if isinstance(inner, exp.Column) else None


def _value(text: str, column: Item | None, number: bool = False) -> Item:
    value: str | int | float = text
    if number:
        value = float(text) if "." in text else int(text)
    table, name = (column.table, column.column) if column else ("", "")
    return Item("value", text=text, table=table, column=name, value=value)
