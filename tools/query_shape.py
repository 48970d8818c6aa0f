"""The shape of a SELECT statement: what each SELECT in it reads, and by which columns its sources are joined.

Plain data with a few questions it answers; shape_reading.py makes it from SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from sqlglot import exp

from .cells import identifier, neutralise, qualified
from .schema import Table

Side = Literal["inner", "left", "right", "full"]

OF_THE_GUARD = "of the guard"
"""Marks, in a node's `meta`, the subqueries that the guard put in the place of restricted tables."""


@dataclass(frozen=True)
class Source:
    """One source of a SELECT: `node` with its alias, which is either a `table` or the result of a `query`."""

    alias: str
    node: exp.Expr
    table: Table | None
    query: exp.Expr | None = None

    @property
    def name(self) -> str:
        """The table's name as the catalog spells it; the alias of a CTE or subquery."""
        return self.table.name if self.table else self.alias

    def column(self, name: str) -> str:
        """A column's name as the catalog spells it."""
        known = self.table.column(name) if self.table else None
        return known.name if known else name


@dataclass(frozen=True)
class Edge:
    """`left` and `right` (aliases) joined by equal columns; `side` keeps its rows that have no match."""

    left: str
    right: str
    pairs: tuple[tuple[str, str], ...]
    side: Side = "inner"


@dataclass(frozen=True)
class QueryShape:
    """One SELECT of a statement, its names qualified.

    conditions: the conjuncts of WHERE, and of the ON of inner joins.
    correlated: it refers to columns of a query around it, so it cannot be run by itself.
    """

    select: exp.Select
    sources: Mapping[str, Source]
    edges: tuple[Edge, ...]
    conditions: tuple[exp.Expr, ...]
    correlated: bool
    ctes: tuple[exp.CTE, ...]
    dialect: str

    def aliases_in(self, expression: exp.Expr) -> set[str]:
        """Aliases of this SELECT's sources whose columns occur in `expression`; "" for unresolved columns."""
        return {column.table for column in expression.find_all(exp.Column)}

    def conditions_on(self, alias: str) -> list[exp.Expr]:
        """Conditions that concern this source alone, without subqueries."""
        return [
            condition
            for condition in self.conditions
            if self.aliases_in(condition) == {alias} and not condition.find(exp.Query)
        ]

    def label(self, alias: str) -> str:
        """The source's name as SQL; with the alias where this SELECT reads the same table more than once."""
        name = identifier(self.sources[alias].name)
        return f"{name} ({alias})" if self.is_read_twice(alias) else name

    def place(self, alias: str, column: str) -> str:
        """A column of a source as SQL, in the catalog's spelling."""
        source = self.sources[alias]
        return qualified(alias if self.is_read_twice(alias) else source.name, source.column(column))

    def spelled(self, expression: exp.Expr) -> str:
        """An expression as SQL, its columns in the catalog's spelling, restricted tables by their names."""
        text = exp.Paren(this=expression.copy())  # so that a lone column has a parent, too
        for subquery in list(text.find_all(exp.Subquery)):
            if OF_THE_GUARD in subquery.meta:
                [table, *_] = subquery.find_all(exp.Table)  # the nearest: those of its condition lie deeper
                subquery.replace(exp.Table(this=table.this, alias=subquery.args.get("alias")))
        for column in list(text.find_all(exp.Column)):
            if column.table in self.sources:
                column.replace(exp.Var(this=self.place(column.table, column.name)))
        return neutralise(text.this.sql(self.dialect, comments=False))

    def is_read_twice(self, alias: str) -> bool:
        return sum(other.name == self.sources[alias].name for other in self.sources.values()) > 1

    def listed(self) -> str:
        return ", ".join(self.label(alias) for alias in self.sources)

    def column(self, alias: str, name: str) -> str:
        """A column of a source as SQL that can run, both names quoted."""
        return exp.column(name, table=alias, quoted=True).sql(self.dialect, copy=False)

    def sql(self, expression: exp.Expr) -> str:
        """A part of the statement as SQL that can run, every name quoted."""
        return expression.sql(self.dialect, identify=True, comments=False)

    @cached_property
    def with_clause(self) -> str:
        """`WITH ... ` for a statement of one's own over this SELECT's sources; "" when they need none."""
        return f"WITH {', '.join(map(self.sql, self.ctes))} " if self.ctes else ""
