"""Value search finds where a literal is stored, and its index survives whatever happens to its file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlberg.tools.catalog import build_catalog
from sqlberg.tools.errors import LimitExceeded
from sqlberg.tools.limits import Result
from sqlberg.tools.schema import Catalog
from sqlberg.tools.value_reading import Bounds
from sqlberg.tools.values import ValueHit, ValueIndex

from .readers import Read, duckdb_reader, sqlite_reader

SINGERS = [
    "CREATE TABLE singer (id INTEGER PRIMARY KEY, name TEXT, country TEXT, song TEXT, code TEXT, fee REAL)",
    "INSERT INTO singer VALUES (1, 'Joe Sharp', 'Netherlands', 'You', 'USA', 10.5),"
    " (2, 'José Núñez', 'France', 'Sharp Joes', 'FRA', 20), (3, 'Rose White', 'France', 'Sun', 'GBR', 30)",
    "CREATE TABLE concert (id INTEGER PRIMARY KEY, title TEXT, year TEXT, held TEXT, visitors INTEGER)",
    "INSERT INTO concert VALUES (1, 'Free choice', '2014', '2014-03-05', 100),"
    " (2, 'Home visits', '2015', '2015-06-30', 3000)",
    "CREATE TABLE log (token TEXT, body TEXT, data BLOB)",
    "INSERT INTO log VALUES ('0123456789abcdef0123456789abcdef', '" + "long free text " * 30 + "', x'00')",
]


def opened(read: Read, dialect: str = "sqlite", **options: object) -> ValueIndex:
    catalog = build_catalog(read, name="test", dialect=dialect, fingerprint="one")
    return ValueIndex.open(catalog, read, **options)  # pyright: ignore[reportArgumentType]


def found(hits: Sequence[ValueHit]) -> list[tuple[str, object, str]]:
    return [(f"{hit.table}.{hit.column}", hit.value, hit.match) for hit in hits]


@pytest.fixture(scope="module")
def index() -> ValueIndex:
    return opened(sqlite_reader(*SINGERS))


@pytest.mark.parametrize("query", ["Joe Sharp", "joe sharp", "  JOE   SHARP "])
def test_case_and_spaces_do_not_matter(index: ValueIndex, query: str) -> None:
    assert found(index.search(query))[0] == ("singer.name", "Joe Sharp", "exact")


def test_accents_do_not_matter(index: ValueIndex) -> None:
    assert found(index.search("jose nunez"))[0] == ("singer.name", "José Núñez", "exact")


@pytest.mark.parametrize("typo", ["Joe Shrap", "Joe Sharpp", "Jo Sharp", "Joe Sharq", "Sharp Joe"])
def test_a_slip_finds_the_value(index: ValueIndex, typo: str) -> None:
    assert ("singer.name", "Joe Sharp", "similar") in found(index.search(typo))


@pytest.mark.parametrize("typo", ["SUA", "UA", "USSA", "UZA"])
def test_a_slip_in_a_short_code_finds_it(index: ValueIndex, typo: str) -> None:
    assert ("singer.code", "USA", "similar") in found(index.search(typo))


def test_a_plural_finds_the_singular(index: ValueIndex) -> None:
    assert found(index.search("free choices"))[0] == ("concert.title", "Free choice", "similar")


@pytest.mark.parametrize("part", ["rose", "white", "whi"])
def test_a_part_finds_the_value(index: ValueIndex, part: str) -> None:
    assert ("singer.name", "Rose White", "partial") in found(index.search(part))


def test_a_value_inside_a_longer_query_is_found(index: ValueIndex) -> None:
    assert ("singer.country", "France", "partial") in found(index.search("the country of France"))


def test_exact_values_come_before_similar_ones(index: ValueIndex) -> None:
    matches = [hit.match for hit in index.search("joe sharp")]
    assert matches[0] == "exact"
    assert "similar" in matches[1:]


def test_what_resembles_nothing_finds_nothing(index: ValueIndex) -> None:
    assert index.search("qwxyzzk") == []


def test_the_place_is_filtered_before_ranking() -> None:
    crowd = ", ".join(f"('Paris {number}', 'x{number}')" for number in range(300))
    read = sqlite_reader(
        "CREATE TABLE many (city TEXT, other TEXT)",
        f"INSERT INTO many VALUES {crowd}",
        "CREATE TABLE few (city TEXT)",
        "INSERT INTO few VALUES ('Paris, Texas, in the south')",
    )
    index = opened(read)
    assert {hit.table for hit in index.search("paris", tables=["Few"])} == {"few"}
    assert {hit.column for hit in index.search("paris x7", columns=["MANY.other"])} <= {"other"}
    assert index.search("paris", tables=["few"], columns=["many.city"]) == []


def test_a_number_finds_equal_texts_equal_numbers_and_ranges(index: ValueIndex) -> None:
    hits = found(index.search("2014"))
    assert hits[0] == ("concert.year", "2014", "exact")
    assert ("concert.visitors", 2014, "within") in hits
    assert found(index.search("$3,000"))[0] == ("concert.visitors", 3000, "exact")
    assert ("singer.fee", 10.5, "exact") in found(index.search("10.50"))


def test_a_long_number_is_not_said_to_be_stored_where_another_looks_the_same() -> None:
    read = sqlite_reader(
        "CREATE TABLE post (id INTEGER)",
        "INSERT INTO post VALUES (1234567890123456789), (1234567890123456791)",
    )
    for asked in (1234567890123456789, 1234567890123456790):
        assert found(opened(read).search(str(asked))) == [("post.id", asked, "within")]


def test_another_number_is_no_slip_where_the_number_is_stored(index: ValueIndex) -> None:
    assert "2015" not in [hit.value for hit in index.search("2014")]


def test_a_number_that_lies_nowhere_finds_nothing(index: ValueIndex) -> None:
    assert index.search("987654321") == []


@pytest.mark.parametrize("day", ["2014-03-05", "March 5, 2014", "5/3/2014"])
def test_a_day_finds_the_stored_date(index: ValueIndex, day: str) -> None:
    assert ("concert.held", "2014-03-05", "exact") in found(index.search(day))


@pytest.mark.parametrize(("said", "iso"), [("June 2014", "2014-06"), ("2015", "2015")])
def test_a_month_or_year_finds_the_date_columns_around_it(index: ValueIndex, said: str, iso: str) -> None:
    assert ("concert.held", iso, "within") in found(index.search(said))


def test_real_dates_and_decimals_of_duckdb_are_found() -> None:
    read = duckdb_reader(
        "CREATE TABLE trip (day DATE, moment TIMESTAMP, price DECIMAL(8, 2), kind VARCHAR)",
        "INSERT INTO trip VALUES ('2014-03-05', '2014-03-05 10:30:00', 12.50, 'bus'),"
        " ('2016-01-01', '2016-01-01 00:00:00', 99.99, 'ferry')",
    )
    index = opened(read, "duckdb")
    assert ("trip.day", "2014-03-05", "exact") in found(index.search("5 March 2014"))
    assert ("trip.price", 12.5, "exact") in found(index.search("12.50"))
    assert ("trip.day", "2015", "within") in found(index.search("2015"))


def test_a_day_is_a_stored_moment_only_where_an_equal_sign_finds_all_of_it() -> None:
    read = duckdb_reader(
        "CREATE TABLE trip (early TIMESTAMP, late TIMESTAMP, mixed TIMESTAMP, written VARCHAR)",
        "INSERT INTO trip VALUES ('2014-03-05', '2014-03-05 10:30:00', '2014-03-05', '2014-03-05 10:30:00'),"
        " ('2016-01-01', '2016-01-01 10:30:00', '2014-03-05 10:30:00', '2016-01-01 10:30:00')",
    )
    hits = found(opened(read, "duckdb").search("2014-03-05", top_k=10))
    told = [(column, match) for column, value, match in hits if value == "2014-03-05"]
    assert sorted(told) == [
        ("trip.early", "exact"),
        ("trip.late", "within"),
        ("trip.mixed", "within"),
        ("trip.written", "within"),
    ]
    moments = found(opened(read, "duckdb").search("2014-03-05 10:30"))
    assert ("trip.late", "2014-03-05 10:30:00", "exact") in moments


def test_hashes_free_text_and_binary_are_not_indexed(index: ValueIndex) -> None:
    assert index.search("0123456789abcdef0123456789abcdef") == []
    assert index.search("long free text", tables=["log"]) == []


def test_long_words_joined_by_dashes_are_found() -> None:
    token = "kJ8_s7d6FgH2kLmN9pQrS4tUvW1xYz0-3bCdEfGh"
    read = sqlite_reader(
        "CREATE TABLE page (slug TEXT, token TEXT)",
        f"INSERT INTO page VALUES ('how-to-grow-tomatoes-on-a-balcony-2024', '{token}')",
    )
    index = opened(read)
    assert found(index.search("how to grow tomatoes"))[0][0] == "page.slug"
    assert index.search(token) == []


def test_other_scripts_are_searched_too() -> None:
    read = sqlite_reader(
        "CREATE TABLE t (城市 TEXT)", "INSERT INTO t VALUES ('北京市'), ('Москва'), ('São Paulo')"
    )
    index = opened(read)
    assert index.search("北京")[0].value == "北京市"
    assert found(index.search("москва"))[0] == ("t.城市", "Москва", "exact")
    assert found(index.search("sao paolo"))[0] == ("t.城市", "São Paulo", "similar")


@pytest.mark.parametrize(
    "query", ["", " ", "'", '"; DROP TABLE x', "%", "\x00", "x" * 100_000, "\ud800", "🙂"]
)
def test_any_query_is_answered(index: ValueIndex, query: str) -> None:
    assert isinstance(index.search(query), list)


def test_row_filters_keep_values_out() -> None:
    read = sqlite_reader(*SINGERS)
    catalog = build_catalog(read, name="test", dialect="sqlite")
    # Without statistics all values must come from the table itself.
    bare = replace(
        catalog,
        tables=tuple(
            replace(t, columns=tuple(replace(c, statistics=type(c.statistics)()) for c in t.columns))
            for t in catalog.tables
        ),
    )
    index = ValueIndex.open(bare, read, row_filters={"singer": "country = 'France'"})
    assert index.search("Joe Sharp", tables=["singer"], columns=["singer.name"]) == []
    assert found(index.search("Rose White"))[0] == ("singer.name", "Rose White", "exact")


def test_bounds_are_kept_and_told() -> None:
    names = ", ".join(f"('name {number} of many')" for number in range(100))
    read = sqlite_reader("CREATE TABLE t (name TEXT)", f"INSERT INTO t VALUES {names}")
    assert opened(read).whole
    assert not opened(read, bounds=Bounds(total=10)).whole


def never(sql: str) -> object:
    raise AssertionError(f"read again: {sql}")


def built(folder: Path) -> Catalog:
    read = sqlite_reader(*SINGERS)
    catalog = build_catalog(read, name="test", dialect="sqlite", fingerprint="one")
    ValueIndex.open(catalog, read, cache_dir=folder)
    return catalog


def test_the_index_is_built_once_and_read_from_disk(tmp_path: Path) -> None:
    catalog = built(tmp_path)
    index = ValueIndex.open(catalog, never, cache_dir=tmp_path)  # pyright: ignore[reportArgumentType]
    assert found(index.search("joe sharp"))[0] == ("singer.name", "Joe Sharp", "exact")


def test_an_index_that_ran_into_its_limits_says_so_and_is_soon_made_anew(tmp_path: Path) -> None:
    read = sqlite_reader(
        "CREATE TABLE t (name TEXT)", *(f"INSERT INTO t VALUES ('n {n}')" for n in range(99))
    )
    catalog = build_catalog(read, name="test", dialect="sqlite", fingerprint="one")

    def hurried(sql: str) -> Result:
        raise LimitExceeded("too slow", limit="seconds")

    assert not ValueIndex.open(catalog, hurried, cache_dir=tmp_path).whole
    assert not ValueIndex.open(catalog, read, cache_dir=tmp_path).whole
    (file,) = tmp_path.iterdir()
    os.utime(file, (0, 0))
    assert ValueIndex.open(catalog, read, cache_dir=tmp_path).whole
    os.utime(file, (0, 0))
    assert ValueIndex.open(catalog, never, cache_dir=tmp_path).whole  # pyright: ignore[reportArgumentType]


def test_only_its_owner_may_read_the_index(tmp_path: Path) -> None:
    built(tmp_path)
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o077 == 0


def test_a_changed_database_is_indexed_anew(tmp_path: Path) -> None:
    catalog = replace(built(tmp_path), fingerprint="two")
    with pytest.raises(AssertionError, match="read again"):
        ValueIndex.open(catalog, never, cache_dir=tmp_path)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("damage", ["cut", "flipped", "header", "empty", "foreign"])
def test_a_damaged_index_is_built_anew(tmp_path: Path, damage: str) -> None:
    catalog = built(tmp_path)
    (file,) = tmp_path.iterdir()
    content = bytearray(file.read_bytes())
    if damage == "flipped":
        content[-20] ^= 1
    elif damage == "header":
        content[40] ^= 1
    whole = {"cut": content[:-9], "empty": b"", "foreign": b"not an index at all" * 9}.get(damage, content)
    file.write_bytes(whole)
    index = ValueIndex.open(catalog, sqlite_reader(*SINGERS), cache_dir=tmp_path)
    assert found(index.search("joe sharp"))[0] == ("singer.name", "Joe Sharp", "exact")


def test_a_folder_that_cannot_be_written_to_leaves_the_index_in_memory(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    index = opened(sqlite_reader(*SINGERS), cache_dir=blocked / "below")
    assert index.search("joe sharp")


def test_a_writer_killed_half_way_leaves_the_old_index_whole(tmp_path: Path) -> None:
    catalog = built(tmp_path)
    script = f"""
        import os, signal, sys
        from pathlib import Path
        import numpy as np
        import sqlberg.tools.array_file as array_file
        array_file.os.fsync = lambda number: os.kill(os.getpid(), signal.SIGKILL)
        array_file.write_arrays(Path({str(tmp_path)!r}) / "values.index", {{"a": np.zeros(9)}}, {{}})
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], env=os.environ, check=False)
    assert ended.returncode == -signal.SIGKILL
    index = ValueIndex.open(catalog, never, cache_dir=tmp_path)  # pyright: ignore[reportArgumentType]
    assert index.search("joe sharp")


def test_twenty_threads_find_what_one_finds(index: ValueIndex) -> None:
    queries = ["joe sharp", "frnace", "2014", "march 2014", "whi", "nothing at all", "SUA"] * 20
    alone = [index.search(query) for query in queries]
    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(index.search, queries)) == alone
