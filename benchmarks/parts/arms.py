"""The arms of the self-annotation experiment: from seed preferences and unlabelled questions to an adapter.

    seed preferences → DPO → pi_0
    round: candidates of pi → annotated → preferences (with all before) → trained on from pi

Every arm of a seed begins with the same seed preferences, and with the same pi_0 and candidates of the first
round; what differs is who annotates and what training minimises. The rewards, annotators, follower, trainer
and their settings are those of `sqlberg improve`; candidates and scores come from `turns.py`. Arms are run
side by side, each in a process that computes on one core.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from sqlberg.agents.annotation.annotators import Annotator, annotator, fit_weights
from sqlberg.agents.annotation.evidence import Candidate, Evidence, together
from sqlberg.agents.annotation.graph import Annotation, decide
from sqlberg.models.adapters.kinds import Adapter
from sqlberg.training.embedded.policy import EmbeddedPolicy
from sqlberg.training.journal import fingerprint
from sqlberg.training.losses import Options
from sqlberg.training.preferences import Preference
from sqlberg.training.rounds.alike import asked_alike
from sqlberg.training.rounds.annotations import as_annotated, candidates_of, preferences_of, sql_of
from sqlberg.training.rounds.candidates import Sampled
from sqlberg.training.rounds.game import Follower
from sqlberg.training.rounds.learning import Learning, learn
from sqlberg.training.rounds.plan import Progress
from sqlberg.training.rounds.rewards import Scored, scored_responses
from sqlberg.training.trainer import Settings

from .openings import Asked
from .people import preferences
from .turns import Deciding, Verdict, processes, sampled

FLIPPED = 0.25
MANY = ("dpo", "ssapo", "epa")
"""Objectives with the larger scale as well."""
SFT, GOLD = "sft", "gold"
"""The arm that learns no more, and the annotator that knows the truth: what there is to reach."""


@dataclass(frozen=True)
class Arm:
    """method: an objective; annotator: "" trains on the seed preferences alone. flipped: a quarter of these
    are the wrong way round. scale: of its rounds, by its name in the recipe.
    """

    method: str
    annotator: str = ""
    flipped: bool = False
    scale: Literal["few", "many"] = "few"

    @property
    def name(self) -> str:
        if self == Arm(SFT):
            return SFT
        parts = [self.method, self.annotator or "seed", *(["flipped"] if self.flipped else [])]
        return " ".join(parts + (["many"] if self.scale == "many" else []))


@dataclass(frozen=True)
class Data:
    """Questions and their dialogues: of the seed, of each round of either scale, and to score by."""

    seeds: Asked
    rounds: Mapping[str, list[Asked]]
    scored: Asked


Candidates = tuple[list[Sampled], list[list[Verdict]], dict[str, Scored]]
"""With what running them shows, and how likely they are to the policy."""


@dataclass(frozen=True)
class Scale:
    """How much is asked without labels: questions in each of the rounds, and candidates for each question."""

    questions: int
    rounds: int
    candidates: int


@dataclass(frozen=True)
class Recipe:
    """What training is like in all arms, chosen on train questions. copies: of each pair in other words;
    against: see `Annotator`.
    """

    rate: float = 1e-3
    beta: float = 0.1
    sft: float = 10.0
    rank: int = 16
    batch: int = 32
    copies: int = 0
    seed_epochs: int = 3
    epsilon: float = 0.01
    against: Literal["worst", "next"] = "worst"
    few: Scale = Scale(600, 2, 4)
    many: Scale = Scale(1800, 3, 8)


@dataclass(frozen=True)
class Bench:
    """What all arms of a seed share."""

    deciding: Deciding
    data: Data
    recipe: Recipe
    seed: int
    progress: Progress = field(default_factory=Progress)

    @property
    def trained(self) -> Path:
        return self.deciding.place / "arms" / fingerprint(asdict(self.recipe))

    def seed_preferences(self, flipped: bool) -> list[Preference]:
        """What people say of pi_SFT's candidates for the seeds; flipped: some the wrong way round."""
        pairs = preferences(self.deciding, self.data.seeds)
        return [_turned(self.seed, pair) for pair in pairs] if flipped else pairs

    def first(self, flipped: bool, scale: str) -> tuple[list[Preference], Path, Candidates]:
        """The seed preferences, pi_0, and its candidates for the first round of a scale."""
        pairs = self.seed_preferences(flipped)
        name = "pi_0 flipped" if flipped else "pi_0"
        adapter = self.train(name, None, pairs, "dpo", self.recipe.seed_epochs)[0]
        return pairs, adapter, self.candidates(scale, 0, adapter, name)

    def train(
        self, name: str, start: Path | None, pairs: Sequence[Preference], method: str, epochs: int
    ) -> tuple[Path, dict[str, Any]]:
        """The adapter trained on from `start`, and figures of the training."""
        recipe = self.recipe
        settings = Settings(
            objective=method,
            options=Options(beta=recipe.beta),
            sft=recipe.sft,
            reference="base",
            epochs=epochs,
            batch=recipe.batch,
            rate=recipe.rate,
            seed=self.seed,
        )
        torch.manual_seed(self.seed)
        policy = EmbeddedPolicy(self.deciding.weights, start, Adapter(rank=recipe.rank))
        done = learn(policy, pairs, settings, self.trained / name, self.learning(name), self.progress)
        return done.adapter, {"pairs": done.pairs, "unreadable": done.unreadable, "moved": done.moved}

    def candidates(self, scale: str, number: int, adapter: Path, name: str) -> Candidates:
        """Those of a policy for the questions of a round; name: of the arm that keeps their scores."""
        asked = self.data.rounds[scale][number]
        count = self.recipe.few.candidates if scale == "few" else self.recipe.many.candidates
        written, verdicts = self.deciding.look(asked, adapter, count)
        found = sampled([row for _, row in asked], written)
        policy = EmbeddedPolicy(self.deciding.weights, adapter)
        scored = scored_responses(policy, found, Settings(), self.learning(name), self.progress)
        return found, [one for one in verdicts if one], scored

    def learning(self, name: str) -> Learning:
        """References are kept by arm: two processes must not write one file."""
        place = self.trained / name.split("/")[0] / "references"
        return Learning(place, Follower(epsilon=self.recipe.epsilon), copies=self.recipe.copies)


def annotated(
    says: Annotator | None,
    found: Sequence[Sampled],
    verdicts: Sequence[Sequence[Verdict]],
    scored: dict[str, Scored],
) -> tuple[list[Preference], dict[str, Any]]:
    """The preferences that an annotator gives, and how true they are. None: the truth itself."""
    rows, true, apart = [], 0, 0
    agreed = asked_alike(found, scored)
    for row, looked in zip(found, verdicts, strict=True):
        evidence = together(candidates_of(row, scored, agreed), [one.looked for one in looked])
        right = {one.id: verdict.right for one, verdict in zip(row.responses, looked, strict=True)}
        decided = decide(says, row.question, evidence) if says else _truth(row, evidence, right)
        if decided.chosen and right[decided.chosen] != right[decided.rejected]:
            apart, true = apart + 1, true + right[decided.chosen]
        rows.append(as_annotated(row, decided))
    preferences = preferences_of(found, rows)
    return preferences, {"preferred": len(preferences), "told_apart": apart, "true": true}


def _truth(row: Sampled, evidence: Sequence[Evidence], right: dict[str, bool]) -> Annotation:
    """The first right candidate over the first wrong one, as gold tells them apart."""
    good = next((name for name, is_right in right.items() if is_right), "")
    bad = next((name for name, is_right in right.items() if not is_right), "")
    told = {"question": row.question, "annotator": GOLD, "evidence": tuple(evidence)}
    if not good or not bad:
        return Annotation(verdict="abstained", **told)
    return Annotation(verdict="preferred", chosen=good, rejected=bad, probability=1.0, **told)


def run_arm(bench: Bench, arm: Arm) -> dict[str, Any]:
    """One arm; goes on where it was stopped. Returns its figures, `right` as ones and zeros."""
    if arm == Arm(SFT):
        return {"right": bench.deciding.score(bench.data.scored, None)}
    seeds, adapter, first = bench.first(arm.flipped, arm.scale)
    says = None
    if arm.annotator not in ("", GOLD):
        weights = _fitted(bench, seeds) if arm.annotator == "combined" else None
        says = replace(annotator(arm.annotator, weights), against=bench.recipe.against)
    pairs, rounds = list(seeds), []
    for number in range(len(bench.data.rounds[arm.scale]) if arm.annotator else 0):
        found = bench.candidates(arm.scale, number, adapter, arm.name) if number else first
        own, told = annotated(says, *found)
        pairs += own
        adapter, trained = bench.train(f"{arm.name}/round-{number + 1}", adapter, pairs, arm.method, 1)
        rounds.append({**told, **trained})
    return {"right": bench.deciding.score(bench.data.scored, adapter), "rounds": rounds}


def run_arms(bench: Bench, wanted: Sequence[Arm]) -> Iterator[tuple[Arm, dict[str, Any]]]:
    """The figures of each arm, as they are finished. What several begin with is made first."""
    with processes() as pool:
        for told in [pool.submit(_begin, bench, flipped, wanted) for flipped in (False, True)]:
            told.result()
        running = {pool.submit(run_arm, bench, arm): arm for arm in wanted}
        for done in as_completed(running):
            yield running[done], done.result()


def _begin(bench: Bench, flipped: bool, wanted: Sequence[Arm]) -> None:
    """What arms with these seed preferences have in common, one after the other: they share pi_0."""
    for scale in sorted({arm.scale for arm in wanted if arm.flipped == flipped}):
        bench.first(flipped, scale)


def _fitted(bench: Bench, seeds: Sequence[Preference]) -> dict[str, float]:
    """The weights of `combined`, fitted to the seed preferences."""
    questions = {question.id: question for question, _ in bench.data.seeds}
    sides = [[sql_of(seed.chosen), sql_of(seed.rejected)] for seed in seeds]
    looked = bench.deciding.verdicts.of([questions[seed.id] for seed in seeds], sides)
    pairs = []
    for (chosen, rejected), verdicts in zip(sides, looked, strict=True):
        candidates = [Candidate("chosen", chosen), Candidate("rejected", rejected)]
        better, worse = together(candidates, [one.looked for one in verdicts])
        pairs.append((better, worse))
    return dict(fit_weights(pairs))


def _turned(seed: int, pair: Preference) -> Preference:
    """The pair, or by chance the wrong way round."""
    if torch.rand(1, generator=_draw(seed, pair.id)).item() >= FLIPPED:
        return pair
    return pair.model_copy(update={"chosen": pair.rejected, "rejected": pair.chosen})


def _draw(seed: int, name: str) -> torch.Generator:
    return torch.Generator().manual_seed(zlib.crc32(f"{seed} {name}".encode()))


def arms() -> list[Arm]:
    """Those of the experiment, the two that all others begin with first."""
    clean = [
        Arm(method, name)
        for name in ("implicit", "combined")
        for method in ("dpo", "spa", "ssapo-published", "ssapo", "epa")
    ]
    flipped = [replace(arm, flipped=True) for arm in (Arm("dpo"), *clean) if arm.method != "epa"]
    many = [Arm(*what, scale="many") for what in (("dpo", GOLD), *((m, "combined") for m in MANY))]
    return [Arm(SFT), Arm("dpo"), Arm("dpo", GOLD), *clean, *many, *flipped]
