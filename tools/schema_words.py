"""The words of a schema's names as flat arrays, and which of them a word of a question stands for.

Equal words, equal stems, beginnings, abbreviations and, when none of these fits, slips of the pen. Built
once per catalog; matching a word is a few look-ups in sorted lists, so a schema of 100 000 columns costs
milliseconds.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from rapidfuzz.distance import OSA
from rapidfuzz.process import extract

from .lexicon import ABBREVIATIONS, STOP_WORDS
from .text import stem

_SHORTEST = 3
"""Words of fewer letters stand for nothing but themselves."""
_STOP_STRENGTH = 0.3
_TYPOS = 20


class Vocabulary:
    """Distinct words by number. Add all words first, then `close`, then `matches`."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.words: list[str] = []
        self._by_stem: dict[str, list[int]] = {}
        self._sorted: list[str] = []
        self._short_for: dict[str, list[int]] = {}
        self.matches = lru_cache(maxsize=4096)(self._matches)

    def add(self, word: str) -> int:
        return self.numbers.setdefault(word, len(self.numbers))

    def close(self) -> None:
        """Sort what has been added."""
        self.words = list(self.numbers)
        self._sorted = sorted(self.words)
        for word, number in self.numbers.items():
            self._by_stem.setdefault(stem(word), []).append(number)
            if word in ABBREVIATIONS:
                self._short_for.setdefault(stem(ABBREVIATIONS[word]), []).append(number)

    def of_stem(self, word: str) -> Sequence[int]:
        return self._by_stem.get(stem(word), ())

    def _matches(self, word: str) -> tuple[tuple[int, float], ...]:
        """Numbers of the words that `word` stands for, each with a strength of 0 to 1."""
        root = stem(word)
        found = dict.fromkeys(self._by_stem.get(root, ()), 0.97)
        if word in self.numbers:
            found[self.numbers[word]] = 1.0
        if word in STOP_WORDS:
            return tuple((number, _STOP_STRENGTH) for number in found)
        if len(word) < _SHORTEST:
            return tuple(found.items())
        for number in (*self._short_for.get(root, ()), *self.of_stem(ABBREVIATIONS.get(word, word))):
            found.setdefault(number, 0.9)
        for other in self._kin(word, root):
            shorter, longer = sorted((len(other), len(root)))
            number = self.numbers[other]
            found[number] = max(found.get(number, 0), 0.5 + 0.4 * shorter / longer)
        if not found and len(word) > _SHORTEST + 1:
            slips = 1 if len(word) < 9 else 2
            near = extract(word, self.words, scorer=OSA.distance, score_cutoff=slips, limit=_TYPOS)
            found = {number: 0.9 - 0.15 * distance for _, distance, number in near}
        return tuple(found.items())

    def _kin(self, word: str, root: str) -> Iterator[str]:
        """Words that begin with the root, and words (or abbreviations) that the root begins with."""
        if len(word) > _SHORTEST:
            place = bisect_left(self._sorted, root)
            while place < len(self._sorted) and self._sorted[place].startswith(root):
                yield self._sorted[place]
                place += 1
        for size in range(_SHORTEST, len(root)):
            if root[:size] in self.numbers:
                yield root[:size]


class WordLists:
    """Lists of word numbers of different lengths, flat, and what a few words of a question find in them.

    All methods but `positions` take flat positions, in rising order, and look at nothing else: a question's
    words stand at a few of the hundred thousands of positions of a wide schema.
    """

    def __init__(self, lists: Sequence[Sequence[str]], vocabulary: Vocabulary) -> None:
        flat = [vocabulary.add(word) for words in lists for word in words]
        self.flat = np.array(flat, np.int64)
        self.sizes = np.array([len(words) for words in lists], np.int64)
        self.owner = np.repeat(np.arange(len(self.sizes)), self.sizes)
        self._by_word = np.argsort(self.flat, kind="stable")
        self._sorted = self.flat[self._by_word]

    def positions(self, numbers: Sequence[int]) -> np.ndarray:
        """Where these words stand."""
        wanted = np.array(numbers, np.int64)
        first, last = np.searchsorted(self._sorted, wanted), np.searchsorted(self._sorted, wanted, "right")
        spans = [self._by_word[a:b] for a, b in zip(first.tolist(), last.tolist(), strict=True) if a < b]
        return np.sort(np.concatenate(spans)) if spans else np.zeros(0, np.int64)

    def sums(self, positions: np.ndarray, values: np.ndarray | None = None) -> np.ndarray:
        """float32 [lists]: sums of the values (None: ones) at the positions."""
        owners = self.owner[positions]
        return np.bincount(owners, values, minlength=len(self.sizes)).astype(np.float32)

    def adjacency(self, positions: np.ndarray, masks: np.ndarray) -> np.ndarray:
        """float32 [lists]: the share of neighbouring words that are neighbours in the query, either way.

        masks: uint64, the words' places in the query as bits.
        """
        after = np.flatnonzero(np.diff(positions) == 1) + 1
        after = after[self.owner[positions[after]] == self.owner[positions[after - 1]]]
        left, right, one = masks[after - 1], masks[after], np.uint64(1)
        beside = after[((left << one) & right | (right << one) & left) != 0]
        return self.sums(positions[beside]) / np.maximum(self.sizes - 1, 1)
