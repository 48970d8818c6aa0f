"""The whole recipe of the embedded weights: trajectories, training, packaging. Resumable at every point.

    sqlberg train-embedded DATA FOLDER

DATA is a folder in the format of `training.evaluation.dataset` (only its train split is read); FOLDER takes
`trajectories/DB.jsonl`, `synthetic/DB.jsonl`, the workers' checkpoints, `log.jsonl` and, in the end,
`weights/`. A second call
goes on where the first was stopped; on a machine that holds only FOLDER it trains by the trajectories there.
"""

from __future__ import annotations

import json
import multiprocessing
import random
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from rich.progress import Progress, TextColumn, track

from ...errors import SqlbergError
from ...models.embedded.prompt import spoken
from .batches import Example, readable
from .start import minilm_folder
from .trainer import Settings, train
from .trajectories import read_examples, write_trajectories

HELD_OUT = 8
"""Train databases kept for checking, never trained on (chosen by the seed)."""
UNANSWERABLE_SHARE = 0.08
"""Unanswerable questions, as a share of the synthetic ones."""


def prepare(data: Path, folder: Path, workers: int = 2) -> tuple[int, int]:
    """Write the trajectories of DATA's train questions, one file a database; returns (taught, passed
    over).
    """
    by_database: dict[str, list[dict[str, Any]]] = {}
    for name in ("questions.jsonl", "questions_reworded_train.jsonl"):
        if not (data / name).is_file():
            continue
        for line in (data / name).read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if row["split"] == "train":
                by_database.setdefault(row["db_id"], []).append(row)
    totals = [0, 0]
    missing = {db: rows for db, rows in by_database.items() if not _file(folder, db).exists()}
    # Spawned, not forked: the parent may hold threads of tokenizers and torch.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        jobs = [pool.submit(_prepare_one, data, folder, db, rows) for db, rows in missing.items()]
        for job in track(as_completed(jobs), "Trajectories", total=len(jobs)):
            taught, passed = job.result()
            totals[0] += taught
            totals[1] += passed
    return totals[0], totals[1]


def _prepare_one(data: Path, folder: Path, db: str, rows: Sequence[dict[str, Any]]) -> tuple[int, int]:
    from ...agents.opening import open_database

    # By meaning, as the tools will answer later; with the weights that training starts from.
    path, cache = data / "databases" / f"{db}.sqlite", folder / "cache"
    with open_database(path, cache_dir=cache, embedder="minilm") as database:
        return write_trajectories(database, rows, _file(folder, db))


def prepare_synthetic(data: Path, folder: Path, count: int, seed: int, workers: int = 2) -> None:
    """Write trajectories of up to `count` synthetic questions over each training database, and of some that
    it cannot answer.
    """
    held_out = held_out_databases(folder, seed)
    names = [file.stem for file in sorted((folder / "trajectories").glob("*.jsonl"))]
    missing = [
        db for db in names if db not in held_out and not (folder / "synthetic" / f"{db}.jsonl").exists()
    ]
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        jobs = [pool.submit(_synthesize_one, data, folder, db, count, seed) for db in missing]
        for job in track(as_completed(jobs), "Synthetic trajectories", total=len(jobs)):
            job.result()


def _synthesize_one(data: Path, folder: Path, db: str, count: int, seed: int) -> tuple[int, int]:
    from ...agents.opening import open_database
    from ..synthesis.generator import synthesize
    from ..synthesis.unanswerable import unanswerable

    path, cache = data / "databases" / f"{db}.sqlite", folder / "cache"
    with open_database(path, cache_dir=cache, embedder="minilm") as database:
        asked = [(made.question, made.sql, "") for made in synthesize(database, count, seed)]
        asked += [
            (made.question, None, made.missing)
            for made in unanswerable(database, int(count * UNANSWERABLE_SHARE), seed)
        ]
        rows = [
            {"id": f"synthetic-{number}", "db_id": db, "question": question, "sql": sql, "missing": missing}
            for number, (question, sql, missing) in enumerate(asked)
        ]
        return write_trajectories(database, rows, folder / "synthetic" / f"{db}.jsonl")


def _file(folder: Path, db: str) -> Path:
    return folder / "trajectories" / f"{db}.jsonl"


def held_out_databases(folder: Path, seed: int) -> set[str]:
    names = sorted(file.stem for file in (folder / "trajectories").glob("*.jsonl"))
    return set(random.Random(seed).sample(names, min(HELD_OUT, len(names) // 4)))


def load_examples(folder: Path, seed: int, kind: str = "trajectories") -> list[Example]:
    """The training examples of a kind: "trajectories" (people's questions) or "synthetic"; nothing of the
    held-out databases.
    """
    from ...models.embedded.weights import load_writer

    held_out = held_out_databases(folder, seed)
    files = [file for file in sorted((folder / kind).glob("*.jsonl")) if file.stem not in held_out]
    examples = [example for _, example in read_examples(files)]
    return list(readable(examples, load_writer(minilm_folder())))


def distillation_texts(examples: Sequence[Example]) -> list[str]:
    """Short texts like those that column search embeds: names with their tables, and pieces of questions."""
    texts: set[str] = set()
    for example in examples:
        texts.update(f"{spoken(c.name)} of {spoken(c.table)}" for c in example.situation.columns)
        texts.update(spoken(c.name) for c in example.situation.columns)
        words = example.situation.question.split()
        for width in (1, 2, 3, 4):
            texts.update(" ".join(words[i : i + width]) for i in range(0, len(words) - width + 1, width))
    return sorted(texts)


def _work(folder: Path, settings: Settings, worker: int, workers: int, device: str) -> None:
    people = load_examples(folder, settings.seed)
    train(
        people,
        distillation_texts(people),
        synthetic=load_examples(folder, settings.seed, "synthetic"),
        start=minilm_folder(),
        folder=folder,
        settings=settings,
        worker=worker,
        workers=workers,
        device=device,
    )


def run_training(folder: Path, settings: Settings, workers: int, device: str) -> Path:
    """Train with `workers` processes to the end; returns the folder of the weights."""
    (folder / "meet").unlink(missing_ok=True)
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=_work, args=(folder, settings, worker, workers, device))
        for worker in range(workers)
    ]
    for process in processes:
        process.start()
    _watch(processes, folder / "log.jsonl", settings)
    if any(process.exitcode for process in processes):
        raise SqlbergError("a training worker stopped early: run the same command again to go on")
    return folder / "weights"


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
