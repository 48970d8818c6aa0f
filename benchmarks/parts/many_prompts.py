"""Beam search for many prompts at a time: what `models.embedded.decoding` does for one, for experiments.

A single dialogue has one prompt, and waits for the weights to pass through the processor at every step; with
many prompts side by side they pass once for all. The prompt's keys are attended to by all of its beams
together, so nothing is copied; prompts whose sketches are finished are let go. The same grammar and masks;
the numbers differ in the last bits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from sqlberg.models.adapters.masks import averaged
from sqlberg.models.embedded.decoding import MAX_STEPS
from sqlberg.models.embedded.grammar import SketchError, follow
from sqlberg.models.embedded.items import KEYWORDS, START, Token
from sqlberg.models.embedded.masks import Masks
from sqlberg.models.embedded.network import Layer, Memory, SketchNetwork
from sqlberg.models.embedded.prompt import Prompt
from sqlberg.models.embedded.tensors import prompt_tensors
from torch import Tensor

LEFT = 0.75
"""When so few of the prompts are unfinished, the others are let go."""


@dataclass
class Beam:
    """A sketch in progress, and its log-probability."""

    tokens: tuple[Token, ...]
    ids: tuple[int, ...]
    score: float

    @property
    def last(self) -> int:
        return self.ids[-1] if self.ids else START


class Writing:
    """[prompts, beams] sketches in progress, step by step."""

    def __init__(self, network: SketchNetwork, memory: Memory, beams: int) -> None:
        prompts, self.beams, self.network, self.memory = len(memory.items), beams, network, memory
        self.layers = [layer for layer in network.stack if isinstance(layer, Layer)]
        heads, size = memory.keys[0].shape[1], memory.keys[0].shape[3]
        room = (prompts, beams, heads, MAX_STEPS, size)
        self.keys = [torch.zeros(room) for _ in self.layers]
        self.values = [torch.zeros(room) for _ in self.layers]
        self.hidden = torch.zeros(memory.mask.shape).masked_fill(~memory.mask, -1e9)[:, None, None]
        kinds = network.kinds(memory.item_kinds)
        self.inputs = (network.read_item(memory.items) + kinds).float()
        self.targets = (network.target_item(memory.items) + kinds).float()
        self.written = 0

    def step(self, outputs: Tensor) -> Tensor:
        """Scores [prompts, beams, keywords + items] of what follows `outputs` [prompts, beams]."""
        network, count = self.network, len(KEYWORDS)
        prompts, beams = outputs.shape
        places = (outputs - count).clamp(min=0)[..., None].expand(-1, -1, self.inputs.shape[-1])
        pointed = self.inputs.gather(1, places)
        keyword = network.keywords.weight[outputs.clamp(max=count - 1)]
        x = torch.where((outputs >= count)[..., None], pointed, keyword)
        x = network.norm(x + network.output_positions.weight[self.written])
        for number, layer in enumerate(self.layers):
            x = self._attended(number, layer, x, prompts, beams)
        self.written += 1
        pointers = network.query(x).float() @ self.targets.transpose(1, 2) * network.shape.hidden**-0.5
        pointers = pointers.masked_fill(~self.memory.item_mask[:, None], -math.inf)
        return torch.cat([network.target_keyword(x).float(), pointers], -1)

    def _attended(self, number: int, layer: Layer, x: Tensor, prompts: int, beams: int) -> Tensor:
        at = self.written
        q, k, v = layer.project(x)  # [prompts, heads, beams, size]
        self.keys[number][:, :, :, at] = k.transpose(1, 2)
        self.values[number][:, :, :, at] = v.transpose(1, 2)
        keys, values = (own[number][:, :, :, : at + 1] for own in (self.keys, self.values))
        with torch.autocast("cpu", enabled=False):
            q = q.float() * q.shape[-1] ** -0.5
            before = q @ self.memory.keys[number].float().transpose(2, 3) + self.hidden
            own = torch.einsum("phbs,pbhts->phbt", q, keys)
            weights = torch.cat([before, own], -1).softmax(-1)
            split = before.shape[-1]
            mixed = weights[..., :split] @ self.memory.values[number].float()
            mixed = mixed + torch.einsum("phbt,pbhts->phbs", weights[..., split:], values)
        mixed = mixed.transpose(1, 2).reshape(prompts, beams, -1)
        x = layer.attention_norm(x + layer.output(mixed))
        return layer.norm(x + layer.contract(F.gelu(layer.expand(x))))

    def only(self, rows: Tensor) -> None:
        """Go on with these prompts."""
        self.memory = self.memory.rows(rows)
        self.keys = [keys[rows] for keys in self.keys]
        self.values = [values[rows] for values in self.values]
        self.hidden, self.inputs, self.targets = self.hidden[rows], self.inputs[rows], self.targets[rows]

    def keep(self, parents: Tensor) -> None:
        """Go on with these beams of each prompt, [prompts, beams]."""
        if bool((parents == torch.arange(self.beams)).all()):
            return
        rows = torch.arange(len(parents))[:, None]
        for tensor in (*self.keys, *self.values):
            tensor[:, :, :, : self.written] = tensor[rows, parents, :, : self.written]


def best_sketches(
    network: SketchNetwork, prompts: Sequence[Prompt], beams: int, members: int = 1
) -> list[list[Beam]]:
    """For each prompt its best sketches of SQL, the likeliest first; at most `beams`. members: of an ensemble
    (`sqlberg.models.adapters.masks`), whose distributions are averaged at each step.
    """
    memory = prompt_tensors([*prompts] * members).read(network)
    masks = [Masks(prompt, len(KEYWORDS) + memory.items.shape[1]) for prompt in prompts]
    writing = Writing(network, memory, beams)
    active = [[Beam((), (), 0.0)] for _ in prompts]
    finished: list[list[Beam]] = [[] for _ in prompts]
    rows = list(range(len(prompts)))  # those that are still written for
    for _ in range(MAX_STEPS):
        last = [[beam.last for beam in active[n]] + [START] * (beams - len(active[n])) for n in rows]
        scores = averaged(writing.step(torch.tensor(last * members)), members)
        parents = []
        for number, its in zip(rows, scores, strict=True):
            active[number], kept = _next(masks[number], active[number], its, finished[number], beams)
            parents.append(kept + [0] * (beams - len(kept)))
        writing.keep(torch.tensor(parents * members))
        left = [place for place, number in enumerate(rows) if active[number]]
        if not left:
            break
        if len(left) <= LEFT * len(rows):
            drawn = torch.arange(members)[:, None] * len(rows)
            writing.only((drawn + torch.tensor(left)).flatten())
            rows = [rows[place] for place in left]
    return finished


def _next(
    masks: Masks, active: list[Beam], scores: Tensor, finished: list[Beam], beams: int
) -> tuple[list[Beam], list[int]]:
    """The beams of one prompt after a step, and the number of each one's parent; `finished` grows."""
    if not active:
        return [], []
    try:
        allowed = torch.stack([masks.allowed(beam.tokens, "execute") for beam in active])
    except SketchError:
        return [], []
    logprobs = scores[: len(active)].masked_fill(~allowed, -math.inf).log_softmax(-1)
    totals = logprobs + torch.tensor([[beam.score] for beam in active])
    best = totals.flatten().topk(min(beams, totals.numel()))
    survivors, parents = [], []
    for total, place in zip(best.values.tolist(), best.indices.tolist(), strict=True):
        if total == -math.inf:
            continue
        parent, chosen = divmod(place, totals.shape[1])
        tokens = (*active[parent].tokens, masks.token(chosen))
        beam = Beam(tokens, (*active[parent].ids, chosen), total)
        if follow(tokens) is None:
            finished.append(beam)
        else:
            survivors.append(beam)
            parents.append(parent)
    finished.sort(key=lambda beam: -beam.score)
    del finished[beams:]
    bar = finished[-1].score if len(finished) == beams else -math.inf
    kept = [number for number, beam in enumerate(survivors) if beam.score > bar]
    return [survivors[number] for number in kept], [parents[number] for number in kept]
