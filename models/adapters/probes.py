"""What a causal model would say next after a few fixed texts: its fingerprint, by which a loaded or served
adapter shows that it is the one that was trained.

Only the likeliest next tokens are compared. A server gives these for one request each (to ask it for the
log-probabilities of whole prompts would be shorter, and ends vLLM 0.32 where other requests run beside it
with an adapter), and they are the ones that precision moves least.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from ..errors import ModelError

PROBES = (
    "How many singers are from each country? SELECT country, count(*) FROM singer GROUP BY",
    "The three best paid employees of 2021, with their departments: ORDER BY salary DESC",
    '{"name": "search_column", "arguments": {"semantic": ["name of the customer", "',
    '{"name": "execute_sql", "arguments": {"sql": "SELECT name FROM',
    "I first look for the columns that the question speaks of.",
    "1 row, 1 column\ncount(*)\n6\n",
    "There are 6",
    "SELECT",
)
COMPARED, ASKED = 4, 20
"""Next tokens: those that are compared, and those that are looked at for them."""
TOLERANCE = 0.05
"""The mean difference of log-probabilities up to which two answers count as the same. bfloat16 by another
program or on another processor stays within 0.01 to 0.03.
"""

Probed = list[dict[str, float]]
"""Of each text the log-probabilities of its likeliest next tokens, by their ids."""


def probe(network: Any, tokenizer: Any, count: int = COMPARED) -> Probed:
    """Of the network as it is, in evaluation."""
    import torch

    training = network.training
    network.eval()
    device = next(network.parameters()).device
    found = []
    try:
        for text in PROBES:
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            with torch.inference_mode():
                logits = network(input_ids=torch.tensor([ids], device=device)).logits[0, -1]
            best = logits.float().log_softmax(-1).topk(count)
            pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
            found.append({str(token): round(value, 4) for token, value in pairs})
    finally:
        network.train(training)
    return found


def differences(told: Probed, seen: Sequence[dict[str, float]]) -> list[float]:
    """Of each token that was told, absolute. seen: of each text the likeliest `ASKED`; a token that is not
    among them counts as far as the last of them is, at least.
    """
    return [
        abs(value - others[token]) if token in others else max(0.0, value - min(others.values()))
        for tokens, others in zip(told, seen, strict=True)
        for token, value in tokens.items()
    ]


def compared(told: Any, seen: Sequence[dict[str, float]], folder: Path) -> list[float]:
    """The differences from what an adapter's folder tells, which may be anything. Raises `ModelError` where
    it is nothing to compare with.
    """
    try:
        if found := differences(told, seen):
            return found
    except (ValueError, TypeError, AttributeError):
        pass
    raise ModelError(f"what the adapter {folder} tells to check it by is damaged: train it again")


def check_probes(told: Any, seen: Sequence[dict[str, float]], folder: Path) -> None:
    """Raises `ModelError` where a model with the adapter in a folder does not say what that tells."""
    apart = fmean(compared(told, seen, folder))
    if not apart <= TOLERANCE:
        raise ModelError(
            f"with the adapter {folder} this model does not say what it said after training (a token's "
            f"log-probability is {apart:.3f} off on average): its files were changed, or are another's"
        )
