"""Intervals and calibration figures against values worked out by hand or published."""

from __future__ import annotations

import pytest
from sqlberg.training.evaluation import intervals
from sqlberg.training.evaluation.calibration import (
    area_under_risk_coverage,
    expected_calibration_error,
    penalty_score,
    risk_coverage,
)


def test_wilson_interval_of_half_of_500_is_four_points_wide_on_each_side() -> None:
    low, high = intervals.wilson(250, 500)
    assert (low, high) == pytest.approx((0.4563, 0.5437), abs=1e-4)


def test_wilson_interval_stays_within_zero_and_one() -> None:
    assert intervals.wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert intervals.wilson(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)


def test_wilson_interval_without_questions_is_everything() -> None:
    assert intervals.wilson(0, 0) == (0.0, 1.0)


def test_wilson_refuses_more_successes_than_trials() -> None:
    with pytest.raises(ValueError, match="between 0 and the total"):
        intervals.wilson(3, 2)


def test_risk_falls_when_only_sure_answers_are_given() -> None:
    assert risk_coverage([(0.9, True), (0.5, False)]) == [(0.5, 0.0), (1.0, 0.5)]


def test_equal_confidences_enter_the_curve_together() -> None:
    assert risk_coverage([(0.5, True), (0.5, False)]) == [(1.0, 0.5)]


def test_a_constant_confidence_has_its_error_rate_as_area() -> None:
    assert area_under_risk_coverage([(0.7, i % 4 > 0) for i in range(100)]) == pytest.approx(0.25)


def test_the_area_is_smaller_when_confidence_ranks_right_before_wrong() -> None:
    good = area_under_risk_coverage([(0.9, True), (0.8, True), (0.2, False)])
    bad = area_under_risk_coverage([(0.2, True), (0.3, True), (0.9, False)])
    assert good == pytest.approx(1 / 9)
    assert bad == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)


def test_calibration_error_is_zero_when_confidence_is_the_share_of_right_answers() -> None:
    assert expected_calibration_error([(0.75, i % 4 > 0) for i in range(8)]) == pytest.approx(0)


def test_calibration_error_is_the_gap_when_always_sure_and_half_right() -> None:
    assert expected_calibration_error([(1.0, True), (1.0, False)]) == pytest.approx(0.5)


def test_penalty_score_rewards_right_answers_and_right_abstentions_only() -> None:
    verdicts = [(True, "right"), (False, "abstained"), (True, "abstained"), (True, "wrong")]
    assert penalty_score(verdicts, penalty=0) == 50.0  # type: ignore[arg-type]
    assert penalty_score(verdicts, penalty=10) == -200.0  # type: ignore[arg-type]


def test_answering_the_unanswerable_is_penalised() -> None:
    assert penalty_score([(False, "wrong")], penalty=1) == -100.0


def test_nothing_judged_gives_no_figure() -> None:
    assert area_under_risk_coverage([]) is None
    assert expected_calibration_error([]) is None
    assert penalty_score([], penalty=1) is None
