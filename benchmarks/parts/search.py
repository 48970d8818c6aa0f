"""Figures of column search and value search: recall against gold SQL, answers after a typo, build and query
times.

Pure functions over a catalog and an index; `benchmarks/tools.py` opens the databases, calls them and writes
the results. Gold columns are those that sqlglot resolves in the gold SQL, join keys included; a literal
counts when some visible column really stores it.
"""

from __future__ import annotations

import random
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlberg.tools.schema import Catalog
from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify


@dataclass(frozen=True)
class Literal:
    """A string of the gold SQL compared with a column: `WHERE table.column = 'value'`."""

    table: str
    column: str
    value: str


def _qualified(sql: str, catalog: Catalog) -> exp.Expression | None:
    schema = {table.name: {column.name: "text" for column in table.columns} for table in catalog.tables}
    names = {column.name.lower() for column in catalog.columns()}

    def as_string(node: exp.Expression) -> exp.Expression:
        # SQLite takes "France" for a string when no column is called so; Spider's gold queries rely on it.
        stray = isinstance(node, exp.Column) and not node.table and isinstance(node.this, exp.Identifier)
        if stray and node.this.quoted and node.name.lower() not in names:
            return exp.Literal.string(node.name)
        return node

    try:
        return qualify(
            parse_one(sql, dialect=catalog.dialect).transform(as_string),
            schema=schema,
            dialect=catalog.dialect,
            quote_identifiers=False,
            validate_qualify_columns=False,
            expand_stars=False,
        )
    except SqlglotError:
        return None


def _resolved(select: exp.Expression, catalog: Catalog) -> Iterable[tuple[exp.Column, str, str]]:
    """Every column node with the (table, column) it stands for, names as the catalog spells them."""
    for column in select.find_all(exp.Column):
        scope = column.find_ancestor(exp.Select)
        while scope is not None:
            sources = {t.alias_or_name.lower(): t.name for t in scope.find_all(exp.Table)}
            table = catalog.table(sources.get(column.table.lower(), column.table))
            found = table.column(column.name) if table else None
            if table and found:
                yield column, table.name, found.name
                break
            scope = scope.find_ancestor(exp.Select)


def gold_columns(sql: str, catalog: Catalog) -> set[tuple[str, str]]:
    """The (table, column) pairs that a gold query reads; empty when it cannot be resolved."""
    select = _qualified(sql, catalog)
    return {(table, column) for _, table, column in _resolved(select, catalog)} if select else set()


def gold_literals(sql: str, catalog: Catalog) -> list[Literal]:
    """The string literals that a gold query compares with a column by =, != or IN."""
    select = _qualified(sql, catalog)
    if select is None:
        return []
    found = []
    for column, table, name in _resolved(select, catalog):
        parent = column.parent
        sides = [parent.this, parent.expression] if isinstance(parent, exp.EQ | exp.NEQ) else []
        if isinstance(parent, exp.In) and parent.this is column:
            sides = parent.expressions
        found += [Literal(table, name, side.this) for side in sides if side and side.is_string]
    return found


def typo(text: str, chance: random.Random) -> str:
    """The text with one random slip: a letter inserted, deleted, replaced, or swapped with its neighbour."""
    kinds = ["insert", "replace"] + (["delete", "swap"] if len(text) > 1 else [])
    kind, at, letter = (
        chance.choice(kinds),
        chance.randrange(len(text)),
        chance.choice(string.ascii_lowercase),
    )
    if kind == "insert":
        return text[:at] + letter + text[at:]
    if kind == "replace":
        return text[:at] + letter + text[at + 1 :]
    if kind == "delete":
        return text[:at] + text[at + 1 :]
    at = min(at, len(text) - 2)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def recall_at(found: Sequence[tuple[str, str]], gold: set[tuple[str, str]], k: int) -> float:
    """The share of gold columns among the first k found."""
    return len(gold & set(found[:k])) / len(gold)
