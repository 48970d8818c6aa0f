"""95 % intervals for the figures of an evaluation. A difference inside them is no difference."""

from __future__ import annotations

import math
from collections.abc import Sequence

_Z = 1.959963984540054  # the normal distribution's 97.5 % point


def wilson(successes: float, total: int) -> tuple[float, float]:
    """Wilson's score interval of a proportion, as (low, high) within 0 to 1; (0, 1) without any trial.

    Unlike p ± 1.96 σ it is never empty and never leaves 0 to 1 (Wilson 1927; Brown, Cai, DasGupta 2001).
    """
    if not 0 <= successes <= total:
        raise ValueError(f"successes must be between 0 and the total {total}, not {successes}")
    if total == 0:
        return 0.0, 1.0
    share, z2 = successes / total, _Z * _Z
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z / (1 + z2 / total) * math.sqrt(share * (1 - share) / total + z2 / (4 * total * total))
    # At 0 and at 1 the bound is exact; rounding must not push it past.
    return (0.0 if successes == 0 else centre - half), (1.0 if successes == total else centre + half)


def mean(values: Sequence[float]) -> tuple[float, float]:
    """The normal interval of a mean of scores from 0 to 1 (Soft-F1), as (low, high); (0, 1) below two."""
    if len(values) < 2:
        return 0.0, 1.0
    centre = math.fsum(values) / len(values)
    variance = math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1)
    half = _Z * math.sqrt(variance / len(values))
    return max(0.0, centre - half), min(1.0, centre + half)
