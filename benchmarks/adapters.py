"""Which adapter answers best where little was taught, and how sure it is: LoRA, DoRA, BoRA, LoRA Dropout.

    python benchmarks/adapters.py [--quick] [--data FOLDER] [--output FOLDER] [--seeds 0 1 2]

pi_SFT of the self-annotation experiment (parts/sft_start.py; the run folder is shared with it) imitates the
gold SQL of a thirtieth of Spider's train questions, ten times over, which is more than it can bear: what a
mask is for. Each kind of adapter has rank 16 and the same rate. Masked ones learn with two draws a step, and
answer by their mean in a single pass, and as ensembles of 4 and of 8. Scored on all of dev as there: right
answers, the calibration error of the first statement's probability (ten bins, nothing fitted), a core's
seconds of deciding a question (of computing: what else the machine does is not counted), and the process's
memory at its peak. A seed takes about an hour on two cores; what is finished lies in results/adapters/.
Writes results/adapters.json (not with --quick); `ok`: all was measured.
"""

from __future__ import annotations

import math
import multiprocessing
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
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
from parts.turns import CANDIDATES, Deciding, answered, said, write_scored
from sqlberg.models.adapters.folders import digest
from sqlberg.models.adapters.kinds import Adapter, Kind
from sqlberg.models.embedded.weights import SHIPPED, load_members, load_weights
from sqlberg.training.embedded.policy import EmbeddedPolicy
from sqlberg.training.embedded.workers import compute_alone
from sqlberg.training.evaluation.calibration import expected_calibration_error
from sqlberg.training.evaluation.dataset import Question, load_dataset
from sqlberg.training.preferences import Trajectory
from sqlberg.training.rounds.learning import Learning, learn
from sqlberg.training.rounds.plan import Progress
from sqlberg.training.trainer import Settings

SEEDS = 1 / 30
RECIPE = {"rank": 16, "rate": 1e-3, "epochs": 10, "batch": 32, "draws": 2}
RESULTS = BENCHMARKS / "results" / "adapters"


@dataclass(frozen=True)
class Way:
    """An adapter, and the members that it answers with (0: in a single pass). kind "": pi_SFT itself."""

    kind: Kind | None
    mask: float = 0.0
    members: int = 0

    @property
    def adapter(self) -> str:
        """Of its adapter, which several ways share."""
        return f"{self.kind or 'pi_SFT'}{f', masked {self.mask:g}' if self.mask else ''}"

    @property
    def name(self) -> str:
        return f"{self.adapter}{f', {self.members} members' if self.members else ''}"


WAYS = [
    Way(None),
    *(Way(kind) for kind in ("lora", "rslora", "dora", "bora")),
    *(Way("lora", mask, members) for mask in (0.1, 0.3, 0.5) for members in (0, 4, 8)),
]


def measure(data: Path, output: Path, *, seeds: list[int], quick: bool) -> dict[str, Any]:
    """All ways over all seeds, those made before included."""
    kept = output / "results" if quick else RESULTS
    found = over_seeds(output, kept, RECIPE, seeds[:1] if quick else seeds, partial(one_seed, data, quick))
    right = {
        way.name: np.array([[int(c) for c in parts[way.name]["right"]] for parts in found.values()]).mean(0)
        for way in WAYS
    }
    return {
        "benchmark": "adapters",
        "seeds": list(found),
        "questions": len(right["lora"]),
        "recipe": RECIPE,
        "ways": {
            name: {
                "right": mean_and_interval(level),
                "over_lora": mean_and_interval(level - right["lora"]),
                "by_seed": [share(parts[name]["right"]) for parts in found.values()],
                **{
                    figure: round(float(np.mean([parts[name][figure] for parts in found.values()])), 4)
                    for figure in ("calibration_error", "seconds", "mib")
                },
            }
            for name, level in right.items()
        },
        "ok": all(way.name in parts for parts in found.values() for way in WAYS),
    }


def one_seed(data: Path, quick: bool, folder: Path, kept: Path, seed: int) -> None:
    """Every way of one seed; those that are there already stay."""
    split = split_train(data, seed, taught=TAUGHT, seeds=SEEDS)
    weights = SHIPPED if quick else sft_start(data, folder, split.taught, STEPS, seed)

    def opened(questions: tuple[Question, ...]) -> Asked:
        questions = questions[:6] if quick else questions
        return list(zip(questions, open_dialogues(questions, weights, data, folder), strict=True))

    taught, dev = opened(split.seeds), opened(load_dataset(data, split="dev").questions)
    result = SeedResult(kept, seed, RECIPE, digest(weights))
    deciding = Deciding(weights, folder, data)
    wanted = [way for way in WAYS if way.name not in result.parts]
    # Each in a process of its own, which has its memory to itself.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, spawn, initializer=compute_alone, max_tasks_per_child=1) as pool:
        kinds = {way.adapter: way for way in wanted if way.kind}
        for told in [pool.submit(adapter_of, deciding, way, taught, seed) for way in kinds.values()]:
            told.result()
        running = {pool.submit(scored, deciding, way, dev): way for way in wanted}
        for done in as_completed(running):
            way, told = running[done], done.result()
            result.keep(way.name, told)
            print(
                f"seed {seed}, {way.name}: {share(told['right'])} %, calibration error "
                f"{told['calibration_error']}, {told['seconds']} s, {told['mib']} MiB",
                file=sys.stderr,
                flush=True,
            )
    result.finish()


def adapter_of(deciding: Deciding, way: Way, taught: Asked, seed: int) -> Path:
    """The adapter that has imitated what is taught; trained if it is not there yet."""
    place = deciding.place / "kinds" / way.adapter
    lessons = [
        Trajectory(
            id=row.id, db_id=row.db_id, prompt=(*row.prompt, *row.opening), response=said(question.sql)
        )
        for question, row in taught
        if row.prompt and question.sql
    ]
    settings = Settings(
        objective="sft",
        reference="base",
        epochs=int(RECIPE["epochs"]),
        batch=int(RECIPE["batch"]),
        rate=RECIPE["rate"],
        draws=int(RECIPE["draws"]) if way.mask else 1,
        seed=seed,
    )
    torch.manual_seed(seed)
    kind = Adapter(way.kind or "lora", int(RECIPE["rank"]), mask=way.mask)
    policy = EmbeddedPolicy(deciding.weights, kind=kind)
    return learn(policy, lessons, settings, place, Learning(place / "references"), Progress()).adapter


def scored(deciding: Deciding, way: Way, dev: Asked) -> dict[str, Any]:
    """What a way answers, how sure it is, and what that costs."""
    adapter = deciding.place / "kinds" / way.adapter / "train" / "adapter" if way.kind else None
    if way.members:
        network, writer = load_members(deciding.weights, adapter, way.members)
    else:
        network, writer = load_weights(deciding.weights, adapter)
    rows = [row for _, row in dev]
    began = time.process_time()
    written = write_scored(rows, network, writer, CANDIDATES, max(1, way.members))
    seconds = time.process_time() - began
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    statements = [[sql for sql, _ in own] for own in written]
    verdicts = deciding.verdicts.of([question for question, _ in dev], statements)
    right = [answered(told) for told in verdicts]
    sure = [min(1.0, math.exp(own[0][1])) if own else 0.0 for own in written]
    error = expected_calibration_error(list(zip(sure, right, strict=True)))
    return {
        "right": "".join(map(str, map(int, right))),
        "calibration_error": round(error or 0.0, 4),
        "seconds": round(seconds / len(dev), 4),
        "mib": round(mib),
    }


def main() -> int:
    given = options(
        __doc__, quick="one seed, a few questions", output="runs/self_annotation", seeds=3
    ).parse_args()
    measured = partial(measure, given.data, seeds=given.seeds, quick=given.quick)
    return finish(given, measured, "adapters.json")


if __name__ == "__main__":
    sys.exit(main())
