"""What labels are worth by how their questions were chosen: right answers against labelled questions.

    python benchmarks/active_learning.py [--quick] [--data FOLDER] [--output FOLDER] [--seeds 0 1 2]

A model trained from MiniLM on made-up questions and very few of people's (parts/sft_start.py) asks for the
gold SQL of Spider's train questions, a hundred at a time up to a thousand, in the order in which each
selector of `sqlberg select` ranks them by that model; it learns each hundred by imitation, with as many of
those before beside them, and is scored on all of dev (parts/turns.py). Stopped at any moment, a run goes on
with the next hundred; what is finished lies in results/active_learning/. About an hour and a half a seed on
two cores. Writes results/active_learning.json and .svg (not with --quick: a few questions, one seed); `ok`:
every selector has all of its points, and choosing a thousand takes at most five minutes.
"""

from __future__ import annotations

import contextlib
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from parts.arms import read_result
from parts.paired import mean_and_interval, share
from parts.run_folders import BENCHMARKS, finish, options
from parts.sft_start import STEPS, sft_start, split_train
from parts.turns import Opened, Verdicts, answered, open_dialogues, processes, said, write_sql
from sqlberg.models.embedded.adapter import digest
from sqlberg.models.embedded.weights import SHIPPED
from sqlberg.tools.database import Database
from sqlberg.training.active.choosing import choose
from sqlberg.training.active.readers import Dialogue, EmbeddedReader
from sqlberg.training.active.selectors import SELECTORS
from sqlberg.training.curves import picture
from sqlberg.training.embedded.policy import EmbeddedPolicy
from sqlberg.training.evaluation.dataset import Question, load_dataset
from sqlberg.training.journal import write_json
from sqlberg.training.preferences import Trajectory
from sqlberg.training.rounds.learning import Learning, learn
from sqlberg.training.rounds.plan import Progress
from sqlberg.training.trainer import Settings

TAUGHT = 1 / 100
POINTS, EACH = 10, 100
RATE, EPOCHS = 3e-4, 2
LONGEST = 300.0
"""Seconds in which a thousand must be chosen."""
RESULTS = BENCHMARKS / "results" / "active_learning"


@dataclass(frozen=True)
class Given:
    """What is the same for all selectors: the model, the pool by id with its dialogues, what is scored."""

    weights: Path
    pool: dict[str, tuple[Question, Opened]]
    scored: list[tuple[Question, Opened]]


class Reader(EmbeddedReader):
    """Reads the dialogues that are at hand, up to the first decision."""

    def __init__(self, given: Given) -> None:
        super().__init__(given.weights)
        self.by_question = {question.question: row for question, row in given.pool.values()}

    def opening(self, database: Database, question: str) -> Dialogue:
        row = self.by_question[question]
        return [message.wired() for message in (*row.prompt, *row.opening[:2])]


def measure(data: Path, output: Path, *, seeds: list[int], quick: bool) -> dict[str, Any]:
    """Every selector's curve over all seeds."""
    given = prepare(data, output, quick)
    kept = output if quick else RESULTS
    curves: dict[str, list[list[str]]] = {name: [] for name in SELECTORS}
    seconds: dict[str, float] = {}
    with processes() as pool:
        verdicts = Verdicts(output / "verdicts.jsonl", data, pool)
        for seed in seeds[:1] if quick else seeds:
            file = kept / f"seed-{seed}.json"
            result = read_result(file)
            if result.get("weights") != digest(given.weights):
                result = {"weights": digest(given.weights), "right": {}, "seconds": {}}
            for name in SELECTORS:
                right: list[str] = result["right"].setdefault(name, [])
                points = 2 if quick else POINTS
                if len(right) <= points:
                    began = time.monotonic()
                    order = ranked(given, name, output, seed, points)
                    result["seconds"].setdefault(name, round(time.monotonic() - began, 1))
                    for point in range(len(right), points + 1):
                        place = output / "arms" / name / f"seed-{seed}"
                        adapter = taught(given, order, place, point, seed, 4 if quick else EACH)
                        rows = [row for _, row in given.scored]
                        written = write_sql(rows, given.weights, adapter, 4, pool)
                        found = verdicts.of([question for question, _ in given.scored], written)
                        right.append("".join("1" if answered(one) else "0" for one in found))
                        file.parent.mkdir(parents=True, exist_ok=True)
                        write_json(file, result)
                        told = f"seed {seed}, {name}, {point * EACH}: {share(right[-1])} %"
                        print(told, file=sys.stderr, flush=True)
                curves[name].append(right)
            seconds = {name: max(value, seconds.get(name, 0.0)) for name, value in result["seconds"].items()}
    figures = summary(curves, seconds)
    if not quick:
        (BENCHMARKS / "results" / "active_learning.svg").write_text(drawn(figures), encoding="utf-8")
    return figures


def prepare(data: Path, output: Path, quick: bool) -> Given:
    """The start model and all dialogues, in the run folder."""
    split = split_train(data, 0, taught=TAUGHT, seeds=0.0)
    weights = SHIPPED if quick else sft_start(data, output, split.taught, STEPS, 0)
    asked = split.unlabelled[:30] if quick else split.unlabelled
    dev = load_dataset(data, split="dev").questions
    dev = dev[:6] if quick else dev
    opened = open_dialogues(asked, weights, data, output / "pool")
    pairs = [pair for pair in zip(asked, opened, strict=True) if pair[1].opening and pair[0].sql]
    scored = list(zip(dev, open_dialogues(dev, weights, data, output / "dev"), strict=True))
    return Given(weights, {question.id: (question, row) for question, row in pairs}, scored)


def ranked(given: Given, selector: str, output: Path, seed: int, points: int) -> list[str]:
    """The ids of the questions to label, the first the most wanted."""
    questions = [question for question, _ in given.pool.values()]
    chosen = choose(
        questions,
        points * EACH,
        selector,
        output / "views" / f"seed-{seed}",
        reader=lambda: Reader(given),
        open_database=lambda db_id: contextlib.nullcontext(),  # pyright: ignore[reportArgumentType]
        seed=seed,
    )
    return [question.id for question in chosen]


def taught(given: Given, order: Sequence[str], folder: Path, point: int, seed: int, each: int) -> Path | None:
    """The adapter after so many hundreds; None before the first."""
    if point == 0:
        return None
    start = folder / str(point - 1) / "train" / "adapter"
    if point > 1 and not start.is_dir():
        taught(given, order, folder, point - 1, seed, each)
    new, before = list(order[each * (point - 1) : each * point]), list(order[: each * (point - 1)])
    again = random.Random(f"{seed} {point}").sample(before, min(each, len(before)))
    lessons = []
    for identity in [*new, *again]:
        question, row = given.pool[identity]
        response, prompt = said(question.sql or ""), (*row.prompt, *row.opening)
        lessons.append(Trajectory(id=identity, db_id=row.db_id, prompt=prompt, response=response))
    settings = Settings(objective="sft", reference="base", rate=RATE, epochs=EPOCHS, batch=16, seed=seed)
    torch.manual_seed(seed)
    policy = EmbeddedPolicy(given.weights, start if point > 1 else None)
    about = Learning(folder / "references")
    return learn(policy, lessons, settings, folder / str(point), about, Progress()).adapter


def summary(curves: dict[str, list[list[str]]], seconds: dict[str, float]) -> dict[str, Any]:
    """Levels with intervals, and what each selector is above chance."""
    levels = {
        name: np.array([[[int(c) for c in point] for point in run] for run in runs]).mean(0)
        for name, runs in curves.items()
    }
    chance = levels["random"]
    return {
        "benchmark": "active_learning",
        "seeds": len(curves["random"]),
        "labelled": [EACH * point for point in range(len(chance))],
        "right": {name: [mean_and_interval(point) for point in level] for name, level in levels.items()},
        "over_random": {
            name: mean_and_interval((level[1:] - chance[1:]).mean(0))
            for name, level in levels.items()
            if name != "random"
        },
        "seconds_to_choose": seconds,
        "ok": all(len(level) == len(chance) for level in levels.values())
        and max(seconds.values()) <= LONGEST,
    }


def drawn(figures: dict[str, Any]) -> str:
    """The curves."""

    def draw(axes: Any) -> None:
        for name, points in figures["right"].items():
            middle, low, high = np.array(points).T
            [line] = axes.plot(figures["labelled"], middle, marker="o", markersize=3, label=name)
            axes.fill_between(figures["labelled"], low, high, color=line.get_color(), alpha=0.07)
        axes.set(xlabel="labelled questions", ylabel="right on dev, %")
        axes.legend(fontsize="small")

    return picture(draw, 9)


def main() -> int:
    parser = options(__doc__, quick="one seed, a few questions", output="runs/active_learning")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args()
    measured = partial(measure, given.data, seeds=given.seeds, quick=given.quick)
    return finish(given, measured, "active_learning.json")


if __name__ == "__main__":
    sys.exit(main())
