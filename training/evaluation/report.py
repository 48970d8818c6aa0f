"""The figures of an evaluation: pure functions from records to one JSON object, and to tables for people.

Every share comes with its 95 % interval, over all questions (the headline) and over those whose gold result
is determined. All shares are per cent.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import intervals
from .calibration import (
    Verdict,
    area_under_risk_coverage,
    expected_calibration_error,
    penalty_score,
    risk_coverage,
)
from .comparators import HEADLINE, NAMES
from .difficulty import DIFFICULTIES
from .records import Record

_HELD_BACK = ("abstained", "clarify")


def summarise(records: Sequence[Record], *, settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """All figures of the records, ready for JSON.

    `execution_accuracy` is over all answerable questions, `unambiguous` leaves out those with an ambiguous
    gold.
    """
    scored = [record for record in records if record.answerable]
    clear = [record for record in scored if not record.ambiguous]
    levels = {record.difficulty for record in scored}
    known = [level for level in DIFFICULTIES if level in levels] + sorted(
        level for level in levels if level is not None and level not in DIFFICULTIES
    )
    return {
        "questions": len(records),
        "answerable": len(scored),
        "ambiguous": len(scored) - len(clear),
        "execution_accuracy": {name: _score(scored, name) for name in NAMES},
        "unambiguous": {name: _score(clear, name) for name in NAMES},
        "by_difficulty": {
            level: _score([record for record in scored if record.difficulty == level], HEADLINE)
            for level in known
        },
        "answered": _share([record.status == "answered" for record in records]),
        "answered_right": _share([_right(r) for r in records if r.status == "answered"]),
        "sql_runs": _share([record.runs for record in scored]),
        "gold_fails": sum(bool(record.gold_error) for record in scored),
        "failed": sum(record.status == "failed" for record in records),
        "by_status": {
            status: sum(record.status == status for record in records)
            for status in sorted({record.status for record in records})
        },
        "per_question": {
            "new_tokens": _spread([record.new_tokens for record in records]),
            "prompt_tokens": _spread([record.prompt_tokens for record in records]),
            "sent_tokens": _spread([record.sent_tokens for record in records]),
            "tool_calls": _spread([record.tool_calls for record in records]),
            "seconds": _spread([record.seconds for record in records]),
        },
        "calibration": _calibration(records),
        "settings": dict(settings or {}),
    }


def failures(records: Sequence[Record]) -> list[str]:
    """What pulls the figures down and is no fault of the answers: gold that does not run, questions that
    could not be asked. A sentence each, with the first case.
    """
    told = []
    scored = [record for record in records if record.answerable]
    gold = [(record, record.gold_error) for record in scored if record.gold_error]
    failed = [(record, record.error or record.reason) for record in records if record.status == "failed"]
    for what, cases, of in (
        ("gold queries that do not run", gold, scored),
        ("questions that failed", failed, records),
    ):
        if cases:
            (first, why), *_ = cases
            told.append(
                f"{what}: {len(cases)} of {len(of)}, counted as wrong; the first is {first.id} of "
                f"{first.db_id}: {why}"
            )
    return told


@dataclass(frozen=True)
class ReportTable:
    """A table for people: what a row is about stands in the first column, figures in the others."""

    title: str
    headings: tuple[str, ...]
    rows: list[tuple[str, ...]]


def tables(summary: Mapping[str, Any]) -> list[ReportTable]:
    """The summary for people."""
    accuracy = [
        (name, _number(figure["value"]), _interval(figure), _number(summary["unambiguous"][name]["value"]))
        for name, figure in summary["execution_accuracy"].items()
    ]
    levels = [
        (level, str(figure["questions"]), _number(figure["value"]), _interval(figure))
        for level, figure in summary["by_difficulty"].items()
    ]
    costs = [
        (name.replace("_", " "), *(_number(spread[part]) for part in ("mean", "p50", "p95")))
        for name, spread in summary["per_question"].items()
    ]
    without = f"without {summary['ambiguous']} ambiguous"
    questions = f"Execution accuracy on {summary['answerable']} questions, %"
    return [
        ReportTable(questions, ("comparator", "all", "95 % interval", without), accuracy),
        ReportTable(f"{HEADLINE} by difficulty, %", ("level", "questions", "all", "95 % interval"), levels),
        ReportTable("Per question", ("", "mean", "median", "95th percentile"), costs),
        ReportTable("Trust", ("", "value"), _trust(summary)),
    ]


def _trust(summary: Mapping[str, Any]) -> list[tuple[str, ...]]:
    calibration = summary["calibration"]
    rows = [
        ("answered, %", _number(summary["answered"]["value"])),
        ("right when answered, %", _number(summary["answered_right"]["value"])),
        ("SQL runs, %", _number(summary["sql_runs"]["value"])),
        ("area under risk–coverage", _number(calibration["area_under_risk_coverage"], 3)),
        ("expected calibration error", _number(calibration["expected_calibration_error"], 3)),
    ]
    rows += [
        (f"TrustSQL score, penalty {name}", _number(value))
        for name, value in calibration["penalty_score"].items()
    ]
    rows += [
        (f"wrong among the surest {share} %, %", _number(value))
        for share, value in calibration["risk_at_coverage"].items()
    ]
    return rows


def _calibration(records: Sequence[Record]) -> dict[str, Any]:
    """Over the questions with a confidence (an answer to one without gold is wrong); the penalty score over
    all, abstentions as the agent chose.
    """
    judged = [
        (record.confidence, _right(record))
        for record in records
        if record.confidence is not None and (record.answerable or record.status not in _HELD_BACK)
    ]
    verdicts: list[tuple[bool, Verdict]] = [(record.answerable, _verdict(record)) for record in records]
    points = risk_coverage(judged)
    penalties = {"0": 0, "10": 10, "N": len(records)}
    return {
        "with_confidence": len(judged),
        "area_under_risk_coverage": _rounded(area_under_risk_coverage(judged), 4),
        "expected_calibration_error": _rounded(expected_calibration_error(judged), 4),
        "penalty_score": {
            name: _rounded(penalty_score(verdicts, penalty=value), 2) for name, value in penalties.items()
        },
        "risk_at_coverage": {str(share): _risk_at(points, share / 100) for share in (25, 50, 75, 100)},
        "risk_coverage": [[round(coverage, 4), round(risk, 4)] for coverage, risk in points],
    }


def _verdict(record: Record) -> Verdict:
    if record.status == "failed":
        return "failed"
    if record.status in _HELD_BACK or not record.sql:
        return "abstained"
    return "right" if _right(record) else "wrong"


def _right(record: Record) -> bool:
    return record.scores[HEADLINE] == 1.0


def _risk_at(points: Sequence[tuple[float, float]], coverage: float) -> float | None:
    """Risk in per cent at the first point that covers at least that share."""
    return next((round(100 * risk, 2) for share, risk in points if share >= coverage - 1e-9), None)


def _score(records: Sequence[Record], name: str) -> dict[str, Any]:
    values = [record.scores[name] for record in records]
    low, high = intervals.mean(values) if name == "soft_f1" else intervals.wilson(sum(values), len(values))
    return {"questions": len(values), **_percent(sum(values) / len(values) if values else None, low, high)}


def _share(values: Sequence[bool]) -> dict[str, Any]:
    return _percent(
        sum(values) / len(values) if values else None, *intervals.wilson(sum(values), len(values))
    )


def _percent(value: float | None, low: float, high: float) -> dict[str, Any]:
    if value is None:
        return {"value": None, "interval": None}
    return {"value": round(100 * value, 2), "interval": [round(100 * low, 2), round(100 * high, 2)]}


def _spread(values: Sequence[float]) -> dict[str, float | None]:
    if not values:
        return {"mean": None, "p50": None, "p95": None}
    ranked = sorted(values)
    return {
        "mean": round(statistics.fmean(ranked), 3),
        "p50": round(statistics.median(ranked), 3),
        "p95": round(ranked[min(len(ranked) - 1, int(0.95 * len(ranked)))], 3),
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _interval(figure: Mapping[str, Any]) -> str:
    return "–" if figure["interval"] is None else "{:.1f} to {:.1f}".format(*figure["interval"])


def _number(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"
