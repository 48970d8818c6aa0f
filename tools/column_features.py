"""How well each column's words fit a question, as one small feature matrix for the whole schema.

Pure: a catalog and a query in, float32 [columns, features] out. Every distinct word of the schema is compared with
every query word once (equal, same stem, prefix, abbreviation, typo); columns then gather their words' strengths
with numpy, so a schema of 100 000 columns costs milliseconds. Words that many columns share count less (inverse
document frequency), and so do words that only repeat the table's name (`singer_name` in `singer`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from rapidfuzz.distance import OSA
from rapidfuzz.process import extract

from .schema import Catalog, Column
from .text import fold, split_name, stem, words

FEATURES = (
    "coverage",  # weighted share of the name's words found in the query
    "whole",  # all of them found
    "phrase",  # neighbours in a name of several words are neighbours in the query
    "words",  # how many of the name's words were found, 0 to 1
    "table",  # weighted share of the table's words found
    "both",  # coverage × table
    "near",  # a word of the column stands within a few words of one of the table
    "comment",  # share of the comment's words found
    "value",  # a sample value stands in the query
    "cue",  # who, when, where, how old … fit the name or the kind
    "key",  # primary key of a table found
    "link",  # a join key whose both tables are found
    "display",  # the name or title of a table found
    "alone",  # no other column fits this column's words better in the same query
)
MAX_WORDS = 63  # positions fit a 64-bit mask

STOP = frozenset(
    "a an the of in on at by for from to with and or not is are was were be been do does did has have had what which"
    " who whom whose when where how many much that this these those there their they them it its his her he she we i"
    " you our me my your all any each every some no than then as so if but show list give find return tell"
    " please can could would should will about into over between both also just only".split()
)
ABBREVIATIONS = {
    "addr": "address", "amt": "amount", "avg": "average", "dept": "department", "desc": "description",
    "dob": "birth", "emp": "employee", "fname": "first", "lname": "last", "lat": "latitude", "lng": "longitude",
    "long": "longitude", "max": "maximum", "min": "minimum", "nbr": "number", "no": "number", "num": "number",
    "pct": "percent", "qty": "quantity", "stu": "student", "tel": "telephone", "yr": "year",
}  # fmt: skip
CUES = {
    "who": ("name",), "whom": ("name",), "whose": ("name",), "called": ("name",), "named": ("name",),
    "when": ("date", "time", "year", "day"), "where": ("location", "city", "address", "place", "country", "state"),
    "old": ("age", "birth"), "older": ("age", "birth"), "oldest": ("age", "birth"), "young": ("age", "birth"),
    "younger": ("age", "birth"), "youngest": ("age", "birth"), "tall": ("height",), "tallest": ("height",),
    "taller": ("height",), "heavy": ("weight",), "heaviest": ("weight",), "expensive": ("price", "cost", "amount"),
    "cheap": ("price", "cost"), "cheapest": ("price", "cost"), "cost": ("price",), "rich": ("salary", "income"),
    "earn": ("salary", "income"), "paid": ("salary", "amount", "payment"), "long": ("length", "duration"),
    "longest": ("length", "duration"), "large": ("size", "area", "capacity", "population"),
    "largest": ("size", "area", "capacity", "population"), "live": ("address", "city", "residence", "state"),
    "male": ("gender", "sex"), "female": ("gender", "sex"), "female": ("gender", "sex"), "man": ("gender", "sex"),
    "woman": ("gender", "sex"), "born": ("birth", "birthday"), "recent": ("date", "year"), "latest": ("date", "year"),
    "earliest": ("date", "year"), "nationality": ("country",), "phone": ("telephone",), "early": ("date", "year"),
    "late": ("date", "year"), "month": ("date",), "day": ("date",),
}  # fmt: skip
_DISPLAY = frozenset({"name", "title", "label", "fullname"})


class SchemaWords:
    """The words of a catalog's columns and tables as flat arrays; `features(query)` scores them all."""

    def __init__(self, catalog: Catalog) -> None:
        self.columns: list[Column] = list(catalog.columns())
        self._vocabulary: dict[str, int] = {}
        table_words = [self._parts(table.name) for table in catalog.tables]
        self._table_of = np.repeat(
            np.arange(len(catalog.tables), dtype=np.int32), [len(table.columns) for table in catalog.tables]
        )
        names = [self._parts(column.name) for column in self.columns]
        comments = [[w for w in words(column.comment)[:24] if w not in STOP] for column in self.columns]
        self._names = _Lists(names, self._vocabulary)
        self._tables = _Lists(table_words, self._vocabulary)
        self._comments = _Lists(comments, self._vocabulary)
        self._spelled = list(self._vocabulary)
        self._stems: dict[str, list[int]] = {}
        for word, index in self._vocabulary.items():
            self._stems.setdefault(stem(word), []).append(index)
        self._weigh(names, table_words)
        self._values = _samples(self.columns)
        self._mark_roles(catalog, names)
        self.matches = lru_cache(maxsize=4096)(self._matches)

    @staticmethod
    def _parts(name: str) -> list[str]:
        parts = split_name(name) or [fold(name)]
        return parts

    def _weigh(self, names: Sequence[list[str]], tables: Sequence[list[str]]) -> None:
        counts = Counter(stem(word) for name in names for word in set(name))
        total = max(1, len(names))
        rarity = np.array(
            [math.log(1 + total / counts[stem(w)]) if counts[stem(w)] else 1.0 for w in self._spelled],
            np.float32,
        )
        weights = rarity[self._names.flat]
        own = [{stem(word) for word in name} for name in tables]
        repeats = [
            len(name) > 1 and stem(word) in own[table]
            for name, table in zip(names, self._table_of.tolist(), strict=True)
            for word in name
        ]
        weights[np.array(repeats, bool)] *= 0.3
        self._name_weights = weights
        self._table_weights = np.ones(len(self._tables.flat), np.float32)

    def _mark_roles(self, catalog: Catalog, names: Sequence[list[str]]) -> None:
        position = {(column.table, column.name): i for i, column in enumerate(self.columns)}
        number = {table.name: i for i, table in enumerate(catalog.tables)}
        count = len(self.columns)
        self._key, self._display = np.zeros(count, np.float32), np.zeros(count, np.float32)
        for table in catalog.tables:
            for name in table.primary_key:
                if (table.name, name) in position:
                    self._key[position[table.name, name]] = 1
        for i, (column, parts) in enumerate(zip(self.columns, names, strict=True)):
            if column.kind in ("text", "other") and parts[-1] in _DISPLAY:
                self._display[i] = 1 if len(parts) == 1 else 0.6
        links = []
        for join in catalog.joins:
            a, b = number.get(join.table), number.get(join.ref_table)
            for left, right in zip(join.columns, join.ref_columns, strict=True):
                for end in ((join.table, left), (join.ref_table, right)):
                    if end in position and a is not None and b is not None:
                        links.append((position[end], a, b, join.confidence))
        self._links = np.array([link[:3] for link in links], np.int64).reshape(-1, 3)
        self._link_trust = np.array([link[3] for link in links], np.float32)

    def _matches(self, word: str) -> tuple[tuple[int, float], ...]:
        """Schema words that the query word stands for, with a strength of 0 to 1."""
        found: dict[int, float] = {}

        def add(index: int, strength: float) -> None:
            found[index] = max(strength, found.get(index, 0))

        if word in self._vocabulary:
            add(self._vocabulary[word], 1.0)
        for index in self._stems.get(stem(word), ()):
            add(index, 0.97)
        if word in STOP or len(word) < 3:
            return tuple((index, 0.3 if word in STOP else strength) for index, strength in found.items())
        root = stem(word)
        for other, index in self._vocabulary.items():
            if ABBREVIATIONS.get(other) == word or ABBREVIATIONS.get(word) == other:
                add(index, 0.9)
            elif len(other) >= 3 and (root.startswith(other) or (len(word) >= 4 and other.startswith(root))):
                add(index, 0.5 + 0.4 * min(len(other), len(root)) / max(len(other), len(root)))
        if not found and len(word) >= 5:
            slips = 1 if len(word) < 9 else 2
            for _, distance, index in extract(
                word, self._spelled, scorer=OSA.distance, score_cutoff=slips, limit=20
            ):
                add(index, 0.9 - 0.15 * distance)
        return tuple(found.items())

    def features(self, query: str) -> np.ndarray:
        """float32 [columns, len(FEATURES)], each 0 to 1."""
        tokens = words(query)[:MAX_WORDS]
        strength = np.zeros(len(self._spelled), np.float32)
        where = np.zeros(len(self._spelled), np.uint64)
        cue = np.zeros(len(self._spelled), np.float32)
        for position, token in enumerate(tokens):
            for index, value in self.matches(token):
                strength[index] = max(strength[index], value)
                where[index] |= np.uint64(1 << position)
            for hint in CUES.get(token, ()):
                for index in self._stems.get(stem(hint), ()):
                    cue[index] = 1
        hits, seen = strength[self._names.flat], where[self._names.flat]
        coverage = self._names.sums(hits * self._name_weights) / np.maximum(
            self._names.sums(self._name_weights), 1e-6
        )
        least = self._names.minima(hits)
        table = self._tables.sums(strength[self._tables.flat]) / np.maximum(self._tables.sizes, 1)
        of_table = table[self._table_of]
        table_seen = self._tables.any_bits(where[self._tables.flat])[self._table_of]
        column_seen = self._names.any_bits(seen)
        around = column_seen
        for step in (1, 2, 3, 4):
            around = around | (column_seen << np.uint64(step)) | (column_seen >> np.uint64(step))
        links = np.zeros(len(self.columns), np.float32)
        if len(self._links):
            np.maximum.at(
                links,
                self._links[:, 0],
                np.minimum(table[self._links[:, 1]], table[self._links[:, 2]]) * self._link_trust,
            )
        features = [
            coverage,
            least > 0.5,
            self._names.adjacency(seen),
            np.minimum(self._names.sums(hits > 0.5), 4) / 4,
            of_table,
            coverage * of_table,
            ((around & table_seen) != 0) * coverage,
            self._comments.sums(strength[self._comments.flat]) / np.maximum(self._comments.sizes, 4),
            self._value_hits(query),
            np.minimum(self._names.sums(cue[self._names.flat]), 1),
            self._key * of_table,
            links,
            self._display * of_table,
            self._unrivalled(coverage * np.maximum(least > 0.5, 0.5), column_seen),
        ]
        return np.stack([np.asarray(f, np.float32) for f in features], axis=1)

    def _value_hits(self, query: str) -> np.ndarray:
        tokens = words(query)[:MAX_WORDS]
        hits = np.zeros(len(self.columns), np.float32)
        for size in range(1, 6):
            for start in range(len(tokens) - size + 1):
                gram = " ".join(tokens[start : start + size])
                if size == 1 and (gram in STOP or len(gram) < 2):
                    continue
                for column in self._values.get(gram, ()):
                    hits[column] = 1
        return hits

    def _unrivalled(self, score: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """Per column, the share of its query words for which no other column scores higher (best over words)."""
        alone = np.zeros(len(score), np.float32)
        bits = int(np.bitwise_or.reduce(seen)) if len(seen) else 0
        for position in range(bits.bit_length()):
            if bits >> position & 1:
                mine = np.nonzero(seen & np.uint64(1 << position))[0]
                best = score[mine].max()
                if best > 0:
                    alone[mine] = np.maximum(alone[mine], score[mine] >= best - 1e-6)
        return alone


class _Lists:
    """Lists of word numbers of different lengths, flat, with sums and the like per list."""

    def __init__(self, lists: Sequence[Sequence[str]], vocabulary: dict[str, int]) -> None:
        flat = [vocabulary.setdefault(word, len(vocabulary)) for words_ in lists for word in words_]
        self.flat = np.array(flat, np.int64)
        self.sizes = np.array([len(words_) for words_ in lists], np.int64)
        self._ends = np.cumsum(self.sizes)
        self._starts = self._ends - self.sizes
        self._filled = np.nonzero(self.sizes)[0]
        inner = np.ones(len(flat), bool)
        inner[self._starts[self._filled]] = False
        self._pairs = np.nonzero(inner)[0]  # flat positions that have a left neighbour in the same list
        self._pair_owner = np.repeat(np.arange(len(self.sizes)), np.maximum(self.sizes - 1, 0))

    def _reduce(self, operation: np.ufunc, values: np.ndarray, kind: type) -> np.ndarray:
        out = np.zeros(len(self.sizes), kind)
        if len(self._filled):
            out[self._filled] = operation.reduceat(
                values.astype(kind, copy=False), self._starts[self._filled]
            )
        return out

    def sums(self, values: np.ndarray) -> np.ndarray:
        return self._reduce(np.add, values, np.float32)

    def minima(self, values: np.ndarray) -> np.ndarray:
        return self._reduce(np.minimum, values, np.float32)

    def any_bits(self, masks: np.ndarray) -> np.ndarray:
        return self._reduce(np.bitwise_or, masks, np.uint64)

    def adjacency(self, masks: np.ndarray) -> np.ndarray:
        """Per list, the share of neighbouring words whose query positions are neighbours too (either order)."""
        right, left = masks[self._pairs], masks[self._pairs - 1]
        one = np.uint64(1)
        beside = ((left << one) & right) | ((right << one) & left)
        counts = np.bincount(self._pair_owner, weights=beside != 0, minlength=len(self.sizes))
        return counts / np.maximum(self.sizes - 1, 1)


def _samples(columns: Sequence[Column]) -> dict[str, list[int]]:
    """Columns by the folded words of their text samples (short ones only)."""
    found: dict[str, list[int]] = {}
    for i, column in enumerate(columns):
        for sample in {
            " ".join(words(s)) for s in column.statistics.samples[:64] if isinstance(s, str) and len(s) <= 60
        }:
            if len(sample) > 1 and not sample.isdigit():
                found.setdefault(sample, []).append(i)
    return found
