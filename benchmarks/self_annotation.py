"""Does a model get better by annotating its own answers, and does the follower of SSAPO help it?

    python benchmarks/self_annotation.py [--quick] [--data FOLDER] [--output FOLDER] [--seeds 0 1 2]
        [--validate] [--rate R] [--beta B] [--sft W]

For each seed: pi_SFT is trained from MiniLM on made-up questions and on a tenth of Spider's train questions
with gold (parts/sft_start.py); another thirtieth gives seed preferences; of the rest, without gold, come the
questions of two rounds. The arms (parts/arms.py) go from the same DPO on the seed preferences and differ in
annotator and objective; those called flipped begin with a quarter of the seed preferences the wrong way
round. Every arm is scored on all of dev by the rows its SQL gives (multiset). Candidates and scores are taken
at the decision of the SQL (parts/turns.py); one arm is scored by whole dialogues, too.

--validate scores on 400 train questions that no arm uses, so that the recipe can be chosen without dev.
Stopped at any moment, a run goes on with the next arm; what is finished lies in results/self_annotation/. A
seed takes about two and a half hours on two cores. --quick: a few questions with the shipped weights for
pi_SFT, results not written.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from parts.arms import Arm, Bench, Data, Recipe, arms, read_result, run_arm
from parts.paired import mean_and_interval, share
from parts.run_folders import BENCHMARKS, finish, options
from parts.sft_start import STEPS, TAUGHT, sft_start, split_train
from parts.turns import Verdicts, open_dialogues, processes
from sqlberg.models.embedded.adapter import digest
from sqlberg.models.embedded.weights import SHIPPED
from sqlberg.training.evaluation.dataset import Question, load_dataset
from sqlberg.training.journal import fingerprint, write_json

SEEDS = 1 / 30
ROUNDS, QUESTIONS = 2, 600
VALIDATED = 400
RESULTS = BENCHMARKS / "results" / "self_annotation"
LEAST_GAIN = 5.0


def measure(
    data: Path, output: Path, *, seeds: list[int], recipe: Recipe, quick: bool, validate: bool
) -> dict[str, Any]:
    """All arms of all seeds."""
    found = {}
    for seed in seeds:
        chosen_by = output / "validated" / fingerprint(asdict(recipe))
        kept = chosen_by if quick or validate else RESULTS
        found[seed] = one_seed(data, output / f"seed-{seed}", kept, seed, recipe, quick, validate)
    return summary(found, recipe)


def one_seed(
    data: Path, folder: Path, kept: Path, seed: int, recipe: Recipe, quick: bool, validate: bool
) -> dict[str, Any]:
    """The arms of one seed, by name; those that are finished stay."""
    split = split_train(data, seed, taught=TAUGHT, seeds=SEEDS)
    weights = SHIPPED if quick else sft_start(data, folder, split.taught, STEPS, seed)
    size = 6 if quick else QUESTIONS
    asked = [split.unlabelled[size * number : size * (number + 1)] for number in range(ROUNDS)]
    scored = load_dataset(data, split="dev").questions
    if validate:
        scored = split.unlabelled[-VALIDATED:]
    given: dict[str, tuple[Question, ...]] = {
        "seeds": split.seeds[:6] if quick else split.seeds,
        **{f"round-{number}": tuple(part) for number, part in enumerate(asked)},
        "validated" if validate else "dev": scored[:6] if quick else scored,
    }
    opened = {
        name: list(zip(questions, open_dialogues(questions, weights, data, folder / name), strict=True))
        for name, questions in given.items()
    }
    rounds = [opened[f"round-{number}"] for number in range(ROUNDS)]
    everything = Data(opened["seeds"], rounds, opened["validated" if validate else "dev"])
    file = kept / f"seed-{seed}.json"
    result = read_result(file)
    about = {"weights": digest(weights), "recipe": asdict(recipe)}
    if {name: result.get(name) for name in about} != about:
        result = {**about, "arms": {}}
    with processes() as pool:
        verdicts = Verdicts(folder / "verdicts.jsonl", data, pool)
        place = folder / "arms" / fingerprint(asdict(recipe))
        bench = Bench(weights, place, verdicts, pool, everything, recipe, seed)

        def keep(name: str, told: dict[str, Any]) -> None:
            right = "".join("1" if one else "0" for one in told.pop("right"))
            result["arms"][name] = {**told, "right": right}
            file.parent.mkdir(parents=True, exist_ok=True)
            write_json(file, result)
            print(f"seed {seed}, {name}: {share(right)} % {told}", file=sys.stderr, flush=True)

        if "sft" not in result["arms"]:
            keep("sft", {"right": bench.score(None)})
        starts: dict[bool, tuple[list, Path]] = {}
        for arm in arms():
            if arm.name in result["arms"] or (validate and arm not in VALIDATING):
                continue
            if arm.flipped not in starts:
                seeds = bench.seed_preferences(arm.flipped)
                name = "pi_0 flipped" if arm.flipped else "pi_0"
                starts[arm.flipped] = seeds, bench.train(name, None, seeds, "dpo", recipe.seed_epochs)[0]
            keep(arm.name, run_arm(bench, arm, *starts[arm.flipped]))
    return result["arms"]


VALIDATING = (Arm("dpo"), Arm("dpo", "combined"))


def summary(found: dict[int, dict[str, Any]], recipe: Recipe) -> dict[str, Any]:
    """Each arm over all seeds: its level, and what it gains over pi_SFT and over DPO with the same annotator,
    with 95 % intervals (over questions, each with its mean over the seeds).
    """
    by_arm: dict[str, dict[str, Any]] = {}
    names = [name for name in next(iter(found.values())) if all(name in arms for arms in found.values())]
    right = {
        name: np.array([[int(c) for c in arms[name]["right"]] for arms in found.values()]).mean(0)
        for name in names
    }
    for name in names:
        told = [one for arms in found.values() for one in arms[name].get("rounds", [])]
        apart = sum(one["told_apart"] for one in told)
        method = name.split(" ", 1)
        plain = "dpo " + method[1] if len(method) > 1 else ""
        by_arm[name] = {
            "right": mean_and_interval(right[name]),
            "by_seed": [share(arms[name]["right"]) for arms in found.values()],
            "gain": mean_and_interval(right[name] - right["sft"]),
            "over_dpo": mean_and_interval(right[name] - right[plain]) if plain in right else None,
            "annotations_true": round(100 * sum(one["true"] for one in told) / apart, 1) if apart else None,
            "told_apart": apart,
            "preferred": sum(one["preferred"] for one in told),
        }
    gains = [one["gain"] for name, one in by_arm.items() if name != "sft"]
    best = max(gains, key=lambda gain: gain[0])
    return {
        "benchmark": "self_annotation",
        "seeds": list(found),
        "questions": len(right["sft"]),
        "recipe": asdict(recipe),
        "arms": by_arm,
        "ok": best[0] >= LEAST_GAIN and best[1] > 0,
    }


def main() -> int:
    parser = options(__doc__, quick="a tiny run", output="runs/self_annotation")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--validate", action="store_true", help="score on train questions that no arm uses")
    standard = Recipe()
    for name in ("rate", "beta", "sft", "epsilon"):
        parser.add_argument(f"--{name}", type=float, default=getattr(standard, name))
    given = parser.parse_args()
    recipe = replace(standard, rate=given.rate, beta=given.beta, sft=given.sft, epsilon=given.epsilon)
    measured = partial(
        measure, given.data, seeds=given.seeds, recipe=recipe, quick=given.quick, validate=given.validate
    )
    if given.validate:
        print(json.dumps(measured(given.output)))
        return 0
    return finish(given, measured, "self_annotation.json")


if __name__ == "__main__":
    sys.exit(main())
