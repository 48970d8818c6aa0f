"""The follower's linear program as published (arXiv 2502.18099), by a general solver: what ours is held
against.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array
from sqlberg.training.follower import Floats, Surrogate


def program(gaps: Floats, surrogate: Surrogate, epsilon: float, support: tuple[float, float]) -> float:
    """The optimum of the paper's linear program, its variables being s, and q = up - down."""
    pairs, pieces = len(gaps), len(surrogate.slopes)
    size, (low, high) = pairs * pieces, support
    losses = (np.multiply.outer(gaps, surrogate.slopes) + surrogate.heights).ravel()
    slopes = np.tile(surrogate.slopes, pairs)
    gain = np.concatenate([losses, -slopes, slopes]) / pairs
    each, own = np.arange(size), np.repeat(gaps, pieces)
    s, up, down = each, size + each, 2 * size + each
    ones = np.ones(size)
    # low s <= s gap - q <= high s, and the budget in the last row.
    values = [own - high, -ones, ones, low - own, ones, -ones, ones / pairs, ones / pairs]
    rows = [each, each, each, up, up, up, 0 * each + 2 * size, 0 * each + 2 * size]
    within = coo_array(
        (
            np.concatenate(values),
            (np.concatenate(rows), np.concatenate([s, up, down, s, up, down, up, down])),
        ),
        shape=(2 * size + 1, 3 * size),
    )
    mass = coo_array((ones, (each // pieces, s)), shape=(pairs, 3 * size))
    solved = linprog(
        -gain,
        A_ub=within,
        b_ub=np.concatenate([np.zeros(2 * size), [epsilon]]),
        A_eq=mass,
        b_eq=np.ones(pairs),
        method="highs",
    )
    assert solved.status == 0
    return -solved.fun
