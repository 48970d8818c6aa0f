"""Statistics of one big table, counted by the database: a few statements for all its columns together.

1. figures: rows, nulls, range and longest text of every column, over all rows where that is affordable;
2. frequent values of every column with their counts, over a sample above `SAMPLE_ROWS` rows;
3. where needed: the numeric range of numbers kept as text, and a check over all rows that a column found
   categorical in the sample has no other values.

Distinct counts are exact without sampling; else DuckDB's HyperLogLog over all rows, or an estimate from
the sample, and where that comes near to the number of rows a count, as such a column may be a key. The
sample consists of whole blocks of rows spread over the table (DuckDB: system sampling; SQLite: runs of
rowids), so that it costs the same on a table of any size.

Covered: row filters, views, mixed storage in SQLite columns. Not covered: text beyond 200 characters (shown
by its beginning, its distinct values not counted); nested and binary columns (null share only).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .column_statistics import (
    CATEGORIES,
    SAMPLE_CHARS,
    SAMPLES,
    estimated_distinct,
    kind_and_range,
    number_of,
    samples_of,
)
from .errors import LimitExceeded, QueryError
from .kinds import declared_kind, is_enforced, plain_value
from .limits import Result
from .schema import Column, Statistics, Table

Read = Callable[[str], Result]

SAMPLE_ROWS = 200_000
"""Tables of more rows are sampled down to about this many."""
FULL_SCAN_CELLS = {"duckdb": 300_000_000, "sqlite": 20_000_000}
"""Up to here counts and ranges are taken over all rows, above over the sample."""

_BLOCKS = 100
_COLUMNS_AT_ONCE = 100
_NEARLY = 0.9  # of the rows that have a value: so many distinct values, as estimated, may be all


@dataclass(frozen=True)
class Source:
    """The rows that statistics may read of one table: all, or those of the policy's row filter."""

    table: Table
    dialect: str
    row_filter: str | None = None

    @property
    def sql(self) -> str:
        """For a FROM clause; the table keeps its name, which the filter may use."""
        name = quoted(self.table.name)
        return name if self.row_filter is None else f"(SELECT * FROM {name}{self.where}) AS {name}"

    @property
    def where(self) -> str:
        return "" if self.row_filter is None else f" WHERE ({self.row_filter})"


def quoted(name: str) -> str:
    """A name as an SQL identifier, whatever letters it has."""
    return '"' + name.replace('"', '""') + '"'


def measured_in_sql(read: Read, source: Source) -> Table:
    """The table (its `rows` known) with kinds and statistics. Raises QueryError, LimitExceeded."""
    rows = source.table.rows or 0
    if rows <= SAMPLE_ROWS:
        measure = _Measure(read, source, everything=source.sql, sample=None)
    else:
        affordable = rows * len(source.table.columns) <= FULL_SCAN_CELLS[source.dialect]
        everything = source.sql if affordable else None
        measure = _Measure(read, source, everything=everything, sample=_sample_sql(read, source))
    columns: list[Column] = []
    for start in range(0, len(source.table.columns), _COLUMNS_AT_ONCE):
        columns.extend(measure.columns(source.table.columns[start : start + _COLUMNS_AT_ONCE]))
    return replace(source.table, columns=tuple(columns))


@dataclass(frozen=True)
class _Frequent:
    """Of one column, in the sample or all rows: most frequent values, distinct values, those seen once."""

    values: tuple[Any, ...] = ()
    groups: int = 0
    singles: int = 0
    present: int = 0


@dataclass(frozen=True)
class _Measure:
    """How a table is measured: `everything` is all its rows if affordable, `sample` asks for some of them."""

    read: Read
    source: Source
    everything: str | None
    sample: str | None

    def columns(self, columns: Sequence[Column]) -> list[Column]:
        total, figures = self._figures(columns)
        sparse = [self._is_sparse(figure) for figure in figures]
        frequent = self._frequent(columns, figures, [not one for one in sparse], sampled=True)
        if any(sparse):  # their few values may all be outside the sample
            found = self._frequent(columns, figures, sparse, sampled=False)
            frequent = [
                rare if one else common for one, rare, common in zip(sparse, found, frequent, strict=True)
            ]
        settled = []
        counts = self._distincts(columns, figures, frequent, total)
        for column, figure, common, distinct in zip(columns, figures, frequent, counts, strict=True):
            null_share = 1 - figure.present / total if total else 0.0
            if _is_opaque(column):
                settled.append(replace(column, kind="other", statistics=Statistics(null_share)))
                continue
            if any(isinstance(value, bytes) for value in common.values):
                settled.append(
                    replace(column, kind="other", statistics=Statistics(null_share, common.groups))
                )
                continue
            ends = [value for value in (figure.low, figure.high) if value is not None]
            enforced = is_enforced(self.source.dialect, column.type)
            kind, low, high = kind_and_range(column.kind, [*common.values, *ends], enforced=enforced)
            known = common.groups if distinct is None else max(distinct, common.groups)
            samples, complete = samples_of(common.values[:CATEGORIES], known)
            complete = complete and (figure.present == 0 or common.groups > 0)
            statistics = Statistics(null_share, distinct, low, high, samples, complete)
            settled.append(replace(column, kind=kind, statistics=statistics))
        return self._with_checked_categories(self._with_numeric_range(settled, figures))

    def _source(self, *, sampled: bool) -> tuple[str, str]:
        """A WITH clause (or nothing) and what to read FROM: all rows where affordable, or the sample."""
        if self.sample is None or (self.everything is not None and not sampled):
            return "", str(self.everything)
        return f"WITH source AS MATERIALIZED ({self.sample}) ", "source"

    def _figures(self, columns: Sequence[Column]) -> tuple[int, list[_Figure]]:
        """Rows, and each column's figures, in one statement."""
        with_clause, source = self._source(sampled=False)
        estimate = self.source.dialect == "duckdb" and self.sample is not None and self.everything is not None
        parts = ["count(*)"]
        for column in columns:
            name = quoted(column.name)
            opaque = _is_opaque(column)
            parts.append(f"count({name})")
            parts.append(f"approx_count_distinct({name})" if estimate and not opaque else "NULL")
            parts.extend(("NULL", "NULL") if opaque else self._ends(column))
            parts.append(f"max(length({name}))" if self._has_length(column) else "0")
        row = self.read(f"{with_clause}SELECT {', '.join(parts)} FROM {source}").rows[0]
        return row[0], [_Figure(*row[start : start + 5]) for start in range(1, len(row), 5)]

    def _ends(self, column: Column) -> tuple[str, str]:
        name = quoted(column.name)
        if self.source.dialect == "duckdb" and column.type.upper() in ("DOUBLE", "FLOAT"):
            name = f"CASE WHEN isfinite({name}) THEN {name} END"
        return f"min({name})", f"max({name})"

    def _has_length(self, column: Column) -> bool:
        if _is_opaque(column):
            return False
        return self.source.dialect == "sqlite" or column.type.upper().startswith("VARCHAR")

    def _is_sparse(self, figure: _Figure) -> bool:
        """Whether so few rows of a sampled table have a value that all of those can be looked at."""
        return self.sample is not None and self.everything is not None and figure.present <= SAMPLE_ROWS // 10

    def _frequent(
        self, columns: Sequence[Column], figures: Sequence[_Figure], wanted: Sequence[bool], *, sampled: bool
    ) -> list[_Frequent]:
        """The most frequent values of the wanted columns in one statement."""
        with_clause, source = self._source(sampled=sampled)
        typed = self.source.dialect == "duckdb"
        branches = []
        for number, (column, figure) in enumerate(zip(columns, figures, strict=True)):
            if not (wanted[number] and figure.present) or _is_opaque(column):
                continue
            name = value = quoted(column.name)
            if (figure.longest or 0) > SAMPLE_CHARS:
                value = f"substr({name}, 1, {SAMPLE_CHARS})"
            present = f"FROM {source} WHERE {name} IS NOT NULL"
            grouped = f"SELECT {value} AS v, count(*) AS n {present} GROUP BY 1"
            shown = "CAST(v AS VARCHAR)" if typed else "v"  # DuckDB: one type for all columns' values
            branches.append(
                f"SELECT * FROM (SELECT {number} AS i, {shown} AS v, count(*) OVER () AS groups, "
                "sum(CASE WHEN n = 1 THEN 1 ELSE 0 END) OVER () AS singles, sum(n) OVER () AS present "
                f"FROM ({grouped}) AS g ORDER BY n DESC, g.v LIMIT {CATEGORIES + 1}) AS f"
            )
        if not branches:
            return [_Frequent() for _ in columns]
        found: dict[int, list[tuple[Any, ...]]] = {}
        for row in self.read(with_clause + " UNION ALL ".join(branches)).rows:
            found.setdefault(int(row[0]), []).append(row)
        frequent = []
        for number, column in enumerate(columns):
            rows = found.get(number)
            if rows is None:
                frequent.append(_Frequent())
                continue
            values = tuple(_typed_value(column, row[1]) if typed else row[1] for row in rows)
            frequent.append(_Frequent(values, *(int(figure) for figure in rows[0][2:5])))
        return frequent

    def _distincts(
        self, columns: Sequence[Column], figures: Sequence[_Figure], frequent: Sequence[_Frequent], total: int
    ) -> list[int | None]:
        """Each column's distinct values. Where an estimate says that hardly any is there twice they are
        counted, until that takes too long: only a count makes a column unique.
        """
        counts: list[int | None] = []
        in_time = self.everything is not None
        for column, figure, common in zip(columns, figures, frequent, strict=True):
            present = round(figure.present / total * (self.source.table.rows or 0)) if total else 0
            count = self._distinct(column, figure, common, present)
            if count is not None and not self._is_counted(column, figure, common):
                count = min(count, max(0, present - 1))
                if in_time and _is_nearly_unique(figure, common):
                    counted = self._counted(column)
                    in_time = counted is not None
                    count = count if counted is None else counted
            counts.append(count)
        return counts

    def _counted(self, column: Column) -> int | None:
        """Distinct values in all rows; None when that takes too long."""
        statement = f"SELECT count(DISTINCT {quoted(column.name)}) FROM {self.everything}"
        try:
            return self.read(statement).rows[0][0]
        except (QueryError, LimitExceeded):
            return None

    def _distinct(self, column: Column, figure: _Figure, frequent: _Frequent, present: int) -> int | None:
        if (figure.longest or 0) > SAMPLE_CHARS and frequent.groups < frequent.present:
            return None  # grouped by their beginnings only
        if self._is_counted(column, figure, frequent):
            return present if _is_key(self.source.table, column) else frequent.groups
        if figure.present and not frequent.groups:
            return figure.distinct
        if figure.distinct is None:
            return estimated_distinct(frequent.groups, frequent.singles, frequent.present, present)
        return max(frequent.groups, min(figure.distinct, present))

    def _is_counted(self, column: Column, figure: _Figure, frequent: _Frequent) -> bool:
        """Whether the column's distinct values are known, not estimated."""
        # HyperLogLog errs by a few percent: too coarse where the sample itself has seen every value often.
        often_seen = 0 < frequent.groups <= CATEGORIES and not frequent.singles
        is_key = _is_key(self.source.table, column)
        return self.sample is None or self._is_sparse(figure) or is_key or often_seen

    def _with_numeric_range(self, columns: Sequence[Column], figures: Sequence[_Figure]) -> list[Column]:
        """Numbers kept as text: their range as numbers; back to text when some value is no number."""
        asked = [
            column
            for column, figure in zip(columns, figures, strict=True)
            if column.kind == "number" and (isinstance(figure.low, str) or isinstance(figure.high, str))
        ]
        if not asked:
            return list(columns)
        with_clause, source = self._source(sampled=False)
        parts = []
        for column in asked:
            number = _NUMERIC[self.source.dialect].format(name=quoted(column.name))
            parts.extend(
                (f"min({number})", f"max({number})", f"count({number})", f"count({quoted(column.name)})")
            )
        row = self.read(f"{with_clause}SELECT {', '.join(parts)} FROM {source}").rows[0]
        ranges = {column.name: row[4 * place : 4 * place + 4] for place, column in enumerate(asked)}
        return [
            _with_range(column, *ranges[column.name]) if column.name in ranges else column
            for column in columns
        ]

    def _with_checked_categories(self, columns: Sequence[Column]) -> list[Column]:
        """Of a sampled table: columns are categorical only when no row has another value."""
        asked = [
            column for column in columns if column.statistics.samples_complete and column.statistics.samples
        ]
        if self.sample is None or not asked:
            return list(columns)
        others: set[str] = {column.name for column in asked}
        if self.everything is not None:
            parts = []
            for column in asked:
                known = ", ".join(_literal(value) for value in column.statistics.samples)
                name = quoted(column.name)
                parts.append(f"max(CASE WHEN {name} IS NULL OR {name} IN ({known}) THEN 0 ELSE 1 END)")
            row = self.read(f"SELECT {', '.join(parts)} FROM {self.everything}").rows[0]
            others = {column.name for column, other in zip(asked, row, strict=True) if other}
        return [_not_categorical(column) if column.name in others else column for column in columns]


@dataclass(frozen=True)
class _Figure:
    """One column, as the first statement counted it."""

    present: int
    distinct: int | None
    low: Any
    high: Any
    longest: int | None


def _is_key(table: Table, column: Column) -> bool:
    return (column.name,) in (table.primary_key, *table.unique)


def _is_nearly_unique(figure: _Figure, frequent: _Frequent) -> bool:
    """Whether a column may hold no value twice, as the estimate over all rows tells, else the sample."""
    if figure.distinct is not None:
        return figure.distinct >= _NEARLY * figure.present
    return frequent.groups >= _NEARLY * frequent.present


_NUMERIC = {
    "duckdb": "TRY_CAST({name} AS DOUBLE)",
    "sqlite": (
        "CASE WHEN typeof({name}) IN ('integer', 'real') THEN {name} WHEN {name} GLOB '*[0-9]*' "
        "AND {name} NOT GLOB '*[^-+.0-9eE]*' THEN CAST({name} AS REAL) END"
    ),
}


def _with_range(column: Column, low: Any, high: Any, numbers: int, present: int) -> Column:
    if numbers < present and declared_kind(column.type) != "number":
        return replace(column, kind="text", statistics=replace(column.statistics, minimum=None, maximum=None))
    ends = [int(end) if isinstance(end, float) and end.is_integer() else end for end in (low, high)]
    minimum, maximum = (plain_value(end) for end in ends)
    return replace(column, statistics=replace(column.statistics, minimum=minimum, maximum=maximum))


def _not_categorical(column: Column) -> Column:
    statistics = column.statistics
    return replace(
        column, statistics=replace(statistics, samples=statistics.samples[:SAMPLES], samples_complete=False)
    )


def _is_opaque(column: Column) -> bool:
    """Nested and binary columns, whose values are neither compared nor shown."""
    return bool(column.type) and declared_kind(column.type) == "other"


def _typed_value(column: Column, text: str | None) -> Any:
    """DuckDB's text of a value as the value it stands for; dates stay in ISO form."""
    if text is None:
        return None
    if column.kind == "number":
        return int(text) if text.lstrip("-").isdecimal() else number_of(text)
    return text == "true" if column.kind == "boolean" else text


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _sample_sql(read: Read, source: Source) -> str:
    """A query for about `SAMPLE_ROWS` rows in blocks spread over the table."""
    table, where = source.table, source.where
    columns = ", ".join(quoted(column.name) for column in table.columns)
    name = quoted(table.name)
    if source.dialect == "duckdb":
        share = 100 * SAMPLE_ROWS / (table.rows or 1)
        return f"SELECT {columns} FROM {name} TABLESAMPLE system({share:.6f} PERCENT) REPEATABLE (42){where}"
    first_rows = f"SELECT {columns} FROM {name}{where} LIMIT {SAMPLE_ROWS}"
    if table.is_view or table.column("rowid") is not None:
        return first_rows
    try:
        ends = f"SELECT (SELECT min(rowid) FROM {name}), (SELECT max(rowid) FROM {name})"
        low, high = read(ends).rows[0]
    except QueryError:  # a table WITHOUT ROWID
        return first_rows
    step = (high - low) // _BLOCKS + 1
    condition = f"{where} AND" if where else " WHERE"
    return " UNION ALL ".join(
        f"SELECT * FROM (SELECT {columns} FROM {name}{condition} rowid >= {start} AND rowid < {start + step} "
        f"ORDER BY rowid LIMIT {SAMPLE_ROWS // _BLOCKS})"
        for start in range(low, high + 1, step)
    )
