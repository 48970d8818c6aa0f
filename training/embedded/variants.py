"""The same lesson in other words: names, values and tables around it exchanged, alike in all its responses.

What a model answered to a question as it was asked is learned where the schema is renamed, its order another
and a word misspelt: a student that sees less than its teacher has to read (noisy student training, Xie et
al., arXiv 1911.04252; the changes are those of `augmentation.py`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...models.embedded.items import Token
from ...models.embedded.reading import Situation
from .augmentation import Pools, Rates, augment

if TYPE_CHECKING:
    from .policy import Decision

RATES = Rates(take=0.0, elsewhere=0.0)
"""What would make a question unanswerable is left out: its answers are what is learned."""


def variant(
    responses: Sequence[Sequence[Decision]], pools: Pools, rng: random.Random, rates: Rates = RATES
) -> list[list[Decision]] | None:
    """A changed copy of the decisions of each response to one prompt; None where no consistent one is found.

    Decisions taken in one situation see one and the same changed situation.
    """
    situations: list[Situation] = []
    for decisions in responses:
        situations += [situation for situation, _ in decisions if situation not in situations]
    targets: list[list[Token]] = [[] for _ in situations]
    for decisions in responses:
        for situation, target in decisions:
            mine = targets[situations.index(situation)]
            if mine and mine[0] != target[0]:
                return None  # a look-up and a query change in different ways
            mine += target
    try:
        changed = [
            augment(situation, target, pools, rates, rng)
            for situation, target in zip(situations, targets, strict=True)
        ]
    except ValueError:
        return None
    left = [iter(target) for _, target in changed]
    found: list[list[Decision]] = []
    for decisions in responses:
        found.append([])
        for situation, target in decisions:
            number = situations.index(situation)
            found[-1].append((changed[number][0], tuple(next(left[number]) for _ in target)))
    return found
