"""How well join paths serve gold queries: do the trees that `connect` gives hold the tables the gold joins?

For every SELECT of a gold query that joins two or more tables, the *end tables* are those whose columns it
uses other than in ON, and those at the ends of its own chain of joins (their rows are counted: no path
between other tables could pass through them). `connect` gets the end tables only; counted per query:

- contained: every table the gold joins is in the tree;
- in_some_path: or, between two end tables, in one of the paths that `join_paths` offers;
- used_only: the same with only the tables whose columns are used (queries with two such tables);
- exact: the tree has no other tables than the gold;
- conditions: every ON equality of the gold is among the joins of the tree or of the paths between its
  neighbours (parallel keys).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlglot
from sqlberg.tools.paths import connect, join_paths
from sqlberg.tools.schema import Catalog, Join
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope


@dataclass(frozen=True)
class GoldJoin:
    """One SELECT that joins. All names are lower-cased; `conditions` are pairs of (table, column)."""

    tables: frozenset[str]
    used: frozenset[str]
    ends: frozenset[str]
    conditions: frozenset[frozenset[tuple[str, str]]]


def join_figures(questions: Iterable[Mapping[str, Any]], catalogs: Mapping[str, Catalog]) -> dict[str, Any]:
    """Shares over the questions whose gold SQL joins (one vote per question).

    questions: mappings with "id", "db_id" and "sql". catalogs: by db_id; raises KeyError for a missing one.
    """
    counts = {"contained": 0, "in_some_path": 0, "exact": 0, "conditions": 0, "used_only": 0}
    joining = used_only = 0
    missed: list[str] = []
    for question in questions:
        catalog = catalogs[question["db_id"]]
        joins = gold_joins(question["sql"], catalog)
        if not joins:
            continue
        joining += 1
        trees = [(join, connect(catalog, sorted(join.ends))) for join in joins]
        contained = all(tree is not None and join.tables <= _tables(join, tree) for join, tree in trees)
        counts["contained"] += contained
        counts["exact"] += contained and all(join.tables == _tables(join, tree or []) for join, tree in trees)
        counts["conditions"] += all(join.conditions <= _offered(catalog, tree or []) for join, tree in trees)
        counts["in_some_path"] += contained or all(_in_some_path(catalog, join) for join in joins)
        if not contained:
            missed.append(question["id"])
        if all(len(join.used) > 1 for join in joins):
            used_only += 1
            trees = [(join, connect(catalog, sorted(join.used))) for join in joins]
            counts["used_only"] += all(
                tree is not None and join.tables <= _tables(join, tree) for join, tree in trees
            )
    return {
        "questions_that_join": joining,
        "contained": _share(counts["contained"], joining),
        "in_some_path": _share(counts["in_some_path"], joining),
        "exact": _share(counts["exact"], joining),
        "conditions": _share(counts["conditions"], joining),
        "questions_with_two_used_tables": used_only,
        "contained_used_only": _share(counts["used_only"], used_only),
        "missed": missed,
    }


def gold_joins(sql: str, catalog: Catalog) -> list[GoldJoin]:
    """The SELECTs of a query that join two or more tables of the catalog; [] when it cannot be read."""
    try:
        tree = sqlglot.parse_one(sql, read=catalog.dialect)
        scopes = traverse_scope(tree)
    except SqlglotError:
        return []
    found = [_gold_join(scope, catalog) for scope in scopes]
    return [join for join in found if join is not None]


def _gold_join(scope: Scope, catalog: Catalog) -> GoldJoin | None:
    if not isinstance(scope.expression, exp.Select):
        return None
    tables = {
        alias.lower(): source.name.lower()
        for alias, source in scope.sources.items()
        if isinstance(source, exp.Table) and catalog.table(source.name) is not None
    }
    if len(set(tables.values())) < 2:
        return None
    used: set[str] = set()
    pairs: set[frozenset[tuple[str, str]]] = set()
    for column in scope.columns:
        place = _place(column, tables, catalog)
        if place is not None and column.find_ancestor(exp.Join, exp.Select).__class__ is not exp.Join:
            used.add(place[0])
    for join in scope.expression.args.get("joins") or []:
        for equality in join.find_all(exp.EQ):
            sides = [_place(side, tables, catalog) for side in (equality.left, equality.right)]
            if sides[0] and sides[1] and sides[0] != sides[1]:
                pairs.add(frozenset(side for side in sides if side))
    ends = used | _chain_ends(set(tables.values()), pairs)
    return GoldJoin(frozenset(tables.values()), frozenset(used), frozenset(ends), frozenset(pairs))


def _place(column: exp.Expr, tables: Mapping[str, str], catalog: Catalog) -> tuple[str, str] | None:
    """(table, column) that a column expression names; a bare name is looked up in the tables at hand."""
    if not isinstance(column, exp.Column):
        return None
    name = column.name.lower()
    candidates = [tables[column.table.lower()]] if column.table.lower() in tables else []
    if not column.table:
        candidates = [table for table in tables.values() if catalog.by_name[table].column(name)]
    return (candidates[0], name) if candidates else None


def _chain_ends(tables: set[str], pairs: Iterable[frozenset[tuple[str, str]]]) -> set[str]:
    neighbours: dict[str, set[str]] = {table: set() for table in tables}
    for pair in pairs:
        sides = {table for table, _ in pair}
        for table in sides:
            neighbours[table] |= sides - {table}
    return {table for table, others in neighbours.items() if len(others) < 2}


def _in_some_path(catalog: Catalog, join: GoldJoin) -> bool:
    if len(join.ends) != 2:
        tree = connect(catalog, sorted(join.ends))
        return tree is not None and join.tables <= _tables(join, tree)
    return any(
        join.tables <= {*map(str.lower, path.tables)} for path in join_paths(catalog, *sorted(join.ends))
    )


def _tables(join: GoldJoin, tree: Iterable[Join]) -> set[str]:
    return {name.lower() for edge in tree for name in (edge.table, edge.ref_table)} | set(join.ends)


def _offered(catalog: Catalog, tree: Iterable[Join]) -> set[frozenset[tuple[str, str]]]:
    """Equalities of the tree's joins, and of the parallel joins between the same tables."""
    joins = list(tree)
    for edge in list(joins):
        for path in join_paths(catalog, edge.table, edge.ref_table, limit=5):
            if len(path.joins) == 1:
                joins.extend(path.joins)
    return {
        frozenset(((join.table.lower(), one.lower()), (join.ref_table.lower(), other.lower())))
        for join in joins
        for one, other in itertools.zip_longest(join.columns, join.ref_columns)
    }


def _share(count: int, total: int) -> float:
    return round(count / total, 4) if total else 0.0
