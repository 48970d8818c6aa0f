"""The follower: exact against the published program, and within its bounds."""

from __future__ import annotations

import numpy as np
import pytest
from sqlberg.training.follower import (
    Floats,
    Surrogate,
    margin_tangents,
    sigmoid_tangents,
    support_of,
    worst_case,
)

from .published_program import program


def instance(seed: int) -> tuple[Floats, Surrogate, float, tuple[float, float]]:
    """Gaps, surrogate, epsilon and support: the margin space for odd seeds, else the sigmoid space."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 30))
    epsilon = float(rng.choice([0.0, 0.01, 0.05, 0.1, 0.5, 3.0]))
    if seed % 2:
        gaps = rng.normal(0.5, 1.5, count)
        support = support_of(gaps, room=float(rng.uniform(0, 1)))
        return gaps, margin_tangents(*support), epsilon, support
    gaps = rng.uniform(0.02, 0.98, count)
    return gaps, sigmoid_tangents(), epsilon, (float(gaps.min()) * 0.8, 1.0)


@pytest.mark.parametrize("first", range(0, 200, 20))
def test_it_solves_the_published_program_in_both_spaces(first: int):
    for seed in range(first, first + 20):
        gaps, surrogate, epsilon, support = instance(seed)
        found = worst_case(gaps, surrogate, epsilon, support)
        assert found.value == pytest.approx(program(gaps, surrogate, epsilon, support), abs=1e-6)
        assert found.spent <= epsilon + 1e-12


def test_the_value_grows_with_the_budget_but_no_faster_than_the_steepest_slope():
    gaps, surrogate, _, support = instance(31)
    values = [worst_case(gaps, surrogate, epsilon, support).value for epsilon in (0, 0.01, 0.1, 1, 10)]
    assert values == sorted(values)
    steepest = float(-surrogate.slopes.min())
    assert values[2] - values[0] <= steepest * 0.1 + 1e-12


def test_without_a_budget_nothing_moves():
    gaps, surrogate, _, support = instance(7)
    assert not worst_case(gaps, surrogate, 0.0, support).moved.any()


def test_the_most_doubtful_pairs_move_first():
    gaps = np.array([2.0, -1.0, 0.0, 1.0])
    support = (-2.0, 2.0)
    found = worst_case(gaps, margin_tangents(*support), 0.5, support)
    assert found.moved.tolist() == [0.0, 1.0, 0.5, 0.0]
    assert found.shifts.tolist() == [4.0, 1.0, 2.0, 3.0]


def test_gaps_outside_of_the_window_are_taken_to_its_ends_at_no_cost():
    gaps = np.array([-9.0, 0.0, 0.5, 9.0])
    support = support_of(gaps, tail=0.25)
    found = worst_case(gaps, margin_tangents(*support), 0.0, support)
    assert found.gaps.min() == support[0]
    assert found.spent == 0.0


def test_a_surrogate_lies_below_the_loss_and_touches_it():
    gaps = np.linspace(-3, 3, 61)
    below = np.logaddexp(0, -gaps) - margin_tangents(-3, 3)(gaps)
    assert below.min() == pytest.approx(0, abs=1e-9)
    assert below.max() < 0.1
    shares = np.linspace(1 / 6, 1, 50)
    assert (-np.log(shares) - sigmoid_tangents()(shares)).min() >= -1e-12


@pytest.mark.parametrize("gaps", [[], [np.nan], [np.inf, 1.0]])
def test_gaps_that_are_no_numbers_are_refused(gaps: list[float]):
    with pytest.raises(ValueError, match="finite gaps"):
        worst_case(np.array(gaps), margin_tangents(-1, 1), 0.1, (-1, 1))
