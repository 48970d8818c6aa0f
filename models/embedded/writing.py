"""The network writing, one token at a time, for several candidates of one prompt.

The same numbers as `SketchNetwork.write` over whole outputs, at a fraction of its cost: keys and values are
written once into room set aside, the prompt's are shared out once, and what depends on the prompt's items
alone is computed once.

An ensemble (LoRA Dropout's, `adapters/masks.py`) writes as one: its members' distributions are averaged at
each step. Its memory has the prompt once for each member, and rows are those of the first member, then those
of the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from ..adapters.masks import averaged
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
        self._members, self._prompt = memory.mask.shape
        self._keys = [_with_room(keys, rows, steps) for keys in memory.keys]
        self._values = [_with_room(values, rows, steps) for values in memory.values]
        unseen = torch.zeros(self._prompt + steps).masked_fill_(
            torch.cat([~memory.mask[0], torch.zeros(steps, dtype=torch.bool)]), -1e9
        )
        self._bias = unseen[None, None, None]
        kinds = network.kinds(memory.item_kinds)
        self._inputs = network.read_item(memory.items) + kinds
        self._targets = (network.target_item(memory.items) + kinds).transpose(1, 2).contiguous()
        self._no_item = ~memory.item_mask[0]
        self._rows = 1
        self._written = 0

    def step(self, outputs: Sequence[int]) -> Tensor:
        """Scores [candidates, keywords + items] of what follows, after the last output of each."""
        network, at = self.network, self._prompt + self._written
        x = torch.stack([self._embedding(output) for output in outputs], 1).flatten(0, 1)[:, None]
        x = network.norm(x + network.output_positions.weight[self._written])
        bias = self._bias[..., : at + 1]
        for layer, keys, values in zip(self._layers, self._keys, self._values, strict=True):
            q, k, v = layer.project(x)
            keys[:, : self._rows, :, at] = k[:, :, 0].unflatten(0, (self._members, -1))
            values[:, : self._rows, :, at] = v[:, :, 0].unflatten(0, (self._members, -1))
            k, v = (each[:, : self._rows, :, : at + 1].flatten(0, 1) for each in (keys, values))
            x = layer.attend(x, q, k, v, bias)
        self._written += 1
        x = x[:, 0]
        asked = network.query(x).unflatten(0, (self._members, -1))
        pointers = torch.bmm(asked, self._targets) * network.shape.hidden**-0.5
        pointers = pointers.masked_fill(self._no_item, float("-inf"))
        keywords = network.target_keyword(x).unflatten(0, (self._members, -1))
        scores = torch.cat([keywords, pointers], dim=-1)
        return scores[0] if self._members == 1 else averaged(scores.flatten(0, 1), self._members)

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these candidates, by their number among those before."""
        if list(rows) != list(range(self._rows)):
            chosen = torch.tensor(rows)
            span = slice(self._prompt, self._prompt + self._written)
            for tensor in (*self._keys, *self._values):
                tensor[:, : len(rows), :, span] = tensor[:, chosen, :, span]
        self._rows = len(rows)

    def _embedding(self, output: int) -> Tensor:
        """[members, hidden]"""
        count = len(KEYWORDS)
        if output >= count:
            return self._inputs[:, output - count]
        return self.network.keywords.weight[output].expand(self._members, -1)


def _with_room(tensor: Tensor, rows: int, steps: int) -> Tensor:
    """[members, heads, tokens, size] -> [members, rows, heads, tokens + steps, size], the first tokens alike
    in all rows.
    """
    members, heads, tokens, size = tensor.shape
    room = tensor.new_empty(members, rows, heads, tokens + steps, size)
    room[:, :, :, :tokens] = tensor[:, None]
    return room
