"""The embedded model's confidence is fitted on what it got right and wrong."""

from __future__ import annotations

import json
import random
import sqlite3
from pathlib import Path

import pytest
from sqlberg.models.embedded.confidence import Confidence
from sqlberg.models.embedded.weights import SHIPPED
from sqlberg.training.embedded.confidence import fit_confidence, fit_threshold, judge


def test_a_known_curve_is_found_again() -> None:
    chance, true = random.Random(3), Confidence(half=0.8, power=1.5)
    logprobs = [-chance.lognormvariate(0, 1.5) for _ in range(4000)]
    found = fit_confidence([(logprob, chance.random() < true.of(logprob)) for logprob in logprobs])
    assert found.half == pytest.approx(true.half, rel=0.15)
    assert found.power == pytest.approx(true.power, rel=0.15)


def test_only_right_answers_fit_no_curve() -> None:
    with pytest.raises(ValueError, match="right and wrong"):
        fit_confidence([(-0.1, True), (-0.2, True)])


def test_answers_over_the_named_databases_are_judged(tmp_path: Path) -> None:
    (tmp_path / "databases").mkdir()
    for name in ("seen", "held_out"):
        with sqlite3.connect(tmp_path / "databases" / f"{name}.sqlite") as connection:
            connection.execute("CREATE TABLE singer (id INTEGER PRIMARY KEY, age INTEGER)")
            connection.executemany("INSERT INTO singer (age) VALUES (?)", [(20,), (30,), (40,)])
    rows = [
        {"id": f"{name}-{number}", "db_id": name, "question": question, "sql": sql, "split": "train"}
        for name in ("seen", "held_out")
        for number, (question, sql) in enumerate(
            [
                ("How many singers are there?", "SELECT count(*) FROM singer"),
                ("How many singers are there in all?", "SELECT 17"),  # the gold says something else
            ]
        )
    ]
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    judged = judge(tmp_path, SHIPPED, ["held_out"], tmp_path / "runs")
    assert sorted(right for _, right in judged) == [False, True]
    assert all(logprob < 0 for logprob, _ in judged)
    assert judge(tmp_path, SHIPPED, ["held_out"], tmp_path / "runs") == judged  # from the run folder


def test_the_threshold_is_the_lowest_with_enough_right_answers_above_it() -> None:
    judged = [(0.9, True)] * 8 + [(0.6, True)] * 4 + [(0.5, False)] * 4 + [(0.2, False)] * 10
    assert fit_threshold(judged, 0.75) == 0.5
    assert fit_threshold(judged, 0.8) == 0.6
    assert fit_threshold([(0.9, False)] * 5, 0.8) == 1.0
