"""Value search: where is a literal stored, though it is misspelt, in another case, plural or only a part?

The index is built once from the policy-filtered catalog and kept in one file (array_file.py): texts with a trigram
index, sorted numbers and dates per column. A search filters by table and column first, takes candidates by hash and
by trigrams, and ranks the few that remain by edit distance and shared words. Numbers and dates are found by value
and by range.

Covered: typos, case, accents, punctuation, plurals, partial words, several spellings of a number or date. Not
covered: synonyms, translations, values left out by the bounds (value_reading.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rapidfuzz import fuzz
from rapidfuzz.distance import OSA

from .array_file import DamagedFile, read_arrays, write_arrays
from .limits import Result
from .literals import Span, parse_number, parse_spans
from .schema import Catalog
from .text import plain, singular
from .trigrams import Trigrams, build_trigrams
from .value_reading import Bounds, ColumnValues, read_values

Match = Literal["exact", "similar", "partial", "within"]

LEAST_SCORE = 0.55
"""Texts that resemble the query less are not reported."""
_VERSION = 1
_FILE = "values.index"
_CANDIDATES = 200
_QUERY_CHARS = 120


@dataclass(frozen=True)
class ValueHit:
    """A stored value that resembles the query; score 0 to 1.

    value: as it is stored (for "within": the query's number, or date in ISO form). match: "exact" (equal but for
    case, accents and punctuation; equal numbers or dates), "similar" (typos, plurals), "partial" (some of the
    words), "within" (a number or date in the range of the column's values).
    """

    table: str
    column: str
    value: Any
    score: float
    match: Match


class ValueIndex:
    """Search over stored values. Immutable once opened: any number of threads may search it."""

    def __init__(self, catalog: Catalog, arrays: Mapping[str, np.ndarray], note: Mapping[str, Any]) -> None:
        self._arrays = arrays
        self._columns: list[tuple[str, str]] = [(table, column) for table, column in note["columns"]]
        self.whole: bool = note["whole"]
        """False when the bounds left some values out."""
        self._trigrams = Trigrams(arrays)
        self._letters, self._ends = arrays["letters"], arrays["text_ends"]
        self._column_ends = arrays["column_ends"]
        self._keys = _key_columns(catalog)

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

        read: runs one trusted statement under `value_reading.INDEX_LIMITS`. row_filters: SQL condition by table
        name (the policy's). The file is renewed when the catalog's fingerprint has changed (with the data or the
        policy); without a fingerprint, a cache_dir, or the right to write there, the index stays in memory.
        """
        key = hashlib.sha256(repr((_VERSION, catalog.fingerprint, bounds)).encode()).hexdigest()
        path = cache_dir / _FILE if cache_dir is not None and catalog.fingerprint else None
        if path is not None and (kept := _kept(path, key)) is not None:
            return cls(catalog, *kept)
        arrays, note = build_arrays(_read_with_bar(catalog, read, row_filters, bounds, progress))
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
        if not query or not allowed:
            return []
        hits = self._texts(value, query, allowed)
        hits += self._numbers(value, allowed, {(hit.table, hit.column) for hit in hits if hit.score > 0.9})
        hits += self._dates(value, allowed, {(hit.table, hit.column) for hit in hits if hit.score > 0.9})
        return _spread(hits, top_k)

    def _allowed(self, tables: Sequence[str] | None, columns: Sequence[str] | None) -> list[int]:
        numbers = range(len(self._columns))
        if tables is not None:
            wanted = {table.lower() for table in tables}
            numbers = [i for i in numbers if self._columns[i][0].lower() in wanted]
        if columns is not None:
            places = {column.lower() for column in columns}
            numbers = [i for i in numbers if ".".join(self._columns[i]).lower() in places]
        return list(numbers)

    def _texts(self, value: str, query: str, allowed: Sequence[int]) -> list[ValueHit]:
        ranges = self._ranges(allowed)
        close = np.concatenate([self._trigrams.equal(query), self._trigrams.near_short(query)])
        if len(allowed) < len(self._columns):
            close = close[_inside(close, ranges)]
        near = self._trigrams.nearest(query, _CANDIDATES, ranges)
        hits = []
        for number in dict.fromkeys([*close.tolist(), *near.tolist()]):
            text = self._text(number)
            score, match = resemblance(value, query, text)
            if score >= LEAST_SCORE:
                table, column = self._columns[int(np.searchsorted(self._column_ends, number, "right"))]
                hits.append(ValueHit(table, column, text, score, match))
        return hits

    def _text(self, number: int) -> str:
        start = int(self._ends[number - 1]) if number else 0
        return bytes(self._letters[start : int(self._ends[number])]).decode("utf-8", "surrogatepass")

    def _ranges(self, allowed: Sequence[int]) -> list[tuple[int, int]]:
        """Numbers of the allowed columns' texts, as half-open ranges, neighbours joined."""
        ranges: list[tuple[int, int]] = []
        for column in allowed:
            start = int(self._column_ends[column - 1]) if column else 0
            end = int(self._column_ends[column])
            if start == end:
                continue
            if ranges and ranges[-1][1] == start:
                ranges[-1] = (ranges[-1][0], end)
            else:
                ranges.append((start, end))
        return ranges

    def _numbers(self, value: str, allowed: Sequence[int], known: set[tuple[str, str]]) -> list[ValueHit]:
        number = parse_number(value)
        if number is None:
            return []
        shown = int(number) if number.is_integer() else number
        hits = []
        for i, values in self._series("number", allowed):
            place = self._columns[i]
            if place in known:
                continue
            at = int(np.searchsorted(values, number))
            key = 0.06 if place in self._keys else 0.0
            if at < len(values) and values[at] == number:
                hits.append(ValueHit(*place, shown, 0.96 - key, "exact"))
            elif 0 < at < len(values):
                hits.append(ValueHit(*place, shown, 0.5 - key, "within"))
        return hits

    def _dates(self, value: str, allowed: Sequence[int], known: set[tuple[str, str]]) -> list[ValueHit]:
        spans = parse_spans(value)
        if not spans:
            return []
        hits = []
        for i, moments in self._series("moment", allowed):
            if self._columns[i] not in known:
                found = (self._date_hit(i, moments, span) for span in spans)
                hits += sorted((hit for hit in found if hit), key=lambda hit: -hit.score)[:1]
        return hits

    def _date_hit(self, column: int, moments: np.ndarray, span: Span) -> ValueHit | None:
        first, last = np.searchsorted(moments, (span.start, span.end))
        place = self._columns[column]
        if first < last:
            if span.precision in ("day", "moment"):
                stored = self._moment_text(column, int(first))
                return ValueHit(*place, stored or span.text, 0.95, "exact")
            return ValueHit(*place, span.text, 0.8, "within")
        if 0 < first < len(moments):
            return ValueHit(*place, span.text, 0.5, "within")
        return None

    def _moment_text(self, column: int, offset: int) -> str:
        ends = self._arrays["moment_ends"]
        number = int(self._arrays["moment_texts"][(int(ends[column - 1]) if column else 0) + offset])
        return self._text(number) if number >= 0 else ""

    def _series(self, kind: str, allowed: Sequence[int]) -> Iterable[tuple[int, np.ndarray]]:
        values, ends = self._arrays[f"{kind}s"], self._arrays[f"{kind}_ends"]
        for i in allowed:
            start, end = int(ends[i - 1]) if i else 0, int(ends[i])
            if start < end:
                yield i, values[start:end]


def resemblance(value: str, query: str, text: str) -> tuple[float, Match]:
    """How well a stored text fits the value looked for (`query` is its plain form): score 0 to 1, and the kind."""
    if text == value:
        return 1.0, "exact"
    stored = plain(text)
    if stored == query:
        return (0.99 if text.strip().lower() == value.strip().lower() else 0.98), "exact"
    asked, words = query.split(), stored.split()
    if [singular(word) for word in asked] == [singular(word) for word in words]:
        return 0.95, "similar"
    longest = max(len(query), len(stored))
    alike = 1 - OSA.distance(query, stored) / longest
    alike = max(alike, 0.97 * fuzz.token_sort_ratio(query, stored) / 100)
    part = _part(asked, words)
    if part > alike:
        return 0.93 * part, "partial"
    return 0.94 * alike, "similar"


def _part(asked: Sequence[str], words: Sequence[str]) -> float:
    """How far all words of one are (beginnings of) words of the other, 0 to 1, more when more is covered."""
    few, many = (asked, words) if len(" ".join(asked)) <= len(" ".join(words)) else (words, asked)
    size = sum(map(len, many)) or 1
    if sum(map(len, few)) < 2:
        return 0.0
    if all(word in many for word in few):
        return 0.7 + 0.3 * sum(map(len, few)) / size
    if all(len(word) >= 2 and any(other.startswith(word) for other in many) for word in few):
        return 0.65 + 0.3 * sum(map(len, few)) / size
    inner = " ".join(few)
    if len(inner) >= 4 and inner in " ".join(many):
        return 0.55 + 0.3 * len(inner) / size
    return 0.0


def build_arrays(found: Iterable[ColumnValues]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The index of columns' values as arrays, and the note that goes with them."""
    columns, texts, numbers, moments, moment_texts = [], [], [], [], []
    column_ends, number_ends, moment_ends = [], [], []
    whole, read_numbers, read_moments = True, 0, 0
    for values in found:
        columns.append([values.table, values.column])
        own = {text: len(texts) + i for i, text in enumerate(values.texts)}
        texts.extend(values.texts)
        numbers.append(values.numbers)
        moments.append(values.moments)
        moment_texts.extend(own.get(text, -1) if text else -1 for text in values.moment_texts)
        read_numbers += len(values.numbers)
        read_moments += len(values.moments)
        column_ends.append(len(texts))
        number_ends.append(read_numbers)
        moment_ends.append(read_moments)
        whole = whole and values.whole
    letters = [text.encode("utf-8", "surrogatepass") for text in texts]
    arrays = {
        "letters": np.frombuffer(b"".join(letters), np.uint8),
        "text_ends": np.cumsum([len(piece) for piece in letters], dtype=np.int64),
        "column_ends": np.array(column_ends, np.int64),
        "numbers": np.concatenate(numbers) if numbers else np.zeros(0),
        "number_ends": np.array(number_ends, np.int64),
        "moments": np.concatenate(moments) if moments else np.zeros(0),
        "moment_ends": np.array(moment_ends, np.int64),
        "moment_texts": np.array(moment_texts, np.int64),
    }
    del letters
    arrays |= build_trigrams([plain(text) for text in texts])
    return arrays, {"columns": columns, "whole": whole}


def _kept(path: Path, key: str) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """What the file holds; None when it is missing, damaged or of another key."""
    with suppress(OSError, DamagedFile, ValueError, KeyError):
        arrays, note = read_arrays(path)
        if note["key"] == key:
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
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not progress) as bar:
        task = bar.add_task("Indexing values", total=len(catalog.tables))
        yield from read_values(
            catalog,
            read,
            row_filters=row_filters,
            bounds=bounds,
            progress=lambda done, of: bar.update(task, completed=done, total=of),
        )


def _inside(numbers: np.ndarray, ranges: Sequence[tuple[int, int]]) -> np.ndarray:
    inside = np.zeros(len(numbers), bool)
    for start, end in ranges:
        inside |= (numbers >= start) & (numbers < end)
    return inside


def _key_columns(catalog: Catalog) -> set[tuple[str, str]]:
    keys = {(table.name, name) for table in catalog.tables for name in table.primary_key}
    for join in catalog.joins:
        keys |= {(join.table, name) for name in join.columns}
    return keys


def _spread(hits: Sequence[ValueHit], top_k: int) -> list[ValueHit]:
    """The best hits, at most half of them alike ones of one column while other columns have any."""
    ranked = sorted(hits, key=lambda hit: -hit.score)
    chosen: list[ValueHit] = []
    later: list[ValueHit] = []
    counts: dict[tuple[str, str], int] = {}
    for hit in ranked:
        place = (hit.table, hit.column)
        counts[place] = counts.get(place, 0) + 1
        full = counts[place] > max(1, top_k // 2) and hit.match != "exact"
        (later if full else chosen).append(hit)
    return sorted([*chosen, *later][:top_k], key=lambda hit: -hit.score)
