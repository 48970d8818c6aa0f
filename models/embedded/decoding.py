"""Writing sketches: greedy, by beams, or by sampling, under the grammar's mask and with cached keys and
values.

Whatever is written parses, names only items of the prompt, and ends: past `MAX_STEPS` a candidate is dropped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .grammar import follow
from .items import KEYWORD_IDS, KEYWORDS, PAD, START, Token
from .masks import Masks
from .prompt import Prompt

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from .network import Memory, SketchNetwork

MAX_STEPS = 80


@dataclass(frozen=True)
class Sketch:
    """A finished sketch: its tokens, their output ids, and the log-probability of each under the grammar.

    odds: log-odds that it gives the right rows, where it was judged.
    """

    tokens: tuple[Token, ...]
    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    odds: float | None = None

    @property
    def logprob(self) -> float:
        return sum(self.logprobs)


@dataclass
class _Beam:
    tokens: list[Token]
    ids: list[int]
    logprobs: list[float]

    @property
    def last(self) -> int:
        return self.ids[-1] if self.ids else START

    @property
    def score(self) -> float:
        return sum(self.logprobs)


def write_sketches(
    network: SketchNetwork,
    memory: Memory,
    prompt: Prompt,
    *,
    beams: int = 1,
    turn: str = "",
    temperature: float = 0.0,
    generator: torch.Generator | None = None,
) -> list[Sketch]:
    """The best sketches for one prompt (`memory` holds one row, or one for each member of an ensemble), best
    first; at most `beams`.

    turn: the keyword the sketch must begin with, such as "execute".
    temperature: above 0, each of the `beams` is sampled instead (with `generator`).
    """
    import torch

    from .writing import Writing

    active = [_Beam([], [], []) for _ in range(beams if temperature > 0 else 1)]
    finished: list[Sketch] = []
    masks = Masks(prompt, len(KEYWORDS) + memory.items.shape[1])
    writing = Writing(network, memory, rows=beams, steps=MAX_STEPS)
    writing.keep([0] * len(active))
    for _ in range(MAX_STEPS):
        scores = writing.step([beam.last for beam in active])
        if temperature > 0:
            scores = scores / temperature
        allowed = torch.stack([masks.allowed(beam.tokens, turn) for beam in active])
        logprobs = scores.masked_fill(~allowed, -math.inf).log_softmax(-1)
        parents, chosen = _choose(active, logprobs, beams, temperature, generator)
        survivors: list[_Beam] = []
        rows: list[int] = []
        for parent, token_id in zip(parents, chosen, strict=True):
            beam = active[parent]
            token = masks.token(token_id)
            tokens, ids = [*beam.tokens, token], [*beam.ids, token_id]
            new = [*beam.logprobs, float(logprobs[parent, token_id])]
            if follow(tokens) is None:
                finished.append(Sketch(tuple(tokens), tuple(ids), tuple(new)))
            else:
                survivors.append(_Beam(tokens, ids, new))
                rows.append(parent)
        finished.sort(key=lambda sketch: -sketch.logprob)
        if temperature <= 0:
            finished = finished[:beams]
            bar = finished[-1].logprob if len(finished) == beams else -math.inf
            keep = [i for i, beam in enumerate(survivors) if beam.score > bar]
            survivors, rows = [survivors[i] for i in keep], [rows[i] for i in keep]
        if not survivors:
            break
        writing.keep(rows)
        active = survivors
    return finished


def judged(network: SketchNetwork, memory: Memory, sketches: Sequence[Sketch]) -> list[Sketch]:
    """The sketches of one prompt (memory as above) with their odds, likeliest to be right first."""
    import torch

    from .tensors import padded

    if not sketches:
        return []
    members = len(memory.mask)
    outputs = padded([[START, *sketch.ids] for sketch in sketches], PAD)
    lengths = torch.tensor([len(sketch.ids) + 1 for sketch in sketches])
    rows = memory.rows(torch.arange(members).repeat_interleave(len(sketches)))
    told = network.judge(rows, outputs.repeat(members, 1), lengths.repeat(members))[0]
    odds = (told if members == 1 else told.view(members, -1).sigmoid().mean(0).logit(1e-6)).tolist()
    rated = [replace(sketch, odds=odd) for sketch, odd in zip(sketches, odds, strict=True)]
    return sorted(rated, key=lambda sketch: -(sketch.odds or 0.0))


def turn_probabilities(network: SketchNetwork, memory: Memory, turns: Sequence[str]) -> dict[str, float]:
    """How likely each of these keywords begins the turn, of 1 together."""
    from .writing import Writing

    scores = Writing(network, memory, rows=1, steps=1).step([START])[0]
    chances = scores[[KEYWORD_IDS[turn] for turn in turns]].softmax(-1)
    return dict(zip(turns, chances.tolist(), strict=True))


def _choose(
    active: Sequence[_Beam],
    logprobs: Tensor,
    beams: int,
    temperature: float,
    generator: torch.Generator | None,
) -> tuple[list[int], list[int]]:
    import torch

    width = logprobs.shape[1]
    if temperature > 0:
        drawn = torch.multinomial(logprobs.exp(), 1, generator=generator)
        return list(range(len(active))), [int(i) for i in drawn[:, 0]]
    totals = logprobs + torch.tensor([[beam.score] for beam in active])
    best = totals.flatten().topk(min(beams, totals.numel()))
    places = [int(i) for i, value in zip(best.indices, best.values, strict=True) if value > -math.inf]
    return [place // width for place in places], [place % width for place in places]
