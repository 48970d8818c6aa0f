"""The order in which examples are trained on: shuffled, in batches of like length, the same at every run."""

from __future__ import annotations

import random
from collections.abc import Sequence

POOL = 32
"""Batches whose examples are sorted by length together."""


def epoch_batches(lengths: Sequence[int], size: int, seed: int, epoch: int) -> list[list[int]]:
    """All examples once, as batches of `size` (the last may be smaller), depending on seed and epoch alone.

    Examples of like length share a batch: what is padded is computed for nothing.
    """
    rng = random.Random(f"{seed}-{epoch}")
    order = rng.sample(range(len(lengths)), len(lengths))
    batches = []
    for start in range(0, len(order), size * POOL):
        pool = sorted(order[start : start + size * POOL], key=lambda number: lengths[number])
        batches += [pool[place : place + size] for place in range(0, len(pool), size)]
    rng.shuffle(batches)
    return batches
