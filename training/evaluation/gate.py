"""The gate: a new adapter is let through only where it answers more questions than the old, beyond chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from .comparators import HEADLINE
from .records import Record

SURE = 0.05
"""How likely chance alone may be to bring the gain that the gate lets through."""


@dataclass(frozen=True)
class Measured:
    """Right answers before and after over the same questions, and the changes: wrong to right and back."""

    questions: int
    before: int
    after: int
    gained: int
    lost: int

    def with_(self, other: Measured) -> Measured:
        """Both together."""
        return Measured(*map(sum, zip(astuple(self), astuple(other), strict=True)))

    @property
    def chance(self) -> float:
        """How likely so clear a gain is if neither is better (one-sided sign test on the changes)."""
        changes = self.gained + self.lost
        return sum(math.comb(changes, k) for k in range(self.gained, changes + 1)) / 2**changes


def gate(synthetic: Measured, people: Measured | None) -> tuple[bool, str]:
    """Whether an adapter is better beyond chance, and no worse on people's questions."""
    if people is not None and people.after < people.before:
        return False, "it answers fewer of people's questions"
    pooled = synthetic.with_(people) if people else synthetic
    if pooled.gained <= pooled.lost:
        return False, "it answers no more questions than before"
    if pooled.chance > SURE:
        return False, f"the gain may be chance (p = {pooled.chance:.2f})"
    return True, f"it answers more questions (p = {pooled.chance:.3f})"


def compared(before: Sequence[Record], after: Sequence[Record]) -> Measured:
    """Both measurements of the same questions, in the same order."""
    pairs = [(_right(one), _right(other)) for one, other in zip(before, after, strict=True)]
    return Measured(
        len(pairs),
        sum(one for one, _ in pairs),
        sum(other for _, other in pairs),
        sum(other and not one for one, other in pairs),
        sum(one and not other for one, other in pairs),
    )


def _right(record: Record) -> bool:
    return record.scores[HEADLINE] == 1.0
