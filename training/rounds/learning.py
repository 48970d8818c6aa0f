"""From preferences, or trajectories to imitate, to an adapter: what a round trains, and `sqlberg train`.

    lessons → encoded → (follower, aligned scores) → trained → adapter

Lessons that the policy has no words for are set aside, with the reason. The follower moves once, before the
training: its gaps are the policy's as it begins, against the model without an adapter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from ...errors import SqlbergError
from ..aligned import aligned_scores
from ..dividing import processes
from ..follower import WorstCase
from ..formats import to_sqlberg
from ..losses import IMITATING, NEEDS_ALIGNED, NEEDS_WEAK
from ..policies import Asked, Encoded, Policy, Reference
from ..preferences import Lesson, Messages, Preference
from ..reference import Logprobs, reference_logprobs
from ..rows import write_rows
from ..trainer import Settings, train
from .game import SPACES, Follower, follow
from .negatives import weak_negatives
from .plan import Progress

PREFERENCES, SET_ASIDE, MOVES = "preferences.jsonl", "set_aside.jsonl", "follower.jsonl"


@dataclass(frozen=True)
class Learned:
    """adapter: its folder. pairs: lessons given; unreadable: of these, set aside; moved: the share of them
    that the follower shifted. chosen_tokens, rejected_tokens: of the policy's own in a response, on average.
    """

    adapter: Path
    pairs: int
    unreadable: int
    moved: float
    chosen_tokens: float
    rejected_tokens: float


@dataclass(frozen=True)
class Learning:
    """What goes on beside the trainer. follower: of the objectives that have one. aligned: models whose
    scores PoFT weighs by, as their references. references: where log-probabilities of references lie. copies:
    of each lesson in other words, beside it (only from policies that know such).
    """

    references: Path
    follower: Follower = field(default_factory=Follower)
    aligned: Sequence[str] = ()
    copies: int = 0


def check(objective: str, reference: Reference, about: Learning) -> None:
    """Raises `SqlbergError` where an objective lacks what it needs."""
    if objective in SPACES and about.follower.epsilon > 0 and reference != "base":
        raise SqlbergError(
            f"{objective} measures its gaps against the model without an adapter: use the reference base, or "
            "an epsilon of 0"
        )
    if objective in NEEDS_ALIGNED and not about.aligned:
        raise SqlbergError(f"{objective} weighs by aligned models: name at least one")


def learn(
    policy: Policy,
    lessons: Sequence[Lesson],
    settings: Settings,
    place: Path,
    about: Learning,
    progress: Progress,
) -> Learned:
    """Train the policy; all that comes of it lies in `place`. Raises `SqlbergError`."""
    pairs = [lesson for lesson in lessons if isinstance(lesson, Preference)]
    if settings.objective not in IMITATING and len(pairs) < len(lessons):
        raise SqlbergError(
            f"{settings.objective} learns from preferences, and {len(lessons) - len(pairs)} of the lines are "
            f"trajectories to imitate: use {' or '.join(sorted(IMITATING))}"
        )
    check(settings.objective, settings.reference, about)
    weak = weak_negatives(pairs) if settings.objective in NEEDS_WEAK else [[]] * len(lessons)
    rows, aside = _readable(policy, lessons, weak)
    if settings.objective in NEEDS_ALIGNED:
        rows, unknown = _aligned(rows, about, progress)
        aside += unknown
    writes = processes().is_main_process
    begun = (place / "train" / "settings.json").exists()  # and may refuse these lines
    if writes and not begun:  # several would write one file at the same time
        write_rows(place / PREFERENCES, map(to_sqlberg, lessons))
        write_rows(place / SET_ASIDE, aside)
    if lessons and not rows:
        raise SqlbergError(f"the model can read none of the lines; the first: {aside[0]['reason']}")
    if about.copies:
        given = [Asked(row.lesson.prompt, row.responses) for row in rows]
        varied = policy.vary(given, about.copies, settings.seed)
        rows += [replace(row, encoded=c) for row, copies in zip(rows, varied, strict=True) for c in copies]
    encoded = [row.encoded for row in rows]
    extras: dict[str, Sequence[float]] = {}
    goes_by: dict[str, Any] = {}
    if settings.objective in NEEDS_ALIGNED:
        extras["aligned"] = [row.aligned for row in rows]
        goes_by["aligned"] = list(about.aligned)
    moved = 0.0
    if settings.objective in SPACES and about.follower.epsilon > 0 and rows:
        worst = _followed(policy, encoded, settings, about, progress)
        extras |= {"moved": worst.moved.tolist(), "shift": worst.shifts.tolist()}
        goes_by["follower"] = asdict(about.follower)
        moved = float(worst.moved.mean())
        told = zip(rows, worst.gaps.tolist(), extras["moved"], strict=True)
        gaps = ({"id": row.lesson.id, "gap": gap, "moved": share} for row, gap, share in told)
        if writes:
            write_rows(place / MOVES, gaps)
    progress.stage("training", -(-len(rows) // settings.batch) * settings.epochs)
    adapter = train(
        policy,
        encoded,
        settings,
        place / "train",
        extras=extras,
        tell=progress.step,
        references=about.references,
        given=goes_by,
    )
    chosen = fmean(row.own_tokens[0] for row in encoded)
    rejected = fmean(row.own_tokens[min(1, len(row.own_tokens) - 1)] for row in encoded)
    return Learned(adapter, len(lessons), len(aside), moved, chosen, rejected)


def logprobs(
    policy: Policy,
    rows: Sequence[Encoded],
    kind: Reference,
    about: Learning,
    settings: Settings,
    progress: Progress,
) -> Logprobs:
    """Log-probabilities of rows under the policy as it is ("start") or without its adapter ("base")."""
    accelerator = processes()
    policy.network.to(accelerator.device)
    return reference_logprobs(
        policy,
        rows,
        kind,
        about.references,
        accelerator,
        half=settings.half,
        advance=progress.advance,
    )


@dataclass(frozen=True)
class _Row:
    """A lesson as the policy reads it. responses: its own and the weak negatives that the policy has words
    for; aligned: see `losses.Scores`.
    """

    lesson: Lesson
    responses: Sequence[Messages]
    encoded: Encoded
    aligned: float = 0.0


Aside = list[dict[str, str]]


def _readable(
    policy: Policy, lessons: Sequence[Lesson], weak: Sequence[Sequence[Messages]]
) -> tuple[list[_Row], Aside]:
    """The lessons that the policy has words for, and what was set aside."""
    rows: list[_Row] = []
    aside: Aside = []
    for lesson, others in zip(lessons, weak, strict=True):
        try:
            rows.append(_encoded(policy, lesson, others))
        except SqlbergError as error:
            aside.append({"id": lesson.id, "reason": str(error)})
    return rows, aside


def _encoded(policy: Policy, lesson: Lesson, weak: Sequence[Messages]) -> _Row:
    """A lesson with those of its weak negatives that the policy has words for."""
    responses = [*lesson.responses, *weak]
    try:
        return _Row(lesson, responses, policy.encode(lesson.prompt, responses, lesson.tools))
    except SqlbergError:
        if not weak:
            raise
    responses = [*lesson.responses, *(other for other in weak if _reads(policy, lesson, other))]
    return _Row(lesson, responses, policy.encode(lesson.prompt, responses, lesson.tools))


def _reads(policy: Policy, lesson: Lesson, response: Messages) -> bool:
    try:
        policy.encode(lesson.prompt, [response], lesson.tools)
    except SqlbergError:
        return False
    return True


def _aligned(rows: Sequence[_Row], about: Learning, progress: Progress) -> tuple[list[_Row], Aside]:
    """The rows with the scores of aligned models, and what none of these has words for."""
    progress.stage("aligned models", len(about.aligned) * len(rows))
    lessons = [row.lesson for row in rows]
    scores = aligned_scores(about.aligned, lessons, about.references, progress.advance)
    told = list(zip(rows, scores, strict=True))
    reason = "no aligned model has words for what was chosen"
    aside = [{"id": row.lesson.id, "reason": reason} for row, score in told if score is None]
    return [replace(row, aligned=score) for row, score in told if score is not None], aside


def _followed(
    policy: Policy, rows: Sequence[Encoded], settings: Settings, about: Learning, progress: Progress
) -> WorstCase:
    """The follower's move."""
    progress.stage("follower", 2 * len(rows))
    start, base = (logprobs(policy, rows, kind, about, settings, progress) for kind in ("start", "base"))
    return follow(settings.objective, _margins(rows, start, base), settings.options.beta, about.follower)


def _margins(rows: Sequence[Encoded], policy: Logprobs, reference: Logprobs) -> list[float]:
    """h of each pair."""
    gains = [[p - r for p, r in zip(policy[row.key], reference[row.key], strict=True)] for row in rows]
    return [chosen - rejected for chosen, rejected, *_ in gains]
