"""One answer out of several candidates: grouped by result, the heaviest group wins. Pure functions.

Self-consistency (Wang et al. 2023, arXiv 2203.11171) over results instead of texts. Candidates whose SQL gave
the same result are one group, whatever their SQL. With token log-probabilities a group weighs the probability
of its distinct statements, so that repaired or repeated candidates do not outvote a likely one (counting
votes was measured to hurt); without them, every candidate counts one. The confidence is the share of the
winning group, times the share of candidates that came to an answer, times what the doubts of confidence.py
leave of its statement. A model that says of each candidate how sure it is (calibrated, lowered by what the
data says against it) is taken at its word: these probabilities are the weights, and their sum in the winning
group is the confidence; less by `UNSAID` for each word of the question that a statement leaves unsaid and
another says. Differs from the paper: that, the doubts, and abstention below a threshold, with the reason.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .answer import Answer, Reading
from .results import result_key
from .wording import wording

UNSAID = 0.6
"""Chosen on 178 of people's questions over three databases that the embedded model has not seen: 132 right
instead of 130, and as many with 0.5 to 0.8.
"""


@dataclass(frozen=True)
class Group:
    """Candidates with one result. share: of all groups' weight, 0 to 1; weight: the group's own."""

    members: tuple[Answer, ...]
    share: float
    weight: float

    @property
    def leader(self) -> Answer:
        """The likeliest member; whole answers before partial ones, the first asked when nothing is known."""
        return max(self.members, key=lambda answer: (answer.status == "answered", _rank(answer)))

    def reading(self) -> Reading:
        return _reading(self.leader, len(self.members), self.share)


def group_by_result(candidates: Sequence[Answer]) -> list[Group]:
    """Candidates that ran, grouped by result, heaviest first (ties: the group asked first)."""
    ran = [answer for answer in candidates if answer.sql]
    if not ran:
        return []
    # One unordered statement among them means that order was not part of the question.
    ordered = all(answer.ordered for answer in ran)
    grouped: dict[str, list[Answer]] = {}
    for answer in ran:
        grouped.setdefault(result_key(answer.rows, ordered=ordered), []).append(answer)
    heard = _heard(ran) if _say_how_sure(ran) else {}
    weights = [_weight(members, ran, heard) for members in grouped.values()]
    groups = [
        Group(tuple(members), weight / (sum(weights) or 1.0), weight)
        for members, weight in zip(grouped.values(), weights, strict=True)
    ]
    return sorted(groups, key=lambda group: -group.share)


def elect(candidates: Sequence[Answer], *, abstain_below: float = 0.0) -> Answer:
    """The answer of the heaviest group, with confidence and all readings; abstains below `abstain_below`.

    candidates: at least one. When none ran, the first candidate's own reason stands.
    """
    groups = group_by_result(candidates)
    if not groups:
        return dataclasses.replace(candidates[0], tried=len(candidates))
    winner = groups[0]
    ran = [answer for group in groups for answer in group.members]
    if _say_how_sure(ran):
        confidence = winner.weight / max(1.0, sum(group.weight for group in groups))
    else:
        confidence = winner.share * _came_to_an_answer(candidates) / len(candidates) * winner.leader.support
    chosen = dataclasses.replace(
        winner.leader,
        confidence=confidence,
        readings=tuple(group.reading() for group in groups),
        tried=len(candidates),
    )
    if confidence >= abstain_below:
        return chosen
    return abstain(chosen, _why_not(candidates, groups, confidence, abstain_below))


def _why_not(
    candidates: Sequence[Answer], groups: Sequence[Group], confidence: float, asked_for: float
) -> str:
    """What withholds the best of these groups."""
    unsure = too_unsure(confidence, asked_for)
    done = _came_to_an_answer(candidates)
    if done < len(candidates):
        unsure += f" ({done} of {len(candidates)} candidates came to an answer)"
    if len(groups) == 1:
        return unsure
    return f"the candidates disagree ({len(groups)} different results): of the best one {unsure}"


def too_unsure(confidence: float, asked_for: float) -> str:
    """Why an answer of this confidence is withheld."""
    return f"the confidence is {confidence:.0%}, less than the {asked_for:.0%} asked for"


def _came_to_an_answer(candidates: Sequence[Answer]) -> int:
    """How many; one that a budget cut off may have wanted to go on."""
    return sum(answer.status == "answered" and bool(answer.sql) for answer in candidates)


def abstain(answer: Answer, reason: str) -> Answer:
    """The same work without its answer: SQL and rows go; the steps stay, and as a reading the best guess."""
    return dataclasses.replace(
        answer,
        sql="",
        columns=(),
        rows=(),
        types=(),
        cuts=(),
        text=f"I do not answer this: {reason}.",
        readings=answer.readings or (_reading(answer, 1, 1.0),),
        status="abstained",
        reason=reason,
    )


def _reading(answer: Answer, votes: int, share: float) -> Reading:
    return Reading(answer.sql, answer.columns, answer.rows, votes, share, answer.text, answer.cuts)


def _heard(answers: Sequence[Answer]) -> dict[str, float]:
    """By statement, what it loses for words that others say and it does not: 1 where it says the most."""
    unsaid = {one.sql: len(wording(one.question, one.sql, one.origin.dialect).unsaid) for one in answers}
    least = min(unsaid.values())
    return {sql: UNSAID ** (words - least) for sql, words in unsaid.items()}


def _weight(members: Sequence[Answer], everyone: Sequence[Answer], heard: Mapping[str, float]) -> float:
    if any(answer.logprob is None for answer in everyone):
        return float(len(members))
    if heard:
        surest: dict[str, float] = {}
        for answer in members:
            sure = (answer.confidence or 0.0) * heard[answer.sql]
            surest[answer.sql] = max(surest.get(answer.sql, 0.0), sure)
        return sum(surest.values())
    top = max(_total(answer) for answer in everyone)
    likeliest: dict[str, float] = {}
    for answer in members:
        likeliest[answer.sql] = max(likeliest.get(answer.sql, -math.inf), _total(answer))
    return sum(math.exp(total - top) for total in likeliest.values())


def _say_how_sure(answers: Sequence[Answer]) -> bool:
    return all(answer.logprob is not None and answer.logprob.sureness is not None for answer in answers)


def _rank(answer: Answer) -> float:
    """What tells the likelier of two answers of one model: how sure it is, or else the probability."""
    sure = answer.logprob.sureness if answer.logprob else None
    return _total(answer) if sure is None else math.log(max(sure, 1e-12))


def _total(answer: Answer) -> float:
    return answer.logprob.total if answer.logprob else 0.0
