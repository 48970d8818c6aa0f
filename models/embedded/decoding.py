"""Writing sketches: greedy, by beams, or by sampling, under the grammar's mask and with cached keys and
values.

Whatever is written parses, names only items of the prompt, and ends: past `MAX_STEPS` a candidate is dropped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .grammar import SketchError, classes, follow
from .items import AGGREGATES, KEYWORD_IDS, KEYWORDS, LIKES, PAD, START, Item, Token
from .prompt import Prompt

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from .network import Memory, SketchNetwork

MAX_STEPS = 80
KEYWORD_LIST = tuple(KEYWORDS)


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
    """The best sketches for one prompt (`memory` holds one row), best first; at most `beams`.

    turn: the keyword the sketch must begin with, such as "execute".
    temperature: above 0, each of the `beams` is sampled instead (with `generator`).
    """
    import torch

    from .writing import Writing

    active = [_Beam([], [], []) for _ in range(beams if temperature > 0 else 1)]
    finished: list[Sketch] = []
    masks = ClassMasks(prompt, len(KEYWORDS) + memory.items.shape[1])
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
            if masks.follow(tokens) is None:
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
    """The sketches of one prompt (`memory` holds one row) with their odds, likeliest to be right first."""
    import torch

    from .tensors import padded

    if not sketches:
        return []
    outputs = padded([[START, *sketch.ids] for sketch in sketches], PAD)
    lengths = torch.tensor([len(sketch.ids) + 1 for sketch in sketches])
    rows = memory.rows(torch.zeros(len(sketches), dtype=torch.long))
    odds = network.judge(rows, outputs, lengths)[0].tolist()
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


class ClassMasks:
    """Turns the grammar's `Allowed` into masks over one prompt's outputs."""

    def __init__(self, prompt: Prompt, width: int) -> None:
        import torch

        self.prompt = prompt
        self.width = width
        self.members: dict[str, list[int]] = {}
        for index, item in enumerate(prompt.items):
            self.members.setdefault(classes(item), []).append(len(KEYWORDS) + index)
        self.places = {item: index for index, item in enumerate(prompt.items)}
        self.empty = torch.zeros(self.width, dtype=torch.bool)
        self.cache: dict[frozenset[str], Tensor] = {}

    def token(self, token_id: int) -> Token:
        if token_id < len(KEYWORDS):
            return KEYWORD_LIST[token_id]
        return self.prompt.items[token_id - len(KEYWORDS)]

    def follow(self, tokens: Sequence[Token]) -> frozenset[str] | None:
        return follow(tokens)

    def allowed(self, tokens: Sequence[Token], turn: str) -> Tensor:
        """True where the next token may be; never empty, since keywords that lead nowhere are left out."""
        allowed = frozenset({turn}) if turn and not tokens else follow(tokens)
        if allowed is None:
            raise SketchError("a finished sketch was continued")
        if "@value" not in self.members:
            allowed -= _NEED_VALUE
        listed = _listed(tokens)
        if listed and len(listed) == len(self.members.get("@table", [])):
            allowed -= {","}
        if tokens and tokens[-1] in self.prompt.wordy and tokens[-2] not in AGGREGATES:
            allowed -= _ORDERINGS
        if allowed not in self.cache:
            mask = self.empty.clone()
            for name in allowed:
                mask[[KEYWORD_IDS[name]] if name in KEYWORD_IDS else self.members.get(name, [])] = True
            self.cache[allowed] = mask
        mask = self.cache[allowed]
        if "@table" in allowed and listed:
            mask = self._without(mask, listed)
        if "@column" in allowed and (nonsense := self._nonsense(tokens)):
            sensible = self._without(mask, nonsense)
            mask = sensible if bool(sensible.any()) else mask
        if not bool(mask.any()):
            raise SketchError(f"the dialogue holds nothing of {sorted(allowed)}")
        return mask

    def _without(self, mask: Tensor, items: Iterable[Item]) -> Tensor:
        mask = mask.clone()
        mask[[len(KEYWORDS) + self.places[item] for item in items]] = False
        return mask

    def _nonsense(self, tokens: Sequence[Token]) -> set[Item]:
        """Columns that mean nothing here: words and dates to be summed up, words to be the highest, and what
        the SELECT list has already.
        """
        last = tokens[-1] if tokens else ""
        function = last.split("_")[0] if isinstance(last, str) else ""
        banned = _banned(self.prompt, function)
        for expression in _selected(tokens):
            *before, operand = expression
            if isinstance(operand, Item) and before == ([last] if last in AGGREGATES else []):
                banned = banned | {operand}
        return banned


def _banned(prompt: Prompt, function: str) -> set[Item]:
    """The columns that a function means nothing for: in none of the 1 700 calls in people's train questions
    does one stand.
    """
    if function in ("avg", "sum"):
        return prompt.dates | prompt.wordy
    return prompt.wordy if function in ("min", "max") else set()


_NEED_VALUE = frozenset(LIKES)
_ORDERINGS = frozenset({"<", "<=", ">", ">=", "between"})
"""What words are not compared by: in one of 1 433 such comparisons they are."""
_AFTER_SELECT = frozenset({"from", "where", "group", "order", "(", ")"})


def _selected(tokens: Sequence[Token]) -> list[list[Token]]:
    """The whole expressions of the SELECT list that the tokens end in; none where they end elsewhere."""
    inside: list[Token] = []
    for token in reversed(tokens):
        if token == "select":
            break
        if token in _AFTER_SELECT:
            return []
        inside.insert(0, token)
    expressions: list[list[Token]] = [[]]
    for token in inside:
        if token == ",":
            expressions.append([])
        elif token != "distinct":
            expressions[-1].append(token)
    return expressions[:-1]


def _listed(tokens: Sequence[Token]) -> list[Item]:
    """The tables of the FROM list that the tokens end in; a FROM lists no table twice."""
    tables: list[Item] = []
    for token in reversed(tokens):
        if isinstance(token, Item) and token.kind == "table":
            tables.append(token)
        elif token != ",":
            break
    return tables
