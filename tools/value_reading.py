"""Which columns are worth a value index, and their distinct values, read table by table within bounds.

Kept: names, categories, codes, numbers and dates. Skipped: long free text, hashes and UUIDs, binary and
nested columns. Categorical columns need no reading (their statistics hold all values), small tables are
read whole in one statement, columns of bigger ones by SELECT DISTINCT. Everything is read under the
policy's row filters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np

from .errors import LimitExceeded, QueryError
from .limits import Limits, Result
from .literals import parse_number, parse_spans, seconds_of
from .schema import Catalog, Column, Table
from .table_figures import Source, quoted

Read = Callable[[str], Result]

INDEX_LIMITS = Limits(seconds=60.0, memory_mb=2048, rows=1_000_000, columns=2_000, cell_chars=400)
"""Limits that the statements of an index's building need; `read` should run under them."""
SMALL_CELLS = 40_000
"""Tables of at most this many cells are read whole."""
_OPAQUE = re.compile(
    r"\[|STRUCT|MAP\b|UNION|LIST|ARRAY|JSON|BLOB|BYTEA|BINARY|BIT\b|GEOMETRY|INTERVAL", re.IGNORECASE
)
_TOKEN = re.compile(
    r"[0-9a-f]{16,}|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
    r"|(?=.*[A-Za-z0-9]{12})[A-Za-z0-9+/_-]{32,}=*",  # words joined by dashes are shorter
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Bounds:
    """What an index may hold; beyond it values are left out and the index says so.

    values: distinct values of one column. total: of all columns. chars: longest value kept.
    prose: a column whose sample values are longer than this on average is free text and is skipped.
    """

    values: int = 1_000_000
    total: int = 3_000_000
    chars: int = 160
    prose: int = 100


@dataclass(frozen=True)
class ColumnValues:
    """Distinct values of one column: `texts` as stored; `numbers` and `moments` (seconds since 1970) sorted.

    moment_texts: the stored text of each moment ("" where the database stores a real date).
    whole: False when some values were left out for the bounds.
    """

    table: str
    column: str
    texts: tuple[str, ...] = ()
    numbers: np.ndarray = field(default_factory=lambda: np.zeros(0))
    moments: np.ndarray = field(default_factory=lambda: np.zeros(0))
    moment_texts: tuple[str, ...] = ()
    whole: bool = True


def is_searchable(column: Column, bounds: Bounds) -> bool:
    """Whether the column holds names, categories, codes, numbers or dates, judged by type and samples."""
    if column.kind == "boolean" or _OPAQUE.search(column.type):
        return False
    samples = column.statistics.samples
    if not samples or column.kind in ("number", "date"):
        return bool(samples) or column.statistics.distinct != 0
    texts = [sample for sample in samples if isinstance(sample, str)]
    if not texts:
        return False
    lengths = sum(map(len, texts)) / len(texts)
    return lengths <= bounds.prose and not all(_TOKEN.fullmatch(text) for text in texts)


def read_values(
    catalog: Catalog,
    read: Read,
    *,
    row_filters: Mapping[str, str] | None = None,
    bounds: Bounds = Bounds(),
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[ColumnValues]:
    """The values of every searchable column, small columns first within a table.

    row_filters: SQL condition by table name. progress: called with (tables done, of).
    """
    left = bounds.total
    filters = row_filters or {}
    for done, table in enumerate(catalog.tables, 1):
        source = Source(table, catalog.dialect, filters.get(table.name))
        for column, values, whole in _distinct(table, source, read, bounds):
            found = _column_values(column, values, bounds, left, whole)
            left -= len(found.texts)
            yield found
        if progress is not None:
            progress(done, len(catalog.tables))


def _distinct(
    table: Table, source: Source, read: Read, bounds: Bounds
) -> Iterator[tuple[Column, Iterable[Any], bool]]:
    columns = [column for column in table.columns if is_searchable(column, bounds)]
    columns.sort(key=lambda column: column.statistics.distinct or 0)
    unread = []
    for column in columns:
        if column.statistics.samples_complete and column.kind != "date":
            yield column, column.statistics.samples, True
        else:
            unread.append(column)
    if not unread:
        return
    narrow = len(unread) <= (INDEX_LIMITS.columns or 0)
    if table.rows is not None and narrow and table.rows * len(unread) <= SMALL_CELLS:
        rows = _rows(read, f"SELECT {', '.join(quoted(c.name) for c in unread)} FROM {source.sql}")
        if rows is not None:
            for column, cells in zip(unread, zip(*rows, strict=True) if rows else (), strict=bool(rows)):
                yield column, dict.fromkeys(cells), True
            return
    for column in unread:
        name = quoted(column.name)
        short = f" AND length({name}) <= {bounds.chars}" if column.kind == "text" and _is_text(column) else ""
        most = min(bounds.values, INDEX_LIMITS.rows)
        rows = _rows(
            read, f"SELECT DISTINCT {name} FROM {source.sql} WHERE {name} IS NOT NULL{short} LIMIT {most}"
        )
        if rows is None:
            yield column, column.statistics.samples, False
        else:
            yield column, [row[0] for row in rows], len(rows) < most


def _is_text(column: Column) -> bool:
    return not column.type or re.search(r"CHAR|TEXT|CLOB|STRING", column.type, re.IGNORECASE) is not None


def _rows(read: Read, sql: str) -> Sequence[tuple[Any, ...]] | None:
    """The rows; None when the engine stumbles over a value or it takes too long (a view, say)."""
    try:
        return read(sql).rows
    except (QueryError, LimitExceeded):
        return None


def _column_values(
    column: Column, values: Iterable[Any], bounds: Bounds, left: int, whole: bool
) -> ColumnValues:
    texts: list[str] = []
    numbers: list[float] = []
    moments: dict[float, str] = {}
    for value in values:
        if isinstance(value, str):
            if not value or value.isspace() or len(value) > bounds.chars:
                continue
            if len(texts) < left:
                texts.append(value)
            else:
                whole = False
        elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            numbers.append(float(value))
        elif isinstance(value, date | datetime):
            moments[seconds_of(value)] = ""
    if texts and column.kind == "number":
        numbers += [number for text in texts if (number := parse_number(text)) is not None]
    if texts and column.kind in ("date", "text") and _look_like_dates(texts):
        for text in texts:
            if (spans := parse_spans(text)) and spans[0].precision in ("day", "moment"):
                moments.setdefault(spans[0].start, text)
    sorted_moments = sorted(moments.items())
    return ColumnValues(
        column.table,
        column.name,
        tuple(texts),
        np.unique(np.array(numbers, np.float64)),
        np.array([moment for moment, _ in sorted_moments], np.float64),
        tuple(text for _, text in sorted_moments),
        whole,
    )


def _look_like_dates(texts: Sequence[str]) -> bool:
    some = texts[:20]
    return sum(any(s.precision in ("day", "moment") for s in parse_spans(text)) for text in some) > 0.8 * len(
        some
    )
