"""Log-probabilities under the reference, computed once and kept on disk.

One JSON line a row of responses: its key (a hash of its tokens) and its log-probabilities, in a folder named
after the reference's fingerprint; each process of a run writes a file of its own. A line that a kill tore is
passed over and computed again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .policies import Encoded, Policy, Reference
from .precision import bfloat16_pays, computing

if TYPE_CHECKING:
    from accelerate import Accelerator

Logprobs = dict[str, list[float]]


def reference_logprobs(
    policy: Policy,
    rows: Sequence[Encoded],
    kind: Reference,
    folder: Path,
    accelerator: Accelerator,
    *,
    half: bool = False,
    size: int = 8,
    advance: Callable[[int], None] = lambda done: None,
) -> Logprobs:
    """Those of every row, by its key; [responses] each. half: computed in bfloat16, where that pays. advance:
    is told how many rows are done.
    """
    import torch

    device = str(accelerator.device)
    precision = "-bfloat16" if half and bfloat16_pays(device) else ""
    place = folder / f"{policy.fingerprint(kind)}{precision}"
    place.mkdir(parents=True, exist_ok=True)
    known = _known(place)
    accelerator.wait_for_everyone()  # nothing is written before all have read what there is
    wanted = {row.key: row for row in rows if row.key not in known}
    rest = sorted(wanted.values(), key=lambda row: row.length)
    mine = rest[accelerator.process_index :: accelerator.num_processes]
    advance(len(rows) - len(rest))
    with (
        (place / f"{accelerator.process_index}.jsonl").open("a", encoding="utf-8") as file,
        policy.as_reference(kind),
        torch.no_grad(),
    ):
        passes = -(-len(rest) // (size * accelerator.num_processes))
        for start in range(0, passes * size, size):
            part = mine[start : start + size]
            with computing(device, half):
                # Each process computes as often as the others: where it has nothing more, for nothing.
                logprobs = policy.logprobs(policy.collate(part or rest[:1]).to(device)).tolist()
            for row in part:
                own, logprobs = logprobs[: len(row.own_tokens)], logprobs[len(row.own_tokens) :]
                # A newline first: a torn line before this one ends there.
                file.write("\n" + json.dumps([row.key, own]))
            file.flush()
            advance(len(part) * accelerator.num_processes)
    accelerator.wait_for_everyone()
    return _known(place)


def _known(place: Path) -> Logprobs:
    known: Logprobs = {}
    for file in sorted(place.glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            try:
                key, logprobs = json.loads(line)
            except ValueError:
                continue
            known[key] = logprobs
    return known
