"""The follower's move before a round of training: which pairs it shifts, and how far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..follower import Floats, WorstCase, margin_tangents, sigmoid_tangents, support_of, worst_case

SPACES = {"ssapo": "margin", "ssapo-published": "sigmoid"}
"""In which space of gaps the follower of an objective moves; the others have none."""


@dataclass(frozen=True)
class Follower:
    """How the follower plays. epsilon: the mean transport it may spend. tangents: of the surrogate. tail: the
    share of gaps at each end that lies outside of its support.
    """

    epsilon: float = 0.01
    tangents: int = 6
    tail: float = 0.0


def follow(objective: str, margins: Sequence[float], beta: float, follower: Follower) -> WorstCase:
    """The worst case for pairs with these margins h; objective: one of `SPACES`.

    The gaps are beta h, or their sigmoids (see training/follower.py).
    """
    space = SPACES[objective]
    gaps: Floats = beta * np.asarray(margins, dtype=np.float64)
    if space == "sigmoid":
        gaps = 1 / (1 + np.exp(-gaps))
        return worst_case(gaps, sigmoid_tangents(follower.tangents), follower.epsilon, (0.0, 1.0))
    low, high = support_of(gaps, tail=follower.tail)
    return worst_case(gaps, margin_tangents(low, high, follower.tangents), follower.epsilon, (low, high))
