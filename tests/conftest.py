"""What all tests share.

How the tests are laid out, and why:
- pytest runs from the repository's root with `--import-mode=importlib` (pyproject.toml). The root is not put
  on `sys.path`, so `import sqlberg` takes the *installed* package: the wheel after `pip install .`, the
  checkout itself after an editable install. `tests/` is in neither.
- Folders below tests/ have the names of the packages and no `__init__.py`. Two test files may share a name.
- A helper module stands beside the tests that use it and is imported relatively: `from .tiny import ...`.
  What several folders need is a fixture of this file.

No test reaches out: hubs are offline, tracing is off, and the cache of databases is a folder of the session.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from pathlib import Path

import pytest

_CACHE = pytest.StashKey[tempfile.TemporaryDirectory[str]]()


def pytest_configure(config: pytest.Config) -> None:
    # Before any import of sqlberg: some libraries read these when they are first imported.
    os.environ.update(
        HF_HUB_OFFLINE="1",
        TRANSFORMERS_OFFLINE="1",
        HF_HUB_DISABLE_TELEMETRY="1",
        DO_NOT_TRACK="1",
        LANGSMITH_TRACING="false",
        LANGCHAIN_TRACING_V2="false",
        TOKENIZERS_PARALLELISM="false",
        # The tests' models are tiny: threads cost more than they bring, and very much on a busy machine.
        OMP_NUM_THREADS="1",
    )
    if "SQLBERG_CACHE" not in os.environ:
        config.stash[_CACHE] = tempfile.TemporaryDirectory(prefix="sqlberg-tests-")
        os.environ["SQLBERG_CACHE"] = config.stash[_CACHE].name


def pytest_unconfigure(config: pytest.Config) -> None:
    if _CACHE in config.stash:
        del os.environ["SQLBERG_CACHE"]
        config.stash[_CACHE].cleanup()


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout that the tests run from."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three customers, two of them from Chile, and three orders."""
    file = tmp_path_factory.mktemp("shop") / "shop.sqlite"
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.executescript(
            """CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT, country TEXT);
            CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INT REFERENCES customer, price REAL);
            INSERT INTO customer VALUES (1, 'Ada', 'Norway'), (2, 'Bo', 'Chile'), (3, 'Cy', 'Chile');
            INSERT INTO orders VALUES (1, 1, 9.5), (2, 2, 20.0), (3, 2, 7.25);"""
        )
    return file
