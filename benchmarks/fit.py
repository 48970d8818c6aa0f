"""What `sqlberg fit` gains on databases that the embedded model was never trained on.

    python benchmarks/fit.py [--quick] [--data FOLDER] [--output FOLDER]

Fits the shipped weights to three of the train databases that their training left out (the three of them with
the most questions), with the command's own settings, and measures people's questions over each, reworded ones
included, before and after; none of these questions is trained on. About 20 minutes a database on two cores;
stopped at any moment, it goes on where it was. Writes results/fit.json (not with --quick: one database, one
minute of training); ends by printing one JSON object with the figures and `ok`: at least eight points more on
average.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

from parts.run_folders import finish, options
from sqlberg.agents.opening import open_database
from sqlberg.training.embedded.fitting import Plan, fit
from sqlberg.training.evaluation.dataset import Question
from sqlberg.training.evaluation.gate import Measured

DATABASES = ("movie_1", "company_office", "candidate_poll")
LEAST_POINTS = 8.0


def measure(data: Path, output: Path, *, quick: bool) -> dict[str, Any]:
    """The gain on each database, and on average."""
    plan = Plan(questions=100, checked=20, minutes=1.0) if quick else Plan()
    by_database = {}
    for name in DATABASES[:1] if quick else DATABASES:
        reopen = partial(open_database, data / "databases" / f"{name}.sqlite")
        asked = questions(data, name)[:20] if quick else questions(data, name)
        fitted = fit(reopen, output / name, plan, people=asked, tell=partial(print, file=sys.stderr))
        assert fitted.people is not None
        by_database[name] = {
            "people": _figures(fitted.people),
            "synthetic": _figures(fitted.synthetic),
            "trained_on": fitted.trained_on,
            "kept": fitted.kept,
            "reason": fitted.reason,
        }
    gains = [figures["people"]["gain"] for figures in by_database.values()]
    average = round(sum(gains) / len(gains), 2)
    return {
        "benchmark": "fit",
        "minutes_of_training": plan.minutes,
        "databases": by_database,
        "average_gain": average,
        "ok": average >= LEAST_POINTS,
    }


def questions(data: Path, name: str) -> list[Question]:
    """What people asked over a train database, with its gold."""
    found = []
    for file in ("questions.jsonl", "questions_reworded_train.jsonl"):
        for line in (data / file).read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if row["db_id"] == name and row["split"] == "train":
                found.append(Question.model_validate(row))
    return found


def _figures(measured: Measured) -> dict[str, float]:
    share = 100 / measured.questions
    before, after = share * measured.before, share * measured.after
    return {
        "questions": measured.questions,
        "before": round(before, 2),
        "after": round(after, 2),
        "gain": round(after - before, 2),
    }


def main() -> int:
    given = options(__doc__, quick="one database, one minute", output="runs/fit").parse_args()
    return finish(given, partial(measure, given.data, quick=given.quick), "fit.json")


if __name__ == "__main__":
    sys.exit(main())
