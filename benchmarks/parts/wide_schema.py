"""Databases of thousands of tables, and how long their catalog, its cache and join paths take.

The names are made from a few hundred words, so that many tables and columns resemble each other; every table
refers to two others. SQLite declares the keys, DuckDB does not (they have to be inferred).
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlberg.tools.database import open_database
from sqlberg.tools.paths import connect, join_paths


def _listed(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_THINGS = _listed(
    "account address agent airport article asset batch bill branch campaign carrier cart case channel "
    "claim client contract course customer delivery department device document driver employee event "
    "exam facility flight game group hotel invoice item journey kitchen league lease ledger license loan "
    "location machine market match meeting member merchant message meter museum note notice office order "
    "parcel partner patient payment permit person phase plan plant player policy product project "
    "purchase queue quote receipt refund region rental report request reservation review room route "
    "salary schedule school season seat section segment sensor server session shift ship shop show site "
    "skill station stock store student subject supplier survey task team tenant ticket title tool track "
    "trip unit user vehicle vendor venue visit vote wage ward"
)
_PARTS = _listed(
    "amount begin budget category city close code colour comment count country created currency date "
    "deadline description discount distance duration email end fee flag grade height kind label language "
    "length level limit mode name number origin owner phase phone postcode price priority quantity rank "
    "rate reason score sequence size speed start state status street target tax temperature title total "
    "type unit updated url value version volume weight width year zone"
)


def make_wide(path: Path, *, dialect: str, tables: int = 2000, columns: int = 50, rows: int = 3) -> None:
    """Write a database of `tables` × `columns` with a few rows each. dialect: "sqlite" or "duckdb"."""
    statements = list(_statements(tables, columns, rows, keys=dialect == "sqlite"))
    if dialect == "sqlite":
        with sqlite3.connect(path) as database:
            for statement in statements:
                database.execute(statement)
        database.close()
        return
    import duckdb

    with duckdb.connect(str(path)) as database:
        for start in range(0, len(statements), 200):
            database.execute("BEGIN; " + "; ".join(statements[start : start + 200]) + "; COMMIT")


def catalog_seconds(
    folder: Path, *, dialect: str, tables: int = 2000, columns: int = 50, rows: int = 3
) -> dict[str, Any]:
    """Seconds to build the catalog, to load it again, and for paths and trees between random tables."""
    path = folder / f"wide.{dialect}"
    make_wide(path, dialect=dialect, tables=tables, columns=columns, rows=rows)
    figures: dict[str, Any] = {"tables": tables, "columns": tables * columns}
    with open_database(path, cache_dir=folder / "cache") as database:
        started = time.perf_counter()
        catalog = database.catalog
        figures["build_seconds"] = round(time.perf_counter() - started, 2)
    with open_database(path, cache_dir=folder / "cache") as database:
        started = time.perf_counter()
        catalog = database.catalog
        figures["load_seconds"] = round(time.perf_counter() - started, 2)
    figures["joins"] = len(catalog.joins)
    chance = random.Random(1)
    names = [table.name for table in catalog.tables]
    started = time.perf_counter()
    join_paths(catalog, names[0], names[1])
    figures["graph_seconds"] = round(time.perf_counter() - started, 3)
    figures["path_ms"] = _milliseconds(
        lambda: join_paths(catalog, chance.choice(names), chance.choice(names))
    )
    figures["tree_ms"] = _milliseconds(lambda: connect(catalog, chance.sample(names, 4)))
    return figures


def _statements(tables: int, columns: int, rows: int, *, keys: bool) -> Iterator[str]:
    chance = random.Random(7)
    names: list[str] = []
    for number in range(tables):
        words = [_THINGS[number % len(_THINGS)]]
        while "_".join(words) in names:
            words.insert(0, chance.choice(_THINGS))
        names.append("_".join(words))
    for number, name in enumerate(names):
        referred = [names[chance.randrange(number)] for _ in range(2)] if number > 1 else []
        referred = list(dict.fromkeys(referred))
        listed = {f"{name}_id": "INTEGER PRIMARY KEY"}
        listed |= {f"{other}_id": "INTEGER" for other in referred}
        while len(listed) < columns:
            word = f"{chance.choice(_THINGS)}_{chance.choice(_PARTS)}"
            listed.setdefault(word, chance.choice(("INTEGER", "VARCHAR", "DOUBLE", "VARCHAR")))
        inside = [f'"{column}" {declared}' for column, declared in listed.items()]
        if keys:
            inside += [f'FOREIGN KEY ("{o}_id") REFERENCES "{o}" ("{o}_id")' for o in referred]
        yield f'CREATE TABLE "{name}" ({", ".join(inside)})'
        if rows:
            cells = [
                ", ".join(
                    f"'w{row}'" if "VARCHAR" in declared else str(row + 1) for declared in listed.values()
                )
                for row in range(rows)
            ]
            yield f'INSERT INTO "{name}" VALUES ({"), (".join(cells)})'


def _milliseconds(call: Any, times: int = 20) -> dict[str, float]:
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        taken.append(1000 * (time.perf_counter() - started))
    taken.sort()
    return {"p50": round(taken[times // 2], 1), "p95": round(taken[int(times * 0.95)], 1)}
