"""Column search finds the columns that a word, a phrase or a question speaks of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from sqlberg.tools.columns import ColumnHit, ColumnIndex
from sqlberg.tools.schema import Catalog, Column, Join, Statistics, Table

COUNTRIES = Statistics(distinct=2, samples=("France", "Netherlands"), samples_complete=True)
CATALOG = Catalog(
    "concerts",
    "sqlite",
    (
        Table(
            "singer",
            (
                Column("singer", "Singer_ID", "INTEGER", "number"),
                Column("singer", "Name", "TEXT", "text"),
                Column("singer", "Country", "TEXT", "text", statistics=COUNTRIES),
                Column("singer", "birthYear", "INTEGER", "number"),
                Column("singer", "enr", "INTEGER", "number", comment="fans enrolled in the club"),
            ),
            ("Singer_ID",),
        ),
        Table(
            "concert",
            (
                Column("concert", "concert_ID", "INTEGER", "number"),
                Column("concert", "Name", "TEXT", "text"),
                Column("concert", "Stadium Capacity", "INTEGER", "number"),
            ),
            ("concert_ID",),
        ),
        Table(
            "singer_in_concert",
            (
                Column("singer_in_concert", "Singer_ID", "INTEGER", "number"),
                Column("singer_in_concert", "concert_ID", "INTEGER", "number"),
            ),
        ),
    ),
    (
        Join("singer_in_concert", ("Singer_ID",), "singer", ("Singer_ID",)),
        Join("singer_in_concert", ("concert_ID",), "concert", ("concert_ID",)),
    ),
)


@pytest.fixture(scope="module")
def index() -> ColumnIndex:
    return ColumnIndex(CATALOG)


def places(hits: Sequence[ColumnHit]) -> list[str]:
    return [f"{hit.column.table}.{hit.column.name}" for hit in hits]


def test_equal_names_come_first_and_top_k_grows_to_their_number(index: ColumnIndex) -> None:
    hits = index.search("name", top_k=1)
    assert places(hits) == ["singer.Name", "concert.Name"]
    assert [hit.score for hit in hits] == [1.0, 1.0]


def test_a_table_before_the_name_picks_its_column(index: ColumnIndex) -> None:
    assert places(index.search("concert name", top_k=1)) == ["concert.Name"]


def test_a_mentioned_table_lifts_its_columns(index: ColumnIndex) -> None:
    assert places(index.search("What are the names of all singers?"))[0] == "singer.Name"


def test_a_typo_still_finds_the_column(index: ColumnIndex) -> None:
    assert places(index.search("capcity of the stadium", top_k=1)) == ["concert.Stadium Capacity"]


def test_camel_case_is_read_as_words(index: ColumnIndex) -> None:
    assert places(index.search("year of birth", top_k=1)) == ["singer.birthYear"]


def test_a_sample_value_in_the_question_finds_its_column(index: ColumnIndex) -> None:
    assert "singer.Country" in places(index.search("Which of them are from the Netherlands?", top_k=2))


def test_a_comment_finds_a_column_with_a_cryptic_name(index: ColumnIndex) -> None:
    assert "singer.enr" in places(index.search("fans in the club", top_k=2))


def test_keys_between_mentioned_tables_are_found_though_not_named(index: ColumnIndex) -> None:
    found = places(index.search("Show singer names and the concert they sang in", top_k=6))
    assert {"singer_in_concert.Singer_ID", "singer_in_concert.concert_ID"} <= set(found)


def test_only_the_given_tables_are_searched(index: ColumnIndex) -> None:
    found = index.search("singer name", tables=["CONCERT"], top_k=50)
    assert {hit.column.table for hit in found} == {"concert"}


def test_an_unknown_table_holds_no_column(index: ColumnIndex) -> None:
    assert index.search("name", tables=["nowhere"]) == []


def test_scores_fall_from_at_most_one(index: ColumnIndex) -> None:
    scores = [hit.score for hit in index.search("name and country of singers", top_k=10)]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


@pytest.mark.parametrize("query", ["", "   ", "?!", "名前", "x" * 5000, "name " * 500])
def test_any_query_is_answered(index: ColumnIndex, query: str) -> None:
    assert all(hit.column in CATALOG.columns() for hit in index.search(query))


def test_an_empty_catalog_has_no_columns() -> None:
    assert ColumnIndex(Catalog("none", "sqlite", ())).search("name") == []


class Synonyms:
    """An embedder that knows one synonym, and counts what it is asked."""

    name = "synonyms"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.asked.extend(texts)
        rows = np.zeros((len(texts), 64), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in text.lower().replace("homeland", "country").split():
                row[sum(word.encode()) % 64] += 1
            row /= max(float(np.linalg.norm(row)), 1e-6)
        return rows


def test_with_an_embedder_a_synonym_finds_the_column() -> None:
    assert places(ColumnIndex(CATALOG, Synonyms()).search("homeland", top_k=1)) == ["singer.Country"]


def test_names_are_embedded_once_and_kept(tmp_path: Path) -> None:
    ColumnIndex(CATALOG, Synonyms(), cache_dir=tmp_path)
    again = Synonyms()
    index = ColumnIndex(CATALOG, again, cache_dir=tmp_path)
    assert again.asked == []
    assert places(index.search("homeland", top_k=1)) == ["singer.Country"]


def test_damaged_embeddings_are_made_anew(tmp_path: Path) -> None:
    ColumnIndex(CATALOG, Synonyms(), cache_dir=tmp_path)
    for file in tmp_path.iterdir():
        file.write_bytes(file.read_bytes()[:-7])
    index = ColumnIndex(CATALOG, Synonyms(), cache_dir=tmp_path)
    assert places(index.search("homeland", top_k=1)) == ["singer.Country"]
