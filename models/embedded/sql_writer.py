"""From a sketch's tree to SQL: joins filled in along the known keys, names quoted, literals typed by their
column.

The writer knows only what the dialogue told: `joins` from the system message and from join-path
observations, and the declared column types from column searches. Tables that a query's columns need but its
FROM does not list are added, and so are the bridge tables between them.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...reserved import RESERVED
from .grammar import Expression, Predicate, Query
from .items import AGGREGATES, DATE_PARTS, Item, Token

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
NUMBER = re.compile(r"-?\d+(\.\d+)?\Z")
YEAR_SQL = {"duckdb": "year({})", "sqlite": "CAST(strftime('%Y', {}) AS INTEGER)"}
MONTH_SQL = {
    "duckdb": "strftime(CAST({} AS DATE), '%Y-%m')",
    "sqlite": "strftime('%Y-%m', {})",
    "mysql": "date_format({}, '%Y-%m')",
}
AGGREGATE_SQL = {"count": "count({})", "sum": "sum({})", "avg": "avg({})", "min": "min({})", "max": "max({})"}


@dataclass(frozen=True)
class JoinKey:
    """`table.columns` refers to `ref_table.ref_columns`."""

    table: str
    columns: tuple[str, ...]
    ref_table: str
    ref_columns: tuple[str, ...]

    @property
    def ends(self) -> list[tuple[tuple[str, str], tuple[str, str]]]:
        """Each column, with its table, and the one that it refers to."""
        pairs = zip(self.columns, self.ref_columns, strict=False)
        return [((self.table, column), (self.ref_table, other)) for column, other in pairs]


class UnconnectedTables(ValueError):
    """No known join leads from one of the query's tables to the others."""

    def __init__(self, reached: str, missing: str) -> None:
        super().__init__(f"no known join leads from {reached} to {missing}")
        self.reached, self.missing = reached, missing


def quote(name: str) -> str:
    """An identifier, in double quotes where it needs them."""
    if PLAIN.match(name) and name.lower() not in RESERVED:
        return name
    return '"' + name.replace('"', '""') + '"'


def connect(
    tables: Sequence[str], joins: Sequence[JoinKey], explicit: Sequence[JoinKey] = ()
) -> list[tuple[str, list[JoinKey]]]:
    """An order in which each table joins the ones before it: (table, the keys it joins by), bridges included.

    The nearest missing table is attached first, by a shortest path; among equals the earlier join in
    `joins` wins. `explicit` joins go before all others. Raises `UnconnectedTables`.
    """
    reached: list[tuple[str, list[JoinKey]]] = [(tables[0], [])]
    names = {tables[0]}
    missing = [table for table in tables[1:] if table not in names]
    while missing:
        path = _nearest(names, set(missing), explicit) or _nearest(names, set(missing), [*explicit, *joins])
        if path is None:
            raise UnconnectedTables(tables[0], missing[0])
        for table, join in path:
            reached.append((table, [join]))
            names.add(table)
        missing = [table for table in missing if table not in names]
    return reached


def _nearest(start: set[str], goals: set[str], joins: Sequence[JoinKey]) -> list[tuple[str, JoinKey]] | None:
    came: dict[str, tuple[str, JoinKey]] = {}
    queue = deque(sorted(start))
    seen = set(start)
    while queue:
        here = queue.popleft()
        if here in goals:
            path: list[tuple[str, JoinKey]] = []
            while here not in start:
                previous, join = came[here]
                path.append((here, join))
                here = previous
            return path[::-1]
        for join in joins:
            for table, other in ((join.table, join.ref_table), (join.ref_table, join.table)):
                if table == here and other not in seen:
                    seen.add(other)
                    came[other] = (here, join)
                    queue.append(other)
    return None


class SqlWriter:
    """Writes queries for one dialogue.

    dialect: "sqlite", "duckdb", ...; joins: in order of preference; types: declared type by (table, column).
    """

    def __init__(
        self, *, dialect: str, joins: Sequence[JoinKey], types: Mapping[tuple[str, str], str] | None = None
    ) -> None:
        self.dialect = dialect
        self.joins = list(joins)
        self.types = types or {}

    def write(self, query: Query) -> str:
        """The SQL of a query. Raises `UnconnectedTables`."""
        text = self._select(query)
        if query.set_operation:
            operation, right = query.set_operation
            text += f" {operation.upper()} {self.write(right)}"
        return text

    def tables(self, query: Query) -> list[str]:
        """The tables one SELECT needs: those listed, then those its columns come from (not of nested
        queries).
        """
        tables = [table.table for table in query.tables]
        if query.source is None:
            tables += [column.table for column in own_columns(query)]
        return list(dict.fromkeys(tables))

    def _select(self, query: Query) -> str:
        tables = self.tables(query)
        qualify = len(tables) > 1
        parts = ["SELECT " + ("DISTINCT " if query.distinct else "")]
        if query.source is not None:
            source = f"({self.write(query.source)}) AS subquery"
        else:
            source, joined = self._from(tables, query.on)
            qualify = qualify or joined
        grouped = set(query.group)
        parts[0] += ", ".join(self._grouped(e, grouped, query, qualify) for e in query.select)
        parts.append("FROM " + source)
        if query.where:
            parts.append("WHERE " + self._conditions(query.where, qualify))
        if query.group:
            parts.append("GROUP BY " + ", ".join(self._expression(e, qualify) for e in query.group))
        if query.having:
            parts.append("HAVING " + self._conditions(query.having, qualify))
        if query.order:
            order = (
                self._grouped(e, grouped, query, qualify) + (" DESC" if desc else "")
                for e, desc in query.order
            )
            parts.append("ORDER BY " + ", ".join(order))
        if query.limit is not None:
            parts.append("LIMIT " + self._literal(query.limit, None))
        return " ".join(parts)

    def _from(self, tables: Sequence[str], on: Sequence[tuple[Item, Item]]) -> tuple[str, bool]:
        explicit = [JoinKey(a.table, (a.column,), b.table, (b.column,)) for a, b in on]
        order = connect(tables, self.joins, explicit)
        text = quote(order[0][0])
        for table, keys in order[1:]:
            # A second written-out condition between the same tables belongs to the same join.
            extra = [k for k in explicit if k not in keys and {k.table, k.ref_table} == _ends(keys[0])]
            conditions = []
            for key in [*keys, *extra]:
                for column, ref_column in zip(key.columns, key.ref_columns, strict=True):
                    left = f"{quote(key.table)}.{quote(column)}"
                    conditions.append(f"{left} = {quote(key.ref_table)}.{quote(ref_column)}")
            text += f" JOIN {quote(table)} ON " + " AND ".join(conditions)
        return text, len(order) > 1

    def _grouped(self, expression: Expression, grouped: set[Expression], query: Query, qualify: bool) -> str:
        """A column outside GROUP BY: SQLite takes any row's value, stricter engines want that said."""
        text = self._expression(expression, qualify)
        bare = not expression.function and expression.tail is None and isinstance(expression.operand, Item)
        aggregated = query.group or any(e.function in AGGREGATES for e in query.select)
        if self.dialect == "sqlite" or not bare or expression in grouped or not aggregated:
            return text
        best = next((e for e in query.select if e.function in ("min", "max") and e.tail is None), None)
        if self.dialect == "duckdb" and not query.group and best is not None:
            return f"arg_{best.function}({text}, {self._operand(best.operand, qualify)})"
        return f"any_value({text})" if self.dialect == "duckdb" else f"min({text})"

    def _conditions(self, predicates: Sequence[Predicate], qualify: bool) -> str:
        text = ""
        for predicate in predicates:
            if predicate.connector:
                text += f" {predicate.connector.upper()} "
            text += self._predicate(predicate, qualify)
        return text

    def _predicate(self, predicate: Predicate, qualify: bool) -> str:
        left = self._expression(predicate.left, qualify)
        operand = predicate.left.operand
        # count(name), avg(name) compare with a number whatever the column's type.
        typed = predicate.left.function in ("", "min", "max")
        column = operand if isinstance(operand, Item) and typed else None
        operator, right = predicate.operator, predicate.right
        if operator == "is_null":
            return f"{left} IS NULL"
        if operator == "is_not_null":
            return f"{left} IS NOT NULL"
        if column is not None and self._is_date(column):
            if all(_is_year(r) for r in right):
                left, column = self._date_part("year", left), None
            elif "like_" in operator and self.dialect != "sqlite":
                left = f"CAST({left} AS VARCHAR)"
        if operator == "between":
            low, high = (self._right(r, column, qualify) for r in right)
            return f"{left} BETWEEN {low} AND {high}"
        if "like_" in operator:
            value = right[0]
            text = str(value.value) if isinstance(value, Item) else str(value)
            negated = operator.startswith("not_")
            word = "NOT LIKE" if negated else "LIKE"
            return f"{left} {word} {_pattern(operator.rsplit('_', 1)[1], text)}"
        values = ", ".join(self._right(r, column, qualify) for r in right)
        if operator in ("in", "not_in"):
            inside = values if isinstance(right[0], Query) else f"({values})"
            return f"{left} {operator.replace('_', ' ').upper()} {inside}"
        return f"{left} {operator} {values}"

    def _right(self, right: Token | Expression | Query, column: Item | None, qualify: bool) -> str:
        if isinstance(right, Query):
            return f"({self.write(right)})"
        if not isinstance(right, Expression):
            return self._literal(right, column)
        if right.function or (isinstance(right.operand, Item) and right.operand.kind == "column"):
            return self._expression(right, qualify)
        return self._literal(right.operand, column) + self._tail(right, qualify)

    def _expression(self, expression: Expression, qualify: bool) -> str:
        text = self._operand(expression.operand, qualify)
        if expression.function in DATE_PARTS:
            return self._date_part(expression.function, text) + self._tail(expression, qualify)
        function, _, distinct = expression.function.partition("_")
        if function:
            text = AGGREGATE_SQL[function].format("DISTINCT " + text if distinct else text)
        return text + self._tail(expression, qualify)

    def _date_part(self, part: str, text: str) -> str:
        """The year as a number, or the month as the text "2024-05"."""
        if part == "year":
            return YEAR_SQL.get(self.dialect, "extract(year FROM {})").format(text)
        return MONTH_SQL.get(self.dialect, "to_char({}, 'YYYY-MM')").format(text)

    def _tail(self, expression: Expression, qualify: bool) -> str:
        if expression.tail is None:
            return ""
        operator, rest = expression.tail
        return f" {'*' if operator == 'times' else operator} {self._expression(rest, qualify)}"

    def _operand(self, operand: Token, qualify: bool) -> str:
        if isinstance(operand, Item) and operand.kind == "column":
            return self._column(operand, qualify)
        return "*" if operand == "*" else self._literal(operand, None)

    def _column(self, column: Item, qualify: bool) -> str:
        name = quote(column.column)
        return f"{quote(column.table)}.{name}" if qualify else name

    def _is_date(self, column: Item) -> bool:
        return bool(re.match(r"date|timestamp", self.types.get((column.table, column.column), ""), re.I))

    def _literal(self, token: Token, column: Item | None) -> str:
        """A literal in the type of the column it is compared with, where the dialogue told that type."""
        value = token.value if isinstance(token, Item) else token
        declared = self.types.get((column.table, column.column), "") if column else ""
        if not isinstance(value, str):
            return _string(str(value)) if _is_text(declared) else str(value)
        if isinstance(token, str) or (NUMBER.match(value) and _is_number(declared)):
            return _string(value) if _is_text(declared) else value
        return _string(value)


def _ends(join: JoinKey) -> set[str]:
    return {join.table, join.ref_table}


def own_columns(query: Query) -> list[Item]:
    """The columns one SELECT names, nested queries left out."""
    found: list[Item] = []

    def visit(expression: Expression) -> None:
        if isinstance(expression.operand, Item) and expression.operand.kind == "column":
            found.append(expression.operand)
        if expression.tail:
            visit(expression.tail[1])

    for expression in query.select:
        visit(expression)
    for predicate in [*query.where, *query.having]:
        visit(predicate.left)
        for right in predicate.right:
            if isinstance(right, Expression):
                visit(right)
    for expression in [*query.group, *(expression for expression, _ in query.order)]:
        visit(expression)
    return found


def _is_year(right: Token | Expression | Query) -> bool:
    """A bare number such as 2014."""
    token = right.operand if isinstance(right, Expression) and right.tail is None else right
    value = token.value if isinstance(token, Item) else token
    return bool(re.fullmatch(r"[12]\d{3}", str(value)))


def _is_text(declared: str) -> bool:
    return bool(re.search(r"char|text|clob|string|enum", declared, re.IGNORECASE))


def _is_number(declared: str) -> bool:
    return bool(re.search(r"int|real|floa|doub|dec|num", declared, re.IGNORECASE))


def _pattern(place: str, text: str) -> str:
    """What LIKE compares with: a text that stands at a place, or is a pattern itself ("is")."""
    if place == "is":
        return _string(text)
    # A backslash would be taken for more than an escape by some engines.
    escaped = re.sub(r"[%_!]", r"!\g<0>", text) if re.search("[%_]", text) else text
    around = {"has": f"%{escaped}%", "starts": f"{escaped}%", "ends": f"%{escaped}"}
    return _string(around[place]) + (" ESCAPE '!'" if escaped != text else "")


def _string(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
