"""The network writing, one token at a time, for several candidates of one prompt.

The same numbers as `SketchNetwork.write` over whole outputs, at a fraction of its cost: keys and values are
written once into room set aside, the prompt's are shared out once, and what depends on the prompt's items
alone is computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from .items import KEYWORDS
from .network import Layer

if TYPE_CHECKING:
    from torch import Tensor

    from .network import Memory, SketchNetwork


class Writing:
    """Candidates in progress. `step` them, then `keep` those that go on (repeats allowed), and so on."""

    def __init__(self, network: SketchNetwork, memory: Memory, *, rows: int, steps: int) -> None:
        """memory: of one prompt. rows: candidates at most; steps: tokens of each at most. Starts with one."""
        self.network = network
        self._layers = [layer for layer in network.stack if isinstance(layer, Layer)]
        self._prompt = memory.mask.shape[1]
        self._keys = [_with_room(keys, rows, steps) for keys in memory.keys]
        self._values = [_with_room(values, rows, steps) for values in memory.values]
        unseen = torch.zeros(memory.mask.shape[1] + steps).masked_fill_(
            torch.cat([~memory.mask[0], torch.zeros(steps, dtype=torch.bool)]), -1e9
        )
        self._bias = unseen[None, None, None]
        kinds = network.kinds(memory.item_kinds[0])
        self._inputs = network.read_item(memory.items[0]) + kinds
        self._targets = (network.target_item(memory.items[0]) + kinds).T.contiguous()
        self._no_item = ~memory.item_mask[0]
        self._rows = 1
        self._written = 0

    def step(self, outputs: Sequence[int]) -> Tensor:
        """Scores [candidates, keywords + items] of what follows, after the last output of each."""
        network, at = self.network, self._prompt + self._written
        x = torch.stack([self._embedding(output) for output in outputs])[:, None]
        x = network.norm(x + network.output_positions.weight[self._written])
        bias = self._bias[..., : at + 1]
        for layer, keys, values in zip(self._layers, self._keys, self._values, strict=True):
            q, k, v = layer.project(x)
            keys[: self._rows, :, at] = k[:, :, 0]
            values[: self._rows, :, at] = v[:, :, 0]
            x = layer.attend(x, q, keys[: self._rows, :, : at + 1], values[: self._rows, :, : at + 1], bias)
        self._written += 1
        x = x[:, 0]
        pointers = network.query(x) @ self._targets * network.shape.hidden**-0.5
        pointers = pointers.masked_fill(self._no_item, float("-inf"))
        return torch.cat([network.target_keyword(x), pointers], dim=-1)

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these candidates, by their number among those before."""
        if list(rows) != list(range(self._rows)):
            chosen = torch.tensor(rows)
            span = slice(self._prompt, self._prompt + self._written)
            for tensor in (*self._keys, *self._values):
                tensor[: len(rows), :, span] = tensor[chosen, :, span]
        self._rows = len(rows)

    def _embedding(self, output: int) -> Tensor:
        count = len(KEYWORDS)
        return self._inputs[output - count] if output >= count else self.network.keywords.weight[output]


def _with_room(tensor: Tensor, rows: int, steps: int) -> Tensor:
    """[1, heads, tokens, size] -> [rows, heads, tokens + steps, size], the first tokens alike in all rows."""
    _, heads, tokens, size = tensor.shape
    room = tensor.new_empty(rows, heads, tokens + steps, size)
    room[:, :, :tokens] = tensor
    return room
