"""Data files: what is read is what they hold, and what is kept of it in the cache is its owner's alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlberg.tools.child import clean_environment
from sqlberg.tools.database import Database, open_database
from sqlberg.tools.engines import files
from sqlberg.tools.engines.files import find_tables

pytestmark = pytest.mark.usefixtures("cache")


def test_a_late_row_of_a_csv_is_neither_rounded_nor_cut_to_its_day(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("n,d\n" + "1,2024-01-01\n" * 210_000 + "1.5,2024-01-01 10:30:00\n")
    with open_database(tmp_path / "a.csv") as database:
        [(number, day)] = database.read("SELECT max(n), max(d) FROM a").rows
    assert number in (1.5, Decimal("1.5"))
    assert day == datetime(2024, 1, 1, 10, 30)


def test_a_json_field_of_text_and_numbers_is_text(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"code": "AB-1"}, {"code": 17}, {"code": null}]')
    with open_database(tmp_path / "a.json") as database:
        assert types(database) == {"code": "VARCHAR"}
        rows = database.execute("SELECT code FROM a WHERE code IN ('AB-1', '17') ORDER BY code").rows
        assert list(rows) == [("17",), ("AB-1",)]


def test_a_json_field_that_may_be_a_list_stays_json(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"code": "AB-1"}, {"code": [1, 2]}]')
    with open_database(tmp_path / "a.json") as database:
        assert types(database) == {"code": "JSON"}


@pytest.mark.parametrize(
    ("names", "tables"),
    [
        (["sales.2023.csv", "sales.2024.csv.gz"], ["sales_2023", "sales_2024"]),
        (["pets.CSV", "pets.csv.gz"], ["pets", "pets_csv"]),
        (["my pets.tsv", ".csv"], ["my pets", ".csv"]),
    ],
)
def test_a_table_is_named_by_all_of_its_file_but_the_format(
    tmp_path: Path, names: list[str], tables: list[str]
) -> None:
    for name in names:
        (tmp_path / name).touch()
    found = find_tables(tmp_path, [tmp_path / name for name in names])
    assert [table.name for table in found] == tables


def test_what_was_read_from_files_is_its_owners_alone(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    with open_database(tmp_path / "a.csv") as database:
        assert database.values
        kept = [database.cache_folder, *database.cache_folder.iterdir(), Path(spec(database)).parent]
        kept += Path(spec(database)).parent.iterdir()
    assert {path.name for path in kept} >= {"catalog.json", "values.index"}
    assert {path.stat().st_mode & 0o077 for path in kept} == {0}


def test_the_next_reading_removes_what_killed_readers_left_long_ago(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    with open_database(tmp_path / "a.csv") as database:
        folder = Path(spec(database)).parent
    for name, age in (("reading-old", 24 * 3600), ("reading-now", 0)):
        (folder / name).mkdir()
        os.utime(folder / name, (time.time() - age, time.time() - age))
    (tmp_path / "a.csv").write_text("x,y\n3,4\n5,6\n")
    with open_database(tmp_path / "a.csv"):
        assert [path.name for path in folder.glob("reading-*")] == ["reading-now"]


@pytest.mark.skipif(sys.platform != "linux", reason="finds the reader in /proc")
def test_a_reader_ends_with_its_caller_and_leaves_nothing_behind(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.csv")  # nobody writes into it: the reading never comes to an end
    (tmp_path / "cache").mkdir()
    calling = (
        "import sys; from pathlib import Path; from sqlberg.tools.engines.files import DataFiles, FileTable\n"
        "path, folder = map(Path, sys.argv[1:])\n"
        "DataFiles(path, [FileTable('a', 'csv', (path,))], folder).spec()\n"
    )
    caller = subprocess.Popen(
        [sys.executable, "-c", calling, str(tmp_path / "a.csv"), str(tmp_path / "cache")],
        env=clean_environment(),
    )
    try:
        eventually(lambda: any((tmp_path / "cache").glob("reading-*/files.duckdb")))
        reader = int(Path(f"/proc/{caller.pid}/task/{caller.pid}/children").read_text())
    finally:
        caller.kill()
        caller.wait()
    try:
        eventually(lambda: not any((tmp_path / "cache").glob("reading-*")))
        eventually(lambda: not lives(reader))
    finally:
        if lives(reader):
            os.kill(reader, signal.SIGKILL)


def eventually(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 15
    while not true():
        assert time.monotonic() < until, "in vain"
        time.sleep(0.05)


def lives(process: int) -> bool:
    path = Path(f"/proc/{process}/cmdline")
    return path.exists() and path.read_text() != ""  # of one that only waits to be collected it is empty


def spec(database: Database) -> str:
    """The file that the database is read from."""
    engine = database._engine  # pyright: ignore[reportPrivateUsage]
    assert isinstance(engine, files.DataFiles)
    return engine.spec()["path"]


def types(database: Database) -> dict[str, str]:
    return {column.name: column.type for column in database.catalog.columns()}
