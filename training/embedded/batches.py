"""Examples of single turns, and padded batches of them as tensors.

An example is a situation and the sketch to write there. Batches are drawn without end from shuffled epochs,
in buckets of like length; the position is a single number, so that a resumed run goes on with the very next
batch.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ...models.embedded.items import PAD, START, Item, Token
from ...models.embedded.prompt import Prompt, PromptWriter
from ...models.embedded.reading import Situation
from ...models.embedded.tensors import PromptTensors, padded, prompt_tensors
from .augmentation import Pools, Rates, augment
from .targets import Unreadable, resolve

if TYPE_CHECKING:
    from torch import Tensor

LOOKUP_SHARE = 0.35


def examples_of_an_epoch(examples: Sequence[Example]) -> int:
    """How many of the examples an epoch has, on average: lookups are many, and not all are read each time."""
    lookups = sum(example.target[0] == "lookup" for example in examples)
    return int(len(examples) - lookups * (1 - LOOKUP_SHARE))


@dataclass(frozen=True)
class Example:
    """One turn of a trajectory: `target` begins with the turn's keyword and ends with "end".

    length: of the prompt, in tokens (0: not known).
    """

    situation: Situation
    target: tuple[Token, ...]
    length: int = 0


@dataclass(frozen=True)
class Batch:
    """Prompts and what to write: inputs, targets: [rows, steps] output ids, targets padded with -100."""

    prompts: PromptTensors
    inputs: Tensor
    targets: Tensor

    def to(self, device: str) -> Batch:
        return Batch(self.prompts.to(device), self.inputs.to(device), self.targets.to(device))


def collate(prompts: Sequence[Prompt], targets: Sequence[Sequence[int]]) -> Batch:
    """A batch of prompts and their output ids."""
    inputs = padded([[START, *target[:-1]] for target in targets], PAD)
    return Batch(prompt_tensors(prompts), inputs, padded(targets, -100))


class BatchStream:
    """An endless, reproducible stream of augmented batches: `stream[n]` depends on the seed and `n` alone."""

    def __init__(
        self,
        examples: Sequence[Example],
        writer: PromptWriter,
        pools: Pools,
        *,
        rates: Rates,
        rows: int,
        seed: int,
        mask_inputs: float = 0.1,
    ) -> None:
        self.examples, self.writer, self.pools, self.rates = list(examples), writer, pools, rates
        self.rows, self.seed, self.mask_inputs = rows, seed, mask_inputs
        self.lengths = [e.length or len(writer.write(e.situation).pieces) for e in self.examples]
        self._epoch = -1
        self._order: list[list[int]] = []

    def __len__(self) -> int:
        """Batches in an epoch."""
        return examples_of_an_epoch(self.examples) // self.rows

    def __getitem__(self, number: int) -> Batch:
        epoch, place = divmod(number, len(self))
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._shuffled(epoch)
        rng = random.Random(f"{self.seed}-{number}")
        # A batch is as wide as its widest prompt: schemas are widened in whole batches.
        rates = replace(self.rates, widen=float(rng.random() < self.rates.widen))
        prompts, targets = [], []
        for index in self._order[place]:
            prompt, ids = self._example(self.examples[index], rates, rng)
            prompts.append(prompt)
            targets.append(ids)
        batch = collate(prompts, targets)
        self._hide(batch, rng)
        return batch

    def _shuffled(self, epoch: int) -> list[list[int]]:
        """Batches of like length, in random order: pools of 32 batches are sorted, cut, and shuffled."""
        rng = random.Random(f"{self.seed}-epoch-{epoch}")
        # Look-ups are learned quickly: a share of them is enough in each epoch.
        kept = [
            i for i, e in enumerate(self.examples) if e.target[0] != "lookup" or rng.random() < LOOKUP_SHARE
        ]
        order = rng.sample(kept, len(kept))
        batches: list[list[int]] = []
        for start in range(0, len(order), self.rows * 32):
            pool = sorted(order[start : start + self.rows * 32], key=lambda i: self.lengths[i])
            batches += [pool[i : i + self.rows] for i in range(0, len(pool) - self.rows + 1, self.rows)]
        rng.shuffle(batches)
        while len(batches) < len(self):
            batches.append(rng.sample(kept, self.rows))
        return batches[: len(self)]

    def _example(self, example: Example, rates: Rates, rng: random.Random) -> tuple[Prompt, list[int]]:
        """The example augmented, or as it is where the change made its target unreadable."""
        for _ in range(2):
            try:
                situation, target = augment(example.situation, example.target, self.pools, rates, rng)
                prompt = self.writer.write(situation)
                return prompt, resolve(target, prompt)
            except (Unreadable, ValueError):
                continue
        prompt = self.writer.write(example.situation)
        return prompt, resolve(example.target, prompt)

    def _hide(self, batch: Batch, rng: random.Random) -> None:
        """Some of the outputs before are hidden from the network, so that it reads the prompt instead."""
        import torch

        generator = torch.Generator().manual_seed(rng.getrandbits(32))
        hidden = torch.rand(batch.inputs.shape, generator=generator) < self.mask_inputs
        hidden[:, 0] = False
        batch.inputs[hidden] = PAD


def readable(examples: Iterable[Example], writer: PromptWriter) -> Iterator[Example]:
    """The examples whose target can be written from their prompt, with its length."""
    for example in examples:
        prompt = writer.write(example.situation)
        try:
            resolve(example.target, prompt)
        except Unreadable:
            continue
        yield replace(example, length=len(prompt.pieces))


def item_to_json(token: Token) -> str | dict[str, object]:
    """A token as JSON; items keep only what is set."""
    if isinstance(token, str):
        return token
    fields = {"kind": token.kind, "text": token.text, "table": token.table, "column": token.column}
    kept: dict[str, object] = {name: text for name, text in fields.items() if text}
    if token.value is not None:
        kept["value"] = token.value
    if token.index >= 0:
        kept["index"] = token.index
    return kept


def item_from_json(token: str | dict[str, object]) -> Token:
    return token if isinstance(token, str) else Item(**token)  # type: ignore[arg-type]
