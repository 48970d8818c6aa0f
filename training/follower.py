"""The follower of the Stackelberg game: the distribution of preference gaps that is worst for the policy.

Chu, Zhang, Jia, Jin, "Stackelberg Game Preference Optimization" (arXiv 2502.18099): among all distributions
within 1-Wasserstein distance epsilon of the empirical gaps, supported on [low, high], the follower takes the
one with the largest expected loss, the loss being a piecewise linear surrogate (tangents from below). The
paper solves a linear program over groups of 100 pairs with a general solver.

Here it is solved exactly and for all pairs at once, in O(N log N) (our derivation, checked against the
program): the surrogate is convex and falls, so mass gains most when it goes all the way to `low`, and the
gain per unit of transport, the slope of the secant from `low`, is the larger the nearer the gap is to `low`.
So the pairs with the smallest gaps are moved there, whole, until the budget N * epsilon is spent; the last of
them in part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Surrogate:
    """max_k (slopes[k] * gap + heights[k]), a lower bound of the loss. slopes, heights: [K]."""

    slopes: Floats
    heights: Floats

    def __call__(self, gaps: Floats) -> Floats:
        return (np.multiply.outer(gaps, self.slopes) + self.heights).max(-1)


@dataclass(frozen=True)
class WorstCase:
    """What the follower does. Each pair i is two atoms: one stays at gaps[i] with mass 1 - moved[i], the
    other goes to `low` with mass moved[i].

    gaps, moved: [N]; value: the expected surrogate loss; spent: the transport, at most epsilon.
    """

    gaps: Floats
    moved: Floats
    low: float
    value: float
    spent: float

    @property
    def shifts(self) -> Floats:
        """How far the moved atom of each pair goes, [N]."""
        return self.gaps - self.low


def margin_tangents(low: float, high: float, count: int = 6) -> Surrogate:
    """Tangents of -log sigmoid(gap) at `count` knots from `low` to `high` (the body of the paper)."""
    knots = np.linspace(low, high, count)
    slopes = -1 / (1 + np.exp(knots))
    return Surrogate(slopes, np.logaddexp(0.0, -knots) - slopes * knots)


def sigmoid_tangents(count: int = 6) -> Surrogate:
    """Tangents of -log v at k / count, v in (0, 1] being the sigmoid of the gap (the paper's appendix)."""
    knots = np.arange(1, count + 1) / count
    return Surrogate(-1 / knots, 1 - np.log(knots))


def support_of(gaps: Floats, *, tail: float = 0.0, room: float = 0.0) -> tuple[float, float]:
    """The window in which the follower may move: between the quantiles `tail` and 1 - `tail` of the gaps,
    widened by `room` on both sides.
    """
    low, high = np.quantile(gaps, [tail, 1 - tail])
    return float(low - room), float(high + room)


def worst_case(gaps: Floats, surrogate: Surrogate, epsilon: float, support: tuple[float, float]) -> WorstCase:
    """The follower's best answer to these gaps [N].

    epsilon: the mean transport it may spend, at least 0. support: gaps outside are taken to its ends first,
    at no cost (a quantile window would otherwise spend the budget on them). Raises ValueError for no gaps,
    gaps that are not finite, or a support that is empty.
    """
    low, high = support
    if not len(gaps) or not np.isfinite(gaps).all():
        raise ValueError("the follower needs finite gaps, one at least")
    if not low <= high or epsilon < 0:
        raise ValueError("the support must not be empty, nor epsilon negative")
    gaps = np.clip(np.asarray(gaps, dtype=np.float64), low, high)
    order = np.argsort(gaps, kind="stable")
    costs = gaps[order] - low
    before = np.concatenate([[0.0], np.cumsum(costs)[:-1]])
    left = np.clip(len(gaps) * epsilon - before, 0.0, None)
    # What lies at `low` already moves for nothing, and gains nothing.
    shares = np.clip(np.divide(left, costs, out=np.zeros_like(costs), where=costs > 0), 0.0, 1.0)
    moved = np.empty_like(gaps)
    moved[order] = shares
    losses = surrogate(gaps)
    value = float(np.mean(losses + moved * (surrogate(np.array([low]))[0] - losses)))
    return WorstCase(gaps, moved, low, value, float(np.mean(moved * (gaps - low))))
