"""One trainer for every objective, over any policy (`policies.py`).

    preferences → encoded → reference log-probabilities (kept on disk) → steps → adapter

What the reference finds likely is computed once. A step's pairs depend on the seed alone, and checkpoints
hold what is trained with AdamW's moments, so that a run that was killed goes on with the very next step and
gives the same losses. Under `accelerate launch` (or torchrun) the pairs of a step are divided among the
processes and their gradients added up: what one process would do.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SqlbergError
from .checkpoints import load_checkpoint, save_checkpoint
from .dividing import add_gradients, begin_alike, processes
from .journal import agree, fingerprint
from .losses import OBJECTIVES, NoiseDetector, Options, Scores, sft
from .order import epoch_batches
from .policies import Encoded, Policy, Reference
from .precision import computing
from .reference import reference_logprobs

if TYPE_CHECKING:
    from torch import Tensor

LOG, ADAPTER = "log.jsonl", "adapter"
DETECTING_FROM = 0.2
"""The share of a run's steps after which SPA's detector has a say."""


@dataclass(frozen=True)
class Settings:
    """How a run is made.

    objective: one of `OBJECTIVES`, with its options. sft: weight of the mean log-probability of a chosen
    token beside it. reference: what the policy is compared with. batch: pairs of a step, over all processes;
    micro: of these, pairs that one process computes at a time. draws: of an adapter's masks, over which a
    step's loss is the mean (LoRA Dropout, arXiv 2404.09610). half: in bfloat16, where that pays. rate: of
    AdamW, after a warm-up over the share `warmup` of all steps falling to 0 as a cosine does. save_every:
    steps between checkpoints.
    """

    objective: str = "dpo"
    options: Options = field(default_factory=Options)
    sft: float = 0.0
    reference: Reference = "start"
    epochs: int = 1
    batch: int = 32
    micro: int = 4
    draws: int = 1
    rate: float = 5e-5
    warmup: float = 0.1
    decay: float = 0.0
    clip: float = 1.0
    half: bool = True
    save_every: int = 25
    seed: int = 0


@dataclass(frozen=True)
class Step:
    """What a step shows.

    chosen, rejected: mean log-probability of a token; margin: mean of h, the log-ratio of chosen less that of
    rejected (its sign over the pairs: accuracy); tokens: computed by all processes, padding left out.
    """

    step: int
    steps: int
    loss: float
    chosen: float
    rejected: float
    margin: float
    accuracy: float
    norm: float
    rate: float
    tokens: int
    seconds: float


def train(
    policy: Policy,
    rows: Sequence[Encoded],
    settings: Settings,
    folder: Path,
    *,
    extras: Mapping[str, Sequence[float]] | None = None,
    tell: Callable[[Step], None] = lambda step: None,
    prepare: Callable[[int], None] = lambda done: None,
    references: Path | None = None,
    given: Mapping[str, Any] | None = None,
) -> Path:
    """Train the policy on pairs; returns the folder of its adapter.

    rows: each with chosen, rejected and perhaps weak negatives as responses, in this order; to imitate,
    chosen alone will do. extras: further fields of `Scores` by name, a number for each row. tell: is told
    each step; prepare: how many rows more the reference has read. references: where log-probabilities of
    references are kept, if not in `folder`. given: what else the training goes by, such as where `extras`
    come from; a folder begun with other settings, rows, weights or such is refused. Raises `SqlbergError`
    there, and where nothing can be learned or written.
    """
    from safetensors import SafetensorError

    try:
        kept = references or folder / "reference"
        return _Run(policy, rows, settings, folder, extras or {}, prepare, kept, given or {}).run(tell)
    except (OSError, SafetensorError) as error:
        why = getattr(error, "strerror", None) or error
        raise SqlbergError(
            f"cannot write to {folder}: {why}; make room and start again, it goes on"
        ) from error


class _Run:
    """One run, resumed from what lies in its folder."""

    def __init__(
        self,
        policy: Policy,
        rows: Sequence[Encoded],
        settings: Settings,
        folder: Path,
        extras: Mapping[str, Sequence[float]],
        prepare: Callable[[int], None],
        references: Path,
        given: Mapping[str, Any],
    ) -> None:
        import torch

        from ..models.adapters.allocation import allocator_of
        from ..models.adapters.masks import masked_layers

        if not rows:
            raise SqlbergError("there is no preference to learn from: give more, or looser annotators")
        if settings.objective not in OBJECTIVES:
            raise SqlbergError(
                f"there is no objective {settings.objective!r}: choose one of {', '.join(OBJECTIVES)}"
            )
        if settings.draws > 1 and not masked_layers(policy.network):
            raise SqlbergError("several draws are of an adapter with a mask: give it one, or draw once")
        self.policy, self.rows, self.settings, self.folder = policy, rows, settings, folder
        self.extras = extras
        self.accelerator = processes()
        folder.mkdir(parents=True, exist_ok=True)
        policy.network.to(self.accelerator.device)
        self._agree(given)
        self.reference = reference_logprobs(
            policy,
            rows,
            settings.reference,
            references,
            self.accelerator,
            half=settings.half,
            advance=prepare,
        )
        self.batches = [
            batch
            for epoch in range(settings.epochs)
            for batch in epoch_batches([row.length for row in rows], settings.batch, settings.seed, epoch)
        ]
        self.trained = [(n, p) for n, p in policy.network.named_parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(
            [p for _, p in self.trained], lr=settings.rate, weight_decay=settings.decay
        )
        begin_alike([parameter for _, parameter in self.trained])
        self.allocator = allocator_of(policy.network, len(self.batches))
        self.detector = NoiseDetector() if settings.objective == "spa" else None

    def run(self, tell: Callable[[Step], None]) -> Path:
        import torch

        adapter = self.folder / ADAPTER
        done, spent = self._resume()
        began = time.monotonic() - spent
        self.policy.network.train()
        for number in range(done, len(self.batches)):
            torch.manual_seed(self.settings.seed + number)
            figures = self._step(number)
            if not math.isfinite(figures["loss"]) or not math.isfinite(figures["norm"]):
                raise SqlbergError(
                    f"the loss of step {number + 1} is not a number: train with a lower rate (now "
                    f"{self.settings.rate:g}); step {done} is kept"
                )
            seconds = time.monotonic() - began
            step = Step(number + 1, len(self.batches), **figures, seconds=seconds)  # pyright: ignore
            if self.accelerator.is_main_process:
                with (self.folder / LOG).open("a", encoding="utf-8") as log:
                    log.write(json.dumps(asdict(step)) + "\n")
                tell(step)
            if step.step % self.settings.save_every == 0 or step.step == len(self.batches):
                self._save(step.step, seconds)
                done = step.step
        if done == len(self.batches):
            self.policy.save(adapter, write=self.accelerator.is_main_process)
        self.accelerator.wait_for_everyone()
        return adapter

    def _step(self, number: int) -> dict[str, Any]:
        """One update; returns what it shows."""
        import torch

        batch, settings = self.batches[number], self.settings
        world, rank = self.accelerator.num_processes, self.accelerator.process_index
        # Each process has as many rows: where they do not come out even, some are read again for nothing.
        places = range(rank, -(-len(batch) // world) * world, world)
        sums = torch.zeros(5, device=self.accelerator.device)
        margins: list[Tensor] = []
        self.optimiser.zero_grad(set_to_none=True)
        parts = [places[start : start + settings.micro] for start in range(0, len(places), settings.micro)]
        passes = [part for part in parts for _ in range(settings.draws)]
        for part in passes:
            counts = torch.tensor([(p < len(batch)) / settings.draws for p in part], device=sums.device)
            scores = self._scores([batch[place % len(batch)] for place in part])
            margins.append(scores.margin.detach())
            if self.detector and number >= DETECTING_FROM * len(self.batches):
                scores = replace(scores, doubtful=self.detector.doubtful(scores.margin.detach()))
            losses = OBJECTIVES[settings.objective](scores, settings.options)
            if settings.sft:
                losses = losses + settings.sft * sft(scores, settings.options)
            ((losses * counts).sum() / len(batch)).backward()
            sums += torch.stack([value @ counts for value in _shown(losses.detach(), scores)])
        if self.detector:
            read = torch.tensor([place for part in passes for place in part], device=sums.device)
            gathered: Any = self.accelerator.gather(torch.stack([read, torch.cat(margins)], 1))
            # As one process sees them: in the order of the batch, each once.
            self.detector.see(margin for place, margin in sorted(gathered.tolist()) if place < len(batch))
        if self.allocator:
            (self.allocator.penalty() / world).backward()
        trained = [parameter for _, parameter in self.trained]
        add_gradients(trained, self.accelerator)
        norm = float(torch.nn.utils.clip_grad_norm_(trained, settings.clip))
        rate = learning_rate(number, len(self.batches), settings)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        summed: Any = self.accelerator.reduce(sums, "sum")
        loss, chosen, rejected, margin, accuracy = (summed / len(batch)).tolist()
        if math.isfinite(loss) and math.isfinite(norm):
            self.optimiser.step()
            if self.allocator:
                self.allocator.update(number + 1)
        tokens = sum(self.rows[row].length for row in batch)
        return {
            "loss": loss, "chosen": chosen, "rejected": rejected, "margin": margin, "accuracy": accuracy,
            "norm": norm, "rate": rate, "tokens": tokens,
        }  # fmt: skip

    def _scores(self, numbers: Sequence[int]) -> Scores:
        import torch

        rows = [self.rows[number] for number in numbers]
        device = self.accelerator.device
        with computing(str(device), self.settings.half):
            logprobs = self.policy.logprobs(self.policy.collate(rows).to(str(device))).float()
        policy, reference, tokens = by_row(
            logprobs,
            [self.reference[row.key] for row in rows],
            [row.own_tokens for row in rows],
        )
        extras: dict[str, Tensor] = {
            name: torch.tensor([values[number] for number in numbers], device=device, dtype=torch.float32)
            for name, values in self.extras.items()
        }
        if policy.shape[1] > 2:
            extras |= {"weak": policy[:, 2:], "reference_weak": reference[:, 2:]}
        return Scores(
            policy[:, 0], policy[:, 1], reference[:, 0], reference[:, 1], tokens[:, 0], tokens[:, 1], **extras
        )

    def _agree(self, given: Mapping[str, Any]) -> None:
        """The folder belongs to this training: what is trained, on what, and how."""
        about = {
            **asdict(self.settings),
            "pairs": fingerprint({"rows": [row.key for row in self.rows]}),
            "begins with": self.policy.fingerprint("start"),  # layers may be divided: all are needed
        }
        if self.accelerator.is_main_process:
            agree(self.folder / "settings.json", {**about, **given})
        self.accelerator.wait_for_everyone()

    def _save(self, step: int, seconds: float) -> None:
        if self.accelerator.is_main_process:
            file = self.folder / f"checkpoint-{step:07d}.safetensors"
            seen = {"seen": list(self.detector.seen)} if self.detector and self.detector.seen else {}
            state = self.allocator.state() if self.allocator else None
            save_checkpoint(file, self.trained, self.optimiser, state, step=step, seconds=seconds, **seen)
            for old in sorted(self.folder.glob("checkpoint-*.safetensors"))[:-1]:
                old.unlink()
        self.accelerator.wait_for_everyone()

    def _resume(self) -> tuple[int, float]:
        """The steps done and the seconds spent; lines of the log after them are cut off."""
        saved = sorted(self.folder.glob("checkpoint-*.safetensors"))
        done, seconds = 0, 0.0
        if saved:
            figures = load_checkpoint(saved[-1], self.trained, self.optimiser, str(self.accelerator.device))
            done, seconds = int(figures["step"]), figures["seconds"]
            if self.detector:
                self.detector.see(figures.get("seen", ()))
            if self.allocator:
                kept = {name.removeprefix("state."): figures[name] for name in figures if "." in name}
                self.allocator.load(kept)
        if self.accelerator.is_main_process:
            _cut_log(self.folder / LOG, done)
        return done, seconds


def learning_rate(step: int, steps: int, settings: Settings) -> float:
    """The rate at a step: warm-up in a line, then half a cosine to 0."""
    warm = max(1, round(settings.warmup * steps))
    if step < warm:
        return settings.rate * (step + 1) / warm
    return settings.rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def by_row(
    logprobs: Tensor, reference: Sequence[Sequence[float]], own_tokens: Sequence[Sequence[int]]
) -> tuple[Tensor, Tensor, Tensor]:
    """Log-probabilities under policy and reference and counts of tokens, [rows, most responses, at least 2].

    logprobs: of all responses, one row after the other. Where a row has fewer weak negatives than others, the
    missing ones are impossible to the policy; one that has nothing but what is chosen has that on both sides.
    """
    import torch

    width = max(2, *map(len, own_tokens))

    def filled(row: Tensor, with_what: float) -> Tensor:
        if len(row) == 1:
            row = row.expand(2)
        return torch.cat([row, row.new_full((width - len(row),), with_what)])

    def stacked(rows: Sequence[Sequence[float]]) -> Tensor:
        return torch.stack([filled(logprobs.new_tensor(row), 0.0) for row in rows])

    parts = logprobs.split([len(row) for row in own_tokens])
    policy = torch.stack([filled(part, -math.inf) for part in parts])
    return policy, stacked(reference), stacked(own_tokens)


def _shown(losses: Tensor, scores: Scores) -> list[Tensor]:
    margin = scores.margin.detach()
    return [
        losses,
        (scores.chosen / scores.chosen_tokens).detach(),
        (scores.rejected / scores.rejected_tokens).detach(),
        margin,
        (margin > 0).float(),
    ]


def _cut_log(log: Path, done: int) -> None:
    """Only whole lines of steps that a checkpoint holds."""
    if not log.exists():
        return
    kept = []
    for line in log.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= done:
                kept.append(line + "\n")
        except (ValueError, KeyError):
            continue
    partial = log.with_suffix(".partial")
    partial.write_text("".join(kept), encoding="utf-8")
    os.replace(partial, log)
