"""How long the search indexes take at scale: a million distinct values, and 2 000 tables × 50 columns."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from sqlberg.tools.columns import ColumnIndex
from sqlberg.tools.database import Database, open_database
from sqlberg.tools.embedding import Embedder

from .search import milliseconds, typo
from .wide_schema import make_wide

_SYLLABLES = [
    onset + rime
    for onset in "b c d f g h j k l m n p r s t v w z br st tr ch sh".split()
    for rime in "a e i o u an er in on ar".split()
]


def million_values(folder: Path, *, values: int = 1_000_000, searches: int = 200) -> dict[str, Any]:
    """Build and search the value index of one column of so many distinct names.

    build_seconds: reading and indexing (the catalog apart). index_mb: its file. Milliseconds by kind of
    query, and the share of names found again with one slip.
    """
    path = folder / "names.duckdb"
    names = _names(values)
    table = pa.table({"id": pa.array(range(values)), "name": names})
    with duckdb.connect(str(path)) as database:
        database.register("made", table)
        database.execute("CREATE TABLE person AS SELECT * FROM made")
    chance = random.Random(5)
    some = chance.sample(names, searches)
    with open_database(path, cache_dir=folder / "cache") as database:
        _ = database.catalog
        started = time.perf_counter()
        index = database.values
        figures: dict[str, Any] = {"values": values, "build_seconds": _since(started)}
        file = database.cache_folder / "values.index"
        figures["index_mb"] = round(file.stat().st_size / 1e6, 1)
        slips = {name: typo(name, chance) for name in some}
        again = sum(any(hit.value == name for hit in index.search(slip)) for name, slip in slips.items())
        figures["found_after_a_slip"] = round(again / searches, 4)
        figures["ms"] = {
            "exact": _timed(index.search, some),
            "misspelt": _timed(index.search, slips.values()),
            "part": _timed(index.search, (name.split()[0] for name in some)),
            "number": _timed(index.search, (str(chance.randrange(2 * values)) for _ in some)),
        }
    with open_database(path, cache_dir=folder / "cache") as database:
        _ = database.catalog
        started = time.perf_counter()
        _ = database.values
        figures["load_seconds"] = _since(started)
    return figures


def wide_search(
    folder: Path,
    embedder: Embedder,
    *,
    dialect: str = "duckdb",
    tables: int = 2000,
    columns: int = 50,
    searches: int = 100,
) -> dict[str, Any]:
    """Build the catalog and both indexes of a wide schema, and search them, columns by words only as well."""
    path = folder / f"wide-search.{dialect}"
    make_wide(path, dialect=dialect, tables=tables, columns=columns)
    with open_database(path, cache_dir=folder / "cache", embedder=embedder) as database:
        figures: dict[str, Any] = {"tables": tables, "columns": tables * columns}
        for part in ("catalog", "columns", "values"):
            started = time.perf_counter()
            getattr(database, part)
            figures[f"{part}_seconds"] = _since(started)
        figures["build_seconds"] = round(
            sum(figures[f"{p}_seconds"] for p in ("catalog", "columns", "values")), 2
        )
        figures["ms"] = _wide_milliseconds(database, searches)
    return figures


def _wide_milliseconds(database: Database, searches: int) -> dict[str, Any]:
    chance = random.Random(5)
    catalog = database.catalog
    columns = [chance.choice(chance.choice(catalog.tables).columns) for _ in range(searches)]
    questions = [
        f"What is the {_spoken(column.name)} of the {_spoken(column.table)} with the highest total in 2014?"
        for column in columns
    ]
    texts = [str(chance.choice(column.statistics.samples or ("w1",))) for column in columns]
    by_words = ColumnIndex(catalog)
    return {
        "column_question": _timed(lambda text: database.columns.search(text, top_k=10), questions),
        "column_question_by_words": _timed(lambda text: by_words.search(text, top_k=10), questions),
        "column_word": _timed(database.columns.search, (column.name for column in columns)),
        "value": _timed(database.values.search, texts),
        "value_misspelt": _timed(database.values.search, (typo(text, chance) for text in texts)),
    }


def _names(count: int) -> list[str]:
    chance = random.Random(3)
    names: dict[str, None] = {}
    while len(names) < count:
        words = ("".join(chance.choices(_SYLLABLES, k=chance.randint(2, 4))).title() for _ in range(2))
        names[" ".join(words)] = None
    return list(names)


def _spoken(name: str) -> str:
    return name.replace("_", " ")


def _timed(search: Callable[[str], object], queries: Iterable[str]) -> dict[str, float]:
    taken = []
    for query in queries:
        started = time.perf_counter()
        search(query)
        taken.append(time.perf_counter() - started)
    return milliseconds(taken)


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 2)
