"""Spider's SQLite databases as DuckDB files, with the same tables, declared types, rows in the same order.

SQLite's REAL has eight bytes, so it becomes DOUBLE; its dates are text, and stay text.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import duckdb
import pyarrow as pa

_TYPES = {"INTEGER": "BIGINT", "REAL": "DOUBLE", "TEXT": "VARCHAR", "TIMESTAMP": "VARCHAR", "DATE": "VARCHAR"}
_ARROW = {"INTEGER": pa.int64(), "REAL": pa.float64()}


def to_duckdb(source: Path, target: Path) -> None:
    """Write the tables of the SQLite file `source` into a new DuckDB file `target`."""
    with (
        sqlite3.connect(f"file:{source}?mode=ro", uri=True) as sqlite,
        duckdb.connect(str(target)) as database,
    ):
        names = sqlite.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
        for (name,) in names.fetchall():
            columns = sqlite.execute(f'PRAGMA table_info("{name}")').fetchall()
            rows = sqlite.execute(f'SELECT * FROM "{name}"').fetchall()
            held = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in columns]
            arrays = [
                pa.array(values, type=_ARROW.get(declared.upper(), pa.string()))
                for values, (_, _, declared, *_) in zip(held, columns, strict=True)
            ]
            read = pa.Table.from_arrays(arrays, names=[column[1] for column in columns])
            database.register("read", read)
            selected = ", ".join(f'CAST("{c[1]}" AS {_TYPES[c[2].upper()]}) AS "{c[1]}"' for c in columns)
            database.execute(f'CREATE TABLE "{name}" AS SELECT {selected} FROM read')
            database.unregister("read")
    sqlite.close()
