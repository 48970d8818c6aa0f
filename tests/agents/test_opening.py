"""Databases are opened with a column search by meaning, unless someone wants it otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np
import pytest
import sqlberg
from sqlberg.agents.opening import open_database
from sqlberg.tools.embedding import EmbedderUnavailable


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE staff (id INTEGER, salary DOUBLE, hired DATE)")
        connection.execute("INSERT INTO staff VALUES (1, 2000.5, '2020-01-01')")
    return path


def best(path: Path, query: str, **options: object) -> str:
    with open_database(path, cache_dir=path.parent / "cache", **options) as database:  # type: ignore[arg-type]
        return database.columns.search(query, top_k=1)[0].column.name


def test_a_synonym_finds_its_column_out_of_the_box(shop: Path) -> None:
    assert best(shop, "wages") == "salary"


def test_by_words_only_when_none_is_asked_for(shop: Path) -> None:
    with open_database(shop, cache_dir=shop.parent, embedder="none") as database:
        assert database.embedder is None
    with open_database(shop, cache_dir=shop.parent, embedder=None) as database:
        assert database.embedder is None


def test_an_embedder_of_ones_own_is_used(shop: Path) -> None:
    class Constant:
        name = "constant"
        asked = 0

        def encode(self, texts: Sequence[str]) -> np.ndarray:
            self.asked += 1
            return np.ones((len(texts), 1), np.float32)

    mine = Constant()
    best(shop, "anything", embedder=mine)
    assert mine.asked > 0


def test_an_unknown_embedder_says_what_to_install(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sentence_transformers", None)
    with pytest.raises(EmbedderUnavailable, match="pip install"):
        open_database(shop, embedder="nobody/nothing")


def test_the_package_opens_databases_this_way() -> None:
    assert sqlberg.open_database is open_database
