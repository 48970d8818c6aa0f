"""Weak negatives for energy preference alignment: what is right for another question is wrong for this."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from ..preferences import Messages, Preference, said


def weak_negatives(pairs: Sequence[Preference], count: int = 2) -> list[list[Messages]]:
    """For each pair, `count` chosen responses to other questions, those over the same database first.

    The next ones in the pairs' own order, so that the same pairs give the same negatives. Where there are
    fewer, they are repeated; none where no other question is there.
    """
    by_database: dict[str, list[int]] = {}
    for number, pair in enumerate(pairs):
        by_database.setdefault(pair.db_id, []).append(number)
    found = []
    for number, pair in enumerate(pairs):
        same = by_database[pair.db_id]
        place = same.index(number)
        near = same[place + 1 :] + same[:place]
        far = chain(range(number + 1, len(pairs)), range(number))
        negatives: dict[int, Messages] = {}
        for other in chain(near, far):
            if len(negatives) == count:
                break
            strange = pairs[other].question != pair.question
            if strange and said(pairs[other].chosen) != said(pair.chosen):
                negatives[other] = pairs[other].chosen
        chosen = list(negatives.values())
        found.append((chosen * count)[:count])
    return found
