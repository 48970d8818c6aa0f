"""Statistics: the same figures whether counted here or by the database, honest about samples."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from sqlberg.tools import statistics, table_figures
from sqlberg.tools.column_statistics import estimated_distinct, number_of, value_statistics
from sqlberg.tools.errors import LimitExceeded
from sqlberg.tools.kinds import content_kind, declared_kind, plain_value
from sqlberg.tools.limits import Result
from sqlberg.tools.schema import Column, Statistics, Table
from sqlberg.tools.schema_reading import read_schema
from sqlberg.tools.statistics import measure_tables

from .readers import Read, duckdb_reader, sqlite_reader

DATA = """
    CREATE TABLE data AS SELECT n AS id, n % 7 AS week,
    CASE WHEN n % 4 = 0 THEN NULL ELSE 'v' || (n % 12) END AS code, CAST(n % 500 AS VARCHAR) AS digits,
    '20' || (10 + n % 15) || '-0' || (1 + n % 9) || '-11' AS day, n * 0.5 AS half, 'x' || n AS name,
    CASE WHEN n = 17 THEN 'N/A' ELSE CAST(n AS VARCHAR) END AS nearly
    FROM ({rows}) AS s
"""
SQLITE_ROWS = (
    "WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < {last}) SELECT n FROM s"
)


def reader(dialect: str, rows: int = 3000) -> Read:
    if dialect == "sqlite":
        return sqlite_reader(DATA.format(rows=SQLITE_ROWS.format(last=rows - 1)))
    return duckdb_reader(DATA.format(rows=f"SELECT range AS n FROM range({rows})"))


def measured(read: Read, dialect: str, **options: Any) -> dict[str, Column]:
    tables = measure_tables(read, dialect, read_schema(read, dialect).tables, **options)
    return {column.name: column for column in tables[0].columns}


@pytest.fixture(params=["sqlite", "duckdb"])
def dialect(request: pytest.FixtureRequest) -> str:
    return request.param


def comparable(column: Column) -> Column:
    """Samples of equally frequent values may differ in their order."""
    figures = column.statistics
    samples = tuple(sorted(map(str, figures.samples))) if figures.samples_complete else ()
    return replace(column, statistics=replace(figures, samples=samples))


def test_the_database_counts_what_python_counts(dialect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    here = measured(reader(dialect), dialect)
    monkeypatch.setattr(statistics, "SMALL_CELLS", 0)
    there = measured(reader(dialect), dialect)
    assert {name: comparable(column) for name, column in here.items()} == {
        name: comparable(column) for name, column in there.items()
    }


def test_figures_are_right(dialect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "SMALL_CELLS", 0)
    columns = measured(reader(dialect), dialect)
    assert columns["code"].statistics.null_share == pytest.approx(0.25)
    assert columns["code"].statistics.distinct == 9
    assert columns["code"].statistics.samples_complete
    assert (columns["week"].statistics.minimum, columns["week"].statistics.maximum) == (0, 6)
    assert columns["id"].statistics.distinct == 3000


def test_digits_in_a_text_column_are_numbers_and_keep_their_type(dialect: str) -> None:
    column = measured(reader(dialect), dialect)["digits"]
    assert column.kind == "number"
    assert declared_kind(column.type) in ("text", "other")
    assert (column.statistics.minimum, column.statistics.maximum) == (0, 499)


def test_iso_dates_in_a_text_column_are_dates(dialect: str) -> None:
    column = measured(reader(dialect), dialect)["day"]
    assert (column.kind, column.statistics.minimum) == ("date", "2010-01-11")


def test_one_word_among_digits_keeps_a_text_column_text(
    dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "SMALL_CELLS", 0)
    assert measured(reader(dialect), dialect)["nearly"].kind == "text"


def test_a_big_table_is_sampled(dialect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "SMALL_CELLS", 0)
    monkeypatch.setattr(table_figures, "SAMPLE_ROWS", 10_000)
    columns = measured(reader(dialect, rows=30_000), dialect)
    assert columns["week"].statistics.distinct == 7
    assert columns["week"].statistics.samples_complete
    distinct = columns["name"].statistics.distinct
    assert distinct is not None
    assert 10_000 <= distinct <= 30_000


def test_a_rare_value_outside_the_sample_denies_a_complete_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "SMALL_CELLS", 0)
    monkeypatch.setattr(table_figures, "SAMPLE_ROWS", 100)
    rows = SQLITE_ROWS.format(last=2999)
    read = sqlite_reader(
        f"CREATE TABLE t AS SELECT CASE WHEN n = 2999 THEN 'rare' ELSE 'a' END AS c FROM ({rows})"
    )
    figures = measured(read, "sqlite")["c"].statistics
    assert "rare" not in figures.samples
    assert not figures.samples_complete


def test_a_rarely_filled_column_of_a_big_table_keeps_its_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "SMALL_CELLS", 0)
    monkeypatch.setattr(table_figures, "SAMPLE_ROWS", 1000)
    rows = SQLITE_ROWS.format(last=29_999)
    read = sqlite_reader(f"CREATE TABLE t AS SELECT CASE WHEN n = 29999 THEN 'rare' END AS c FROM ({rows})")
    figures = measured(read, "sqlite")["c"].statistics
    assert (figures.distinct, figures.samples, figures.samples_complete) == (1, ("rare",), True)


def test_a_column_of_a_big_table_is_unique_only_by_a_count(
    dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "SMALL_CELLS", 0)
    monkeypatch.setattr(table_figures, "SAMPLE_ROWS", 2_000)
    read = reader(dialect, rows=20_000)
    assert measured(read, dialect)["id"].statistics.distinct == 20_000

    def hurried(sql: str) -> Result:
        if "count(DISTINCT" in sql:
            raise LimitExceeded("too slow", limit="seconds")
        return read(sql)

    for read_now, bound in ((hurried, 300_000_000), (read, 0)):
        monkeypatch.setitem(table_figures.FULL_SCAN_CELLS, dialect, bound)
        distinct = measured(read_now, dialect)["id"].statistics.distinct
        assert distinct is not None
        assert distinct < 20_000


@pytest.mark.parametrize("number", [2**53 + 1, 2**63 - 1, -(2**53) - 1])
def test_a_long_number_keeps_all_its_digits(
    dialect: str, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(statistics, "SMALL_CELLS", 0)
    create = f"CREATE TABLE t AS SELECT CAST({number} AS BIGINT) AS id, CAST({number} AS VARCHAR) AS written"
    read = sqlite_reader(create) if dialect == "sqlite" else duckdb_reader(create)
    figures = measured(read, dialect)["id"].statistics
    assert [*figures.samples, figures.minimum, figures.maximum] == [number] * 3
    assert measured(read, dialect)["written"].statistics.samples in ((number,), (str(number),))


def test_not_a_number_is_one_value_however_often_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    read = duckdb_reader("CREATE TABLE t AS SELECT 'nan'::DOUBLE AS x FROM range(10) UNION ALL SELECT 1.5")
    here = measured(read, "duckdb")["x"].statistics
    monkeypatch.setattr(statistics, "SMALL_CELLS", 0)
    there = measured(read, "duckdb")["x"].statistics
    assert (here.distinct, here.minimum) == (there.distinct, there.minimum) == (2, 1.5)


def test_numbers_written_out_are_whole_where_they_are_integers() -> None:
    assert [number_of(text) for text in ("9007199254740993", "+7", "1e3", "2.5", "x")] == [
        9007199254740993,
        7,
        1000,
        2.5,
        None,
    ]


def test_row_filters_hold_for_every_figure(dialect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for small in (0, 10**6):
        monkeypatch.setattr(statistics, "SMALL_CELLS", small)
        columns = measured(reader(dialect), dialect, row_filters={"data": "id < 10"})
        assert columns["id"].statistics.maximum == 9
        assert columns["id"].statistics.distinct == 10


def test_the_most_frequent_sample_comes_first() -> None:
    column = value_statistics(Column("t", "c"), ["b", "a", "b", None, "c", "b", "a"])
    assert column.statistics.samples == ("b", "a", "c")


def test_values_of_mixed_storage_do_not_break_the_range() -> None:
    read = sqlite_reader(
        "CREATE TABLE t (c INTEGER)", "INSERT INTO t VALUES (3), ('N/A'), (12), (7), (x'00ff')"
    )
    assert measured(read, "sqlite")["c"].kind == "other"
    read = sqlite_reader("CREATE TABLE t (c INTEGER)", "INSERT INTO t VALUES (3), ('N/A'), (12), (7)")
    column = measured(read, "sqlite")["c"]
    assert (column.kind, column.statistics.minimum, column.statistics.maximum) == ("number", 3, 12)


def test_an_empty_table_has_no_values() -> None:
    read = sqlite_reader("CREATE TABLE t (c TEXT)")
    assert measured(read, "sqlite")["c"].statistics == Statistics(distinct=0, samples_complete=True)


def test_long_values_are_no_categories() -> None:
    column = value_statistics(Column("t", "c", kind="text"), ["x" * 50, "y" * 300])
    assert not column.statistics.samples_complete
    assert all(len(sample) <= 200 for sample in column.statistics.samples)


def test_a_broken_view_does_not_cost_the_others_their_counts() -> None:
    read = sqlite_reader("CREATE TABLE a (x)", "CREATE TABLE b (y)", "INSERT INTO b VALUES (1)")
    tables = (Table("gone", (Column("gone", "z"),), is_view=True), *read_schema(read, "sqlite").tables)
    assert [table.rows for table in measure_tables(read, "sqlite", tables)] == [None, 0, 1]


def test_a_table_that_takes_too_long_is_known_by_its_first_rows() -> None:
    inner = sqlite_reader("CREATE TABLE t (x)", "INSERT INTO t VALUES (1), (2), (2)")

    def read(sql: str) -> Result:
        if "count(" in sql:
            raise LimitExceeded("too slow", limit="seconds")
        return inner(sql)

    (table,) = measure_tables(read, "sqlite", read_schema(inner, "sqlite").tables)
    assert table.rows is None
    assert table.columns[0].statistics.samples == (2, 1)


def test_when_time_is_up_tables_keep_their_row_counts(dialect: str) -> None:
    read = reader(dialect)
    (table,) = measure_tables(read, dialect, read_schema(read, dialect).tables, seconds=0)
    assert table.rows == 3000
    assert table.columns[0].statistics == Statistics()


@pytest.mark.parametrize(
    ("declared", "kind"),
    [
        ("INTEGER", "number"),
        ("decimal(10,2)", "number"),
        ("VARCHAR(20)", "text"),
        ("TIMESTAMP WITH TIME ZONE", "date"),
        ("BOOLEAN", "boolean"),
        ("STRUCT(a INTEGER)", "other"),
        ("INTEGER[]", "other"),
        ("ENUM('a', 'b')", "text"),
        ("", "other"),
    ],
)
def test_declared_types_have_kinds(declared: str, kind: str) -> None:
    assert declared_kind(declared) == kind


def test_codes_with_leading_zeros_are_no_numbers() -> None:
    assert content_kind(["02139", "10001"]) == "text"


def test_values_become_plain() -> None:
    from datetime import date, datetime
    from decimal import Decimal

    values = [date(2024, 5, 1), datetime(2024, 5, 1, 9, 30), Decimal("2.50"), Decimal(3), float("nan"), b"x"]
    assert list(map(plain_value, values)) == ["2024-05-01", "2024-05-01 09:30:00", 2.5, 3, None, None]


def test_distinct_counts_are_estimated_within_their_bound() -> None:
    chance = random.Random(5)
    rows = [chance.randrange(20_000) for _ in range(100_000)]
    sample = rows[:5_000]
    groups = len(set(sample))
    singles = sum(sample.count(value) == 1 for value in list(set(sample))[:500]) * groups // 500
    estimate = estimated_distinct(groups, singles, len(sample), len(rows))
    assert 20_000 / 4.5 <= estimate <= 20_000 * 4.5  # sqrt(rows / sample) is the guaranteed factor
