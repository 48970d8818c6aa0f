"""Training the embedded model: any objective, with local averaging over workers, resumable.

Each worker is a process with one thread (two such beat one process with two threads on a CPU); every `sync`
steps their weights are averaged (local SGD, Stich, arXiv 1805.09767). On a GPU one worker does it all.
Checkpoints hold what is trained, the optimiser and the position: a killed run goes on with the next batch.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ...models.embedded.network import SketchNetwork
from ..checkpoints import load_checkpoint, save_checkpoint
from ..precision import computing

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Settings:
    """How a run is made.

    steps: of each worker, at most; minutes: the run's length when that is reached first (0: no bound).
    rate: learning rate of AdamW after a warm-up, constant until the last `cooldown` share of the run, in
    which it falls to a twentieth: a run can be made longer as long as it has not begun to cool down.
    plain_steps: how many of the steps come before synthetic questions join those of people.
    """

    steps: int = 3000
    minutes: float = 0.0
    rows: int = 16
    rate: float = 3e-4
    warmup: int = 100
    cooldown: float = 0.25
    plain_steps: int = 600
    decay: float = 0.01
    dropout: float = 0.0
    clip: float = 1.0
    sync: int = 10
    save_every: int = 50
    seed: int = 7


class Objective(Protocol):
    """What a run minimises."""

    def loss(self, network: SketchNetwork, step: int, device: str) -> Tensor:
        """The loss of one batch, which depends on the step alone (so that a resumed run repeats nothing)."""
        ...


def learning_rate(step: int, done: float, settings: Settings) -> float:
    """The rate at a step, `done` (0 to 1) being how far the run is: warm-up, constant, cooling down in a line
    (Hu et al., arXiv 2404.06395).
    """
    warm = min(1.0, (step + 1) / settings.warmup)
    cooling = max(0.0, (min(done, 1.0) - 1 + settings.cooldown) / settings.cooldown)
    return settings.rate * warm * (1 - 0.95 * cooling)


def train(
    network: SketchNetwork,
    objective: Objective,
    *,
    save: Callable[[SketchNetwork, int], None],
    folder: Path,
    settings: Settings,
    worker: int = 0,
    workers: int = 1,
    device: str = "cpu",
) -> None:
    """Run one worker to the end; worker 0 saves at each checkpoint and writes a JSON line a step to
    `folder/log.jsonl`.

    network: parameters that want no gradient stay as they are. save: keeps the network as it is after a step.
    """
    import torch
    import torch.distributed as dist

    join_workers(folder, worker, workers, device)
    torch.manual_seed(settings.seed + worker)
    optimiser = torch.optim.AdamW(
        _groups(network, settings.decay), lr=settings.rate, betas=(0.9, 0.98), fused=True
    )
    step, spent = _resume(folder, worker, workers, network, optimiser, device)
    clock = _Clock(spent, settings)
    while not clock.over(step):
        network.train()
        with computing(device, half=True):
            loss = objective.loss(network, step, device)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
        rate = learning_rate(step, clock.done(step), settings)
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.step()
        step += 1
        if step % settings.sync == 0:
            if (parent := multiprocessing.parent_process()) and not parent.is_alive():
                return  # killed: nobody would see this run end
            clock.agree(workers)
            if workers > 1:
                _average(network, workers)
        if worker == 0:
            _log(folder, step, float(loss.detach()), float(norm.detach()), rate, clock.spent())
        if step % settings.save_every == 0 or clock.over(step):
            _checkpoint(folder, worker, network, optimiser, step, clock.spent())
            if worker == 0:
                save(network, step)
    if workers > 1:
        dist.destroy_process_group()


def join_workers(folder: Path, worker: int, workers: int, device: str) -> None:
    """Meet the other workers in `folder`, and keep to one's own core."""
    import torch
    import torch.distributed as dist

    if device == "cpu":
        torch.set_num_threads(1 if workers > 1 else os.cpu_count() or 1)
    if workers > 1:
        meeting = f"file://{folder.resolve()}/meet"
        dist.init_process_group("gloo", init_method=meeting, rank=worker, world_size=workers)


class _Clock:
    """How far the run is. Workers agree on the time at each averaging, so that they stop at the same step."""

    def __init__(self, spent: float, settings: Settings) -> None:
        self.settings = settings
        self.began = time.monotonic() - spent
        self.agreed = spent

    def spent(self) -> float:
        """Seconds of this run, those before it was resumed included."""
        return time.monotonic() - self.began

    def agree(self, workers: int) -> None:
        import torch
        import torch.distributed as dist

        spent = torch.tensor(self.spent(), dtype=torch.float64)
        if workers > 1:
            dist.all_reduce(spent, op=dist.ReduceOp.MAX)
        self.agreed = float(spent)

    def done(self, step: int) -> float:
        by_time = self.agreed / (60 * self.settings.minutes) if self.settings.minutes else 0.0
        return max(step / self.settings.steps, by_time)

    def over(self, step: int) -> bool:
        return self.done(step) >= 1.0


def _trained(network: SketchNetwork) -> Iterator[tuple[str, torch.nn.Parameter]]:
    return ((name, p) for name, p in network.named_parameters() if p.requires_grad)


def _groups(network: SketchNetwork, decay: float) -> list[dict[str, object]]:
    matrices = [p for _, p in _trained(network) if p.ndim > 1]
    others = [p for _, p in _trained(network) if p.ndim <= 1]
    return [{"params": matrices, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]


def _average(network: SketchNetwork, workers: int) -> None:
    import torch
    import torch.distributed as dist

    trained = [p for _, p in _trained(network)]
    flat = torch.nn.utils.parameters_to_vector(trained).detach()
    dist.all_reduce(flat)
    torch.nn.utils.vector_to_parameters(flat / workers, trained)


def _checkpoint(
    folder: Path,
    worker: int,
    network: SketchNetwork,
    optimiser: torch.optim.Optimizer,
    step: int,
    spent: float,
) -> None:
    """This worker's checkpoint; the one before the last is removed, so that a common step remains."""
    file = folder / f"checkpoint-{step:07d}-{worker}.safetensors"
    save_checkpoint(file, _trained(network), optimiser, spent=spent)
    for old in sorted(folder.glob(f"checkpoint-*-{worker}.safetensors"))[:-2]:
        old.unlink()


def _resume(
    folder: Path,
    worker: int,
    workers: int,
    network: SketchNetwork,
    optimiser: torch.optim.Optimizer,
    device: str,
) -> tuple[int, float]:
    """Load the latest step that every worker has saved; returns it and the seconds spent (0: start anew)."""
    saved = [
        {int(file.name.split("-")[1]) for file in folder.glob(f"checkpoint-*-{number}.safetensors")}
        for number in range(workers)
    ]
    common = set.intersection(*saved)
    if not common:
        return 0, 0.0
    step = max(common)
    file = folder / f"checkpoint-{step:07d}-{worker}.safetensors"
    return step, load_checkpoint(file, _trained(network), optimiser, device)["spent"]


def _log(folder: Path, step: int, loss: float, norm: float, rate: float, seconds: float) -> None:
    line = {
        "step": step,
        "loss": round(loss, 4),
        "norm": round(norm, 3),
        "rate": rate,
        "seconds": round(seconds, 1),
    }
    with (folder / "log.jsonl").open("a") as log:
        log.write(json.dumps(line) + "\n")
