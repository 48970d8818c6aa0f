"""Prompts as padded tensors for the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .network import KIND_IDS, Memory, SketchNetwork
from .prompt import Prompt, PromptWriter

if TYPE_CHECKING:
    from torch import Tensor

BUCKET = 8
"""Lengths are padded to multiples of this: many different sizes fragment the heap of a CPU run."""


MOST_PIECES = 64
"""Pieces of a text that is embedded; what is longer is cut."""


@dataclass(frozen=True)
class PromptTensors:
    """Padded prompts, `rows` of them.

    pieces, mask, and each of marks (roles, matches, keys): [rows, tokens]; spans: [rows, items, 2];
    item_kinds, item_mask: [rows, items].
    """

    pieces: Tensor
    mask: Tensor
    marks: tuple[Tensor, Tensor, Tensor]
    spans: Tensor
    item_kinds: Tensor
    item_mask: Tensor

    def to(self, device: str) -> PromptTensors:
        roles, matches, keys = self.marks
        return PromptTensors(
            self.pieces.to(device),
            self.mask.to(device),
            (roles.to(device), matches.to(device), keys.to(device)),
            self.spans.to(device),
            self.item_kinds.to(device),
            self.item_mask.to(device),
        )

    def read(self, network: SketchNetwork) -> Memory:
        return network.read(self.pieces, self.mask, self.marks, self.spans, self.item_kinds, self.item_mask)


def padded(rows: Sequence[Sequence[int]], fill: int, multiple: int = 1) -> Tensor:
    """A [rows, width] tensor; the width is rounded up to `multiple`."""
    import torch

    width = max(1, max(len(row) for row in rows))
    width = -(-width // multiple) * multiple
    return torch.tensor([[*row, *[fill] * (width - len(row))] for row in rows])


def prompt_tensors(prompts: Sequence[Prompt]) -> PromptTensors:
    """The tensors of these prompts, one row each."""
    import torch

    pieces = padded([p.pieces for p in prompts], 0, BUCKET)
    lengths = torch.tensor([len(p.pieces) for p in prompts])
    starts = padded([[s for s, _ in p.spans] for p in prompts], 0, BUCKET)
    ends = padded([[e for _, e in p.spans] for p in prompts], 0, BUCKET)
    counts = torch.tensor([len(p.items) for p in prompts])
    return PromptTensors(
        pieces=pieces,
        mask=torch.arange(pieces.shape[1]) < lengths[:, None],
        marks=(
            padded([p.roles for p in prompts], 0, BUCKET),
            padded([p.matches for p in prompts], 0, BUCKET),
            padded([p.keys for p in prompts], 0, BUCKET),
        ),
        spans=torch.stack([starts, ends], -1),
        item_kinds=padded([[KIND_IDS[item.kind] for item in p.items] for p in prompts], 0, BUCKET),
        item_mask=torch.arange(starts.shape[1]) < counts[:, None],
    )


def embed_tensors(writer: PromptWriter, texts: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
    """Short texts, each between [CLS] and [SEP], one after another, as `SketchNetwork.embed` takes them."""
    import torch

    rows = [[writer.cls, *writer.pieces(text)[: MOST_PIECES - 2], writer.sep] for text in texts]
    return (
        torch.tensor([piece for row in rows for piece in row]),
        torch.tensor([place for row in rows for place in range(len(row))]),
        torch.tensor([number for number, row in enumerate(rows) for _ in row]),
    )
