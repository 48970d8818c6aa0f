"""What labels are worth by how their questions were chosen: right answers against labelled questions.

    python benchmarks/active_learning.py [--quick] [--data FOLDER] [--output FOLDER] [--seeds 0 1 2]

For each seed a model trained from MiniLM on made-up questions and very few of people's (parts/sft_start.py)
asks people about Spider's train questions, a hundred at a time up to a thousand, in the order in which each
selector of `sqlberg select` ranks them by that model. They say which of its answers is right, or correct it
(parts/people.py); it learns each hundred by DPO, with as many of those before beside them, and is scored on
all of dev (parts/turns.py). Stopped at any moment, a run goes on; what is finished lies in
results/active_learning/, and a seed that is finished there is not made again. A seed takes about two hours on
two cores. Writes results/active_learning.json and .svg (not with --quick: a few questions, one seed); `ok`:
every selector has all of its points. What choosing costs: selecting.py.

How it learns was chosen on 600 train questions that were not labelled (seed 1, 500 labels at random; before
them 54.2 % right): imitation at a rate of 3e-4 55.5, at 1e-3 58.8; DPO with an imitation term of 10 on the
answers that people choose 61.2, at 3e-3 60.7, on up to three pairs of each question 60.5, with gold in the
place of each chosen answer 56.7; a hundred at a time, as here, 59.7.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from parts.by_seed import SeedResult, over_seeds
from parts.openings import Asked, Opened, open_dialogues
from parts.paired import mean_and_interval, share
from parts.people import preferences
from parts.run_folders import BENCHMARKS, finish, options
from parts.sft_start import STEPS, TAUGHT, sft_start, split_train
from parts.turns import Deciding, processes
from sqlberg.models.adapters.folders import digest
from sqlberg.models.adapters.kinds import Adapter
from sqlberg.models.embedded.weights import SHIPPED
from sqlberg.tools.database import Database
from sqlberg.training.active.choosing import choose
from sqlberg.training.active.readers import Dialogue, EmbeddedReader
from sqlberg.training.active.selectors import SELECTORS
from sqlberg.training.curves import CHOSEN, OTHER, picture
from sqlberg.training.embedded.policy import EmbeddedPolicy
from sqlberg.training.evaluation.dataset import Question, load_dataset
from sqlberg.training.losses import Options
from sqlberg.training.rounds.learning import Learning, learn
from sqlberg.training.rounds.plan import Progress
from sqlberg.training.trainer import Settings

POINTS, EACH = 10, 100
RECIPE = {"rate": 1e-3, "epochs": 3, "beta": 0.1, "sft": 10.0, "rank": 16, "taught": TAUGHT}
RESULTS = BENCHMARKS / "results" / "active_learning"


@dataclass(frozen=True)
class Given:
    """What is the same for all selectors of a seed: the model, the pool with its dialogues, what is scored.
    points, each: how many labels are asked for, and how often.
    """

    deciding: Deciding
    pool: Asked
    scored: Asked
    seed: int
    points: int = POINTS
    each: int = EACH

    def row(self, identity: str) -> tuple[Question, Opened]:
        return next(pair for pair in self.pool if pair[0].id == identity)


class Unopened:
    """In the place of a database: all dialogues are at hand."""

    def close(self) -> None:
        pass


class Reader(EmbeddedReader):
    """Reads the dialogues that are at hand, up to the first decision."""

    def __init__(self, given: Given) -> None:
        super().__init__(given.deciding.weights)
        self.by_question = {question.question: row for question, row in given.pool}

    def opening(self, database: Database, question: str) -> Dialogue:
        row = self.by_question[question]
        return [message.wired() for message in (*row.prompt, *row.opening[:2])]


def measure(data: Path, output: Path, *, seeds: list[int], quick: bool) -> dict[str, Any]:
    """Every selector's curve over all seeds, those made before included."""
    kept = output / "results" if quick else RESULTS
    found = over_seeds(output, kept, RECIPE, seeds[:1] if quick else seeds, partial(one_seed, data, quick))
    figures = summary(found)
    if not quick:
        (BENCHMARKS / "results" / "active_learning.svg").write_text(drawn(figures), encoding="utf-8")
    return figures


def one_seed(data: Path, quick: bool, folder: Path, kept: Path, seed: int) -> None:
    """The curve of each selector; those that are there already stay."""
    given = prepare(data, folder, seed, quick)
    result = SeedResult(kept, seed, RECIPE, digest(given.deciding.weights))
    # One after the other: views are shared, and computed on all cores.
    ranked = {name: ranking(given, name, folder / "views") for name in SELECTORS if name not in result.parts}
    with processes() as pool:
        running = {pool.submit(curve, given, name, order): name for name, order in ranked.items()}
        for done in as_completed(running):
            name = running[done]
            result.keep(name, done.result())
            levels = [share(right) for right in done.result()]
            print(f"seed {seed}, {name}: {levels}", file=sys.stderr, flush=True)
    result.finish()


def prepare(data: Path, folder: Path, seed: int, quick: bool) -> Given:
    """The start model and all dialogues, in the run folder."""
    split = split_train(data, seed, taught=TAUGHT, seeds=0.0)
    weights = SHIPPED if quick else sft_start(data, folder, split.taught, STEPS, seed)
    asked = split.unlabelled[:30] if quick else split.unlabelled
    dev = load_dataset(data, split="dev").questions
    dev = dev[:6] if quick else dev
    opened = open_dialogues(asked, weights, data, folder)
    pool = [pair for pair in zip(asked, opened, strict=True) if pair[1].opening and pair[0].sql]
    scored = list(zip(dev, open_dialogues(dev, weights, data, folder), strict=True))
    given = Given(Deciding(weights, folder, data), pool, scored, seed)
    return replace(given, points=2, each=4) if quick else given


def ranking(given: Given, selector: str, folder: Path) -> list[str]:
    """The ids of the questions to label, the first the most wanted."""
    chosen = choose(
        [question for question, _ in given.pool],
        given.points * given.each,
        selector,
        folder,
        reader=lambda: Reader(given),
        open_database=lambda db_id: Unopened(),  # pyright: ignore[reportArgumentType]
        seed=given.seed,
    )
    return [question.id for question in chosen]


def curve(given: Given, selector: str, order: Sequence[str]) -> list[str]:
    """Which scored questions are right before the first label and after each hundred."""
    adapter: Path | None = None
    right = [given.deciding.score(given.scored, None)]
    for point in range(1, given.points + 1):
        place = given.deciding.place / "taught" / selector / str(point)
        adapter = taught(given, order, place, point, adapter)
        right.append(given.deciding.score(given.scored, adapter))
    return right


def taught(given: Given, order: Sequence[str], folder: Path, point: int, start: Path | None) -> Path:
    """The adapter after one more hundred."""
    new = list(order[given.each * (point - 1) : given.each * point])
    before = list(order[: given.each * (point - 1)])
    again = random.Random(f"{given.seed} {point}").sample(before, min(given.each, len(before)))
    pairs = preferences(given.deciding, [given.row(identity) for identity in [*new, *again]])
    settings = Settings(
        objective="dpo",
        options=Options(beta=RECIPE["beta"]),
        sft=RECIPE["sft"],
        reference="base",
        rate=RECIPE["rate"],
        epochs=int(RECIPE["epochs"]),
        batch=16,
        seed=given.seed,
    )
    torch.manual_seed(given.seed)
    policy = EmbeddedPolicy(given.deciding.weights, start, Adapter(rank=int(RECIPE["rank"])))
    return learn(policy, pairs, settings, folder, Learning(folder / "references"), Progress()).adapter


def summary(found: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """Levels with intervals, and what each selector is above chance."""
    runs = {name: [parts[name] for parts in found.values()] for name in SELECTORS}
    levels = {
        name: np.array([[[int(c) for c in right] for right in run] for run in several])
        for name, several in runs.items()
    }
    means = {name: level.mean(0) for name, level in levels.items()}
    gaps = {name: mean - means["random"] for name, mean in means.items() if name != "random"}
    return {
        "benchmark": "active_learning",
        "seeds": list(found),
        "questions": len(means["random"][0]),
        "recipe": RECIPE,
        "labelled": [EACH * point for point in range(len(means["random"]))],
        "right": {name: [mean_and_interval(point) for point in mean] for name, mean in means.items()},
        "over_random": {name: mean_and_interval(gap[1:].mean(0)) for name, gap in gaps.items()},
        "over_random_at": {name: [mean_and_interval(point) for point in gap] for name, gap in gaps.items()},
        "ok": all(len(mean) == len(means["random"]) for mean in means.values()),
    }


def drawn(figures: dict[str, Any]) -> str:
    """Each selector beside random. Its band is the interval of the distance between the two: where random
    lies outside of it, they differ beyond chance.
    """
    labelled = figures["labelled"]
    level = {name: np.array(points)[:, 0] for name, points in figures["right"].items()}

    def draw(axes: Any) -> None:
        for axis, (name, gaps) in zip(axes.flat, figures["over_random_at"].items(), strict=True):
            _, low, high = np.array(gaps).T
            axis.plot(labelled, level["random"], color=OTHER, label="random")
            axis.plot(labelled, level[name], color=CHOSEN, marker="o", markersize=3)
            around = level["random"]
            axis.fill_between(labelled, around + low, around + high, color=CHOSEN, alpha=0.15, linewidth=0)
            axis.set(title=name)
        for axis in axes[-1]:
            axis.set_xlabel("labelled questions")
        for axis in axes[:, 0]:
            axis.set_ylabel("right on dev, %")
        axes[0, 0].legend(frameon=False)

    return picture(draw, 10, 3, rows=2, background="white")


def main() -> int:
    given = options(
        __doc__, quick="one seed, a few questions", output="runs/active_learning", seeds=3
    ).parse_args()
    measured = partial(measure, given.data, seeds=given.seeds, quick=given.quick)
    return finish(given, measured, "active_learning.json")


if __name__ == "__main__":
    sys.exit(main())
