"""The embedded model's score on Spider's development questions: the README's figure.

    python benchmarks/accuracy.py [--quick] [--candidates 8] [--data FOLDER] [--output FOLDER]

Answers all 1 026 questions of split dev (--quick: every thirtieth) through the same graph and tools as
`sqlberg ask`, greedily or by a vote of eight candidates, and scores them (training/evaluation). It can be
stopped at any moment and goes on where it stopped. Writes results/accuracy.json, or accuracy_8.json (not with
--quick); ends by printing one JSON object with the figures and `ok`: at least 60 % multiset execution
accuracy (65 % with eight), and fewer new prompt tokens per question than the paper's 4.7 k.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

from parts.run_folders import finish, options
from sqlberg.training.evaluation.answering import Setup, answering, opening, settings_of
from sqlberg.training.evaluation.dataset import load_dataset
from sqlberg.training.evaluation.records import Record, RunFolder
from sqlberg.training.evaluation.report import summarise
from sqlberg.training.evaluation.runner import run

LEAST_ACCURACY = {1: 60.0, 8: 65.0}
"""By the number of candidates."""
MOST_PROMPT_TOKENS = 4_700


def measure(data: Path, output: Path, *, every: int, candidates: int) -> dict[str, Any]:
    """Every `every`-th question, in the run folder `output`."""
    dataset = load_dataset(data, split="dev")
    dataset = dataclasses.replace(dataset, questions=dataset.questions[::every])
    setup = Setup(candidates=candidates)
    settings = settings_of(setup, dataset)
    done = 0

    def finished(record: Record) -> None:
        nonlocal done
        done += 1
        if done % 50 == 0:
            print(f"{done} questions answered", file=sys.stderr)

    with RunFolder(output, settings) as folder:
        records = run(
            dataset,
            answering(setup),
            folder,
            open_database=opening(setup, dataset),
            concurrency=setup.concurrency,
            finished=finished,
        )
        summary = summarise(records, settings=settings)
        folder.write_summary(summary)
    accuracy = summary["execution_accuracy"]["multiset"]["value"]
    tokens = summary["per_question"]["prompt_tokens"]["mean"]
    summary["calibration"].pop("risk_coverage")  # a thousand points: in the run folder's summary.json
    return {
        "benchmark": "accuracy",
        **summary,
        "ok": accuracy >= LEAST_ACCURACY[candidates] and tokens < MOST_PROMPT_TOKENS,
    }


def main() -> int:
    parser = options(__doc__, quick="every thirtieth question", output="runs")
    parser.add_argument(
        "--candidates", type=int, choices=LEAST_ACCURACY, default=1, help="of which one is voted for"
    )
    given = parser.parse_args()
    name = "accuracy" if given.candidates == 1 else f"accuracy_{given.candidates}"
    every = 30 if given.quick else 1

    def in_folder(folder: Path) -> dict[str, Any]:
        return measure(given.data, folder / name, every=every, candidates=given.candidates)

    return finish(given, in_folder, f"{name}.json")


if __name__ == "__main__":
    sys.exit(main())
