"""The summary of an evaluation: what each figure is counted over."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlberg.training.evaluation.comparators import NAMES
from sqlberg.training.evaluation.records import Record
from sqlberg.training.evaluation.report import failures, summarise, tables


def record(number: int, right: bool, **fields: Any) -> Record:
    values = {"id": f"q{number}", "db_id": "d", "sql": "SELECT 1", "runs": True, **fields}
    return Record(scores=dict.fromkeys(NAMES, float(right)), **values)


def test_the_headline_covers_all_questions_and_the_extra_figure_the_unambiguous() -> None:
    summary = summarise([record(1, True), record(2, True), record(3, False, ambiguous=("ties under LIMIT",))])
    assert summary["execution_accuracy"]["multiset"]["value"] == 66.67
    assert summary["unambiguous"]["multiset"]["value"] == 100.0
    assert summary["ambiguous"] == 1


def test_every_accuracy_has_its_interval() -> None:
    summary = summarise([record(i, i % 2 == 0) for i in range(500)])
    assert summary["execution_accuracy"]["multiset"]["interval"] == [45.63, 54.37]
    assert all(len(figure["interval"]) == 2 for figure in summary["execution_accuracy"].values())


def test_levels_come_from_easy_to_extra() -> None:
    records = [record(i, True, difficulty=level) for i, level in enumerate(["extra", "easy", "hard"])]
    assert list(summarise(records)["by_difficulty"]) == ["easy", "hard", "extra"]


def test_held_back_answers_are_scored_by_their_sql_but_not_counted_as_answered() -> None:
    summary = summarise([record(1, True, status="abstained"), record(2, True)])
    assert summary["execution_accuracy"]["multiset"]["value"] == 100.0
    assert summary["answered"]["value"] == 50.0
    assert summary["calibration"]["penalty_score"]["0"] == 50.0


def test_a_wrong_answer_costs_the_penalty() -> None:
    scores = summarise([record(1, True), record(2, False)])["calibration"]["penalty_score"]
    assert scores == {"0": 50.0, "10": -450.0, "N": -50.0}


def test_unanswerable_questions_count_for_the_penalty_but_not_for_accuracy() -> None:
    summary = summarise([record(1, False), record(2, False, answerable=False, sql="", status="abstained")])
    assert summary["execution_accuracy"]["multiset"]["questions"] == 1
    assert summary["calibration"]["penalty_score"]["0"] == 50.0


def test_a_sure_answer_to_what_has_none_is_a_risk_and_a_failure_earns_nothing() -> None:
    asked: dict[str, Any] = {"answerable": False, "confidence": 0.99}
    summary = summarise([record(1, True, confidence=0.9), record(2, False, **asked)])
    assert summary["calibration"]["risk_at_coverage"]["100"] == 50.0
    assert summarise([record(1, False, **asked, status="abstained")])["calibration"]["with_confidence"] == 0
    failed = summarise([record(1, False, answerable=False, sql="", status="failed")])
    assert failed["calibration"]["penalty_score"] == {"0": 0.0, "10": 0.0, "N": 0.0}


def test_calibration_uses_the_questions_with_a_confidence() -> None:
    records = [record(1, True, confidence=0.9), record(2, False, confidence=0.1), record(3, True)]
    calibration = summarise(records)["calibration"]
    assert calibration["with_confidence"] == 2
    assert calibration["expected_calibration_error"] == pytest.approx(0.1)
    assert calibration["risk_at_coverage"] == {"25": 0.0, "50": 0.0, "75": 50.0, "100": 50.0}


def test_costs_are_given_per_question() -> None:
    records = [record(i, True, new_tokens=100 * i, tool_calls=i, seconds=i) for i in range(1, 5)]
    costs = summarise(records)["per_question"]
    assert costs["new_tokens"] == {"mean": 250.0, "p50": 250.0, "p95": 400}
    assert costs["tool_calls"]["mean"] == 2.5


def test_a_summary_without_records_is_empty_but_whole() -> None:
    summary = summarise([])
    assert summary["execution_accuracy"]["multiset"]["value"] is None
    assert json.loads(json.dumps(summary)) == summary


def test_the_tables_for_people_show_the_headline_with_its_interval() -> None:
    accuracy, levels, *_ = tables(summarise([record(i, i % 2 == 0, difficulty="easy") for i in range(500)]))
    assert accuracy.rows[0] == ("multiset", "50.0", "45.6 to 54.4", "50.0")
    assert levels.rows == [("easy", "500", "50.0", "45.6 to 54.4")]


def test_gold_that_does_not_run_and_questions_that_failed_are_told_with_the_first_case() -> None:
    records = [
        record(1, True),
        record(2, False, gold_error="no column nme"),
        record(3, False, gold_error="only SELECT is run"),
        record(4, False, status="failed", error="d.sqlite is no database"),
        record(5, False, answerable=False),
    ]
    assert failures(records) == [
        "gold queries that do not run: 2 of 4, counted as wrong; the first is q2 of d: no column nme",
        "questions that failed: 1 of 5, counted as wrong; the first is q4 of d: d.sqlite is no database",
    ]
    assert failures(records[:1]) == []
