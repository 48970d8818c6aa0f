"""Choosing what people should label: each selector over vectors whose right choice can be seen."""

from __future__ import annotations

import numpy as np
import pytest
from sqlberg.training.active.selectors import SELECTORS, centres, farthest, highest, seeding

pytest.importorskip("sklearn", reason="active learning needs the train extra")

CORNERS = np.array([[0.0, 0.0], [100.0, 0.0], [0.0, 100.0], [100.0, 100.0]])


def corners(count: int) -> np.ndarray:
    """Points close around four corners, `count` at each."""
    noise = np.random.default_rng(0).normal(size=(4 * count, 2))
    return np.repeat(CORNERS, count, axis=0) + noise


@pytest.mark.parametrize("take", [seeding, centres, farthest])
def test_diverse_selectors_take_one_of_each_group(take):
    taken = take(corners(50), 4, 1)
    assert sorted(number // 50 for number in taken) == [0, 1, 2, 3]


def test_vectors_that_hardly_differ_leave_no_group_empty_handed():
    vectors = np.ones((30, 4)) + np.random.default_rng(0).normal(scale=1e-12, size=(30, 4))
    assert len(set(centres(vectors, 10, 0))) == 10


def test_the_perturbations_size_counts_as_uncertainty():
    vectors = np.vstack([np.full((200, 3), 0.01), np.full((5, 3), 3.0)])
    vectors += np.random.default_rng(0).normal(scale=1e-3, size=vectors.shape)
    first = [seeding(vectors, 2, seed) for seed in range(20)]
    assert sum(any(number >= 200 for number in taken) for taken in first) >= 18


def test_the_most_unsure_come_first():
    assert highest(np.array([[0.1], [0.9], [0.5]]), 2, 0) == [1, 2]


@pytest.mark.parametrize("name", SELECTORS)
def test_every_selector_takes_as_many_as_asked_and_none_twice(name: str):
    vectors = np.random.default_rng(3).normal(size=(60, 1 if name == "entropy" else 8))
    selector = SELECTORS[name]
    for count in (1, 17, 60, 80):
        taken = selector.take(vectors, count, 5)
        assert len(set(taken)) == len(taken) == min(count, 60)
        assert taken == selector.take(vectors, count, 5)


@pytest.mark.parametrize("name", ["vapal", "vapal-centres", "badge", "alps", "farthest"])
def test_equal_questions_do_not_stop_a_selector(name: str):
    assert len(SELECTORS[name].take(np.ones((10, 4)), 5, 0)) == 5
