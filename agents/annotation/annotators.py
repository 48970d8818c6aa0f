"""Annotators by name: each gives candidates a utility, from the evidence.

The better of two is chosen with the probability of Bradley and Terry, sigmoid(u - u'): one rule for all.
`implicit` is the annotator of SPA and SGPO (arXiv 2406.04412, 2502.18099): beta log(pi / pi_SFT), nothing
else. `execution` asks the data: what failed, what is cut or empty, how many candidates agree, whether
literals exist and joins are known. `combined` weighs both, how likely the model itself finds each answer, and
what it answers to questions asked alike, with weights fitted to preferences of people (`fit_weights`); before
any are known, it adds all. The weights are ours: round numbers by judgement, that of `alike` by trial.

What each is worth (train questions of Spider, models of a tenth of the gold): over 400 questions of a model
that answers 58.5 % right, `execution` picks 52.8 % right ones of its four candidates, with the likelihood
58.3 %. Over 470 others, first answers 57.7 % right, that gives 58.7 %, and with `alike` 61.5 % (68.5 % have a
right candidate); of the pairs that gold tells apart 95.0 % are true instead of 92.4 %. How a statement reads
beside its question (`wording`; its weights by trial on other questions) tells more: over 800 questions of a
model of a hundredth of the gold, first answers 57.5 % right, `combined` picks 63.3 % right ones of four
candidates with it and 60.5 % without, of eight 64.9 and 60.9 % (74.4 and 78.4 % have a right one).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from .evidence import Evidence

Weights = Mapping[str, float]

EXECUTION: Weights = {
    "declined": -1.5,
    "failed": -4.0,
    "cut": -0.5,
    "empty": -1.5,
    "share": 2.0,
    "missing literals": -1.0,
    "unknown joins": -0.7,
    "inferred joins": -0.1,
    "join notes": -0.2,
    "columns named": 0.3,
    "columns": 0.0,
    "words unsaid": -1.0,
    "odd operations": -0.4,
}
BETA = 0.1
"""Of the implicit reward, in `implicit` and, before it is fitted, in `combined`."""
COMBINED: Weights = {**EXECUTION, "reward": BETA, "likelihood": 1.0, "alike": 3.0}
SURE_ENOUGH = 0.6
NAMES = ("implicit", "execution", "judge", "combined")


@dataclass(frozen=True)
class Annotator:
    """Utilities as a weighted sum of `Evidence.features`. judged: a judge model is asked as well, and its
    word weighs this much in log-odds (0: it is not asked). sure_enough: below this probability it abstains;
    that of `implicit` never does, as published. against: what is chosen is held against the worst candidate
    of another result, or against the next best.
    """

    name: str
    weights: Weights = field(default_factory=dict)
    judged: float = 0.0
    sure_enough: float = SURE_ENOUGH
    against: Literal["worst", "next"] = "worst"

    def utility(self, evidence: Evidence) -> float:
        features = evidence.features()
        return sum(weight * features[name] for name, weight in self.weights.items())

    def reasons(self, better: Evidence, worse: Evidence) -> list[str]:
        """What told the two apart, the weightiest first, and which words only the better one says."""
        one, other = better.features(), worse.features()
        pulls = {name: w * (one[name] - other[name]) for name, w in self.weights.items()}
        told = sorted((name for name in pulls if abs(pulls[name]) > 0.01), key=lambda name: -abs(pulls[name]))
        reasons = [f"{name}: {one[name]:.3g} against {other[name]:.3g} ({pulls[name]:+.2f})" for name in told]
        left_out = [word for word in worse.unsaid if word not in better.unsaid]
        if "words unsaid" in told and left_out:
            reasons.append(f"left unsaid by the other: {', '.join(left_out)}")
        return reasons


def annotator(name: str, weights: Weights | None = None) -> Annotator:
    """The annotator of that name (`NAMES`). weights: fitted ones, for `combined`. Raises KeyError."""
    implicit = {"reward": BETA}
    return {
        "implicit": Annotator("implicit", implicit, sure_enough=0.5),
        "execution": Annotator("execution", EXECUTION),
        "judge": Annotator("judge", {}, judged=2.0),
        "combined": Annotator("combined", weights or COMBINED, judged=1.0),
    }[name]


def fit_weights(pairs: Sequence[tuple[Evidence, Evidence]], strength: float = 1.0) -> Weights:
    """The weights under which (better, worse) pairs are likeliest, with a normal prior around those of
    `combined` (Bradley-Terry by Newton's method; few pairs move them little).

    strength: of the prior, as the inverse of its variance. The likelihood keeps its weight where the pairs do
    not tell it: a correction by a person is unlikely to the model because the model was wrong there.
    """
    prior = COMBINED
    names = list(prior)
    mean = np.array([prior[name] for name in names])
    gaps = np.array([[b.features()[n] - w.features()[n] for n in names] for b, w in pairs])
    weights = mean.copy()

    def cost(weights: np.ndarray) -> float:
        return float(np.logaddexp(0, -gaps @ weights).sum() + strength / 2 * ((weights - mean) ** 2).sum())

    for _ in range(50 if len(pairs) else 0):
        chances = 1 / (1 + np.exp(-np.clip(gaps @ weights, -30, 30)))
        slope = gaps.T @ (1 - chances) - strength * (weights - mean)
        curve = (gaps * (chances * (1 - chances))[:, None]).T @ gaps + strength * np.eye(len(names))
        step = np.linalg.solve(curve, slope)
        while cost(weights + step) > cost(weights) and np.abs(step).max() > 1e-8:
            step = step / 2
        weights = weights + step
        if np.abs(step).max() < 1e-8:
            break
    return dict(zip(names, map(float, weights), strict=True))
