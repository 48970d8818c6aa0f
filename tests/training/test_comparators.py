"""The comparators: each rule of shared scoring, one example that holds and one that does not."""

from __future__ import annotations

import datetime
import itertools
import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlberg.tools.limits import Cut, Result
from sqlberg.training.evaluation.comparators import NAMES, bird, columns_subset, compare, multiset, soft_f1


def result(*rows: tuple[object, ...], cuts: tuple[Cut, ...] = ()) -> Result:
    return Result(columns=("x",) * (len(rows[0]) if rows else 0), rows=rows, cuts=cuts)


def test_multiset_ignores_row_order_without_order_by() -> None:
    assert multiset([(1,), (2,)], [(2,), (1,)], ordered=False)


def test_multiset_keeps_row_order_with_order_by() -> None:
    assert not multiset([(1,), (2,)], [(2,), (1,)], ordered=True)


def test_multiset_counts_duplicates() -> None:
    assert not multiset([(1,), (1,), (2,)], [(1,), (2,), (2,)], ordered=False)


def test_multiset_takes_columns_in_any_order() -> None:
    assert multiset([(1, "a"), (2, "b")], [("b", 2), ("a", 1)], ordered=False)


def test_multiset_permutes_whole_columns_never_cells() -> None:
    assert not multiset([(1, 2), (3, 4)], [(1, 2), (4, 3)], ordered=False)


def test_multiset_sees_that_equal_columns_belong_to_other_rows() -> None:
    # Every column holds the same values on both sides; only the pairing of cells differs.
    assert not multiset([(0, 0), (1, 1)], [(0, 1), (1, 0)], ordered=False)


def test_multiset_wants_no_extra_column() -> None:
    assert not multiset([(1,)], [(1, 2)], ordered=False)


def test_multiset_takes_columns_in_any_order_with_order_by() -> None:
    assert multiset([(1, "a"), (2, "b")], [("a", 1), ("b", 2)], ordered=True)


@pytest.mark.parametrize(
    ("gold", "predicted"),
    [
        (0.1 + 0.2, 0.3),
        (1, 1.0),
        (2.5, Decimal("2.5")),
        (1234567.0, 1234567),
        (1e15 / 3, 1e15 / 3 + 0.1),
        (1234567890123, 1234567890123.0),
        (Decimal("1234567890123"), 1234567890123),
        (10**30, 1e30),
    ],
)
def test_multiset_rounds_numbers_of_any_type(gold: object, predicted: object) -> None:
    assert multiset([(gold,)], [(predicted,)], ordered=False)


@pytest.mark.parametrize(
    ("gold", "predicted"),
    [
        (0.30001, 0.3),
        ("1", 1),
        (None, 0),
        (None, ""),
        (b"a", "a"),
        (1_000_001, 1_000_002),
        ("a", "A"),
        (1234567890123456, 1234567890123457),
    ],
)
def test_multiset_tells_different_values_apart(gold: object, predicted: object) -> None:
    assert not multiset([(gold,)], [(predicted,)], ordered=False)


def test_multiset_takes_nan_as_equal_to_nan_and_reads_nested_values() -> None:
    rows = [(float("nan"), [1, {"a": 2.0}], datetime.date(2024, 1, 2))]
    assert multiset(rows, [(datetime.date(2024, 1, 2), [1, {"a": 2}], float("nan"))], ordered=False)


cells = st.one_of(st.integers(0, 2), st.sampled_from(["a", "b", None]))


@given(
    st.integers(1, 4).flatmap(lambda width: st.lists(st.tuples(*[cells] * width), min_size=1, max_size=6)),
    st.randoms(use_true_random=False),
    st.booleans(),
)
def test_multiset_agrees_with_trying_every_permutation(
    rows: list[tuple[object, ...]], random: random.Random, spoil: bool
) -> None:
    other = [list(row) for row in rows]
    order = random.sample(range(len(rows[0])), len(rows[0]))
    other = [[row[i] for i in order] for row in other]
    random.shuffle(other)
    if spoil:
        other[0][0] = random.choice([0, 1, 2, "a", "b", None])
    wanted = sorted(map(repr, rows))
    expected = any(
        sorted(repr(tuple(row[i] for i in permutation)) for row in other) == wanted
        for permutation in itertools.permutations(range(len(rows[0])))
    )
    assert multiset(rows, other, ordered=False) == expected


def test_multiset_matches_forty_shuffled_columns_without_trying_all_40_factorial_orders() -> None:
    generator = random.Random(1)
    rows = [tuple(generator.randint(0, 1) for _ in range(40)) for _ in range(200)]
    order = generator.sample(range(40), 40)
    other = [tuple(row[i] for i in order) for row in rows]
    generator.shuffle(other)
    spoiled = [(*other[0][:-1], 1 - other[0][-1]), *other[1:]]
    assert multiset(rows, other, ordered=False)
    assert not multiset(rows, spoiled, ordered=False)


def test_bird_ignores_order_and_duplicates_of_rows() -> None:
    assert bird([(1, 2), (3, 4)], [(3, 4), (1, 2), (1, 2)])


def test_bird_wants_columns_in_order() -> None:
    assert not bird([(1, 2)], [(2, 1)])


def test_columns_subset_lets_extra_columns_go_free() -> None:
    assert columns_subset([(1,), (2,)], [("a", 2), ("b", 1)], ordered=False)


def test_columns_subset_wants_every_gold_column() -> None:
    assert not columns_subset([(1, "a")], [(1, "b")], ordered=False)


def test_columns_subset_tolerates_a_hundredth() -> None:
    assert columns_subset([(0.333,)], [(0.33,)], ordered=False)
    assert not columns_subset([(0.333,)], [(0.3,)], ordered=False)


def test_columns_subset_keeps_row_order_with_order_by() -> None:
    assert not columns_subset([(1,), (2,)], [(2,), (1,)], ordered=True)


def test_soft_f1_gives_part_of_the_score_for_part_of_the_cells() -> None:
    # Of two gold cells one is found, and one predicted cell is wrong: precision and recall one half.
    assert soft_f1([("a", "b")], [("a", "c")]) == pytest.approx(0.5)


def test_soft_f1_is_one_for_equal_and_zero_for_disjoint_rows() -> None:
    assert soft_f1([(1, 2), (3, 4)], [(2, 1), (4, 3)]) == 1.0
    assert soft_f1([(1,)], [(2,)]) == 0.0


def test_soft_f1_charges_missing_and_extra_rows() -> None:
    assert soft_f1([(1,), (2,)], [(1,)]) == pytest.approx(2 / 3)
    assert soft_f1([(1,)], [(1,), (2,)]) == pytest.approx(2 / 3)


@pytest.mark.parametrize("name", NAMES)
def test_an_error_equals_nothing_not_even_an_error(name: str) -> None:
    assert compare(None, None, ordered=False)[name] == 0
    assert compare(result((1,)), None, ordered=False)[name] == 0
    assert compare(None, result((1,)), ordered=False)[name] == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_cut_result_equals_nothing(name: str) -> None:
    cut = result((1,), cuts=(Cut("rows", kept=1),))
    assert compare(cut, cut, ordered=False)[name] == 0


@pytest.mark.parametrize("name", NAMES)
def test_every_comparator_accepts_the_gold_result_itself(name: str) -> None:
    gold = result((1, "a", None, 2.5), (2, "b", b"x", 3.5))
    assert compare(gold, gold, ordered=True)[name] == 1


def test_two_results_without_rows_are_equal_as_published_evaluators_have_it() -> None:
    assert all(compare(result(), result(), ordered=False).values())
