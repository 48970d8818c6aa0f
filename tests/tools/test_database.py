"""Databases: every kind of reference opens or says what to do; what is read is what is there now."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from sqlberg.tools.cache import written_whole
from sqlberg.tools.database import RENEWED, Database, open_database
from sqlberg.tools.engines.files import find_tables
from sqlberg.tools.errors import DatabaseOpenError, QueryError, QueryRefused
from sqlberg.tools.limits import Limits
from sqlberg.tools.policy import AccessPolicy

pytestmark = pytest.mark.usefixtures("cache")


def make_sqlite(path: Path) -> Path:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE pets (id INTEGER PRIMARY KEY, name TEXT, owner_phone TEXT)")
    connection.executemany("INSERT INTO pets VALUES (?, ?, ?)", [(1, "Rex", "555"), (2, "Tom", "556")])
    connection.commit()
    connection.close()
    return path


def make_duckdb(path: Path) -> Path:
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE pets AS SELECT 1 AS id, 'Rex' AS name")
    return path


def make_parquet(path: Path, number: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT {number} AS id, 'Rex' AS name) TO '{path}'")
    return path


def tables(database: Database) -> list[str]:
    return sorted(table.name for table in database.catalog.tables)


# References


@pytest.mark.parametrize("ending", [".sqlite", ".db", ".duckdb", ""])
def test_a_sqlite_file_opens_whatever_it_is_called(tmp_path: Path, ending: str) -> None:
    with open_database(make_sqlite(tmp_path / f"zoo{ending}")) as database:
        assert (database.name, database.dialect) == ("zoo", "sqlite")
        assert tables(database) == ["pets"]


@pytest.mark.parametrize("ending", [".duckdb", ".db", ".sqlite"])
def test_a_duckdb_file_opens_whatever_it_is_called(tmp_path: Path, ending: str) -> None:
    with open_database(str(make_duckdb(tmp_path / f"zoo{ending}"))) as database:
        assert (database.name, database.dialect) == ("zoo", "duckdb")
        assert list(database.read("SELECT name FROM pets").rows) == [("Rex",)]


def test_a_url_of_a_local_file_opens_as_the_file(tmp_path: Path) -> None:
    with open_database(f"sqlite:///{make_sqlite(tmp_path / 'zoo.sqlite')}") as database:
        assert database.dialect == "sqlite"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pets.csv", b"id,name\n1,Rex\n2,Tom\n"),
        ("pets.tsv", b"id\tname\n1\tRex\n2\tTom\n"),
        ("pets.csv.gz", gzip.compress(b"id,name\n1,Rex\n2,Tom\n")),
        ("pets.json", json.dumps([{"id": 1, "name": "Rex"}, {"id": 2, "name": "Tom"}]).encode()),
        ("pets.jsonl", b'{"id": 1, "name": "Rex"}\n{"id": 2, "name": "Tom"}\n'),
    ],
)
def test_a_data_file_is_a_table_of_its_name(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with open_database(tmp_path / name) as database:
        assert tables(database) == ["pets"]
        assert list(database.read("SELECT id, name FROM pets").rows) == [(1, "Rex"), (2, "Tom")]


def test_a_folder_is_a_database_of_its_files_and_partitioned_sub_folders(tmp_path: Path) -> None:
    folder = tmp_path / "lake"
    make_parquet(folder / "my pets.parquet")
    make_parquet(folder / "visits" / "year=2023" / "a.parquet", 1)
    make_parquet(folder / "visits" / "year=2024" / "b.parquet", 2)
    (folder / "towns.csv").write_text("town\nUlm\n")
    (folder / "readme.txt").write_text("not data")
    with open_database(folder) as database:
        assert tables(database) == ["my pets", "towns", "visits"]
        rows = database.read("SELECT id, year FROM visits ORDER BY id").rows
        assert list(rows) == [(1, 2023), (2, 2024)]


def test_two_files_of_one_stem_are_two_tables(tmp_path: Path) -> None:
    make_parquet(tmp_path / "lake" / "pets.parquet")
    (tmp_path / "lake" / "pets.csv").write_text("town\nUlm\n")
    with open_database(tmp_path / "lake") as database:
        assert tables(database) == ["pets", "pets_parquet"]


def test_a_late_odd_row_of_a_csv_makes_its_column_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n" + "1\n" * 250_000 + "none\n")
    with open_database(tmp_path / "a.csv") as database:
        assert list(database.read("SELECT count(*), max(x) FROM a").rows) == [(250_001, "none")]


def test_only_the_parquet_files_of_a_database_can_be_read_under_its_lock(tmp_path: Path) -> None:
    make_parquet(tmp_path / "lake" / "pets.parquet")
    make_parquet(tmp_path / "other.parquet")
    with open_database(tmp_path / "lake") as database, pytest.raises(Exception, match="Permission"):
        database.read(f"SELECT * FROM read_parquet('{tmp_path}/other.parquet')")


# References that do not open


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            "id,name,amount\n" + "1,a,2\n" * 2000 + "1,a,b,2\n1,a,2\n",
            "line 2002 has 4 columns where most have 3",
        ),
        ("id,amount\n1,10\n2,20\n3\n4,40\n", "line 4 has 1 column where most have 2"),
        ("1;a\n2;b;c\n3;d\n", "line 2 has 3 columns where most have 2"),
        ("id,name,note\n1,a\n2,b\n", "line 1 has 3 columns where most have 2"),
        ("Report of 2024\n\nid,name\n1,a\n2,b,c\n3,d\n", "line 1 has 1 column where most have 2"),
        ('id,name\n1,"a, b"\n2,"c\nd"\n3,e,f\n', "line 5 has 3 columns where most have 2"),
        ("id,name\n" + "1,a\n" * 50 + "1,a,b\n", "line 52 has 3 columns where most have 2"),
    ],
)
def test_an_odd_line_of_a_csv_is_named_instead_of_misreading_the_others(
    tmp_path: Path, content: str, told: str
) -> None:
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(DatabaseOpenError, match=rf"a\.csv: {told}; mend it"):
        open_database(tmp_path / "a.csv")


def test_an_odd_line_in_one_of_many_files_of_a_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "lake" / "visits").mkdir(parents=True)
    (tmp_path / "lake" / "visits" / "a.csv").write_text("id,name\n1,Rex\n")
    (tmp_path / "lake" / "visits" / "b.csv").write_text("id,name\n1,Rex\n2,Tom,3\n")
    with pytest.raises(DatabaseOpenError, match=r"lake: visits/b\.csv: line 3 has 3 columns"):
        open_database(tmp_path / "lake")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", "id,name\n1,Müller\n".encode("latin-1"), "line 2 is not UTF-8 text"),
        ("a.csv", "id,name\n1,Müller\n".encode("utf-16"), "line 1 is not UTF-8 text"),
        ("a.csv", f"id,name\n1,{'Müller' * 200}\n".encode("latin-1"), "line 2 is not UTF-8 text"),
        ("a.json", '[{"name": "Müller"}]'.encode("latin-1"), "it is not UTF-8 text"),
        ("a.jsonl", '{"name": "Müller"}'.encode("utf-16"), "it is not UTF-8 text"),
    ],
)
def test_text_that_is_not_utf8_is_told_to_be_saved_so(
    tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DatabaseOpenError, match=f"{told}; save the file as UTF-8$"):
        open_database(tmp_path / name)


def test_a_late_odd_line_is_told_without_options_that_nobody_can_set(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,n\n" + "1,2\n" * 250_000 + "1,2,3\n")
    with pytest.raises(DatabaseOpenError, match=r"Line: 250002 .* Columns: 2 Found: 3$"):
        open_database(tmp_path / "a.csv")


def test_a_title_above_the_header_of_a_csv_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Report of 2024\n\nid,name\n1,Rex\n2,Tom\n")
    with open_database(tmp_path / "a.csv") as database:
        assert list(database.read("SELECT id, name FROM a").rows) == [(1, "Rex"), (2, "Tom")]


@pytest.mark.parametrize(
    "content",
    ['"name, first"\nann\nbob\n', "Comments, questions\nhello\nwhat, so, ever\nbye\n", "town\nUlm\n"],
)
def test_a_csv_of_one_column_may_hold_commas(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.csv").write_text(content)
    with open_database(tmp_path / "a.csv") as database:
        assert len(database.catalog.tables[0].columns) == 1


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("missing.db", None, "there is no file"),
        ("empty.db", b"", "is empty"),
        ("garbage.db", b"this is no database at all", "damaged"),
        ("damaged.sqlite", b"SQLite format 3\0" + b"x" * 5000, "damaged"),
        ("damaged.duckdb", b"x" * 8 + b"DUCK" + b"x" * 9000, "damaged"),
        ("damaged.parquet", b"PAR1 nothing PAR1", "damaged.parquet"),
        ("damaged.json", b'{"a": [', "damaged.json"),
        ("noise.csv", bytes(range(128, 256)) * 40, "noise.csv"),
        ("sheet.xlsx", b"PK\3\4", "one of .csv"),
    ],
)
def test_a_file_that_does_not_open_is_told_in_one_line(
    tmp_path: Path, name: str, content: bytes | None, told: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DatabaseOpenError) as refused:
        open_database(tmp_path / name)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_half_a_sqlite_file_is_told_to_be_damaged(tmp_path: Path) -> None:
    path = make_sqlite(tmp_path / "half.sqlite")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DatabaseOpenError, match="damaged"):
        open_database(path)


def test_a_folder_without_data_names_what_would_be_data(tmp_path: Path) -> None:
    with pytest.raises(DatabaseOpenError, match=r"no data files \(\.csv"):
        open_database(tmp_path)


@pytest.mark.parametrize(("bound", "most"), [("_MOST_ENTRIES", 3), ("_MOST_FILES", 1)])
def test_a_folder_that_is_too_large_is_refused_while_it_is_walked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, most: int
) -> None:
    for name in ("a", "b"):
        (tmp_path / "lake" / name).mkdir(parents=True)
        (tmp_path / "lake" / name / "x.csv").write_text("x\n1\n")
    monkeypatch.setattr(f"sqlberg.tools.engines.files.{bound}", most)
    with pytest.raises(DatabaseOpenError, match="the folder lake is too large to look through"):
        open_database(tmp_path / "lake")
    with pytest.raises(DatabaseOpenError, match="the folder many is too large to look through"):
        find_tables(tmp_path / "many", [tmp_path / "many" / f"{number}.csv" for number in range(4)])
    monkeypatch.setattr(f"sqlberg.tools.engines.files.{bound}", most + 1)
    with open_database(tmp_path / "lake") as database:
        assert tables(database) == ["a", "b"]


@pytest.mark.parametrize("ending", ["json", "csv", "parquet"])
def test_a_bad_file_of_a_folder_is_named_from_there(tmp_path: Path, ending: str) -> None:
    folder = tmp_path / "my lake" / "visits"
    folder.mkdir(parents=True)
    for name in ("a", "c"):
        with duckdb.connect() as connection:
            connection.execute(f"COPY (SELECT 1 AS id, 'Rex' AS name) TO '{folder / name}.{ending}'")
    (folder / f"b.{ending}").write_bytes(b'{"a": [\xff')
    with pytest.raises(DatabaseOpenError, match=rf"cannot open my lake: visits/b\.{ending}: ") as refused:
        open_database(tmp_path / "my lake")
    assert "<path>" not in str(refused.value)


def test_a_folder_with_a_database_in_it_names_that(tmp_path: Path) -> None:
    make_sqlite(tmp_path / "zoo.sqlite")
    with pytest.raises(DatabaseOpenError, match=r"for example zoo\.sqlite"):
        open_database(tmp_path)


@pytest.mark.parametrize("url", ["postgresql://ann:hunter2@host/shop", "https://host/a.csv?token=hunter2"])
def test_what_is_on_the_network_is_refused_without_repeating_the_secret(url: str) -> None:
    with pytest.raises(DatabaseOpenError) as refused:
        open_database(url)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("reference", ["", "  ", "x\0y", "a" * 5000, os.devnull, "~no-such-user/x"])
def test_an_odd_reference_is_an_error_of_ours(reference: str) -> None:
    with pytest.raises(DatabaseOpenError):
        open_database(reference)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told_so(tmp_path: Path) -> None:
    path = make_sqlite(tmp_path / "private.sqlite")
    path.chmod(0)
    with pytest.raises(DatabaseOpenError, match="permission"):
        open_database(path)


# Reading, policy and change


def test_execute_passes_the_guard_and_read_does_not(tmp_path: Path) -> None:
    with open_database(make_sqlite(tmp_path / "zoo.sqlite")) as database:
        assert list(database.execute("SELECT name FROM pets WHERE id = 2").rows) == [("Tom",)]
        assert ("pets",) in database.read("SELECT name FROM sqlite_master").rows
        with pytest.raises(QueryRefused):
            database.execute("SELECT name FROM sqlite_master")


@pytest.mark.parametrize("make", [make_sqlite, make_duckdb])
def test_a_count_is_named_as_it_is_written(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    with open_database(make(tmp_path / "zoo")) as database:
        assert database.execute("SELECT count(*) FROM pets").columns == ("count(*)",)


def test_the_limits_of_the_database_hold_unless_a_call_brings_its_own(tmp_path: Path) -> None:
    with open_database(make_sqlite(tmp_path / "zoo.sqlite"), limits=Limits(rows=1)) as database:
        assert len(database.execute("SELECT * FROM pets").rows) == 1
        assert len(database.execute("SELECT * FROM pets", limits=Limits(rows=5)).rows) == 2


def test_a_hidden_column_is_in_no_catalog_and_no_result(tmp_path: Path) -> None:
    policy = AccessPolicy(hide_columns=("pets.owner_phone",))
    with open_database(make_sqlite(tmp_path / "zoo.sqlite"), policy=policy) as database:
        assert [column.name for column in database.catalog.columns()] == ["id", "name"]
        assert database.execute("SELECT * FROM pets").columns == ("id", "name")


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT grouping((SELECT max(id) FROM pets)) FROM pets GROUP BY id", "GROUPING child"),
        ("PIVOT (SELECT 1 AS a) ON (a IN (SELECT id FROM pets)) USING count(*)", "Cannot pivot"),
        ("SELECT sum(name) FROM pets", "No function matches"),
    ],
)
def test_an_engines_message_does_not_repeat_a_row_filter(tmp_path: Path, sql: str, told: str) -> None:
    policy = AccessPolicy(row_filters={"pets": "name <> 'secret'"})
    with (
        open_database(make_duckdb(tmp_path / "zoo.duckdb"), policy=policy) as database,
        pytest.raises(QueryError, match=told) as failed,
    ):
        database.execute(sql)
    assert "secret" not in str(failed.value)


@pytest.mark.parametrize("make", [make_sqlite, make_duckdb])
@pytest.mark.parametrize(
    "condition", ["nmae = 'secret'", "1 = 1) OR (1 = 1", "name = 'secret'; SELECT 1", "-- secret", "name ="]
)
def test_a_row_filter_that_is_no_condition_of_its_table_is_told_at_opening(
    tmp_path: Path, make: Callable[[Path], Path], condition: str
) -> None:
    with pytest.raises(DatabaseOpenError, match="pets") as failed:
        open_database(make(tmp_path / "zoo.db"), policy=AccessPolicy(row_filters={"pets": condition}))
    assert "secret" not in str(failed.value)
    assert "nmae" not in str(failed.value)


@pytest.mark.parametrize(
    "condition",
    [
        'name = "Rex"',
        'id IN (SELECT id FROM pets WHERE name = "Rex")',
        'name = "Rex" AND id IN (SELECT "Rex" FROM dogs)',
        "name = [Rex]",
        "name = `Rex`",
        'name = ""',
    ],
)
def test_text_in_double_quotes_is_no_row_filter_since_a_caller_could_say_what_it_means(
    tmp_path: Path, condition: str
) -> None:
    path = make_sqlite(tmp_path / "zoo.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute('CREATE TABLE dogs ("Rex" INTEGER)')
    with pytest.raises(DatabaseOpenError, match="write text in single quotes"):
        open_database(path, policy=AccessPolicy(row_filters={"pets": condition}))


def test_a_row_filter_may_quote_the_columns_that_it_reads(tmp_path: Path) -> None:
    condition = '"name" IN (SELECT max(p."name") FROM pets AS p WHERE "owner_phone" = \'555\')'
    policy = AccessPolicy(row_filters={"pets": condition}, hide_columns=("pets.owner_phone",))
    with open_database(make_sqlite(tmp_path / "zoo.db"), policy=policy) as database:
        assert list(database.execute("SELECT name FROM pets").rows) == [("Rex",)]


def test_full_text_search_does_not_reach_into_a_hidden_column(tmp_path: Path) -> None:
    path = make_sqlite(tmp_path / "zoo.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE VIRTUAL TABLE docs USING fts4(title, body)")
        connection.execute("INSERT INTO docs VALUES ('first', 'secret'), ('second', 'known')")
        connection.commit()
    search = "SELECT title FROM docs WHERE title MATCH '{}'"
    with open_database(path) as database:
        assert list(database.execute(search.format("body:secret")).rows) == [("first",)]
    policy = AccessPolicy(allow_tables=("docs",), hide_columns=("docs.body",))
    with open_database(path, policy=policy) as database:
        for asked in ("body:secret", "first"):
            with pytest.raises(QueryError, match="MATCH"):
                database.execute(search.format(asked))


def test_a_table_wider_than_a_result_may_be_is_measured_and_read(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text("\n".join(",".join(f"{prefix}{n}" for n in range(2500)) for prefix in ("c", "", "")))
    with open_database(path) as database:
        assert list(database.execute("SELECT c7, c2499 FROM wide").rows) == [(7, 2499), (7, 2499)]
        assert database.catalog.tables[0].columns[2400].statistics.samples == (2400,)
        assert [hit.column for hit in database.values.search("2499")] == ["c2499"]


@pytest.mark.parametrize("make", [make_sqlite, make_duckdb])
def test_comments_in_row_filters_are_no_part_of_them(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    filters = {
        "pets": "name = 'Rex' -- the dog",
        "p*": "/* all */ id < 9 OR name = 'Tom' -- (",
        "other": "x = 1",
    }
    with open_database(make(tmp_path / "zoo.db"), policy=AccessPolicy(row_filters=filters)) as database:
        table = database.catalog.tables[0]
        assert table.rows == 1
        assert table.columns[1].statistics.samples == ("Rex",)
        assert list(database.execute("SELECT name FROM pets").rows) == [("Rex",)]
        assert [hit.value for hit in database.values.search("rex")] == ["Rex"]


def test_a_table_that_cannot_be_read_at_all_does_not_speak_against_its_row_filter(tmp_path: Path) -> None:
    path = make_sqlite(tmp_path / "zoo.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE gone (id INTEGER)")
        connection.execute("CREATE VIEW broken AS SELECT id FROM gone")
        connection.execute("DROP TABLE gone")
    policy = AccessPolicy(row_filters={"*": "id > 0"})
    with open_database(path, policy=policy) as database:
        assert tables(database) == ["pets"]


def test_the_catalog_is_kept_on_disk_apart_for_each_policy(tmp_path: Path, cache: Path) -> None:
    path = make_sqlite(tmp_path / "zoo.sqlite")
    for policy in (None, None, AccessPolicy(hide_columns=("pets.owner_phone",))):
        with open_database(path, policy=policy) as database:
            assert database.catalog.tables
    assert len(list(cache.rglob("catalog.json"))) == 2


@pytest.mark.parametrize(
    "condition",
    [
        "name < date('now')",
        "name < date()",
        "name < strftime('%Y')",
        "name < CURRENT_DATE",
        "id > abs(random() % 1)",
        "id IN (SELECT id FROM pets WHERE name < current_timestamp)",
    ],
)
def test_what_a_row_filter_of_the_moment_shows_is_not_kept(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, condition: str
) -> None:
    policy = AccessPolicy(row_filters={"pets": condition})
    with open_database(make_sqlite(tmp_path / "zoo.sqlite"), policy=policy) as database:
        catalog, values = database.catalog, database.values
        assert database.catalog is catalog
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + RENEWED)
        assert database.catalog is not catalog
        assert database.values is not values
    assert not [*cache.rglob("catalog.json"), *cache.rglob("values.index")]


def test_a_row_filter_over_stored_dates_lasts(tmp_path: Path, cache: Path) -> None:
    policy = AccessPolicy(row_filters={"pets": "date(name) IS NULL AND strftime('%Y', name) IS NULL"})
    with open_database(make_sqlite(tmp_path / "zoo.sqlite"), policy=policy) as database:
        assert database.catalog.tables
    assert list(cache.rglob("catalog.json"))


def test_a_change_is_noticed_by_an_open_database(tmp_path: Path) -> None:
    path = make_sqlite(tmp_path / "zoo.sqlite")
    with open_database(path) as database:
        before = database.fingerprint
        assert tables(database) == ["pets"]
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE vets (name TEXT)")
        connection.commit()
        connection.close()
        assert database.fingerprint != before
        assert tables(database) == ["pets", "vets"]
        assert list(database.execute("SELECT count(*) FROM vets").rows) == [(0,)]


def test_a_changed_data_file_is_read_anew_and_its_old_copy_removed(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "pets.csv"
    path.write_text("id\n1\n")
    with open_database(path) as database:
        assert list(database.read("SELECT * FROM pets").rows) == [(1,)]
        path.write_text("id,name\n1,Rex\n")
        assert list(database.read("SELECT * FROM pets").rows) == [(1, "Rex")]
    assert len(list(cache.rglob("files-*.duckdb"))) == 1


def test_opening_and_querying_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    make_sqlite(folder / "a.sqlite")
    make_duckdb(folder / "b.duckdb")
    (folder / "c.csv").write_text("x\n1\n")
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    for name in before:
        with open_database(folder / name) as database:
            database.execute(f'SELECT count(*) FROM "{database.catalog.tables[0].name}"')
    after = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    assert after == before


def test_many_threads_share_one_database(tmp_path: Path) -> None:
    found: list[object] = []
    with open_database(make_sqlite(tmp_path / "zoo.sqlite")) as database:

        def ask() -> None:
            found.append(database.execute("SELECT name FROM pets ORDER BY id").rows[0][0])

        threads = [threading.Thread(target=ask) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == ["Rex"] * 20


# The cache


def test_a_cache_that_cannot_be_written_to_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "blocked").write_text("a file where the folder should be")
    monkeypatch.setenv("SQLBERG_CACHE", str(tmp_path / "blocked"))
    (tmp_path / "a.csv").write_text("x\n1\n")
    with open_database(tmp_path / "a.csv") as database:
        assert list(database.read("SELECT x FROM a").rows) == [(1,)]


def test_a_cache_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "kept.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), written_whole(path) as temporary:
        temporary.write_text(f"half {1 / 0}")
    assert [file.name for file in tmp_path.iterdir()] == ["kept.txt"]
    assert path.read_text() == "old"


def test_a_compiled_parser_that_the_guard_cannot_extend_is_refused_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "shop.sqlite"
    make_sqlite(path)
    monkeypatch.setattr("sqlberg.tools.database.version", lambda name: "30.30.0")
    with pytest.raises(DatabaseOpenError, match="pip uninstall sqlglotc"):
        open_database(path)
