"""The embedded model's score on Spider's development questions: the README's figure.

    python benchmarks/accuracy.py [--quick] [--data FOLDER] [--output FOLDER]

Answers all 1 026 questions of split dev (--quick: every thirtieth) through the same graph and tools as
`sqlberg ask`, greedily, and scores them (training/evaluation). It can be stopped at any moment and goes on
where it stopped. Writes results/accuracy.json (not with --quick); ends by printing one JSON object with the
figures and `ok`: at least 45 % multiset execution accuracy, and fewer new prompt tokens per question than the
paper's 4.7 k.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from sqlberg.training.evaluation.answering import Setup, answering, opening, settings_of
from sqlberg.training.evaluation.dataset import load_dataset
from sqlberg.training.evaluation.records import Record, RunFolder
from sqlberg.training.evaluation.report import summarise
from sqlberg.training.evaluation.runner import run

ROOT = Path(__file__).resolve().parent
RESULTS = ROOT / "results" / "accuracy.json"
DATA = ROOT.parent.parent / "shared" / "data" / "spider"
LEAST_ACCURACY = 45.0
MOST_PROMPT_TOKENS = 4_700


def measure(data: Path, output: Path, *, every: int) -> dict[str, Any]:
    """Every `every`-th question, in the run folder `output`."""
    dataset = load_dataset(data, split="dev")
    dataset = dataclasses.replace(dataset, questions=dataset.questions[::every])
    setup = Setup()
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
        "ok": accuracy >= LEAST_ACCURACY and tokens < MOST_PROMPT_TOKENS,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="every thirtieth question, results not written")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with questions.jsonl and databases/")
    parser.add_argument("--output", type=Path, default=Path("runs/accuracy"), help="where a full run resumes")
    given = parser.parse_args()
    if given.quick:
        with tempfile.TemporaryDirectory() as folder:
            figures = measure(given.data, Path(folder), every=30)
    else:
        figures = measure(given.data, given.output, every=1)
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(figures, ensure_ascii=False))
    return 0 if figures["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
