"""Seeded chance for made-up data: every draw comes from `random.Random.random`.

That method's sequence is guaranteed to stay the same across Python versions and machines (the other methods'
are not), so that the sample shop is the same everywhere.
"""

from __future__ import annotations

import bisect
import itertools
import math
import random
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Weighted(Generic[T]):
    """Choices drawn in proportion to their weights."""

    def __init__(self, choices: Iterable[tuple[T, float]]) -> None:
        pairs = list(choices)
        self._choices = [choice for choice, _ in pairs]
        self._bounds = list(itertools.accumulate(weight for _, weight in pairs))

    def at(self, share: float) -> T:
        """The choice at a share (0 to 1) of the total weight."""
        place = bisect.bisect_right(self._bounds, share * self._bounds[-1])
        return self._choices[min(place, len(self._choices) - 1)]


class Chance:
    """A sequence of draws that depends on the seed alone."""

    def __init__(self, seed: int) -> None:
        self.share = random.Random(seed).random

    def between(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + int(self.share() * (high - low + 1))

    def happens(self, share: float) -> bool:
        return self.share() < share

    def pick(self, choices: Sequence[T]) -> T:
        return choices[int(self.share() * len(choices))]

    def maybe(self, share: float, value: T) -> T | None:
        """The value with that probability, else None."""
        return value if self.happens(share) else None

    def weighted(self, choices: Weighted[T]) -> T:
        return choices.at(self.share())

    def waiting(self, mean: float) -> int:
        """Whole units of an exponentially distributed time with that mean."""
        return int(-math.log(1 - self.share()) * mean)

    def shuffled(self, choices: Iterable[T]) -> list[T]:
        return sorted(choices, key=lambda _: self.share())
