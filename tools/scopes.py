"""What names mean at one place of a query: its scope, and the columns that a SELECT puts out.

Pure data and rules; the walk that uses them is in resolver.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from itertools import islice

from rapidfuzz import fuzz, process
from sqlglot import exp

from .cells import identifier

LONGEST = 64
"""Characters of a wrong name that are compared with others: more cost time and find nothing."""

_MOST_COMPARED = 2_500
_NEAR_SCORE = 60
_NAMING = {
    (exp.Alias, "alias"),
    (exp.PivotAlias, "alias"),
    (exp.TableAlias, "this"),
    (exp.TableAlias, "columns"),
    (exp.Dot, "expression"),
    (exp.PropertyEQ, "this"),
    (exp.Kwarg, "this"),
    (exp.Window, "alias"),
    (exp.Window, "this"),
    (exp.Join, "using"),
    (exp.Star, "except_"),
    (exp.ColumnDef, "this"),
    (exp.Pivot, "columns"),
    (exp.UnpivotColumns, "this"),
    (exp.Collate, "expression"),
}
"""Where an identifier is a new name, a field or a collation, and not a column to be looked up."""


@dataclass
class CommonTable:
    """A common table expression: the name it runs under, and its columns (None: any)."""

    emitted: str
    columns: Collection[str] | None = None


@dataclass
class Scope:
    """What names mean at one place. `relations`: sources by lower-case alias, with columns (None: any)."""

    parent: Scope | None = None
    ctes: dict[str, CommonTable] = field(default_factory=dict)
    relations: dict[str, Collection[str] | None] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)

    def chain(self) -> Iterable[Scope]:
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    def add(self, alias: str, columns: Collection[str] | None) -> None:
        known = self.relations.get(alias, ())
        if columns is not None and known:
            columns = {*known, *columns}
        self.relations[alias] = None if known is None else columns

    def has(self, name: str) -> bool:
        """Whether `name` may be a column, an alias or a whole row here."""
        return self.has_column(name) or self.has_relation(name)

    def has_column(self, name: str) -> bool:
        return any(
            name in scope.names
            or any(columns is None or name in columns for columns in scope.relations.values())
            for scope in self.chain()
        )

    def knows(self, name: str) -> bool:
        """Whether `name` is surely a column or an alias here, and does not only pass."""
        return any(
            name in scope.names or any(name in columns for columns in scope.relations.values() if columns)
            for scope in self.chain()
        )

    def has_relation(self, name: str) -> bool:
        return any(name in scope.relations for scope in self.chain())


def inside(node: exp.Expr, scope: Scope) -> Scope:
    """The scope inside a lambda or a list comprehension: with its parameters; else the same."""
    if isinstance(node, exp.Lambda):
        return Scope(parent=scope, ctes=scope.ctes, names={e.name.lower() for e in node.expressions})
    if isinstance(node, exp.Comprehension):
        bound = (node.expression, node.args.get("position"))
        return Scope(parent=scope, ctes=scope.ctes, names={e.name.lower() for e in bound if e})
    return scope


def is_naming(node: exp.Expr, key: str, child: object) -> bool:
    """Whether `child`, under `key` of `node`, is an identifier (or several) that names no column."""
    first = child[0] if isinstance(child, list) and child else child
    return isinstance(first, exp.Identifier) and (type(node), key) in _NAMING


def output_columns(node: exp.Select, scope: Scope) -> Collection[str] | None:
    """Lower-case names of the columns that a SELECT puts out; None when they cannot all be told."""
    columns: set[str] = set()
    for projection in node.expressions:
        if isinstance(projection, exp.Star):
            found = None if projection.args.get("rename") else united(scope.relations.values())
        elif isinstance(projection, exp.Column) and isinstance(projection.this, exp.Star):
            found = scope.relations.get(projection.table.lower())
        elif isinstance(projection, (exp.Alias, exp.Column)):
            found = {projection.alias_or_name.lower()}
        else:
            found = None
        if found is None:
            return None
        columns.update(found)
    return columns


def united(relations: Iterable[Collection[str] | None]) -> Collection[str] | None:
    """The columns of all of them; None when those of one are not known."""
    columns: set[str] = set()
    for relation in relations:
        if relation is None:
            return None
        columns.update(relation)
    return columns


def near_columns(scope: Scope, name: str, table: str | None, skip: Collection[str]) -> str:
    """`; did you mean ...?` with up to three columns that `scope` sees (of one source: `table` is its alias);
    all of them when none is near and they are few. skip: columns that are not suggested."""
    visible = (
        f"{identifier(alias)}.{identifier(column)}" if alias else identifier(column)
        for source in scope.chain()
        for alias, columns in source.relations.items()
        if table is None or alias == table
        for column in columns or ()
        if column not in skip
    )
    known = {text: text.rsplit(".", 1)[-1] for text in islice(visible, _MOST_COMPARED)}
    near = process.extract(name[:LONGEST], known, scorer=fuzz.WRatio, limit=3, score_cutoff=_NEAR_SCORE)
    if near:
        return f"; did you mean {' or '.join(hit[2] for hit in near)}?"
    return f"; the columns here are {', '.join(sorted(known))}" if 0 < len(known) <= 15 else ""
