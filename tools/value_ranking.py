"""How much a stored text resembles the value looked for: one score from 0 to 1, and a word for the kind.
Pure.

Exact (but for case, accents, punctuation) comes before plurals, these before typos (edit distance, a swap of
neighbours counting as one slip) and parts (all words, beginnings of words, letters in a row, nearly in a
row).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rapidfuzz import fuzz
from rapidfuzz.distance import OSA

from .text import plain, singular
from .trigrams import SHORT

Match = Literal["exact", "similar", "partial", "within"]

_CLOSE = 0.75
_SHORTEST_PART = 3
_SLIP_SCORE = {2: 0.62}
_SLIP_SCORE_ELSE = 0.8


def resemblance(value: str, query: str, text: str) -> tuple[float, Match]:
    """Score and kind of a stored text for a value (`query` is its `plain` form)."""
    if text == value:
        return 1.0, "exact"
    stored = plain(text)
    if stored == query:
        return (0.99 if text.strip().lower() == value.strip().lower() else 0.98), "exact"
    asked, words = query.split(), stored.split()
    if len(asked) == len(words) and all(map(_same_word, asked, words)):
        return 0.95, "similar"
    alike, part = _alike(query, stored, asked, words), _part(asked, words)
    # Nearly all letters alike: what is left out or added is a slip, though the rest counts as a part too.
    kind: Match = "similar" if alike >= min(part, _CLOSE) else "partial"
    return max(0.94 * alike, 0.93 * part), kind


def _same_word(one: str, other: str) -> bool:
    return one == other or singular(one) == singular(other)


def _alike(query: str, stored: str, asked: Sequence[str], words: Sequence[str]) -> float:
    """Letters that need no change, as a share; the order of the words counts little."""
    alike = OSA.normalized_similarity(query, stored)
    if len(query) <= SHORT and not query.isdigit() and OSA.distance(query, stored, score_cutoff=1) == 1:
        # One slip is a large part of a short word, and still but one slip.
        slip = _SLIP_SCORE.get(max(len(query), len(stored)), _SLIP_SCORE_ELSE)
        alike = max(alike, slip + (0.01 if len(query) == len(stored) else 0.0))
    if len(asked) > 1 and len(words) > 1:
        ordered = OSA.normalized_similarity(" ".join(sorted(asked)), " ".join(sorted(words)))
        alike = max(alike, 0.97 * ordered)
    return alike


def _part(asked: Sequence[str], words: Sequence[str]) -> float:
    """How far one is a part of the other, 0 to 1; the more is covered, the more."""
    inner, outer = " ".join(asked), " ".join(words)
    few, many = asked, words
    if len(inner) > len(outer):
        inner, outer, few, many = outer, inner, words, asked
    if len(inner) < 2:
        return 0.0
    share = 0.3 * len(inner) / len(outer)
    if all(word in many for word in few):
        return 0.7 + share
    if len(inner) < _SHORTEST_PART:
        return 0.0
    if all(len(word) >= _SHORTEST_PART and any(other.startswith(word) for other in many) for word in few):
        return 0.65 + share
    if len(inner) > _SHORTEST_PART and inner in outer:
        return 0.55 + share
    if len(inner) > _SHORTEST_PART + 1:
        return 0.58 * fuzz.partial_ratio(inner, outer, score_cutoff=75) / 100 + share
    return 0.0
