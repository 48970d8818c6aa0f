"""Does PoFT learn more than SFT from the same noisy lessons?

    python benchmarks/poft.py [--quick] [--data FOLDER] [--output FOLDER] [--seeds 0 1 2]

Made-up questions over Spider's training databases, three in ten of them with the SQL of another question over
the same database that gives other rows. pi_SFT of the self-annotation experiment (parts/sft_start.py; the run
folder is shared with it) is trained on them by imitation, by PoFT with the shipped weights as the aligned
model, and, for what noise costs, by imitation of the true ones alone; then scored on all of dev as there.
Writes results/poft.json (not with --quick); ends by printing one JSON object; `ok`: PoFT is not worse than
SFT beyond chance.
"""

from __future__ import annotations

import json
import random
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from parts.paired import mean_and_interval, share
from parts.run_folders import finish, options
from parts.sft_start import STEPS, TAUGHT, sft_start, split_train
from parts.turns import Verdicts, answered, open_dialogues, processes, said, write_sql
from sqlberg.agents.opening import open_database
from sqlberg.errors import SqlbergError
from sqlberg.models.embedded.weights import SHIPPED
from sqlberg.training.embedded.policy import EmbeddedPolicy
from sqlberg.training.evaluation.dataset import Question, load_dataset
from sqlberg.training.journal import write_json
from sqlberg.training.preferences import Lesson, Trajectory
from sqlberg.training.rounds.learning import Learning, learn
from sqlberg.training.rounds.plan import Progress
from sqlberg.training.synthesis.generator import synthesize
from sqlberg.training.trainer import Settings

WRONG = 0.3
EACH = 10
"""Questions over each training database."""
RATE = 3e-4


def measure(data: Path, output: Path, *, seeds: list[int], quick: bool) -> dict[str, Any]:
    """The three ways of learning, over all seeds."""
    right: dict[str, list[str]] = {}
    for seed in seeds[:1] if quick else seeds:
        for name, found in one_seed(data, output / f"seed-{seed}", seed, quick).items():
            right.setdefault(name, []).append(found)
    levels = {name: np.array([[int(c) for c in row] for row in rows]).mean(0) for name, rows in right.items()}
    gain = mean_and_interval(levels["poft"] - levels["sft"])
    return {
        "benchmark": "poft",
        "seeds": len(right["sft"]),
        "questions": len(levels["sft"]),
        "wrong": WRONG,
        "arms": {
            name: {"right": mean_and_interval(level), "by_seed": [share(row) for row in right[name]]}
            for name, level in levels.items()
        },
        "poft_over_sft": gain,
        "ok": gain[2] >= 0,
    }


def one_seed(data: Path, folder: Path, seed: int, quick: bool) -> dict[str, str]:
    """For each way, which dev questions are right, as ones and zeros; kept in the folder."""
    split = split_train(data, seed, taught=TAUGHT, seeds=0.0)
    weights = SHIPPED if quick else sft_start(data, folder, split.taught, STEPS, seed)
    names = sorted({question.db_id for question in split.taught})
    questions, wrong = lessons(data, names[:2] if quick else names, seed)
    dev = load_dataset(data, split="dev").questions
    dev = dev[:6] if quick else dev
    taught = open_dialogues(questions, weights, data, folder / "poft-lessons")
    opened = open_dialogues(dev, weights, data, folder / "dev")
    told: dict[bool, list[Lesson]] = {True: [], False: []}
    for question, row, noisy in zip(questions, taught, wrong, strict=True):
        if row.prompt and question.sql:
            lesson = Trajectory(
                id=row.id, db_id=row.db_id, prompt=(*row.prompt, *row.opening), response=said(question.sql)
            )
            told[noisy].append(lesson)
    mixed = [*told[False], *told[True]]
    ways = {"pi_SFT": [], "sft, true ones only": told[False], "sft": mixed, "poft": mixed}
    found: dict[str, str] = {}
    with processes() as pool:
        verdicts = Verdicts(folder / "verdicts.jsonl", data, pool)
        for name, given in ways.items():
            file = folder / "poft" / name / "right.json"
            if not file.exists():
                adapter = _trained(name, given, weights, file.parent, seed) if given else None
                written = write_sql(opened, weights, adapter, 4, pool)
                scored = [answered(one) for one in verdicts.of(dev, written)]
                file.parent.mkdir(parents=True, exist_ok=True)
                write_json(file, {"right": "".join("1" if one else "0" for one in scored)})
            found[name] = read(file)
            print(f"seed {seed}, {name}: {share(found[name])} %", file=sys.stderr, flush=True)
    return found


def read(file: Path) -> str:
    return json.loads(file.read_text())["right"]


def lessons(data: Path, names: list[str], seed: int) -> tuple[list[Question], list[bool]]:
    """Questions with SQL, and which of them have a wrong one."""
    rng = random.Random(seed)
    questions, wrong = [], []
    for name in names:
        with open_database(data / "databases" / f"{name}.sqlite", embedder="none") as database:
            made = list(synthesize(database, EACH, 1000 + seed))
            rows = []
            for one in made:
                try:
                    rows.append(sorted(map(repr, database.read(one.sql).rows)))
                except SqlbergError:
                    rows.append([])
            for number, one in enumerate(made):
                others = [other.sql for other, row in zip(made, rows, strict=True) if row != rows[number]]
                noisy = bool(others) and rng.random() < WRONG
                sql = rng.choice(others) if noisy else one.sql
                questions.append(Question(id=f"{name}-{number}", db_id=name, question=one.question, sql=sql))
                wrong.append(noisy)
    return questions, wrong


def _trained(way: str, given: list[Lesson], weights: Path, folder: Path, seed: int) -> Path:
    poft = way == "poft"
    settings = Settings(objective="poft" if poft else "sft", reference="base", rate=RATE, batch=16, seed=seed)
    torch.manual_seed(seed)
    about = Learning(folder / "references", aligned=("embedded",) if poft else ())
    return learn(EmbeddedPolicy(weights), given, settings, folder, about, Progress()).adapter


def main() -> int:
    parser = options(__doc__, quick="one seed, a few questions", output="runs/self_annotation")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args()
    return finish(given, partial(measure, given.data, seeds=given.seeds, quick=given.quick), "poft.json")


if __name__ == "__main__":
    sys.exit(main())
