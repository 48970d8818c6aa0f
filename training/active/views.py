"""What a selector knows of a question: one vector each, from how a model reads it (`readers.py`).

| view | the vector |
| --- | --- |
| `perturbation` | where to push the reading of the question to change what comes next, and how much (VAPAL) |
| `gradient` | the gradient of the loss for what the model would write itself (BADGE) |
| `surprisal` | minus the log-probability of token after token (ALPS) |
| `entropy` | how unsure what comes next is, on average |
| `state` | the last hidden states |

No label is needed for any. Published are the methods' ideas, for classifiers; what "class" means for a model
that writes is ours: the distributions over the first `STEPS` tokens that it would write.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

STEPS = 8
"""Tokens that the model would write, over which its distributions are looked at."""
PUSH = 0.1
"""Length of the push, against that of a token's reading. The method's 1e-6 drowns in float32's rounding, a
hundredth in bfloat16's.
"""
SKETCHED = 256
"""Numbers that a gradient is kept as."""
TOKENS = 48
"""Of surprisals; further ones are left out."""

Written = tuple["Tensor", Callable[["Tensor"], "Tensor"]]


@dataclass(frozen=True)
class Look:
    """A batch of questions as a model reads them.

    written: the states [batch, steps, inner] after each token that the model would write, and the function
    from these to scores of what comes next, [batch, steps, outputs]. write: from a push [batch, width], added
    to the reading of each of a question's tokens, to the same. steps: [batch, steps], True for tokens that
    count. width, length: of a token's reading: its numbers, and its mean norm in each question, [batch, 1].
    state: [batch, inner]. surprisals: of each question.
    """

    written: Written
    write: Callable[[Tensor], Written]
    steps: Tensor
    width: int
    length: Tensor
    state: Tensor
    surprisals: list[list[float]]

    def logprobs(self, push: Tensor | None = None) -> Tensor:
        """Of what comes next, [batch, steps, outputs]; push: [batch, width]."""
        states, scores = self.written if push is None else self.write(push)
        return scores(states).log_softmax(-1)


def perturbation(look: Look, seed: int, turns: int = 1) -> Tensor:
    """Virtual adversarial perturbation, [batch, width]: arXiv 2210.14576, after Miyato et al., 1704.03976.

    d random; `turns` times g = the gradient of KL(p || p pushed along d), d = g / |g|. The last g is kept
    with its length, which says how unsure the model is, over that of the push: so it does not depend on it.
    The layer, the push and the number of turns are not published: ours.
    """
    import torch

    batch = len(look.state)
    generator = torch.Generator().manual_seed(seed)
    # The same direction for every question, so that their answers compare.
    push = torch.randn(1, look.width, generator=generator).to(look.state.device).expand(batch, -1)
    with torch.no_grad():
        plain = look.logprobs()
    gradient = push
    for _ in range(turns):
        size = PUSH * look.length
        push = (size * gradient / gradient.norm(dim=-1, keepdim=True).clamp(min=1e-20)).requires_grad_()
        pushed = look.logprobs(push)
        gap = (plain.exp() * (plain.nan_to_num(neginf=0.0) - pushed.nan_to_num(neginf=0.0))).sum(-1)
        total = (gap * look.steps).sum(-1) / look.steps.sum(-1).clamp(min=1)
        (gradient,) = torch.autograd.grad(total.sum(), push)
        gradient = gradient / size
    return gradient


def gradient(look: Look, seed: int) -> Tensor:
    """[batch, SKETCHED], with the inner products, nearly, of the gradients of the loss for the model's own
    first choices, summed over the steps: Ash et al., arXiv 1906.03671.

    The gradient of the last layer is an outer product of errors and states. With a vocabulary for classes it
    is too large: errors are taken as the loss's gradient to the states (through the output matrix), and the
    product is sketched by random signs (Kar and Karnick, 1201.6530).
    """
    import torch

    states, scores = look.written
    states = states.detach().requires_grad_()
    losses = -scores(states).log_softmax(-1).amax(-1) * look.steps
    (errors,) = torch.autograd.grad(losses.sum(), states)
    generator = torch.Generator().manual_seed(seed)
    signs = [
        (torch.randint(0, 2, (states.shape[-1], SKETCHED), generator=generator) * 2.0 - 1.0).to(errors.device)
        for _ in range(2)
    ]
    return (errors @ signs[0] * (states.detach() @ signs[1])).sum(1) / SKETCHED**0.5


def surprisal(look: Look, seed: int) -> Tensor:
    """[batch, TOKENS] of unit length: Yuan et al., arXiv 2010.09535."""
    import torch

    rows = [[*row[:TOKENS], *[0.0] * (TOKENS - len(row))] for row in look.surprisals]
    return torch.nn.functional.normalize(torch.tensor(rows), dim=-1)


def entropy(look: Look, seed: int) -> Tensor:
    """[batch, 1], in nats, the mean over the steps."""
    import torch

    with torch.no_grad():
        logprobs = look.logprobs()
    entropies = -(logprobs.exp() * logprobs.nan_to_num(neginf=0.0)).sum(-1)
    return ((entropies * look.steps).sum(-1) / look.steps.sum(-1).clamp(min=1))[:, None]


def state(look: Look, seed: int) -> Tensor:
    """[batch, inner]."""
    return look.state


VIEWS: dict[str, Callable[[Look, int], Tensor]] = {
    "perturbation": perturbation,
    "gradient": gradient,
    "surprisal": surprisal,
    "entropy": entropy,
    "state": state,
}


def viewed(look: Look, view: str, seed: int = 0) -> np.ndarray:
    """A view of a batch: [batch, ...] as float64."""
    return VIEWS[view](look, seed).detach().double().cpu().numpy()
