"""Does a model get better by annotating its own answers, and does the follower of SSAPO help it?

    python benchmarks/self_annotation.py [--quick] [--data FOLDER] [--output FOLDER] [--seeds 0 1 2]
        [--validate] [--rate R] [--copies N] ... (fields of parts.arms.Recipe)

For each seed: pi_SFT is trained from MiniLM on made-up questions and on a hundredth of Spider's train
questions with gold (parts/sft_start.py); a thirtieth gives seed preferences; of the rest, without gold, come
the questions of the rounds: two of 600, and for some arms three of 1800 ("many"). The arms (parts/arms.py) go
from the same DPO on the seed preferences and differ in annotator and objective; those called flipped begin
with a quarter of the seed preferences the wrong way round. Every arm is scored on all of dev by the rows its
SQL gives (multiset). Candidates and scores are taken at the decision of the SQL (parts/turns.py).

--validate scores on 800 train questions that no arm uses, so that the recipe can be chosen without dev. So it
was: of these, pi_SFT (seed 0) answers 57.5 %, DPO on the seed 61.0 to 61.3 at a rate of 1e-3 (60.6 at 3e-3),
and two rounds with `combined` after it 62.4 with an imitation term of 10, 62.3 with one of 3 and a copy of
each pair in other words, 62.1 with one of 3 and 1200 questions a round, 59.8 at 3e-3, where `implicit` fell
to 43.9. Questions of 78 databases instead of 16, in groups of eight, taught no more: 60.4, with EPA 60.6,
with gold preferences 62.5. More questions do: three rounds of 1800 with gold preferences give 68.1 (two of
600 with 16 candidates 60.8, with three epochs a round 62.8).

What limits `combined` (seed 1, the last 1200 unlabelled questions: pi_SFT 60.9 %, DPO on the seed 61.5, three
rounds of 1800 with DPO 63.3, SSAPO 64.2, gold 67.8) is whom it chooses: over the questions of its rounds the
first of eight candidates is right for 54.5 of a hundred, the chosen one for 59.2, any for 74.6. Of its pairs
98 in a hundred reject a wrong answer, and 39 choose one. From pi_0 all its pairs at once teach 64.2; to
imitate what it chooses only in the half with the larger margins 62.6, each by the rank of its margin 63.9,
only where gold says it is right 66.0; to reject the model's own first answer where another is chosen 63.5,
such pairs with four times the imitation 63.6, with a seventh of the other pairs 64.1 (these three with the
weights fitted as below); the mean of the rounds' or the objectives' adapters 63.7 to 64.3. Weights fitted to
all candidates of the seed questions instead of the two sides of each preference, half the weight of the
likelihood and a cue for tables that no question names (both by trial on these questions) choose 60.6 right
ones and teach 64.8; weights of 28 cues fitted to the gold of all these questions, which nobody has, choose
61.8 and teach 65.0. None of these is better than 64.2 beyond chance, but where gold was told to imitate.
Likelihoods averaged over copies in other words choose no better.

Stopped at any moment, a run goes on with the next arm; what is finished lies in results/self_annotation/, and
a seed that is finished there is not made again. A seed takes about four hours on two cores.
--quick: a few questions with the shipped weights for pi_SFT, results not written.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from parts.arms import GOLD, SFT, Bench, Data, Recipe, Scale, arms, run_arms
from parts.by_seed import SeedResult, over_seeds
from parts.openings import Asked, open_dialogues
from parts.paired import mean_and_interval, share
from parts.run_folders import BENCHMARKS, finish, options
from parts.sft_start import STEPS, TAUGHT, sft_start, split_train
from parts.turns import Deciding
from sqlberg.models.adapters.folders import digest
from sqlberg.models.embedded.weights import SHIPPED
from sqlberg.training.evaluation.dataset import Question, load_dataset
from sqlberg.training.journal import fingerprint

SEEDS = 1 / 30
VALIDATED = 800
VALIDATING = tuple(
    arm for arm in arms() if not arm.flipped and (arm.method in (SFT, "dpo") or arm.scale == "many")
)
RESULTS = BENCHMARKS / "results" / "self_annotation"
LEAST_GAIN = 5.0


def measure(
    data: Path, output: Path, *, seeds: list[int], recipe: Recipe, quick: bool, validate: bool
) -> dict[str, Any]:
    """All arms of all seeds, those made before included."""
    kept = output / "chosen_by" / fingerprint(asdict(recipe)) if quick or validate else RESULTS
    make = partial(one_seed, data, recipe, quick, validate)
    return summary(over_seeds(output, kept, asdict(recipe), seeds[:1] if quick else seeds, make), recipe)


def one_seed(
    data: Path, recipe: Recipe, quick: bool, validate: bool, folder: Path, kept: Path, seed: int
) -> None:
    """The arms of one seed; those that are there already stay."""
    split = split_train(data, seed, taught=TAUGHT, seeds=SEEDS)
    weights = SHIPPED if quick else sft_start(data, folder, split.taught, STEPS, seed)
    scored = split.unlabelled[-VALIDATED:] if validate else load_dataset(data, split="dev").questions

    def opened(questions: tuple[Question, ...]) -> Asked:
        questions = questions[:6] if quick else questions
        return list(zip(questions, open_dialogues(questions, weights, data, folder), strict=True))

    def asked(scale: Scale) -> list[Asked]:
        size = 6 if quick else scale.questions
        starts = [size * number for number in range(scale.rounds)]
        return [opened(split.unlabelled[at : at + size]) for at in starts]

    rounds = {"few": asked(recipe.few), "many": asked(recipe.many)}
    everything = Data(opened(split.seeds), rounds, opened(scored))
    result = SeedResult(kept, seed, asdict(recipe), digest(weights))
    wanted = [arm for arm in (VALIDATING if validate else arms()) if arm.name not in result.parts]
    for arm, told in run_arms(Bench(Deciding(weights, folder, data), everything, recipe, seed), wanted):
        result.keep(arm.name, told)
        figures = told.get("rounds", "")
        print(f"seed {seed}, {arm.name}: {share(told['right'])} % {figures}", file=sys.stderr, flush=True)
    result.finish()


def summary(found: dict[int, dict[str, Any]], recipe: Recipe) -> dict[str, Any]:
    """Each arm over all seeds: its level, and what it gains over pi_SFT and over DPO with the same annotator,
    with 95 % intervals (over questions, each with its mean over the seeds); what annotators told, and how
    many of a hundred pairs the follower moved in a round.
    """
    by_arm: dict[str, dict[str, Any]] = {}
    made = next(iter(found.values()))
    names = [arm.name for arm in arms() if arm.name in made]
    right = {
        name: np.array([[int(c) for c in parts[name]["right"]] for parts in found.values()]).mean(0)
        for name in names
    }
    for name in names:
        told = [one for parts in found.values() for one in parts[name].get("rounds", [])]
        apart = sum(one["told_apart"] for one in told)
        method = name.split(" ", 1)
        plain = "dpo " + method[1] if len(method) > 1 else ""
        by_arm[name] = {
            "right": mean_and_interval(right[name]),
            "by_seed": [share(parts[name]["right"]) for parts in found.values()],
            "gain": mean_and_interval(right[name] - right[SFT]),
            "over_dpo": mean_and_interval(right[name] - right[plain]) if plain in right else None,
            "annotations_true": round(100 * sum(one["true"] for one in told) / apart, 1) if apart else None,
            "told_apart": apart,
            "preferred": sum(one["preferred"] for one in told),
            "moved": round(100 * float(np.mean([one["moved"] for one in told])), 1) if told else None,
        }
    unlabelled = [arm.name for arm in arms() if arm.method != SFT and arm.annotator != GOLD]
    best = max((by_arm[name]["gain"] for name in unlabelled if name in by_arm), key=lambda gain: gain[0])
    return {
        "benchmark": "self_annotation",
        "seeds": list(found),
        "questions": len(right[SFT]),
        "recipe": asdict(recipe),
        "arms": by_arm,
        "ok": best[0] >= LEAST_GAIN and best[1] > 0,
    }


def main() -> int:
    parser = options(__doc__, quick="a tiny run", output="runs/self_annotation", seeds=3)
    parser.add_argument("--validate", action="store_true", help="score on train questions that no arm uses")
    names = [field.name for field in fields(Recipe) if field.name not in ("few", "many")]
    for name in names:
        standard = getattr(Recipe(), name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(standard), default=standard)
    given = parser.parse_args()
    recipe = replace(Recipe(), **{name: getattr(given, name) for name in names})
    measured = partial(
        measure, given.data, seeds=given.seeds, recipe=recipe, quick=given.quick, validate=given.validate
    )
    if given.validate:
        print(json.dumps(measured(given.output)))
        return 0
    return finish(given, measured, "self_annotation.json")


if __name__ == "__main__":
    sys.exit(main())
