"""An inverted index from letter trigrams to texts: which of a million short texts share most with a query?

Pure numpy, built in one pass, a few bytes per letter, searched without touching the texts. Besides the
trigrams (over UTF-8 bytes, so that a Chinese character is one): hashes of whole texts for exact look-ups,
and hashes of short texts with one letter left out, because a slip in a word of six letters or fewer can
spoil all its trigrams (the symmetric-delete idea of SymSpell, Garbe 2012).

Texts are given in their `plain` form (text.py) and known by their number, 0 to n - 1, in the order given.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

import numpy as np

SHORT = 6
"""Texts of at most this many characters are also indexed with each one left out."""
POSTINGS_BUDGET = 150_000
"""Postings read for one query: the rarest trigrams first, so frequent ones are left out of big indexes."""

_CHUNK = 50_000
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_MASK = (1 << 64) - 1


def build_trigrams(texts: Iterable[str]) -> dict[str, np.ndarray]:
    """The index of the texts, as named arrays. The texts are taken a chunk at a time and not kept."""
    codes, counts, postings, sizes, hashes, shorts = [], [], [], [], [], []
    start = 0
    for chunk in _chunks(texts):
        code, number = _grams(chunk)
        pairs, _ = _counted(code.astype(np.uint64) << np.uint64(32) | (number + start).astype(np.uint64))
        found, count = _runs((pairs >> np.uint64(32)).astype(np.uint32))
        numbers = (pairs & np.uint64(0xFFFFFFFF)).astype(np.uint32)
        codes.append(found)
        counts.append(count)
        postings.append(numbers)
        sizes.append(np.bincount(numbers - np.uint32(start), minlength=len(chunk)).astype(np.uint16))
        hashes.append(hash_texts(chunk))
        shorts.append(_short_forms(chunk, start))
        start += len(chunk)
    all_codes, ends, merged = _merged(codes, counts, postings)
    every = _joined(hashes, np.uint64)
    order = np.argsort(every, kind="stable")
    short_hashes = _joined([forms for forms, _ in shorts], np.uint64)
    short_order = np.argsort(short_hashes, kind="stable")
    return {
        "codes": all_codes,
        "ends": ends,
        "postings": merged,
        "sizes": _joined(sizes, np.uint16),
        "hashes": every[order],
        "hash_numbers": order.astype(np.uint32),
        "short_hashes": short_hashes[short_order],
        "short_numbers": _joined([owners for _, owners in shorts], np.uint32)[short_order],
    }


class Trigrams:
    """Searches the arrays that `build_trigrams` made. Immutable: any number of threads may search."""

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._codes, self._ends, self._postings = arrays["codes"], arrays["ends"], arrays["postings"]
        self._sizes = arrays["sizes"]
        self._hashes, self._hash_numbers = arrays["hashes"], arrays["hash_numbers"]
        self._short_hashes, self._short_numbers = arrays["short_hashes"], arrays["short_numbers"]

    def equal(self, text: str) -> np.ndarray:
        """Numbers of the texts whose hash is the query's (to be verified by the caller)."""
        return _equal_range(self._hashes, self._hash_numbers, hash_texts([text])[0])

    def near_short(self, text: str) -> np.ndarray:
        """Numbers of short texts that one slip (a letter more, less, other, swapped) turns into it."""
        if len(text) > SHORT + 1 or len(text) < 2 or text.isdigit():
            return np.zeros(0, np.uint32)
        forms = hash_texts([text, *_left_out(text)])
        found = [_equal_range(self._short_hashes, self._short_numbers, form) for form in forms]
        found += [_equal_range(self._hashes, self._hash_numbers, form) for form in forms[1:]]
        return _counted(np.concatenate(found))[0]

    def nearest(self, text: str, limit: int, ranges: Sequence[tuple[int, int]] | None = None) -> np.ndarray:
        """Numbers of up to `limit` texts sharing most trigrams with the query, best first.

        ranges: only texts with a number in one of these half-open ranges (sorted, disjoint).
        """
        total = len(self._sizes)
        ranges = [(0, total)] if ranges is None else ranges
        if not total or not ranges:
            return np.zeros(0, np.uint32)
        grams, _ = _counted(_grams([text])[0])
        places = np.searchsorted(self._codes, grams)
        known = places < len(self._codes)
        known[known] = self._codes[places[known]] == grams[known]
        lists = [self._list(int(place), ranges) for place in places[known]]
        lists.sort(key=len)
        kept, read = [], 0
        for number, postings in enumerate(lists):
            if read + len(postings) > POSTINGS_BUDGET and number >= 2:
                break
            kept.append(postings)
            read += len(postings)
        if not kept:
            return np.zeros(0, np.uint32)
        found, counts = _counted(np.concatenate(kept))
        often = counts >= max(1, min(len(kept) // 4, 3))
        found, counts = found[often], counts[often]
        # Alike in all (Dice), or one contained in the other: a part of a long value, a value in a long query.
        sizes = self._sizes[found].astype(np.float32)
        score = np.maximum(
            2 * counts / (len(kept) + sizes), 0.7 * counts / np.minimum(len(kept), np.maximum(sizes, 3))
        )
        if len(found) > limit:
            best = np.argpartition(-score, limit)[:limit]
            found, score = found[best], score[best]
        return found[np.argsort(-score, kind="stable")]

    def _list(self, place: int, ranges: Sequence[tuple[int, int]]) -> np.ndarray:
        start = int(self._ends[place - 1]) if place else 0
        postings = self._postings[start : int(self._ends[place])]
        if len(ranges) == 1 and ranges[0] == (0, len(self._sizes)):
            return postings
        cuts = np.searchsorted(postings, np.array(ranges, np.uint32).ravel()).reshape(-1, 2)
        parts = [postings[a:b] for a, b in cuts.tolist() if b > a]
        return np.concatenate(parts) if parts else postings[:0]


def _chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(texts)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk


def _joined(parts: Sequence[np.ndarray], kind: type) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0, kind)


def _counted(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct values, ascending, and how often each occurs (sorting: far faster here than np.unique)."""
    return _runs(np.sort(values))


def _runs(ascending: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not len(ascending):
        return ascending, np.zeros(0, np.int64)
    heads = np.flatnonzero(np.r_[True, ascending[1:] != ascending[:-1]])
    return ascending[heads], np.diff(np.r_[heads, len(ascending)])


def hash_texts(texts: Sequence[str]) -> np.ndarray:
    """uint64 [n]: a polynomial hash of each text's UTF-8 bytes, the same in every process."""
    if not texts:
        return np.zeros(0, np.uint64)
    pieces = [text.encode("utf-8", "surrogatepass") + b"\0" for text in texts]
    sizes = np.array([len(piece) for piece in pieces], np.int64)
    letters = np.frombuffer(b"".join(pieces), np.uint8).astype(np.uint64) + np.uint64(1)
    starts = np.cumsum(sizes) - sizes
    powers = _powers(int(sizes.max()))
    within = np.arange(len(letters), dtype=np.int64) - np.repeat(starts, sizes)
    return np.add.reduceat(letters * powers[within], starts)


def _powers(count: int) -> np.ndarray:
    powers, power = [], 1
    for _ in range(count):
        powers.append(power)
        power = power * int(_FACTOR) & _MASK
    return np.array(powers, np.uint64)


def _grams(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Trigram codes of the texts (each between two spaces), and the number of the text each one is from."""
    joined = "".join(f" {text} \n" for text in (t.replace("\n", " ") for t in texts))
    letters = np.frombuffer(joined.encode("utf-8", "surrogatepass"), np.uint8).astype(np.uint32)
    if len(letters) < 3:
        return np.zeros(0, np.uint32), np.zeros(0, np.int64)
    ends = letters == 10
    number = np.cumsum(ends)[:-2] - ends[:-2]
    code = letters[:-2] << 16 | letters[1:-1] << 8 | letters[2:]
    whole = ~(ends[:-2] | ends[1:-1] | ends[2:])
    return code[whole], number[whole]


def _merged(
    codes: list[np.ndarray], counts: list[np.ndarray], postings: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One index from those of the chunks; within a trigram they follow each other, so numbers ascend."""
    if not codes:
        return np.zeros(0, np.uint32), np.zeros(0, np.int64), np.zeros(0, np.uint32)
    every = np.unique(np.concatenate(codes))
    totals = np.zeros(len(every), np.int64)
    for code, count in zip(codes, counts, strict=True):
        totals[np.searchsorted(every, code)] += count
    ends = np.cumsum(totals)
    heads = ends - totals
    merged = np.empty(int(ends[-1]) if len(ends) else 0, np.uint32)
    for i, (code, count) in enumerate(zip(codes, counts, strict=True)):
        at = np.searchsorted(every, code)
        own = np.cumsum(count) - count
        target = np.repeat(heads[at] - own, count) + np.arange(len(postings[i]))
        merged[target] = postings[i]
        heads[at] += count
        postings[i] = postings[i][:0]  # given back early: this is the peak of memory
    return every, ends, merged


def _short_forms(texts: Sequence[str], first: int) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of the short texts with each character left out, and the numbers of the texts they are from."""
    forms: list[str] = []
    owners: list[int] = []
    for number, text in enumerate(texts, first):
        if 2 <= len(text) <= SHORT and not text.isdigit():
            left = _left_out(text)
            forms.extend(left)
            owners.extend([number] * len(left))
    return hash_texts(forms), np.array(owners, np.uint32)


def _left_out(text: str) -> list[str]:
    return list({text[:i] + text[i + 1 :] for i in range(len(text))})


def _equal_range(hashes: np.ndarray, numbers: np.ndarray, wanted: np.uint64) -> np.ndarray:
    start, end = np.searchsorted(hashes, wanted, "left"), np.searchsorted(hashes, wanted, "right")
    return np.asarray(numbers[start:end])
