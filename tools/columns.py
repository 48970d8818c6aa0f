"""Column search: which columns does a word, a phrase or a whole question speak of?

By words alone (column_features.py), and by meaning too when an embedder is given (column_meaning.py). The
score is a logistic regression over a handful of features; its weights are below, for all to read. Not
covered: synonyms without an embedder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .column_features import FEATURES, ColumnFeatures
from .column_meaning import ColumnMeaning
from .schema import Catalog, Column
from .text import split_name, stem

if TYPE_CHECKING:
    from .embedding import Embedder, Report

# Fitted on Spider's train questions (1 = the gold SQL reads the column); those for an embedder with the one
# that ships, and on the questions' rewordings with synonyms as well. Spider's schemas have no comments: that
# weight is set by hand.
WEIGHTS = {
    "coverage": 1.86, "whole": 0.21, "phrase": 1.24, "words": -1.69, "table": 1.65, "both": 1.49,
    "comment": 2.0, "value": 2.87, "cue": 0.75, "key": 0.0, "link": 1.48, "implied": 0.2, "bridge": 0.89,
    "display": 0.51, "proper": 0.13, "alone": 0.81, "spoken": 0.24, "bias": -4.75,
}  # fmt: skip
WEIGHTS_WITH_MEANING = {
    "coverage": 1.73, "whole": 0.07, "phrase": 1.2, "words": -2.72, "table": 1.23, "both": 1.33,
    "comment": 2.0, "value": 2.49, "cue": 0.63, "key": 0.03, "link": 1.59, "implied": 0.11, "bridge": 0.71,
    "display": 0.58, "proper": 0.09, "alone": 0.78, "spoken": 0.11, "meaning": 0.99, "gist": 1.89,
    "bias": -5.19,
}  # fmt: skip


@dataclass(frozen=True)
class ColumnHit:
    """A column and how well it fits the query, 0 to 1 (1: its name is the query)."""

    column: Column
    score: float


class ColumnIndex:
    """Search over the columns of a catalog. Immutable after building; any number of threads may search."""

    def __init__(
        self,
        catalog: Catalog,
        embedder: Embedder | None = None,
        *,
        cache_dir: Path | None = None,
        progress: Report | None = None,
    ) -> None:
        """With an embedder the schema's distinct names are embedded here, and kept in `cache_dir`."""
        self._features = ColumnFeatures(catalog)
        self._meaning = None
        if embedder is not None:
            self._meaning = ColumnMeaning(catalog, embedder, cache_dir, progress)
        weights = WEIGHTS if embedder is None else WEIGHTS_WITH_MEANING
        self._weights = np.array([weights.get(name, 0.0) for name in FEATURES], np.float32)
        self._bias = weights["bias"]
        self._columns = self._features.columns
        self._of_table: dict[str, slice] = {}
        start = 0
        for table in catalog.tables:
            self._of_table[table.name.lower()] = slice(start, start + len(table.columns))
            start += len(table.columns)
        self._named: dict[tuple[str, ...], list[int]] = {}
        for number, column in enumerate(self._columns):
            for spelling in {_key(column.name), _key(f"{column.table} {column.name}")}:
                self._named.setdefault(spelling, []).append(number)

    def search(self, query: str, *, tables: Sequence[str] | None = None, top_k: int = 5) -> list[ColumnHit]:
        """The best columns for a word, phrase or question, best first.

        tables: only columns of these tables (any case). Columns whose name equals the query (alone, or after
        its table's) come first, and top_k grows to their number.
        """
        if not self._columns or not query.strip():
            return []
        fits = self._fits(query)
        exact = np.zeros(len(fits), bool)
        exact[self._named.get(_key(query), [])] = True
        fits[exact] += 100.0
        if tables is not None:
            outside = np.ones(len(fits), bool)
            for table in tables:
                outside[self._of_table.get(table.lower(), slice(0))] = False
            fits[outside] = -np.inf
            exact &= ~outside
        count = min(max(top_k, int(exact.sum())), len(fits))
        best = np.argpartition(-fits, count - 1)[:count]
        best = best[np.lexsort((best, -fits[best]))]
        return [
            ColumnHit(self._columns[number], 1.0 if exact[number] else float(_logistic(fits[number])))
            for number in best.tolist()
            if np.isfinite(fits[number])
        ]

    def scores(self, query: str) -> np.ndarray:
        """float32 [columns]: how well each column of the catalog, in its order, fits the query (0 to 1)."""
        return _logistic(self._fits(query))

    def _fits(self, query: str) -> np.ndarray:
        meaning = self._meaning.of(query) if self._meaning is not None else None
        return self._weights @ self._features.of(query, meaning) + self._bias


def _logistic(fit: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-fit))


def _key(name: str) -> tuple[str, ...]:
    return tuple(stem(word) for word in split_name(name)) or (name.strip().lower(),)
