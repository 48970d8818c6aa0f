"""What the embedded model's training minimises: imitation of the teaching trajectories, and telling the right
ones of its own candidates.

Both hold the embeddings of short texts near MiniLM's (distillation), so that the same weights serve column
search.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...models.embedded.network import SketchNetwork
from ...models.embedded.prompt import PromptWriter
from ...models.embedded.tensors import embed_tensors
from .batches import BatchStream
from .judged import JudgedStream

if TYPE_CHECKING:
    from torch import Tensor


class Imitation:
    """Cross-entropy of the sketch that a trajectory holds.

    plain, mixed: batches before and from step `plain_steps`.
    """

    def __init__(
        self,
        plain: BatchStream,
        mixed: BatchStream,
        plain_steps: int,
        distillation: Distillation | None = None,
    ) -> None:
        self.plain, self.mixed, self.plain_steps = plain, mixed, plain_steps
        self.distillation = distillation

    def loss(self, network: SketchNetwork, step: int, device: str) -> Tensor:
        from torch.nn.functional import cross_entropy

        batch = (self.plain if step < self.plain_steps else self.mixed)[step].to(device)
        scores = network.write(batch.prompts.read(network), batch.inputs)
        loss = cross_entropy(scores.flatten(0, 1), batch.targets.flatten(), ignore_index=-100)
        return loss + self.distillation.loss(network, step, device) if self.distillation else loss


class Distillation:
    """Mean squared distance between our embeddings of short texts and the teacher's, every few steps."""

    def __init__(
        self,
        teacher: SketchNetwork,
        writer: PromptWriter,
        texts: Sequence[str],
        *,
        rows: int = 16,
        every: int = 4,
        weight: float = 5.0,
    ) -> None:
        self.teacher, self.writer, self.texts = teacher, writer, list(texts)
        self.rows, self.every, self.weight = rows, every, weight

    def loss(self, network: SketchNetwork, step: int, device: str) -> Tensor | float:
        if step % self.every:
            return 0.0
        chosen = random.Random(step).sample(self.texts, min(self.rows, len(self.texts)))
        tokens = [tensor.to(device) for tensor in embed_tensors(self.writer, chosen)]
        target = self.teacher.embed(*tokens)
        # The squared distance of unit vectors is 2 - 2 cos.
        return self.weight * (1 - (network.embed(*tokens) * target).sum(-1)).mean()


class Judging:
    """Imitation, and beside it telling right candidates from wrong ones.

    Each candidate's log-odds are held to whether it is right (so that they can be read as a probability), and
    among the candidates of one question the right ones are to have the softmax's mass (so that they rank).
    The same is asked of the probabilities with which the candidates are written, so that what is right comes
    first (the sequence likelihood over candidates of Edunov et al., arXiv 1711.04956, with several right
    ones).
    """

    def __init__(self, imitation: Imitation, judged: JudgedStream, weight: float = 1.0) -> None:
        self.imitation, self.judged, self.weight = imitation, judged, weight

    def loss(self, network: SketchNetwork, step: int, device: str) -> Tensor:
        from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

        batch = self.judged[step].to(device)
        memory = batch.prompts.read(network).rows(batch.row)
        odds, logprobs = network.judge(memory, batch.outputs, batch.lengths)
        judging = cross_entropy(odds, batch.right) + ranking_loss(odds, batch.right, batch.row)
        judging = judging + ranking_loss(logprobs, batch.right, batch.row)
        return self.imitation.loss(network, step, device) + self.weight * judging


def ranking_loss(odds: Tensor, right: Tensor, row: Tensor) -> Tensor:
    """Minus the log of the share that the right candidates of a question have of its softmax, averaged over
    the questions that have both right and wrong ones. odds (or any scores), right, row: [candidates].
    """
    import torch

    losses = []
    for question in range(int(row.max()) + 1):
        mine = row == question
        good = mine & (right > 0)
        if good.any() and not good.equal(mine):
            losses.append(odds[mine].logsumexp(0) - odds[good].logsumexp(0))
    return torch.stack(losses).mean() if losses else odds.sum() * 0.0
