"""The network's own candidates, judged by running them: what the right ones are to be told apart from.

For questions of the teaching trajectories the network writes its best sketches; each is run, and right when
it gives the rows of the trajectory's SQL. One JSON line a question: id, db_id, messages up to the network's
turn, and the candidates with their verdicts.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import SqlbergError
from ...models.embedded.computing import compute
from ...models.embedded.grammar import Query, SketchError, parse
from ...models.embedded.items import START, Token
from ...models.embedded.prompt import Prompt, PromptWriter
from ...models.embedded.reading import Situation
from ...models.embedded.sql_writer import SqlWriter, UnconnectedTables
from ...models.embedded.tensors import PromptTensors, padded, prompt_tensors
from ...models.embedded.weights import load_weights
from ...tools.limits import Limits, Result
from ..evaluation.comparators import multiset
from .augmentation import Pools, Rates, augment
from .batches import item_from_json, item_to_json
from .targets import Unreadable, resolve
from .trajectories import read_turn

if TYPE_CHECKING:
    from torch import Tensor

    from ...tools.database import Database

CANDIDATES = 8
JUDGING = Limits(seconds=5.0, rows=20_000)


@dataclass(frozen=True)
class Judged:
    """A situation and what the network wrote there: (sketch, whether it gives the right rows)."""

    situation: Situation
    candidates: tuple[tuple[tuple[Token, ...], bool], ...]


@dataclass(frozen=True)
class JudgedBatch:
    """Prompts, and candidates for them.

    row: [candidates] the prompt of each; outputs: [candidates, steps] from <start> to "end"; lengths, right:
    [candidates].
    """

    prompts: PromptTensors
    row: Tensor
    outputs: Tensor
    lengths: Tensor
    right: Tensor

    def to(self, device: str) -> JudgedBatch:
        moved = (t.to(device) for t in (self.row, self.outputs, self.lengths, self.right))
        return JudgedBatch(self.prompts.to(device), *moved)


def write_judged(
    database: Database, trajectories: Iterable[Mapping[str, Any]], weights: Path, file: Path
) -> int:
    """Judge the candidates of these trajectories, over one database, into `file`; returns how many."""
    written = 0
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    with partial.open("w", encoding="utf-8") as out:
        for row in trajectories:
            place = max(map(int, row["targets"]))
            if row["targets"][str(place)][0] != "execute":
                continue
            call = row["messages"][place]["tool_calls"][0]["function"]
            gold = json.loads(call["arguments"])["sql"]
            candidates = judged_candidates(database, read_turn(row["messages"][:place]), gold, weights)
            if not candidates:
                continue
            line = {
                "id": row["id"],
                "db_id": row["db_id"],
                "messages": row["messages"][:place],
                "candidates": [
                    {"tokens": [item_to_json(token) for token in tokens], "right": right}
                    for tokens, right in candidates
                ],
            }
            out.write(json.dumps(line, ensure_ascii=False) + "\n")
            written += 1
    partial.rename(file)
    return written


def judged_candidates(
    database: Database, situation: Situation, gold: str, weights: Path
) -> list[tuple[tuple[Token, ...], bool]]:
    """The network's best sketches at this turn, best first, and whether each gives the gold's rows."""
    from ...models.embedded.decoding import write_sketches

    network, writer = load_weights(weights)
    prompt = writer.write(situation)
    expected = _run(database, gold)
    if expected is None:
        return []

    def write() -> list[tuple[Token, ...]]:
        memory = prompt_tensors([prompt]).read(network)
        found = write_sketches(network, memory, prompt, beams=CANDIDATES, turn="execute")
        return [sketch.tokens for sketch in found]

    ordered = database.check(gold).ordered
    types = {(column.table, column.name): column.type for column in situation.columns}
    sql_writer = SqlWriter(dialect=situation.dialect, joins=situation.joins, types=types)
    judged = []
    for tokens in compute(write):
        result = None
        try:
            tree = parse(tokens)
            result = _run(database, sql_writer.write(tree)) if isinstance(tree, Query) else None
        except (UnconnectedTables, SketchError):
            pass
        right = result is not None and multiset(expected.rows, result.rows, ordered=ordered)
        judged.append((tokens, right))
    return judged


def _run(database: Database, sql: str) -> Result | None:
    try:
        result = database.execute(sql, limits=JUDGING)
    except SqlbergError:
        return None
    return result if result.complete else None


def read_judged(files: Iterable[Path]) -> Iterator[Judged]:
    for file in files:
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                yield Judged(
                    read_turn(row["messages"]),
                    tuple(
                        (tuple(item_from_json(token) for token in one["tokens"]), one["right"])
                        for one in row["candidates"]
                    ),
                )


class JudgedStream:
    """An endless, reproducible stream of batches of questions with both right and wrong candidates, and of
    some with one kind alone. `stream[n]` depends on the seed and `n` alone.
    """

    def __init__(
        self,
        judged: Sequence[Judged],
        writer: PromptWriter,
        pools: Pools,
        *,
        rates: Rates,
        rows: int,
        seed: int,
    ) -> None:
        self.judged, self.writer, self.pools, self.rates = list(judged), writer, pools, rates
        self.rows, self.seed = rows, seed
        mixed = [len({right for _, right in one.candidates}) > 1 for one in self.judged]
        self.weights = [1.0 if both else 0.25 for both in mixed]

    def __getitem__(self, number: int) -> JudgedBatch:
        import torch

        rng = random.Random(f"{self.seed}-judged-{number}")
        prompts: list[Prompt] = []
        row: list[int] = []
        outputs: list[list[int]] = []
        right: list[float] = []
        while len(prompts) < self.rows:
            drawn = self._drawn(rng.choices(self.judged, self.weights)[0], rng)
            if drawn is None:
                continue
            prompt, candidates = drawn
            row += [len(prompts)] * len(candidates)
            prompts.append(prompt)
            outputs += [[START, *ids] for ids, _ in candidates]
            right += [float(is_right) for _, is_right in candidates]
        return JudgedBatch(
            prompt_tensors(prompts),
            torch.tensor(row),
            padded(outputs, 0),
            torch.tensor([len(ids) for ids in outputs]),
            torch.tensor(right),
        )

    def _drawn(
        self, judged: Judged, rng: random.Random
    ) -> tuple[Prompt, list[tuple[list[int], bool]]] | None:
        """Prompt and candidates with names changed alike in all; None where that made one unreadable."""
        together = [token for tokens, _ in judged.candidates for token in tokens]
        try:
            situation, changed = augment(judged.situation, together, self.pools, self.rates, rng)
            prompt = self.writer.write(situation)
            ids = resolve(changed, prompt)
        except (Unreadable, ValueError):
            return None
        candidates, start = [], 0
        for tokens, right in judged.candidates:
            candidates.append((ids[start : start + len(tokens)], right))
            start += len(tokens)
        return prompt, candidates
