"""How an improvement run is made, what becomes of it, and what it tells while it goes on."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ...models.adapters.kinds import Adapter
from ..evaluation.gate import Measured
from ..policies import Reference
from ..trainer import Settings, Step
from .game import Follower


@dataclass(frozen=True)
class Plan:
    """How a run is made.

    method: one of `training.losses.OBJECTIVES`. annotator: one of `agents.annotation.annotators.NAMES`.
    judge: the model that annotators ask, by its reference. candidates: of each question. reference: what the
    margins of a round are measured against: "base" (π_SFT) or "start" (π_{t-1}). cumulative: a round trains
    on the pairs of all rounds and the seed, not on its own alone. aligned: models whose scores PoFT weighs
    by. copies: of each pair in other words. adapter: how a new one is made. training: of each round; its
    objective, reference and seed are set by this plan, and `seed_epochs` are those of round 0.
    """

    method: str = "ssapo"
    annotator: str = "combined"
    judge: str = ""
    rounds: int = 3
    candidates: int = 4
    temperature: float = 0.7
    reference: Reference = "base"
    cumulative: bool = True
    follower: Follower = field(default_factory=Follower)
    aligned: tuple[str, ...] = ()
    copies: int = 0
    seed_epochs: int = 3
    adapter: Adapter = field(default_factory=Adapter)
    training: Settings = field(default_factory=Settings)
    concurrency: int = 2
    seed: int = 0


@dataclass(frozen=True)
class Round:
    """What became of a round.

    questions: it asked; verdicts: how many of them the annotator decided how; pairs: it was trained on;
    unreadable: pairs that the policy has no words for, set aside. moved: the share of pairs that the follower
    shifted. told_apart: annotations of which one answer is right and the other wrong, where gold is known;
    true: those of them that chose the right one. measured: on held-out questions, against the adapter in use;
    kept: the gate let it through. chosen_tokens, rejected_tokens: of a response, on average. judged_twice:
    annotations over which the implicit reward and the execution evidence each have a say; agreed: those where
    both favour the same answer.
    """

    number: int
    adapter: Path | None
    questions: int
    verdicts: dict[str, int]
    pairs: int
    unreadable: int
    moved: float = 0.0
    chosen_tokens: float = 0.0
    rejected_tokens: float = 0.0
    judged_twice: int = 0
    agreed: int = 0
    told_apart: int = 0
    true: int = 0
    measured: Measured | None = None
    kept: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Improved:
    """What became of a run. adapter: the one in use now (None: the model as it was)."""

    adapter: Path | None
    rounds: tuple[Round, ...]


class Progress:
    """What a run tells while it goes on; every method may be overridden. round: that it is in, if any."""

    round: int | None = None

    def stage(self, name: str, items: int) -> None:
        """A stage begins."""

    def advance(self, items: int) -> None:
        """So many of its items are finished."""

    def step(self, step: Step) -> None:
        """A step of training is done."""
