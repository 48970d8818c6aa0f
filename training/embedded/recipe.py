"""The training of the embedded weights, in two parts. Resumable at every point.

    sqlberg train-embedded DATA FOLDER

DATA is a folder in the format of `training.evaluation.dataset` (only its train split is read). FOLDER takes
what is prepared (`preparing.py`), the workers' checkpoints, `log.jsonl` and `weights/` of the first part
(imitation), and the same of the second (judging, `objectives.py`) in `judging/`. A second call goes on where
the first was stopped; on a machine that holds only FOLDER it trains by what was prepared there.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from rich.progress import Progress, TextColumn

from ...errors import SqlbergError
from ...models.embedded.weights import load_weights, load_writer
from .augmentation import Pools, Rates
from .batches import BatchStream, Example
from .judged import JudgedStream, read_judged
from .objectives import Distillation, Imitation, Judging
from .preparing import distillation_texts, load_examples
from .start import from_minilm, minilm_folder
from .trainer import Settings, train

JUDGED_ROWS = 8
"""Questions in a batch of candidates."""


def run_training(
    folder: Path, settings: Settings, workers: int, device: str, *, judging: bool = False
) -> Path:
    """Train with `workers` processes to the end, the first part or the second; returns the weights."""
    place = folder / "judging" if judging else folder
    place.mkdir(parents=True, exist_ok=True)
    (place / "meet").unlink(missing_ok=True)
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(
            target=_judge if judging else _imitate, args=(folder, settings, worker, workers, device)
        )
        for worker in range(workers)
    ]
    for process in processes:
        process.start()
    _watch(processes, place / "log.jsonl", settings)
    if any(process.exitcode for process in processes):
        raise SqlbergError("a training worker stopped early: run the same command again to go on")
    return place / "weights"


def _imitation(
    folder: Path, settings: Settings, worker: int, device: str
) -> tuple[Imitation, Pools, dict[str, Any]]:
    """What the first part of the training minimises, what augmentation draws from, and the sizes of both."""
    start = minilm_folder()
    writer = load_writer(start)
    people, synthetic = (load_examples(folder, settings.seed, kind) for kind in ("trajectories", "synthetic"))
    pools = Pools.collect([example.situation for example in people])

    def batches(of: Sequence[Example]) -> BatchStream:
        return BatchStream(of, writer, pools, rates=Rates(), rows=settings.rows, seed=settings.seed + worker)

    teacher = from_minilm(start, 0.0).to(device).eval().requires_grad_(False)
    distillation = Distillation(teacher, writer, distillation_texts(people))
    imitation = Imitation(batches(people), batches([*people, *synthetic]), settings.plain_steps, distillation)
    return imitation, pools, {"examples": len(people), "synthetic": len(synthetic)}


def _imitate(folder: Path, settings: Settings, worker: int, workers: int, device: str) -> None:
    start = minilm_folder()
    imitation, _, about = _imitation(folder, settings, worker, device)
    train(
        from_minilm(start, settings.dropout).to(device),
        imitation,
        tokenizer=start / "tokenizer.json",
        folder=folder,
        settings=settings,
        worker=worker,
        workers=workers,
        device=device,
        about=about,
    )


def _judge(folder: Path, settings: Settings, worker: int, workers: int, device: str) -> None:
    """The second part: from the weights of the first, with its own candidates. Lies in FOLDER/judging."""
    imitation, pools, about = _imitation(folder, settings, worker, device)
    judged = list(read_judged(sorted((folder / "judged").glob("*.jsonl"))))
    network, writer = load_weights(folder / "weights")
    rates = replace(Rates(), take=0.0, elsewhere=0.0)
    stream = JudgedStream(judged, writer, pools, rates=rates, rows=JUDGED_ROWS, seed=settings.seed + worker)
    train(
        network.requires_grad_(True).to(device),
        Judging(imitation, stream),
        tokenizer=folder / "weights" / "tokenizer.json",
        folder=folder / "judging",
        settings=settings,
        worker=worker,
        workers=workers,
        device=device,
        about={**about, "judged": len(judged)},
    )


def _watch(processes: Sequence[BaseProcess], log: Path, settings: Settings) -> None:
    """A progress bar, fed from the log, until the last process ends."""
    columns = (*Progress.get_default_columns(), TextColumn("loss {task.fields[loss]}"))
    with Progress(*columns) as progress:
        task = progress.add_task("Training", total=1.0, loss="…")
        while any(process.is_alive() for process in processes):
            processes[0].join(timeout=2)
            lines = log.read_text().splitlines()[-20:] if log.exists() else []
            if lines:
                steps = [json.loads(line) for line in lines]
                by_time = steps[-1]["seconds"] / (60 * settings.minutes) if settings.minutes else 0.0
                loss = sum(step["loss"] for step in steps) / len(steps)
                done = max(by_time, steps[-1]["step"] / settings.steps)
                progress.update(task, completed=min(done, 1.0), loss=f"{loss:.2f}")
