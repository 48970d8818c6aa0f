"""Responses to one prompt as a tree of tokens, so that what they share is computed once.

Chosen and rejected begin with the same prompt, often with the same first call and observation. Their token
sequences are merged from the left (a trie); the tree is laid out in one row, each token at the position that
it has in its own sequence and attending to its ancestors alone. So each log-probability is what the plain
sequence gives, while shared tokens pass through the network once. (As in prefix sharing for preference
training, Wang et al., arXiv 2410.20305, which covers the prompt; here every common beginning is shared.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from .tokens import Turn

if TYPE_CHECKING:
    from torch import Tensor

MULTIPLE = 16
"""Rows are padded to multiples of this: many different lengths fragment a CPU's heap."""


@dataclass
class Tree:
    """tokens, parents (-1: none), depths: of each node. own: for each response, its own tokens' nodes."""

    tokens: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    own: list[list[int]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True)
class TreeBatch:
    """Trees as tensors.

    ids, positions: [rows, width]; mask: [rows, 1, width, width], True where a token attends. For each own
    token of a response: the row and place of the token before it, the token itself, and the number of its
    response: row, place, target, response, [tokens] each. responses: how many there are in all.
    """

    ids: Tensor
    positions: Tensor
    mask: Tensor
    row: Tensor
    place: Tensor
    target: Tensor
    response: Tensor
    responses: int

    def to(self, device: str) -> TreeBatch:
        names = ("ids", "positions", "mask", "row", "place", "target", "response")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


def tree_of(responses: Sequence[Sequence[Turn]]) -> Tree:
    """The tree of the responses to one prompt, each a list of turns."""
    tree = Tree()
    nodes: dict[tuple[int, int], int] = {}
    for turns in responses:
        own: list[int] = []
        for turn in turns:
            node = -1
            path = []
            for token in (*turn.context, *turn.own):
                before, node = node, nodes.setdefault((node, token), len(tree))
                if node == len(tree):
                    tree.tokens.append(token)
                    tree.parents.append(before)
                    tree.depths.append(tree.depths[before] + 1 if before >= 0 else 0)
                path.append(node)
            own += path[len(turn.context) :]
        tree.own.append(own)
    return tree


def batch_of(trees: Sequence[Tree], pad: int = 0) -> TreeBatch:
    """Trees padded to one width; the responses are numbered through, tree by tree."""
    import torch

    width = -(-max(len(tree) for tree in trees) // MULTIPLE) * MULTIPLE
    ids = np.full((len(trees), width), pad)
    positions = np.zeros((len(trees), width), dtype=np.int64)
    # A padded place attends to itself: a row of nothing would be a softmax over nothing.
    mask = np.broadcast_to(np.eye(width, dtype=bool), (len(trees), width, width)).copy()
    own: list[tuple[int, int, int, int]] = []
    number = 0
    for row, tree in enumerate(trees):
        ids[row, : len(tree)] = tree.tokens
        positions[row, : len(tree)] = tree.depths
        for node, parent in enumerate(tree.parents):
            if parent >= 0:
                mask[row, node] |= mask[row, parent]
        for nodes in tree.own:
            own += [(row, tree.parents[node], tree.tokens[node], number) for node in nodes]
            number += 1
    columns = torch.tensor(own).reshape(-1, 4).unbind(1)
    tensors = [torch.from_numpy(array) for array in (ids, positions, mask[:, None])]
    return TreeBatch(*tensors, *columns, responses=number)
