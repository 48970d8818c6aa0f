"""Value search: where is a literal stored, though it is misspelt, in another case, plural or only a part?

The index is built once from the policy-filtered catalog and kept in one file. A search filters by table and
column first, takes candidates by hash and by trigrams (trigrams.py), and ranks the few that remain
(value_ranking.py). Numbers and dates (literals.py) are found by value and by range.

Covered: typos, case, accents, punctuation, plurals, partial words, several spellings of a number or date. Not
covered: synonyms, translations, values left out by the bounds (value_reading.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .array_file import DamagedFile, read_arrays, write_arrays
from .cache import Watched, is_due
from .limits import Result
from .literals import Span, parse_number, parse_spans
from .schema import Catalog
from .text import plain
from .trigrams import Trigrams
from .value_arrays import build_arrays, text_at
from .value_ranking import Match, resemblance
from .value_reading import Bounds, ColumnValues, read_values

LEAST_SCORE = 0.55
"""Texts that resemble the query less are not reported."""
_VERSION = 3
"""Part of the file's key: raised when the index of the same data would come out different."""
_FILE = "values.index"
_CANDIDATES = 80
EXACT = 2**53
"""From here on a stored number may be another that looks the same (float64)."""
_MOST_EQUAL = 200
_QUERY_CHARS = 120


@dataclass(frozen=True)
class ValueHit:
    """A stored value that resembles the query; score 0 to 1.

    value: as it is stored (for "within": the query's number, or date in ISO form). match: "exact" (equal
    but for case, accents and punctuation; equal numbers or dates), "similar" (typos, plurals), "partial"
    (some of the words), "within" (a number or date in the range of the column's values; a day in which
    there are stored times).
    """

    table: str
    column: str
    value: Any
    score: float
    match: Match


class ValueIndex:
    """Search over stored values. Immutable once opened: any number of threads may search it."""

    def __init__(self, catalog: Catalog, arrays: Mapping[str, np.ndarray], note: Mapping[str, Any]) -> None:
        self.whole: bool = note["whole"] and not note["cut_short"]
        """False when bounds or limits left some values out."""
        self._arrays = arrays
        self._trigrams = Trigrams(arrays)
        self._columns: list[tuple[str, str]] = [(table, column) for table, column in note["columns"]]
        self._of_table: dict[str, list[int]] = {}
        for number, (table, _) in enumerate(self._columns):
            self._of_table.setdefault(table.lower(), []).append(number)
        self._of_place = {".".join(place).lower(): number for number, place in enumerate(self._columns)}
        keys = _key_columns(catalog)
        self._malus = np.array([0.06 if place in keys else 0.0 for place in self._columns], np.float32)

    @classmethod
    def open(
        cls,
        catalog: Catalog,
        read: Callable[[str], Result],
        *,
        cache_dir: Path | None = None,
        row_filters: Mapping[str, str] | None = None,
        bounds: Bounds = Bounds(),
        progress: bool = False,
    ) -> ValueIndex:
        """The index of the catalog's database: from `cache_dir` when it is there and sound, else built.

        read: runs one trusted statement under `value_reading.INDEX_LIMITS`. row_filters: SQL condition by
        table name (the policy's). The file is renewed when the catalog's fingerprint has changed (with the
        data or the policy), and after a while when limits cut it short; without a fingerprint, a cache_dir,
        or the right to write there, the index stays in memory.
        """
        key = hashlib.sha256(repr((_VERSION, catalog.fingerprint, bounds)).encode()).hexdigest()
        read = Watched(read)
        path = cache_dir / _FILE if cache_dir is not None and catalog.fingerprint else None
        if path is not None and (kept := _kept(path, key)) is not None:
            return cls(catalog, *kept)
        arrays, note = build_arrays(_read_with_bar(catalog, read, row_filters, bounds, progress))
        note["cut_short"] = read.cut_short or not catalog.whole
        if path is not None:
            with suppress(OSError):
                write_arrays(path, arrays, note | {"key": key})
                # The copy in memory is given up for the file's pages, which the system may drop and share.
                arrays, note = _kept(path, key) or (arrays, note)
        return cls(catalog, arrays, note)

    def search(
        self,
        value: str,
        *,
        tables: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        top_k: int = 5,
    ) -> list[ValueHit]:
        """Stored values that resemble `value`, best first; filtered by place before they are ranked.

        tables: only values of these tables. columns: only of these, each "table.column". Any case.
        """
        allowed = self._allowed(tables, columns)
        query = plain(value)[:_QUERY_CHARS]
        if not query or not allowed.any():
            return []
        hits = self._texts(value, query, allowed)
        if parse_number(value) is not None and any(hit.match == "exact" for hit in hits):
            hits = [
                hit for hit in hits if hit.match == "exact"
            ]  # 2013 is no slip for 2014 where that is stored
        for hit in hits:  # a column that stores the text itself need not be named again for its range
            if hit.match == "exact":
                allowed[self._of_place[f"{hit.table}.{hit.column}".lower()]] = False
        hits += self._numbers(value, allowed, top_k)
        hits += self._dates(value, allowed, top_k)
        return _spread(hits, top_k)

    def _allowed(self, tables: Sequence[str] | None, columns: Sequence[str] | None) -> np.ndarray:
        """bool [columns]."""
        allowed = np.full(len(self._columns), tables is None and columns is None)
        if columns is not None:
            places = (self._of_place.get(column.lower()) for column in columns)
            allowed[[place for place in places if place is not None]] = True
        if tables is not None:
            of_tables = np.zeros(len(self._columns), bool)
            for table in tables:
                of_tables[self._of_table.get(table.lower(), [])] = True
            allowed = of_tables if columns is None else allowed & of_tables
        return allowed

    def _texts(self, value: str, query: str, allowed: np.ndarray) -> list[ValueHit]:
        ends = self._arrays["column_ends"]
        everywhere = bool(allowed.all())
        close = np.concatenate([self._trigrams.equal(query), self._trigrams.near_short(query)])
        if not everywhere:
            close = close[allowed[np.searchsorted(ends, close, "right")]]
        near = self._trigrams.nearest(query, _CANDIDATES, None if everywhere else _ranges(ends, allowed))
        hits = []
        for number in dict.fromkeys([*close[:_MOST_EQUAL].tolist(), *near.tolist()]):
            text = text_at(self._arrays, number)
            score, match = resemblance(value, query, text)
            if score >= LEAST_SCORE:
                hits.append(self._hit(int(np.searchsorted(ends, number, "right")), text, score, match))
        return hits

    def _numbers(self, value: str, allowed: np.ndarray, top_k: int) -> list[ValueHit]:
        number = parse_number(value)
        if number is None:
            return []
        shown = _digits(value, number) if number.is_integer() else number
        exact, *_ = self._stored("number", number, np.nextafter(number, np.inf), allowed)
        if abs(number) >= EXACT:
            exact = exact[:0]  # several numbers look like this one
        low, high = self._arrays["number_ranges"].T
        around = np.flatnonzero(allowed & (low <= number) & (number <= high))
        around = around[~np.isin(around, exact)]
        # Of the columns whose range holds the number, those of its own magnitude come first.
        tightness = 1 / (1 + (high[around] - low[around]) / max(abs(number), 1.0))
        scores = [0.96 - self._malus[exact], 0.4 + 0.1 * tightness - self._malus[around]]
        matches: tuple[Match, Match] = ("exact", "within")
        return [
            self._hit(int(columns[i]), shown, float(score[i]), match)
            for columns, score, match in zip((exact, around), scores, matches, strict=True)
            for i in np.argsort(-score, kind="stable")[:top_k]
        ]

    def _dates(self, value: str, allowed: np.ndarray, top_k: int) -> list[ValueHit]:
        best: dict[int, ValueHit] = {}
        for span in parse_spans(value):
            for column, hit in self._date_hits(span, allowed, top_k):
                if column not in best or hit.score > best[column].score:
                    best[column] = hit
        return list(best.values())

    def _date_hits(self, span: Span, allowed: np.ndarray, top_k: int) -> Iterable[tuple[int, ValueHit]]:
        holding = np.zeros(0, np.int64)
        if span.precision in ("day", "moment"):
            holding, places, counts = self._stored("moment", span.start, span.end, allowed)
            found = zip(holding.tolist(), places.tolist(), counts.tolist(), strict=True)
            for column, place, count in list(found)[:top_k]:
                # A day among times of day is no stored value: `= '2014-03-05'` would find midnight at best.
                if self._arrays["moments"][place] == span.start and count == 1:
                    text = int(self._arrays["moment_texts"][place])
                    stored = text_at(self._arrays, text) if text >= 0 else span.text
                    yield column, self._hit(column, stored, 0.95, "exact")
                else:
                    yield column, self._hit(column, span.text, 0.9, "within")
        low, high = self._arrays["moment_ranges"].T
        around = np.flatnonzero(allowed & (low < span.end) & (span.start <= high))
        around = around[~np.isin(around, holding)][:top_k]
        for column in around.tolist():
            yield column, self._hit(column, span.text, 0.6, "within")

    def _hit(self, number: int, value: Any, score: float, match: Match) -> ValueHit:
        table, column = self._columns[number]
        return ValueHit(table, column, value, score, match)

    def _stored(
        self, kind: str, start: float, end: float, allowed: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Allowed columns that store a value from start to below end, the place of the first in each, and
        how many each has."""
        first, last = np.searchsorted(self._arrays[f"{kind}s"], (start, end))
        columns, places, counts = np.unique(
            self._arrays[f"{kind}_columns"][first:last], return_index=True, return_counts=True
        )
        kept = allowed[columns]
        return columns[kept].astype(np.int64), places[kept] + first, counts[kept]


def _kept(path: Path, key: str) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """What the file holds; None when it is missing, damaged, of another key, or was cut short a while ago."""
    with suppress(OSError, DamagedFile, ValueError, KeyError):
        arrays, note = read_arrays(path)
        if note["key"] == key and not (note["cut_short"] and is_due(path)):
            return arrays, note
    return None


def _read_with_bar(
    catalog: Catalog,
    read: Callable[[str], Result],
    row_filters: Mapping[str, str] | None,
    bounds: Bounds,
    progress: bool,
) -> Iterable[ColumnValues]:
    """`read_values` under a progress bar over the tables (on stderr: stdout belongs to the answer)."""
    if not progress:
        yield from read_values(catalog, read, row_filters=row_filters, bounds=bounds)
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Indexing values", total=len(catalog.tables))
        yield from read_values(
            catalog,
            read,
            row_filters=row_filters,
            bounds=bounds,
            progress=lambda done, of: bar.update(task, completed=done, total=of),
        )


def _digits(value: str, number: float) -> int:
    """The whole number as it was asked for."""
    plain = value.replace(",", "").strip()
    return int(plain) if plain.lstrip("+-").isdecimal() else int(number)


def _ranges(ends: np.ndarray, allowed: np.ndarray) -> list[tuple[int, int]]:
    """Numbers of the allowed columns' texts as half-open ranges, neighbouring columns joined."""
    edges = np.diff(np.r_[False, allowed, False].astype(np.int8))
    bounds = np.r_[0, ends]
    starts, stops = bounds[np.flatnonzero(edges == 1)], bounds[np.flatnonzero(edges == -1)]
    return [
        (start, stop) for start, stop in zip(starts.tolist(), stops.tolist(), strict=True) if stop > start
    ]


def _key_columns(catalog: Catalog) -> set[tuple[str, str]]:
    keys = {(table.name, name) for table in catalog.tables for name in table.primary_key}
    for join in catalog.joins:
        keys |= {(join.table, name) for name in join.columns}
    return keys


def _spread(hits: Sequence[ValueHit], top_k: int) -> list[ValueHit]:
    """The best hits; when they must be cut, no more than half of them resembling ones of a single column."""
    chosen: list[ValueHit] = []
    later: list[ValueHit] = []
    counts: dict[tuple[str, str], int] = {}
    for hit in sorted(hits, key=lambda hit: -hit.score):
        place = (hit.table, hit.column)
        counts[place] = counts.get(place, 0) + 1
        full = hit.match != "exact" and counts[place] > max(1, top_k // 2)
        (later if full else chosen).append(hit)
    return sorted([*chosen, *later][:top_k], key=lambda hit: -hit.score)
