"""How well each column fits a question by its words: one small feature matrix for the whole schema.

Pure: a catalog and a query in, float32 [features, columns] out. Words that many columns share count less
(inverse document frequency), and so do words that only repeat the table's name (`singer_name` in `singer`).
Tables count as spoken of when their name or one of their columns is; join keys between such tables, and of
a table that links two of them, are lifted, since the answer will need them though the question never names
them.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from .column_meaning import Meaning
from .lexicon import CUES, STOP_WORDS
from .schema import Catalog, Column
from .schema_words import Vocabulary, WordLists
from .text import fold, split_name, stem, words

FEATURES = (
    "coverage",  # weighted share of the name's words found in the query
    "whole",  # all of them found
    "phrase",  # neighbours in a name of several words are neighbours in the query
    "words",  # how many of the name's words were found
    "table",  # share of the table's words found
    "both",  # coverage × table
    "comment",  # share of the comment's words found
    "value",  # a sample value stands in the query
    "cue",  # who, when, where, how old … fit the name
    "key",  # primary key of a table spoken of
    "link",  # a join key whose both tables are named
    "implied",  # a join key whose both tables are spoken of
    "bridge",  # a join key of a table that links two tables spoken of
    "display",  # the name or title of a table named
    "proper",  # a name or title, and the query holds a proper name
    "alone",  # no other column fits this column's words better
    "spoken",  # another column of its table fits the query
    "meaning",  # cosine of the name and the query's best phrase (with an embedder)
    "gist",  # cosine of name and table and the whole query (with an embedder)
)
MAX_WORDS = 63
"""Words of a query that are read: their places fit a 64-bit mask."""
SOFT_FROM, SOFT_TRUST = 0.4, 0.9
"""A cosine counts as words found from the first on (0) up to 1, where it counts as much as the second."""
_DISPLAY = frozenset({"name", "title", "label", "fullname"})
_YEAR = re.compile(r"(?:1[5-9]|20)\d\d")


class ColumnFeatures:
    """The schema side of the features. Immutable after building; any number of threads may ask."""

    def __init__(self, catalog: Catalog) -> None:
        self.columns: list[Column] = list(catalog.columns())
        self._vocabulary = Vocabulary()
        table_names = [_parts(table.name) for table in catalog.tables]
        names = [_parts(column.name) for column in self.columns]
        comments = [[w for w in words(column.comment)[:24] if w not in STOP_WORDS] for column in self.columns]
        self._names = WordLists(names, self._vocabulary)
        self._tables = WordLists(table_names, self._vocabulary)
        self._comments = WordLists(comments, self._vocabulary)
        self._vocabulary.close()
        sizes = [len(table.columns) for table in catalog.tables]
        self._table_of = np.repeat(np.arange(len(sizes)), sizes)
        self._with_columns = np.flatnonzero(sizes)
        self._table_starts = np.cumsum(sizes, dtype=np.int64) - sizes
        self._weights = self._word_weights(names, table_names)
        everywhere = np.arange(len(self._weights))
        self._full_weight = np.maximum(self._names.sums(everywhere, self._weights), 1e-6)
        self._samples = _samples(self.columns)
        self._mark_roles(catalog, names)

    def of(self, query: str, meaning: Meaning | None = None) -> np.ndarray:
        """float32 [len(FEATURES), columns], each 0 to 1; the last two are 0 without `meaning`."""
        tokens = words(query)[:MAX_WORDS]
        strength, places, cues = self._read(tokens)
        matched = np.flatnonzero(strength).tolist()
        at = self._names.positions(matched)
        word = self._names.flat[at]
        found, seen = strength[word], places[word]
        coverage = self._names.sums(at, found * self._weights[at]) / self._full_weight
        words_found = self._names.sums(at[found > 0.5])
        whole = words_found == self._names.sizes
        named = self._share(self._tables, matched, strength, 1)
        if meaning is not None:
            # A name that means what the query says counts as found, if less surely than one spelled out.
            coverage = np.maximum(coverage, _soft(meaning.columns))
            named = np.maximum(named, _soft(meaning.tables))
        alone = self._alone(coverage * np.where(whole, np.float32(1), np.float32(0.5)), at, seen)
        of_table = named[self._table_of]
        spoken = self._best_of_table(coverage * alone)
        near = np.maximum(named, spoken)
        named_links, implied, bridges = self._links(named, near)
        features = (
            coverage,
            whole,
            self._names.adjacency(at, seen),
            np.minimum(words_found, 4) / 4,
            of_table,
            coverage * of_table,
            self._share(self._comments, matched, strength, 4),
            self._value_hits(tokens),
            np.minimum(self._names.sums(self._names.positions(cues)), 1),
            self._key * near[self._table_of],
            named_links,
            implied,
            bridges,
            self._display * of_table,
            self._display * near[self._table_of] * _has_proper_name(query),
            alone,
            spoken[self._table_of],
            0 if meaning is None else np.maximum(meaning.columns, 0),
            0 if meaning is None else np.maximum(meaning.whole, 0),
        )
        out = np.empty((len(features), len(self.columns)), np.float32)
        for row, feature in enumerate(features):
            out[row] = feature
        return out

    @staticmethod
    def _share(lists: WordLists, matched: Sequence[int], strength: np.ndarray, least: int) -> np.ndarray:
        """float32 [lists]: how strongly the words of each are found, by their number (at least `least`)."""
        at = lists.positions(matched)
        return lists.sums(at, strength[lists.flat[at]]) / np.maximum(lists.sizes, least)

    def _read(self, tokens: Sequence[str]) -> tuple[np.ndarray, np.ndarray, Sequence[int]]:
        """Per word of the vocabulary how strongly the query has it and where (bits); words that cues hint
        at."""
        size = len(self._vocabulary.words)
        strength, places = np.zeros(size, np.float32), np.zeros(size, np.uint64)
        cues: set[int] = set()
        for place, token in enumerate(tokens):
            for number, value in self._vocabulary.matches(token):
                strength[number] = max(strength[number], value)
                places[number] |= np.uint64(1 << place)
            hints = ("year", "date") if _YEAR.fullmatch(token) else CUES.get(token, ())
            for hint in hints:
                cues.update(self._vocabulary.of_stem(hint))
        return strength, places, sorted(cues)

    def _alone(self, score: np.ndarray, at: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """Per column, 1 when for one of its query words no other column scores higher.

        at, seen: the positions of matched words among the names, and their places in the query as bits.
        """
        alone = np.zeros(len(score), np.float32)
        owners = self._names.owner[at]
        bits = int(np.bitwise_or.reduce(seen)) if len(seen) else 0
        for place in range(bits.bit_length()):
            if bits >> place & 1:
                mine = owners[(seen & np.uint64(1 << place)) != 0]
                best = score[mine].max()
                alone[mine[score[mine] >= best - 1e-6]] = best > 0
        return alone

    def _best_of_table(self, score: np.ndarray) -> np.ndarray:
        best = np.zeros(len(self._table_starts), np.float32)
        if len(score):
            best[self._with_columns] = np.maximum.reduceat(score, self._table_starts[self._with_columns])
        return best

    def _links(self, named: np.ndarray, near: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Per column: both tables of its join are named; are spoken of; are, or link two that are."""
        out = np.zeros((3, len(self.columns)), np.float32)
        if len(self._link_trust):
            left, right = self._link_tables
            # The second best neighbour: a table between two that are spoken of is needed too.
            bridged = np.maximum(near, self._second_best_neighbour(near))
            for row, value in enumerate((named, near, bridged)):
                both = np.minimum(value[left], value[right]) * self._link_trust
                out[row, self._link_columns] = np.maximum.reduceat(both, self._link_starts)
        return out[0], out[1], out[2]

    def _second_best_neighbour(self, near: np.ndarray) -> np.ndarray:
        """Per table, the second highest of its neighbours' values (0 with fewer than two)."""
        second = np.zeros(len(near), np.float32)
        if len(self._neighbours):
            values = near[self._neighbours]
            best = np.maximum.reduceat(values, self._neighbour_starts)
            top = np.flatnonzero(values == best[self._neighbour_of])
            values[top[np.flatnonzero(np.diff(self._neighbour_of[top], prepend=-1))]] = 0  # one best of each
            second[self._with_neighbours] = np.maximum.reduceat(values, self._neighbour_starts)
        return second

    def _value_hits(self, tokens: Sequence[str]) -> np.ndarray:
        hits = np.zeros(len(self.columns), np.float32)
        for size in range(1, 6):
            for start in range(len(tokens) - size + 1):
                gram = " ".join(tokens[start : start + size])
                if size > 1 or (gram not in STOP_WORDS and len(gram) > 1):
                    hits[self._samples.get(gram, [])] = 1
        return hits

    def _word_weights(self, names: Sequence[list[str]], table_names: Sequence[list[str]]) -> np.ndarray:
        """float32 per flat position of the names: rare words more, words that repeat the table's less."""
        counts = Counter(word for name in names for word in {stem(word) for word in name})
        table_stems = [{stem(word) for word in name} for name in table_names]
        weights = []
        for name, table in zip(names, self._table_of.tolist(), strict=True):
            for word in name:
                rarity = math.log(1 + len(names) / counts[stem(word)])
                repeats = len(name) > 1 and stem(word) in table_stems[table]
                weights.append(rarity * (0.3 if repeats else 1.0))
        return np.array(weights, np.float32)

    def _mark_roles(self, catalog: Catalog, names: Sequence[list[str]]) -> None:
        place = {(column.table, column.name): i for i, column in enumerate(self.columns)}
        number = {table.name: i for i, table in enumerate(catalog.tables)}
        self._key = np.zeros(len(self.columns), np.float32)
        self._display = np.zeros(len(self.columns), np.float32)
        for table in catalog.tables:
            for name in table.primary_key:
                if (table.name, name) in place:
                    self._key[place[table.name, name]] = 1
        for i, (column, parts) in enumerate(zip(self.columns, names, strict=True)):
            if column.kind in ("text", "other") and stem(parts[-1]) in _DISPLAY_STEMS:
                self._display[i] = 1 if len(parts) == 1 else 0.6
        links: list[tuple[int, int, int, float]] = []
        for join in catalog.joins:
            tables = number.get(join.table), number.get(join.ref_table)
            for a, b in zip(join.columns, join.ref_columns, strict=False):
                for end, here, there in ((join.table, a), *tables), ((join.ref_table, b), *tables[::-1]):
                    if end in place and here is not None and there is not None:
                        links.append((place[end], here, there, join.confidence))
        links.sort(key=lambda link: link[0])
        self._link_columns, self._link_starts = np.unique(
            np.array([link[0] for link in links], np.int64), return_index=True
        )
        self._link_tables = np.array([link[1:3] for link in links], np.int64).reshape(-1, 2).T
        self._link_trust = np.array([link[3] for link in links], np.float32)
        pairs = np.array(sorted({(a, b) for _, a, b, _ in links if a != b}), np.int64).reshape(-1, 2)
        self._neighbours = pairs[:, 1]
        self._with_neighbours, self._neighbour_starts, self._neighbour_of = np.unique(
            pairs[:, 0], return_index=True, return_inverse=True
        )


_DISPLAY_STEMS = {stem(word) for word in _DISPLAY}


def _soft(cosine: np.ndarray) -> np.ndarray:
    return np.clip((cosine - SOFT_FROM) / (1 - SOFT_FROM), 0, 1) * SOFT_TRUST


def _parts(name: str) -> list[str]:
    return split_name(name) or [fold(name)]


def _samples(columns: Sequence[Column]) -> dict[str, list[int]]:
    """Columns by the words of their text samples (short ones that are no numbers)."""
    found: dict[str, list[int]] = {}
    for i, column in enumerate(columns):
        texts = {" ".join(words(s)) for s in column.statistics.samples if isinstance(s, str) and len(s) <= 60}
        for text in texts:
            if len(text) > 1 and not text.isdigit():
                found.setdefault(text, []).append(i)
    return found


def _has_proper_name(query: str) -> bool:
    """Whether the query holds a quoted text, or a capitalised word after its first."""
    return re.search(r"[\"“”]|(?<=[\w,] )['‘A-Z]", query[1:]) is not None
