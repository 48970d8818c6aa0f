"""Row counts and column statistics of tables: null share, distinct values, range, frequent values.

Rows are counted many tables per statement. Small tables are then fetched whole and counted here
(column_statistics.py); bigger ones are counted by the database, a few statements per table
(table_figures.py), on a sample where they are big. All of it is read under the policy's row filters.

Covered: views that fail or take too long (no statistics, or those of their first rows), thousands of
tables, a budget of seconds for all. Not covered: keeping statistics up to date; they are of the moment they
were read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .column_statistics import value_statistics
from .errors import LimitExceeded, QueryError
from .kinds import is_enforced
from .limits import Result
from .schema import Column, Statistics, Table
from .table_figures import Source, measured_in_sql, quoted

Read = Callable[[str], Result]

SMALL_CELLS = 40_000
"""Tables of at most this many cells are fetched whole."""
FIRST_ROWS = 1_000
"""What is read of a table that could not be counted in time."""
COLUMNS_TOGETHER = 1_000
"""Columns fetched per statement: results are cut in their width, too."""
BULK_TABLES = 100
"""Tables counted per statement (SQLite joins at most 500 SELECTs in one)."""


def measure_tables(
    read: Read,
    dialect: str,
    tables: Sequence[Table],
    *,
    row_filters: Mapping[str, str] | None = None,
    seconds: float = 120.0,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Table, ...]:
    """The tables with row counts, kinds and column statistics filled in.

    row_filters: SQL condition by table name. seconds: after that long the remaining tables keep only their
    row counts. progress: called with (tables done, of).
    """
    filters = row_filters or {}
    deadline = time.monotonic() + seconds
    counted: list[tuple[Source, bool]] = []
    for start in range(0, len(tables), BULK_TABLES):
        chunk = tables[start : start + BULK_TABLES]
        sources = [Source(table, dialect, filters.get(table.name)) for table in chunk]
        counted.extend(_counted(read, sources))
    measured = []
    for number, (source, readable) in enumerate(counted):
        in_time = readable and time.monotonic() < deadline
        measured.append(_measured(read, source) if in_time else source.table)
        if progress is not None:
            progress(number + 1, len(counted))
    return tuple(measured)


def _counted(read: Read, sources: Sequence[Source]) -> list[tuple[Source, bool]]:
    """The sources with their tables' row counts, and whether they can be read at all."""
    statement = " UNION ALL ".join(
        f"SELECT {number} AS i, count(*) AS n FROM {source.sql}" for number, source in enumerate(sources)
    )
    try:
        rows = dict(read(f"SELECT i, n FROM ({statement}) AS counts").rows)
    except (QueryError, LimitExceeded) as error:
        if len(sources) > 1:  # one broken view must not cost its neighbours their counts
            half = len(sources) // 2
            return [*_counted(read, sources[:half]), *_counted(read, sources[half:])]
        return [(sources[0], isinstance(error, LimitExceeded))]
    return [
        (replace(source, table=replace(source.table, rows=int(rows[number]))), True)
        for number, source in enumerate(sources)
    ]


def _measured(read: Read, source: Source) -> Table:
    """The table with the best statistics to be had: of all rows, else of its first rows, else none."""
    table = source.table
    if table.rows == 0:
        empty = Statistics(distinct=0, samples_complete=True)
        return replace(table, columns=tuple(replace(column, statistics=empty) for column in table.columns))
    if table.rows is not None:
        small = table.rows * len(table.columns) <= SMALL_CELLS
        try:
            return _measured_here(read, source) if small else measured_in_sql(read, source)
        except (QueryError, LimitExceeded):
            small = False  # too slow, or a value the engine stumbles over: its first rows may do
    try:
        return _measured_here(read, source, limit=FIRST_ROWS)
    except (QueryError, LimitExceeded):
        return table


def _measured_here(read: Read, source: Source, limit: int | None = None) -> Table:
    table = source.table
    tail = "" if limit is None else f" LIMIT {limit}"
    measured: list[Column] = []
    for start in range(0, len(table.columns), COLUMNS_TOGETHER):
        columns = table.columns[start : start + COLUMNS_TOGETHER]
        result = read(f"SELECT {', '.join(quoted(c.name) for c in columns)} FROM {source.sql}{tail}")
        if not result.rows:
            return table
        values = zip(*result.rows, strict=True)
        found = [_settled(source, column, cells) for column, cells in zip(columns, values, strict=True)]
        if len(result.rows) == limit or any(cut.what == "rows" for cut in result.cuts):
            found = [_of_part(column) for column in found]
        measured += found
    return replace(table, columns=tuple(measured))


def _settled(source: Source, column: Column, values: Sequence[Any]) -> Column:
    return value_statistics(column, values, enforced=is_enforced(source.dialect, column.type))


def _of_part(column: Column) -> Column:
    """Statistics of the first rows only: what holds of all rows is not known."""
    statistics = replace(column.statistics, distinct=None, minimum=None, maximum=None, samples_complete=False)
    return replace(column, statistics=statistics)
