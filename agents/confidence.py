"""How sure one candidate is: the model's own probability, lowered by what the data says against the SQL.

Our reconstruction, not a published formula: what the model itself makes of its probabilities, or else
exp(mean token log-probability) of the message that held the SQL, times one factor for each doubt. The factors
are round numbers chosen by judgement; how well the product is calibrated is measured by `sqlberg evaluate`
(training/evaluation/calibration.py). Honest "unknown" (None) when the model does not report
log-probabilities: doubts alone say what is wrong, never that something is right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage

from .answer import Logprob

MISSING_LITERAL = 0.5
UNKNOWN_JOIN = 0.6
INFERRED_JOIN = 0.9
EMPTY_RESULT = 0.6
OMITTED = 0.5


@dataclass(frozen=True)
class Doubts:
    """What speaks against an answer: literals that the data does not hold, joins that no key supports, no
    rows, what the question names outright and the statement does not (omissions.py).
    """

    missing_literals: int = 0
    unknown_joins: int = 0
    inferred_joins: int = 0
    empty: bool = False
    omitted: int = 0

    @property
    def factor(self) -> float:
        """Product of the factors above, 0 to 1."""
        return (
            MISSING_LITERAL**self.missing_literals
            * UNKNOWN_JOIN**self.unknown_joins
            * INFERRED_JOIN**self.inferred_joins
            * (EMPTY_RESULT if self.empty else 1.0)
            * OMITTED**self.omitted
        )


def confidence(logprob: Logprob | None, doubts: Doubts) -> float | None:
    """0 to 1, or None when the model said nothing of its probabilities."""
    if logprob is None:
        return None
    sure = math.exp(logprob.mean) if logprob.sureness is None else logprob.sureness
    return min(1.0, sure) * doubts.factor


def logprob_of(message: AIMessage) -> Logprob | None:
    """The message's token log-probabilities, in OpenAI's shape: response_metadata["logprobs"]["content"].

    A model that is calibrated says besides how sure it is, 0 to 1, in response_metadata["confidence"].
    """
    logprobs: Any = message.response_metadata.get("logprobs")
    content = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    if not isinstance(content, Sequence) or not content:
        return None
    values = [token.get("logprob") for token in content if isinstance(token, Mapping)]
    numbers = [float(value) for value in values if isinstance(value, (int, float))]
    if not numbers or len(numbers) != len(content):
        return None
    told: Any = message.response_metadata.get("confidence")
    sureness = float(told) if isinstance(told, (int, float)) and 0 <= told <= 1 else None
    return Logprob(sum(numbers), len(numbers), sureness)
