"""Does PoFT learn more than SFT from the same noisy lessons?

    python benchmarks/poft.py [--quick] [--data FOLDER] [--output FOLDER] [--seeds 0 1 2]

Made-up questions over Spider's training databases, three in ten of them with the SQL of another question over
the same database that gives other rows. pi_SFT of the self-annotation experiment (parts/sft_start.py; the run
folder is shared with it) is trained on them by imitation, by PoFT with the shipped weights as the aligned
model, and, for what noise costs, by imitation of the true ones alone; then scored on all of dev as there.
Writes results/poft.json, and each seed to results/poft/ (not with --quick); ends by printing one JSON object;
`ok`: PoFT is not worse than SFT beyond chance.
"""

from __future__ import annotations

import random
import sys
from concurrent.futures import as_completed
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from parts.by_seed import SeedResult, over_seeds
from parts.openings import Asked, open_dialogues
from parts.paired import mean_and_interval, share
from parts.run_folders import BENCHMARKS, finish, options
from parts.sft_start import STEPS, TAUGHT, sft_start, split_train
from parts.turns import Deciding, processes, said
from sqlberg.agents.opening import open_database
from sqlberg.errors import SqlbergError
from sqlberg.models.adapters.folders import digest
from sqlberg.models.embedded.weights import SHIPPED
from sqlberg.training.embedded.policy import EmbeddedPolicy
from sqlberg.training.evaluation.dataset import Question, load_dataset
from sqlberg.training.preferences import Lesson, Trajectory
from sqlberg.training.rounds.learning import Learning, learn
from sqlberg.training.rounds.plan import Progress
from sqlberg.training.synthesis.generator import synthesize
from sqlberg.training.trainer import Settings

RECIPE = {"wrong": 0.3, "each": 10, "rate": 3e-4}
"""wrong: share of lessons; each: lessons over each training database; rate: of learning."""
WAYS = ("pi_SFT", "sft, true ones only", "sft", "poft")
RESULTS = BENCHMARKS / "results" / "poft"


def measure(data: Path, output: Path, *, seeds: list[int], quick: bool) -> dict[str, Any]:
    """The ways of learning, over all seeds, those made before included."""
    kept = output / "results" if quick else RESULTS
    found = over_seeds(output, kept, RECIPE, seeds[:1] if quick else seeds, partial(one_seed, data, quick))
    levels = {
        name: np.array([[int(c) for c in right[name]] for right in found.values()]).mean(0) for name in WAYS
    }
    gain = mean_and_interval(levels["poft"] - levels["sft"])
    return {
        "benchmark": "poft",
        "seeds": list(found),
        "questions": len(levels["sft"]),
        "recipe": RECIPE,
        "arms": {
            name: {
                "right": mean_and_interval(level),
                "by_seed": [share(right[name]) for right in found.values()],
            }
            for name, level in levels.items()
        },
        "poft_over_sft": gain,
        "ok": gain[2] >= 0,
    }


def one_seed(data: Path, quick: bool, folder: Path, kept: Path, seed: int) -> None:
    """For each way, which dev questions are right."""
    split = split_train(data, seed, taught=TAUGHT, seeds=0.0)
    weights = SHIPPED if quick else sft_start(data, folder, split.taught, STEPS, seed)
    names = sorted({one.db_id for one in load_dataset(data, split="train").questions})
    questions, wrong = lessons(data, names[:2] if quick else names, seed)
    dev = load_dataset(data, split="dev").questions
    dev = dev[:6] if quick else dev
    taught = open_dialogues(questions, weights, data, folder)
    asked = list(zip(dev, open_dialogues(dev, weights, data, folder), strict=True))
    told: dict[bool, list[Lesson]] = {True: [], False: []}
    for question, row, noisy in zip(questions, taught, wrong, strict=True):
        if row.prompt and question.sql:
            lesson = Trajectory(
                id=row.id, db_id=row.db_id, prompt=(*row.prompt, *row.opening), response=said(question.sql)
            )
            told[noisy].append(lesson)
    mixed = [*told[False], *told[True]]
    given = dict(zip(WAYS, ([], told[False], mixed, mixed), strict=True))
    result = SeedResult(kept, seed, RECIPE, digest(weights))
    deciding = Deciding(weights, folder, data)
    with processes() as pool:
        wanted = {
            pool.submit(_learned, name, given[name], deciding, asked, seed): name
            for name in WAYS
            if name not in result.parts
        }
        for done in as_completed(wanted):
            result.keep(wanted[done], done.result())
            told_share = share(done.result())
            print(f"seed {seed}, {wanted[done]}: {told_share} %", file=sys.stderr, flush=True)
    result.finish()


def lessons(data: Path, names: list[str], seed: int) -> tuple[list[Question], list[bool]]:
    """Questions with SQL, and which of them have a wrong one."""
    rng = random.Random(seed)
    questions, wrong = [], []
    for name in names:
        with open_database(data / "databases" / f"{name}.sqlite", embedder="none") as database:
            made = list(synthesize(database, int(RECIPE["each"]), 1000 + seed))
            rows = []
            for one in made:
                try:
                    rows.append(sorted(map(repr, database.read(one.sql).rows)))
                except SqlbergError:
                    rows.append([])
            for number, one in enumerate(made):
                others = [other.sql for other, row in zip(made, rows, strict=True) if row != rows[number]]
                noisy = bool(others) and rng.random() < RECIPE["wrong"]
                sql = rng.choice(others) if noisy else one.sql
                questions.append(Question(id=f"{name}-{number}", db_id=name, question=one.question, sql=sql))
                wrong.append(noisy)
    return questions, wrong


def _learned(way: str, given: list[Lesson], deciding: Deciding, asked: Asked, seed: int) -> str:
    """Which questions are right after that way of learning; nothing given: before any."""
    if not given:
        return deciding.score(asked, None)
    poft = way == "poft"
    settings = Settings(
        objective="poft" if poft else "sft", reference="base", rate=RECIPE["rate"], batch=16, seed=seed
    )
    folder = deciding.place / "poft" / way
    torch.manual_seed(seed)
    about = Learning(folder / "references", aligned=("embedded",) if poft else ())
    adapter = learn(EmbeddedPolicy(deciding.weights), given, settings, folder, about, Progress()).adapter
    return deciding.score(asked, adapter)


def main() -> int:
    given = options(
        __doc__, quick="one seed, a few questions", output="runs/self_annotation", seeds=3
    ).parse_args()
    return finish(given, partial(measure, given.data, seeds=given.seeds, quick=given.quick), "poft.json")


if __name__ == "__main__":
    sys.exit(main())
