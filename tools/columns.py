"""Column search: which columns does a word, a phrase or a whole question speak of?

Lexical by itself (`column_features`), and semantic as well when an embedder is given. Not covered: synonyms without
an embedder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .column_features import FEATURES, ColumnFeatures
from .schema import Catalog, Column
from .text import split_name, stem

if TYPE_CHECKING:
    from .embedding import Embedder

# Logistic weights of the features, fitted on Spider's train split (1 = a gold column of the question).
# Spider has no comments: their weight is set by hand.
WEIGHTS = {
    "coverage": 1.86, "whole": 0.21, "phrase": 1.24, "words": -1.69, "table": 1.65, "both": 1.49,
    "comment": 2.0, "value": 2.87, "cue": 0.75, "key": 0.0, "link": 1.48, "implied": 0.2, "bridge": 0.89,
    "display": 0.51, "proper": 0.13, "alone": 0.81, "spoken": 0.24,
}  # fmt: skip
BIAS = -4.75


@dataclass(frozen=True)
class ColumnHit:
    """A column and how well it fits the query, 0 to 1 (1: its name is the query)."""

    column: Column
    score: float


class ColumnIndex:
    """Search over the columns of a catalog. Immutable after building; any number of threads may search."""

    def __init__(self, catalog: Catalog, embedder: Embedder | None = None) -> None:
        self._words = ColumnFeatures(catalog)
        self._columns = self._words.columns
        self._weights = np.array([WEIGHTS[name] for name in FEATURES], np.float32)
        self._names: dict[tuple[str, ...], list[int]] = {}
        for i, column in enumerate(self._columns):
            for spelling in {_key(column.name), _key(f"{column.table} {column.name}")}:
                self._names.setdefault(spelling, []).append(i)

    def search(self, query: str, *, tables: Sequence[str] | None = None, top_k: int = 5) -> list[ColumnHit]:
        """The best columns for a word, phrase or question, best first.

        tables: only columns of these tables (any case). Columns whose name equals the query come first, and top_k
        grows to their number. Columns that fit not at all are left out.
        """
        if not self._columns or not query.strip():
            return []
        scores = self.scores(query)
        exact = self._names.get(_key(query), [])
        scores[exact] = 1.0 + scores[exact]
        allowed = np.ones(len(scores), bool)
        if tables is not None:
            wanted = {table.lower() for table in tables}
            allowed = np.array([column.table.lower() in wanted for column in self._columns])
        scores = np.where(allowed, scores, -1.0)
        count = max(top_k, int(allowed[exact].sum()))
        order = np.argsort(-scores, kind="stable")[:count]
        return [ColumnHit(self._columns[i], float(min(scores[i], 1.0))) for i in order if scores[i] > 0]

    def scores(self, query: str) -> np.ndarray:
        """float32 [columns]: how well each column of the catalog, in its order, fits the query (0 to 1)."""
        features = self._words.of(query)
        return 1 / (1 + np.exp(-(features @ self._weights + BIAS)))


def _key(name: str) -> tuple[str, ...]:
    return tuple(stem(word) for word in split_name(name)) or (name.strip().lower(),)
