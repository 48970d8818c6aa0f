"""The arms of the self-annotation experiment: from seed preferences and unlabelled questions to an adapter.

    seed preferences → DPO → pi_0
    round: candidates of pi → annotated → preferences (with all before) → trained on from pi

Every arm of a seed begins with the same seed preferences, and with the same pi_0 and candidates of the first
round; what differs is who annotates and what training minimises. The rewards, annotators, follower, trainer
and their settings are those of `sqlberg improve`; candidates and scores come from `turns.py`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from sqlberg.agents.annotation.annotators import annotator, fit_weights
from sqlberg.agents.annotation.evidence import Candidate, together
from sqlberg.agents.annotation.graph import decide
from sqlberg.training.embedded.policy import EmbeddedPolicy
from sqlberg.training.evaluation.dataset import Question
from sqlberg.training.losses import Options
from sqlberg.training.preferences import Preference
from sqlberg.training.rounds.annotations import as_annotated, candidates_of, preferences_of
from sqlberg.training.rounds.candidates import Sampled
from sqlberg.training.rounds.game import Follower
from sqlberg.training.rounds.learning import Learning, learn
from sqlberg.training.rounds.plan import Progress
from sqlberg.training.rounds.rewards import Scored, scored_responses
from sqlberg.training.trainer import Settings

from .turns import Opened, Verdict, Verdicts, answered, said, sampled, write_sql

CANDIDATES = 4
FLIPPED = 0.25


@dataclass(frozen=True)
class Arm:
    """method: an objective; annotator: "" trains on the seed preferences alone. flipped: a quarter of these
    are the wrong way round.
    """

    method: str
    annotator: str = ""
    flipped: bool = False

    @property
    def name(self) -> str:
        parts = [self.method, self.annotator or "seed", *(["flipped"] if self.flipped else [])]
        return " ".join(parts)


@dataclass(frozen=True)
class Data:
    """Questions and their dialogues: of the seed, of each round, and to score by."""

    seeds: list[tuple[Question, Opened]]
    rounds: list[list[tuple[Question, Opened]]]
    scored: list[tuple[Question, Opened]]


@dataclass(frozen=True)
class Recipe:
    """What training is like in all arms, chosen on train questions."""

    rate: float = 5e-4
    beta: float = 0.1
    sft: float = 0.0
    rank: int = 16
    batch: int = 32
    seed_epochs: int = 3
    epsilon: float = 0.01


@dataclass
class Bench:
    """What all arms of a seed share."""

    weights: Path
    folder: Path
    verdicts: Verdicts
    pool: ProcessPoolExecutor
    data: Data
    recipe: Recipe
    seed: int
    progress: Progress = field(default_factory=Progress)

    def score(self, adapter: Path | None) -> list[bool]:
        """Whether each scored question is answered right."""
        questions, rows = zip(*self.data.scored, strict=True)
        written = write_sql(rows, self.weights, adapter, CANDIDATES, self.pool)
        return [answered(verdicts) for verdicts in self.verdicts.of(questions, written)]

    def seed_preferences(self, flipped: bool) -> list[Preference]:
        """What people would say of pi_SFT's candidates for the seed questions: the best right one over the
        best wrong one; where none is right, their correction over the best. A question without a wrong
        candidate says nothing.
        """
        questions, rows = zip(*self.data.seeds, strict=True)
        written = write_sql(rows, self.weights, None, CANDIDATES, self.pool)
        pairs = []
        for question, row, statements, verdicts in zip(
            questions, rows, written, self.verdicts.of(questions, written), strict=True
        ):
            right = [sql for sql, verdict in zip(statements, verdicts, strict=True) if verdict.right]
            wrong = [sql for sql, verdict in zip(statements, verdicts, strict=True) if not verdict.right]
            if not wrong or not question.sql:
                continue
            sides = [right[0] if right else question.sql, wrong[0]]
            if flipped and torch.rand(1, generator=_draw(self.seed, question.id)).item() < FLIPPED:
                sides.reverse()
            chosen, rejected = (said(sql) for sql in sides)
            pairs.append(
                Preference(
                    id=row.id,
                    db_id=row.db_id,
                    prompt=(*row.prompt, *row.opening),
                    chosen=chosen,
                    rejected=rejected,
                )
            )
        return pairs

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
        policy = EmbeddedPolicy(self.weights, start, rank=recipe.rank)
        done = learn(policy, pairs, settings, self.folder / name, self._learning(), self.progress)
        return done.adapter, {"pairs": done.pairs, "unreadable": done.unreadable, "moved": done.moved}

    def candidates(
        self, number: int, adapter: Path
    ) -> tuple[list[Sampled], list[list[Verdict]], dict[str, Scored]]:
        """A policy's candidates for the questions of a round, what they show, and how likely
        they are to it."""
        questions, rows = zip(*self.data.rounds[number], strict=True)
        written = write_sql(rows, self.weights, adapter, CANDIDATES, self.pool)
        verdicts = [found for found in self.verdicts.of(questions, written) if found]
        found = sampled(rows, written)
        policy = EmbeddedPolicy(self.weights, adapter)
        scored = scored_responses(policy, found, Settings(), self._learning(), self.progress)
        return found, verdicts, scored

    def _learning(self) -> Learning:
        return Learning(self.folder / "references", Follower(epsilon=self.recipe.epsilon))


def annotated(
    name: str,
    weights: dict[str, float] | None,
    found: Sequence[Sampled],
    verdicts: Sequence[Sequence[Verdict]],
    scored: dict[str, Scored],
) -> tuple[list[Preference], dict[str, Any]]:
    """The preferences that an annotator gives, and how true they are."""
    says = annotator(name, weights)
    rows, true, apart = [], 0, 0
    for row, looked in zip(found, verdicts, strict=True):
        candidates = candidates_of(row, scored)
        decided = decide(says, row.question, together(candidates, [one.looked for one in looked]))
        right = {one.id: verdict.right for one, verdict in zip(row.responses, looked, strict=True)}
        if decided.chosen and right[decided.chosen] != right[decided.rejected]:
            apart, true = apart + 1, true + right[decided.chosen]
        rows.append(as_annotated(row, decided))
    preferences = preferences_of(found, rows)
    return preferences, {"preferred": len(preferences), "told_apart": apart, "true": true}


def run_arm(bench: Bench, arm: Arm, seeds: Sequence[Preference], start: Path) -> dict[str, Any]:
    """One arm from pi_0 (`start`) on; goes on where it was stopped. Returns its figures."""
    weights = _fitted(bench, seeds) if arm.annotator == "combined" else None
    method, adapter, pairs = arm.method, start, list(seeds)
    rounds = []
    for number in range(len(bench.data.rounds) if arm.annotator else 0):
        found, verdicts, scored = bench.candidates(number, adapter)
        own, told = annotated(arm.annotator, weights, found, verdicts, scored)
        pairs += own
        adapter, trained = bench.train(f"{arm.name}/round-{number + 1}", adapter, pairs, method, 1)
        rounds.append({**told, **trained})
    right = bench.score(adapter)
    return {"right": right, "rounds": rounds, "adapter": str(adapter)}


def _fitted(bench: Bench, seeds: Sequence[Preference]) -> dict[str, float]:
    """The weights of `combined`, fitted to the seed preferences."""
    questions = {question.id: question for question, _ in bench.data.seeds}
    pairs = []
    for seed in seeds:
        sides = [side[-1].tool_calls[0].function.arguments["sql"] for side in (seed.chosen, seed.rejected)]
        [looked] = bench.verdicts.of([questions[seed.id]], [sides])
        candidates = [Candidate(side, sql) for side, sql in zip(("chosen", "rejected"), sides, strict=True)]
        better, worse = together(candidates, [one.looked for one in looked])
        pairs.append((better, worse))
    return dict(fit_weights(pairs))


def _draw(seed: int, name: str) -> torch.Generator:
    import zlib

    return torch.Generator().manual_seed(zlib.crc32(f"{seed} {name}".encode()))


def arms() -> list[Arm]:
    """Those of the experiment, the two that all others begin with first."""
    clean = [
        Arm(method, name)
        for name in ("implicit", "combined")
        for method in ("dpo", "spa", "ssapo-published", "ssapo", "epa")
    ]
    flipped = [replace(arm, flipped=True) for arm in (Arm("dpo"), *clean) if arm.method != "epa"]
    return [Arm("dpo"), *clean, *flipped]


def read_result(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
