"""Row counts and per-column statistics by SQL: null share, distinct values, range, frequent values.

Small tables are read whole and counted here; bigger ones are counted by the database in two statements per table
(figures of all columns, frequent values of all columns). Above `SAMPLE_ROWS` rows the frequent values come from a
sample, distinct counts are estimates (DuckDB: HyperLogLog over all rows; SQLite: the sample's counts extrapolated
by the guaranteed-error estimator of Charikar, Chaudhuri, Motwani and Narasayya, PODS 2000, section 4), and a
column is called categorical only after all its rows were checked. Everything is read under the row filters.

Covered: mixed storage in SQLite columns, numbers kept as text, nested and binary columns (null share only), views
that fail or take too long (no statistics, or those of their first rows). Not covered: values beyond 200 characters.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from .errors import LimitExceeded, QueryError
from .kinds import is_numeral, plain_value, settled_kind
from .limits import Result
from .schema import Column, Kind, Statistics, Table

Read = Callable[[str], Result]

SMALL_CELLS = 40_000
"""Tables of at most this many cells are fetched whole."""
SAMPLE_ROWS = 200_000
"""Tables of more rows are sampled down to about this many."""
FULL_SCAN_CELLS = {"duckdb": 2_000_000_000, "sqlite": 20_000_000}
"""Up to here counts and ranges are taken over all rows, above over the sample."""
FIRST_ROWS = 1_000
"""What is read of a table whose statistics took too long."""
CATEGORIES = 20
CATEGORY_CHARS = 40
SAMPLES = 8
SAMPLE_CHARS = 200
BULK_TABLES = 100
BLOCKS = 100


@dataclass(frozen=True)
class Source:
    """The rows that statistics may read of one table: all, or those of the policy's row filter."""

    table: Table
    dialect: str
    row_filter: str | None = None

    @property
    def sql(self) -> str:
        """For a FROM clause."""
        name = quoted(self.table.name)
        if self.row_filter is None:
            return name
        return f"(SELECT * FROM {name} WHERE ({self.row_filter})) AS {name}"


def measure_tables(
    read: Read,
    dialect: str,
    tables: Sequence[Table],
    *,
    row_filters: Mapping[str, str] | None = None,
    seconds: float = 120.0,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Table, ...]:
    """The tables with row counts and column statistics filled in.

    row_filters: SQL condition by table name. seconds: after that long the remaining tables keep only their row
    counts. progress: called with (tables done, of).
    """
    filters = row_filters or {}
    deadline = time.monotonic() + seconds
    sources = [Source(table, dialect, filters.get(table.name)) for table in tables]
    measured = []
    for number, (source, rows) in enumerate(zip(sources, _count_rows(read, sources), strict=True)):
        table = replace(source.table, rows=rows if isinstance(rows, int) else None)
        if rows is not QueryError and time.monotonic() < deadline:
            table = _measured(read, replace(source, table=table))
        measured.append(table)
        if progress is not None:
            progress(number + 1, len(sources))
    return tuple(measured)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def value_statistics(column: Column, values: Sequence[Any]) -> Column:
    """The column with its kind and statistics settled from all its `values` (Python values, NULL as None)."""
    present = [value for value in values if value is not None]
    null_share = 1 - len(present) / len(values) if values else 0.0
    if any(isinstance(value, list | dict | bytes | bytearray) for value in present[:100]):
        return replace(column, kind="other", statistics=Statistics(null_share=null_share))
    counts = Counter(str(value) if isinstance(value, list | dict) else value for value in present)
    kind = settled_kind(column.kind, list(counts)[:2000])
    low, high = _range(kind, counts)
    ranked = [value for value, _ in counts.most_common(CATEGORIES + 1)]
    samples, complete = _samples(ranked, len(counts))
    return replace(
        column,
        kind=kind,
        statistics=Statistics(null_share, len(counts), low, high, samples, complete),
    )


def _count_rows(read: Read, sources: Sequence[Source]) -> list[int | type[QueryError] | None]:
    """Rows of each table, many tables per statement; None: took too long, QueryError: cannot be read."""
    counts: list[int | type[QueryError] | None] = []
    for start in range(0, len(sources), BULK_TABLES):
        counts.extend(_count_bulk(read, sources[start : start + BULK_TABLES]))
    return counts


def _count_bulk(read: Read, sources: Sequence[Source]) -> list[int | type[QueryError] | None]:
    statement = " UNION ALL ".join(
        f"SELECT {number} AS i, count(*) AS n FROM {source.sql}" for number, source in enumerate(sources)
    )
    try:
        found = dict(read(f"SELECT i, n FROM ({statement}) AS counts").rows)
        return [int(found[number]) for number in range(len(sources))]
    except (QueryError, LimitExceeded) as error:
        if len(sources) == 1:
            return [None if isinstance(error, LimitExceeded) else QueryError]
        half = len(sources) // 2
        return [*_count_bulk(read, sources[:half]), *_count_bulk(read, sources[half:])]


def _measured(read: Read, source: Source) -> Table:
    table = source.table
    if table.rows == 0:
        empty = Statistics(distinct=0, samples_complete=True)
        return replace(table, columns=tuple(replace(column, statistics=empty) for column in table.columns))
    try:
        if table.rows is None:
            return _measured_in_python(read, source, limit=FIRST_ROWS)
        if table.rows * len(table.columns) <= SMALL_CELLS:
            return _measured_in_python(read, source)
        return _measured_in_python(read, source, limit=SAMPLE_ROWS)
    except (QueryError, LimitExceeded):
        pass
    try:
        return _measured_in_python(read, source, limit=FIRST_ROWS)
    except (QueryError, LimitExceeded):
        return table  # known by name only: a view that fails or never ends


def _measured_in_python(read: Read, source: Source, limit: int | None = None) -> Table:
    table = source.table
    names = ", ".join(quoted(column.name) for column in table.columns)
    tail = "" if limit is None else f" LIMIT {limit}"
    rows = read(f"SELECT {names} FROM {source.sql}{tail}").rows
    if not rows:
        return table
    columns = [value_statistics(*pair) for pair in zip(table.columns, zip(*rows, strict=True), strict=True)]
    if limit is not None and (table.rows is None or len(rows) < table.rows):
        columns = [_of_part(column) for column in columns]
    return replace(table, columns=tuple(columns))


def _of_part(column: Column) -> Column:
    """Statistics of the first rows only: what holds of all rows is not known."""
    statistics = replace(column.statistics, distinct=None, minimum=None, maximum=None, samples_complete=False)
    return replace(column, statistics=statistics)


def _range(kind: Kind, values: Iterable[Any]) -> tuple[Any, Any]:
    """Least and greatest value of a number or date column; stray values of other kinds are left out."""
    if kind == "number":
        fit = [number for value in values if (number := _as_number(value)) is not None]
    elif kind == "date":
        plain = [plain_value(value) for value in values]
        fit = [value for value in plain if isinstance(value, str)]
    else:
        return None, None
    return (plain_value(min(fit)), plain_value(max(fit))) if fit else (None, None)


def _as_number(value: Any) -> int | float | Decimal | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        if not is_numeral(value):
            return None
        value = float(value)
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if isinstance(value, int | float | Decimal) and math.isfinite(value):
        return value
    return None


def _samples(ranked: Sequence[Any], distinct: int) -> tuple[tuple[Any, ...], bool]:
    """Values to show, the most frequent first, and whether they are all there are (a categorical column)."""
    plain = [value for value in map(plain_value, ranked) if value is not None]
    short = all(len(str(value)) <= CATEGORY_CHARS for value in plain)
    if distinct <= CATEGORIES and short and len(plain) == len(ranked) == distinct:
        return tuple(plain), True
    return tuple(_shortened(value) for value in plain[:SAMPLES]), False


def _shortened(value: Any) -> Any:
    if isinstance(value, str) and len(value) > SAMPLE_CHARS:
        return value[: SAMPLE_CHARS - 1] + "…"
    return value
