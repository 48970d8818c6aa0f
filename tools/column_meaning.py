"""What an embedder makes of a schema and a query: cosines between the query's phrases and the names.

Names and tables are embedded once, each distinct name once (a column in its table is the sum of both
vectors, which ranks as well as embedding "singer name" anew and needs far fewer texts). A query is cut at
its function words into phrases of up to three words; all of them, and the whole query, are embedded in one
batch.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .embedding import encode_kept
from .lexicon import STOP_WORDS
from .schema import Catalog
from .text import split_name

if TYPE_CHECKING:
    from .embedding import Embedder, Report

MOST_NAMES = 10_000
"""Distinct names that are embedded, commonest first; further names are found by their words alone."""
_PHRASE_WORDS = 3
_MOST_PHRASES = 48
_TOKEN = re.compile(r"[^\W_]+(?:['’]\w+)?|[^\w\s]")


@dataclass(frozen=True)
class Meaning:
    """Cosines, -1 to 1. columns: the best phrase and the column's name; tables: the same for tables;
    whole: the whole query and the column's name together with its table's."""

    columns: np.ndarray
    tables: np.ndarray
    whole: np.ndarray


class ColumnMeaning:
    """The embedded schema. Immutable after building; thread-safe when the embedder is."""

    def __init__(
        self,
        catalog: Catalog,
        embedder: Embedder,
        cache_dir: Path | None = None,
        report: Report | None = None,
    ) -> None:
        self._embedder = embedder
        tables = [_spoken(table.name) for table in catalog.tables]
        names = [_spoken(column.name) for column in catalog.columns()]
        counts: dict[str, int] = {}
        for text in (*tables, *names):
            counts[text] = counts.get(text, 0) + 1
        kept = sorted(counts, key=lambda text: -counts[text])[:MOST_NAMES]
        vectors = encode_kept(embedder, kept, cache_dir, report)
        place = {text: i for i, text in enumerate(kept)}
        nowhere = len(kept)
        self._vectors = np.concatenate([vectors, np.zeros((1, vectors.shape[1]), np.float32)])
        self._names = np.array([place.get(text, nowhere) for text in names], np.int64)
        self._tables = np.array([place.get(text, nowhere) for text in tables], np.int64)
        sizes = [len(table.columns) for table in catalog.tables]
        self._table_of = np.repeat(np.arange(len(sizes)), sizes)
        # |a + b|² = 2 + 2 a·b for unit vectors; taken from the pairs so that no vector per column is kept.
        pairs = np.einsum("ij,ij->i", self._vectors[self._names], self._vectors[self._tables[self._table_of]])
        self._length = np.sqrt(np.maximum(2 + 2 * pairs, 1e-6))

    def of(self, query: str) -> Meaning:
        asked = phrases(query)
        vectors = self._embedder.encode([*asked, query])
        cosines = self._vectors @ vectors.T
        best = cosines[:, : len(asked)].max(axis=1) if asked else cosines[:, -1]
        whole = cosines[:, -1]
        together = (whole[self._names] + whole[self._tables][self._table_of]) / self._length
        return Meaning(best[self._names], best[self._tables], together)


def phrases(query: str) -> list[str]:
    """Runs of up to three words between function words and punctuation; "who", "when", "where" by
    themselves."""
    runs: list[list[str]] = [[]]
    for token in _TOKEN.findall(query):
        if token[0].isalnum() and token.lower() not in STOP_WORDS:
            runs[-1].append(re.sub(r"['’]s$", "", token))
        else:
            runs += [[token.lower()], []] if token.lower() in ("who", "when", "where") else [[]]
    found = [
        " ".join(run[start : start + size])
        for run in runs
        for size in range(1, min(len(run), _PHRASE_WORDS) + 1)
        for start in range(len(run) - size + 1)
    ]
    return list(dict.fromkeys(found))[:_MOST_PHRASES]


def _spoken(name: str) -> str:
    words: Sequence[str] = split_name(name)
    return " ".join(words) or name
