"""The embedded model as a laptop's user meets it: speed, memory, typing errors, questions without an answer.

    python benchmarks/embedded.py [--quick] [--data FOLDER] [--output FOLDER]

Asks Spider's development questions (training/evaluation) over the same graph and tools as `sqlberg ask`:
every tenth with one candidate and with eight, one question at a time, for the seconds; all of them as they
are and with one random typing error each, for what such errors cost; and 200 questions, written by hand,
about data that the databases do not hold (parts/unanswerable.jsonl), for how often it declines. Loading is
timed in a fresh process. It can be stopped at any moment and goes on where it stopped. Writes
results/embedded.json (not with --quick: a few questions of each); ends by printing one JSON object with the
figures and `ok`.
"""

from __future__ import annotations

import dataclasses
import json
import random
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from parts.run_folders import finish, options
from sqlberg.training.embedded.augmentation import typo
from sqlberg.training.evaluation.answering import Setup, answering, opening, settings_of
from sqlberg.training.evaluation.dataset import Dataset, Question, load_dataset
from sqlberg.training.evaluation.records import Record, RunFolder
from sqlberg.training.evaluation.report import summarise
from sqlberg.training.evaluation.runner import run

UNANSWERABLE = Path(__file__).resolve().parent / "parts" / "unanswerable.jsonl"

MOST_SECONDS = {1: 0.5, 8: 2.0}
MOST_MEGABYTES = 900
MOST_LOADING_SECONDS = 2.0
MOST_TYPO_POINTS = 6.0
LEAST_DECLINED = 70.0

_LOADING = """
import time
import torch
from sqlberg.models.embedded.weights import load_weights
began = time.perf_counter()
load_weights()
print(time.perf_counter() - began)
"""


def measure(data: Path, output: Path, *, quick: bool) -> dict[str, Any]:
    """All parts; each has a run folder in `output`."""
    dev = load_dataset(data, split="dev")
    some = dataclasses.replace(dev, questions=dev.questions[:: 100 if quick else 10])
    all_ = some if quick else dev
    wrong = dataclasses.replace(all_, questions=tuple(map(with_typo, all_.questions)))
    seconds = {}
    for candidates in MOST_SECONDS:
        setup = Setup(candidates=candidates, concurrency=1)
        summary = asked(some, setup, output / f"speed-{candidates}")
        seconds[str(candidates)] = summary["per_question"]["seconds"]
    megabytes = psutil.Process().memory_info().rss / 1e6
    plain, typed = (
        asked(dataset, Setup(), output / name)["execution_accuracy"]["multiset"]
        for name, dataset in (("plain", all_), ("typos", wrong))
    )
    declined = declines(data, output / "unanswerable", quick=quick)
    loading = min(loading_seconds() for _ in range(3))
    ok = (
        all(seconds[str(candidates)]["p50"] <= most for candidates, most in MOST_SECONDS.items())
        and megabytes <= MOST_MEGABYTES
        and loading <= MOST_LOADING_SECONDS
        and plain["value"] - typed["value"] <= MOST_TYPO_POINTS
        and declined["declined"] >= LEAST_DECLINED
    )
    return {
        "benchmark": "embedded",
        "seconds_by_candidates": seconds,
        "megabytes": round(megabytes),
        "loading_seconds": round(loading, 3),
        "typing_errors": {"without": plain, "with_one": typed},
        "unanswerable": declined,
        "ok": ok,
    }


def with_typo(question: Question) -> Question:
    """The question with one typing error, the same at every run."""
    return question.model_copy(update={"question": typo(question.question, random.Random(question.id))})


def asked(dataset: Dataset, setup: Setup, folder: Path) -> dict[str, Any]:
    """The summary of all questions, asked or found in the folder."""
    return summarise(records_of(dataset, setup, folder), settings={})


def records_of(dataset: Dataset, setup: Setup, folder: Path) -> Sequence[Record]:
    print(f"{folder.name}: {len(dataset.questions)} questions", file=sys.stderr)
    with RunFolder(folder, settings_of(setup, dataset)) as records:
        return run(
            dataset,
            answering(setup),
            records,
            open_database=opening(setup, dataset),
            concurrency=setup.concurrency,
        )


def declines(data: Path, folder: Path, *, quick: bool) -> dict[str, Any]:
    """How many of the unanswerable questions are declined, per cent."""
    rows = [json.loads(line) for line in UNANSWERABLE.read_text(encoding="utf-8").splitlines()]
    questions = tuple(Question.model_validate(row) for row in rows[:: 20 if quick else 1])
    paths = {question.db_id: data / "databases" / f"{question.db_id}.sqlite" for question in questions}
    records = records_of(Dataset(data, questions, paths=paths), Setup(), folder)
    declined = sum(record.status == "abstained" for record in records)
    return {"questions": len(records), "declined": round(100 * declined / len(records), 2)}


def loading_seconds() -> float:
    """Of the weights, in a process of their own."""
    done = subprocess.run([sys.executable, "-c", _LOADING], capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> int:
    given = options(__doc__, quick="a few questions of each", output="runs/embedded").parse_args()
    return finish(given, partial(measure, given.data, quick=given.quick), "embedded.json")


if __name__ == "__main__":
    sys.exit(main())
