"""How far a confidence can be trusted: risk–coverage, expected calibration error, TrustSQL's penalty score.

Pure functions over (confidence, right) pairs, confidences from 0 to 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

Judged = tuple[float, bool]


def risk_coverage(judged: Sequence[Judged]) -> list[tuple[float, float]]:
    """(coverage, risk) points when only the surest answers are given, one point per distinct confidence.

    Coverage is the share of the pairs answered, risk the share of wrong ones among them. Equal confidences
    enter together: no order among them can be chosen (El-Yaniv and Wiener 2010).
    """
    ranked = sorted(judged, key=lambda pair: -pair[0])
    points, wrong = [], 0
    for i, (confidence, right) in enumerate(ranked, start=1):
        wrong += not right
        if i == len(ranked) or ranked[i][0] != confidence:
            points.append((i / len(ranked), wrong / i))
    return points


def area_under_risk_coverage(judged: Sequence[Judged]) -> float | None:
    """Area under the risk–coverage curve: the mean risk over all coverages, smaller is better; None for no
    pairs.

    Within a group of equal confidences the risk is taken in expectation over its random orders, so a constant
    confidence scores exactly its error rate.
    """
    if not judged:
        return None
    groups: dict[float, list[bool]] = {}
    for confidence, right in judged:
        groups.setdefault(confidence, []).append(right)
    total, seen, wrong = 0.0, 0, 0.0
    for confidence in sorted(groups, reverse=True):
        rights = groups[confidence]
        rate = sum(not right for right in rights) / len(rights)
        for k in range(1, len(rights) + 1):
            total += (wrong + k * rate) / (seen + k)
        seen += len(rights)
        wrong += rate * len(rights)
    return total / len(judged)


def expected_calibration_error(judged: Sequence[Judged], *, bins: int = 10) -> float | None:
    """Mean distance between confidence and share of right answers, over `bins` equal bins weighted by size.

    Source: Naeini, Cooper, Hauskrecht 2015; Guo et al. 2017, equation 3. None for no pairs.
    """
    if not judged:
        return None
    groups: dict[int, list[Judged]] = {}
    for pair in judged:
        if not 0 <= pair[0] <= 1:
            raise ValueError(f"a confidence must be between 0 and 1, not {pair[0]}")
        groups.setdefault(min(bins - 1, int(pair[0] * bins)), []).append(pair)
    return sum(
        abs(math.fsum(confidence for confidence, _ in group) - sum(right for _, right in group))
        for group in groups.values()
    ) / len(judged)


Verdict = Literal["right", "wrong", "abstained", "failed"]


def penalty_score(verdicts: Sequence[tuple[bool, Verdict]], *, penalty: float) -> float | None:
    """TrustSQL's reliability score in per cent (Lee et al. 2024, arXiv 2403.15879); None for no questions.

    verdicts: (answerable, verdict) per question. +1 for a right answer, and for abstaining where there is no
    answer; 0 for abstaining on an answerable question, and (ours) for a failure; −penalty for a wrong answer,
    or any to the unanswerable.
    """
    if not verdicts:
        return None
    score = 0.0
    for answerable, verdict in verdicts:
        if verdict == "failed":
            continue
        if verdict == "abstained":
            score += not answerable
        elif verdict == "right" and answerable:
            score += 1
        else:
            score -= penalty
    return 100 * score / len(verdicts)
