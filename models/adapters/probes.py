"""What a causal model says about a few fixed texts: its fingerprint, by which a loaded or served adapter
shows that it is the one that was trained.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass

PROBES = (
    "How many singers are from each country? SELECT country, count(*) FROM singer GROUP BY country",
    '{"name": "search_column", "arguments": {"semantic": ["name of the customer", "date of the order"]}}',
    "The three best paid employees of 2021, with their departments: ORDER BY salary DESC LIMIT 3",
)
TOLERANCE = 0.05
"""The mean difference of log-probabilities up to which two answers count as the same: bfloat16 on another
processor stays within 0.01 to 0.03.
"""

Probed = list[list[float]]
"""Of each text the log-probability of every token but the first."""


def token_ids(tokenizer: Any) -> list[list[int]]:
    """The texts as a model reads them."""
    return [tokenizer(text, add_special_tokens=False)["input_ids"] for text in PROBES]


def probe(network: Any, tokenizer: Any) -> Probed:
    """Of the network as it is, in evaluation."""
    import torch

    training = network.training
    network.eval()
    device = next(network.parameters()).device
    found = []
    try:
        for ids in token_ids(tokenizer):
            tokens = torch.tensor([ids], device=device)
            with torch.inference_mode():
                logprobs = network(input_ids=tokens).logits[0, :-1].float().log_softmax(-1)
            told = logprobs.gather(-1, tokens[0, 1:, None])[:, 0]
            found.append([round(value, 4) for value in told.tolist()])
    finally:
        network.train(training)
    return found


def differences(one: Probed, other: Probed) -> list[float]:
    """Of each token, absolute; infinite where they are not of the same tokens."""
    if [len(row) for row in one] != [len(row) for row in other]:
        return [float("inf")]
    rows = zip(one, other, strict=True)
    return [abs(said - told) for row, like in rows for said, told in zip(row, like, strict=True)]
