"""Figures of column search and value search against gold SQL: recall, slips of the pen, milliseconds.

Pure functions over catalogs and indexes; `benchmarks/tools.py` opens the databases, calls them and writes the
results. Gold columns are those that sqlglot resolves in the gold SQL, join keys included; a string literal
counts when the column that the gold SQL compares it with really stores it.
"""

from __future__ import annotations

import random
import string
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sqlberg.tools.columns import ColumnIndex
from sqlberg.tools.embedding import Embedder
from sqlberg.tools.limits import Result
from sqlberg.tools.schema import Catalog
from sqlberg.tools.values import ValueHit, ValueIndex
from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify

AT = (5, 8, 10, 12, 14)
"""Numbers of columns at which recall is measured."""


def column_figures(
    questions: Iterable[Mapping[str, Any]],
    catalogs: Mapping[str, Catalog],
    *,
    embedder: Embedder | None = None,
    cache_dir: Path | None = None,
) -> dict[str, Any]:
    """Recall of gold columns from the question alone, milliseconds a search.

    questions: mappings with "db_id", "question" and "sql". recall: share of all gold columns found among the
    first k; complete: share of questions with all of theirs.
    """
    indexes: dict[str, ColumnIndex] = {}
    found, complete = dict.fromkeys(AT, 0), dict.fromkeys(AT, 0)
    gold_total = asked = 0
    taken: list[float] = []
    for question in questions:
        name = question["db_id"]
        gold = gold_columns(question["sql"], catalogs[name])
        if not gold:
            continue
        if name not in indexes:
            indexes[name] = ColumnIndex(catalogs[name], embedder, cache_dir=cache_dir)
        started = time.perf_counter()
        hits = indexes[name].search(question["question"], top_k=max(AT))
        taken.append(time.perf_counter() - started)
        places = [(hit.column.table, hit.column.name) for hit in hits]
        asked, gold_total = asked + 1, gold_total + len(gold)
        for k in AT:
            right = len(gold & set(places[:k]))
            found[k] += right
            complete[k] += right == len(gold)
    return {
        "questions": asked,
        "embedder": embedder.name if embedder is not None else None,
        "recall": {str(k): _share(found[k], gold_total) for k in AT},
        "complete": {str(k): _share(complete[k], asked) for k in AT},
        "ms": milliseconds(taken),
    }


def value_figures(
    questions: Iterable[Mapping[str, Any]],
    opened: Callable[[str], tuple[Catalog, Callable[[str], Result], ValueIndex]],
    *,
    seed: int = 7,
) -> dict[str, Any]:
    """Share of stored gold literals whose gold column is among the first five hits, as written and misspelt.

    questions: mappings with "db_id" and "sql". opened: catalog, reader and index of a database. Every
    distinct literal counts once. misspelt: with one random slip, the same for the same seed.
    """
    chance = random.Random(seed)
    seen: set[tuple[str, Literal]] = set()
    taken: list[float] = []
    right = {"as_written": 0, "misspelt": 0, "misspelt_and_value": 0}
    stored = 0
    for question in questions:
        catalog, read, index = opened(question["db_id"])
        for literal in gold_literals(question["sql"], catalog):
            if (question["db_id"], literal) in seen:
                continue
            seen.add((question["db_id"], literal))
            if not _is_stored(literal, read):
                continue
            stored += 1
            slip = typo(literal.value, chance)
            for kind, text in (("as_written", literal.value), ("misspelt", slip)):
                started = time.perf_counter()
                hits = index.search(text)
                taken.append(time.perf_counter() - started)
                right[kind] += any(_is_place(hit, literal) for hit in hits)
            right["misspelt_and_value"] += any(
                _is_place(hit, literal) and str(hit.value) == literal.value for hit in hits
            )
    return {
        "literals": len(seen),
        "stored": stored,
        **{kind: _share(count, stored) for kind, count in right.items()},
        "ms": milliseconds(taken),
    }


def milliseconds(seconds: Sequence[float]) -> dict[str, float]:
    """Median, 95th percentile and maximum, in milliseconds."""
    if not seconds:
        return {}
    p50, p95, most = np.percentile(np.array(seconds) * 1000, [50, 95, 100])
    return {"p50": round(float(p50), 2), "p95": round(float(p95), 2), "max": round(float(most), 2)}


@dataclass(frozen=True)
class Literal:
    """A string of the gold SQL compared with a column: `WHERE table.column = 'value'`."""

    table: str
    column: str
    value: str


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


def _qualified(sql: str, catalog: Catalog) -> exp.Expr | None:
    schema: dict[str, object] = {
        table.name: {column.name: "text" for column in table.columns} for table in catalog.tables
    }
    names = {column.name.lower() for column in catalog.columns()}

    def as_string(node: exp.Expr) -> exp.Expr:
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


def _resolved(select: exp.Expr, catalog: Catalog) -> Iterable[tuple[exp.Column, str, str]]:
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


def _is_stored(literal: Literal, read: Callable[[str], Result]) -> bool:
    table, column = (exp.to_identifier(name, quoted=True).sql() for name in (literal.table, literal.column))
    value = exp.Literal.string(literal.value).sql()
    return bool(read(f"SELECT 1 FROM {table} WHERE {column} = {value} LIMIT 1").rows)


def _is_place(hit: ValueHit, literal: Literal) -> bool:
    return (hit.table, hit.column) == (literal.table, literal.column)


def _share(count: int, total: int) -> float:
    return round(count / total, 4) if total else 0.0
