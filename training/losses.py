"""What training minimises, as pure functions of log-probabilities.

Each takes `Scores` of a batch and the `Options` of a run, and returns one loss for each pair, [B]. A new
one is a function and a line in `OBJECTIVES`. Written for trajectories: a log-probability is summed over the
policy's own tokens alone (thoughts and tool calls), never over prompts or observations.

Throughout, h is the margin log(pi/ref)(chosen) - log(pi/ref)(rejected).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Scores:
    """Log-probabilities of a batch of pairs under policy and reference, and what was found out before, [B]
    each.

    chosen_tokens, rejected_tokens: how many tokens were summed over. weak, reference_weak: [B, M] responses
    to other questions under this question's prompt (EPA). moved, shift: what the follower does
    (training/follower.py): the share of each pair that it moves, and how far, in the space of the gaps.
    aligned: mean log-probability of a token of the chosen response under aligned models, averaged over them
    (PoFT). doubtful: 1 where the pair is taken for noise (SPA), else 0.
    """

    chosen: Tensor
    rejected: Tensor
    reference_chosen: Tensor
    reference_rejected: Tensor
    chosen_tokens: Tensor
    rejected_tokens: Tensor
    weak: Tensor | None = None
    reference_weak: Tensor | None = None
    moved: Tensor | None = None
    shift: Tensor | None = None
    aligned: Tensor | None = None
    doubtful: Tensor | None = None

    @property
    def margin(self) -> Tensor:
        """h, [B]."""
        return (self.chosen - self.reference_chosen) - (self.rejected - self.reference_rejected)


@dataclass(frozen=True)
class Options:
    """beta: the strength of the tie to the reference. smoothing: the share of labels taken to be wrong
    (DPO). flip: how much of a doubtful pair's label is turned round (SPA's alpha). weak_weight: of EPA's
    weak negatives.
    """

    beta: float = 0.1
    smoothing: float = 0.0
    flip: float = 0.1
    weak_weight: float = 1.0


Objective = Callable[[Scores, Options], "Tensor"]


def dpo(scores: Scores, options: Options) -> Tensor:
    """-(1 - s) log sigmoid(beta h) - s log sigmoid(-beta h): Rafailov et al., arXiv 2305.18290, eq. 7, with
    the label smoothing s of its appendix ("conservative DPO").
    """
    from torch.nn.functional import softplus

    logits = options.beta * scores.margin
    return (1 - options.smoothing) * softplus(-logits) + options.smoothing * softplus(logits)


def ipo(scores: Scores, options: Options) -> Tensor:
    """(h - 1 / (2 beta))^2: Azar et al., arXiv 2310.12036, eq. 17, its log-ratios taken per token, as its
    authors did for the published figures.
    """
    chosen = (scores.chosen - scores.reference_chosen) / scores.chosen_tokens
    rejected = (scores.rejected - scores.reference_rejected) / scores.rejected_tokens
    return (chosen - rejected - 1 / (2 * options.beta)) ** 2


def spa(scores: Scores, options: Options) -> Tensor:
    """DPO with part of the label turned round where a detector doubts it (`NoiseDetector`): Kim et al.,
    arXiv 2406.04412. Without `doubtful`, DPO.
    """
    from torch.nn.functional import softplus

    logits = options.beta * scores.margin
    if scores.doubtful is None:
        return softplus(-logits)
    flipped = options.flip * scores.doubtful
    return (1 - flipped) * softplus(-logits) + flipped * softplus(logits)


class NoiseDetector:
    """SPA's detector: a pair is taken for noise where its margin is among the lowest `share` of the last
    `window` that were seen.

    The paper takes margins of logits extrapolated from the reference, (1 + lambda) policy - lambda reference.
    Over whole responses, without the extrapolated softmax's normaliser, that multiplies each h by 1 + lambda
    and leaves their order, which alone decides: so lambda has no part here.
    """

    def __init__(self, window: int = 50, share: float = 0.1) -> None:
        self.seen: deque[float] = deque(maxlen=window)
        self.share = share

    def see(self, margins: Iterable[float]) -> None:
        self.seen.extend(margins)

    def doubtful(self, margins: Tensor) -> Tensor:
        """1 where a pair is taken for noise, else 0; [B]."""
        import torch

        if not self.seen:
            return torch.zeros_like(margins)
        seen = torch.tensor(list(self.seen), device=margins.device, dtype=margins.dtype)
        return (margins < seen.quantile(self.share)).to(margins.dtype)


def epa(scores: Scores, options: Options) -> Tensor:
    """-log( e^r+ / (e^r+ + e^r- + w sum e^r~) ), r = beta log(pi/ref): energy preference alignment (arXiv
    2412.13862). Our reconstruction: the printed formula could not be consulted, no code was published. r-:
    the rejected response of the same question; r~: `weak`. Without weak negatives, DPO.
    """
    import torch

    positive = options.beta * (scores.chosen - scores.reference_chosen)
    terms = [positive, options.beta * (scores.rejected - scores.reference_rejected)]
    if scores.weak is not None and scores.reference_weak is not None and options.weak_weight > 0:
        weak = options.beta * (scores.weak - scores.reference_weak) + math.log(options.weak_weight)
        terms += list(weak.unbind(-1))
    return torch.stack(terms, -1).logsumexp(-1) - positive


def sft(scores: Scores, options: Options) -> Tensor:
    """Minus the mean log-probability of a token of the chosen response."""
    return -scores.chosen / scores.chosen_tokens


def poft(scores: Scores, options: Options) -> Tensor:
    """-log sigmoid(r - r'), r and r' the mean log-probability of a token under the policy and under aligned
    models: PoFT (arXiv 2412.12865). What the aligned models find unlikely weighs less.
    """
    from torch.nn.functional import softplus

    if scores.aligned is None:
        raise ValueError("PoFT needs the scores of aligned models: compute them first")
    return softplus(scores.aligned - scores.chosen / scores.chosen_tokens)


def ssapo(scores: Scores, options: Options) -> Tensor:
    """Stackelberg self-annotated preference optimisation (arXiv 2502.18099) in the margin space, our
    consistent form: sum over the follower's two atoms of a pair of mass * softplus(-(beta h - shift)).

    The gaps that the follower saw must be beta h of the same reference. Its gradient is bounded; without a
    follower or with a budget of 0 it is DPO.
    """
    from torch.nn.functional import softplus

    logits = options.beta * scores.margin
    if scores.moved is None or scores.shift is None:
        return softplus(-logits)
    return (1 - scores.moved) * softplus(-logits) + scores.moved * softplus(scores.shift - logits)


def ssapo_published(scores: Scores, options: Options) -> Tensor:
    """The same as its authors' code has it, in the sigmoid space: mass * -log max(sigmoid(beta h) - shift,
    1e-6).

    The gaps are sigmoids there. An atom that is moved below 0 has no gradient; kept for comparison. Theirs
    beside it, and not ours: a box that lets no gap move by more than epsilon, and margins against the policy
    that a round begins with, while gaps are measured against pi_SFT.
    """
    import torch

    shares = torch.sigmoid(options.beta * scores.margin)
    if scores.moved is None or scores.shift is None:
        return -shares.clamp(min=1e-6).log()
    stayed, moved = shares.clamp(min=1e-6).log(), (shares - scores.shift).clamp(min=1e-6).log()
    return -(1 - scores.moved) * stayed - scores.moved * moved


OBJECTIVES: Mapping[str, Objective] = {
    "dpo": dpo,
    "ipo": ipo,
    "spa": spa,
    "epa": epa,
    "sft": sft,
    "poft": poft,
    "ssapo": ssapo,
    "ssapo-published": ssapo_published,
}
IMITATING = frozenset({"sft", "poft"})
"""Objectives that learn from what is chosen alone."""
NEEDS_WEAK = frozenset({"epa"})
"""Objectives that compare with answers to other questions."""
NEEDS_ALIGNED = frozenset({"poft"})
"""Objectives that weigh by the scores of aligned models."""
