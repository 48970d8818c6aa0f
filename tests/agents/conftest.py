"""The agents' tests ask a small music database, as a SQLite and as a DuckDB file, through the real tools."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from sqlberg.tools.database import Database, open_database

_SCHEMA = """
CREATE TABLE singer (id INTEGER PRIMARY KEY, name TEXT, country TEXT, age INTEGER);
INSERT INTO singer VALUES (1, 'Joe Sharp', 'Netherlands', 52), (2, 'Timbaland', 'United States', 32),
    (3, 'Justin Brown', 'France', 29), (4, 'Rose White', 'France', 41);
CREATE TABLE concert (id INTEGER PRIMARY KEY, title TEXT, year INTEGER,
    singer_id INTEGER REFERENCES singer (id));
INSERT INTO concert VALUES (1, 'Auditions', 2014, 2), (2, 'Super bootcamp', 2014, 3),
    (3, 'Home Visits', 2015, 2), (4, 'Week 1', 2015, 4), (5, 'Week 2', 2015, NULL);
"""


@pytest.fixture(scope="session")
def music(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Four singers, five concerts, one of them without a singer; SQLite."""
    path = tmp_path_factory.mktemp("music") / "music.sqlite"
    write_sqlite(path)
    with open_database(path) as database:
        yield database


@pytest.fixture(scope="session")
def music_duckdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The same in DuckDB."""
    path = tmp_path_factory.mktemp("music") / "music.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(_SCHEMA)
    with open_database(path) as database:
        yield database


def write_sqlite(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(_SCHEMA)
    connection.close()
