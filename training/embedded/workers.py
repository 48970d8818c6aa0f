"""Processes that prepare or train side by side, with one progress bar."""

from __future__ import annotations

import json
import multiprocessing
import multiprocessing.process
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from rich.progress import Progress, TextColumn, track

from ...errors import SqlbergError
from .trainer import Settings

Counts = tuple[int, int]
"""What was written, and what was passed over."""


def in_processes(jobs: Sequence[Callable[[], Counts]], description: str, workers: int = 2) -> Counts:
    """Do the jobs, which can be pickled, in `workers` processes; returns the sums of their counts."""
    written = passed = 0
    # Spawned, not forked: the parent may hold threads of tokenizers and torch.
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawned, initializer=compute_alone) as pool:
        futures = [pool.submit(job) for job in jobs]
        for future in track(as_completed(futures), description, total=len(futures)):
            counts = future.result()
            written, passed = written + counts[0], passed + counts[1]
    return written, passed


def compute_alone() -> None:
    """One thread for each process: more of them wait for each other most of the time."""
    import torch

    end_with_parent()
    torch.set_num_threads(1)


def end_with_parent() -> None:
    """This process ends when its parent does, killed or not: whoever goes on in its place writes the same
    files.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _work(work: Callable[[int], None], number: int) -> None:
    end_with_parent()
    work(number)


def run_workers(work: Callable[[int], None], count: int, folder: Path, settings: Settings) -> None:
    """Run `work(number)` in `count` processes to the end. work: can be pickled, and logs to folder/log.jsonl.

    Raises `SqlbergError` when one stops early; the same call then goes on from the last checkpoint.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "meet").unlink(missing_ok=True)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_work, args=(work, number), daemon=True) for number in range(count)]
    for process in processes:
        process.start()
    columns = (*Progress.get_default_columns(), TextColumn("loss {task.fields[loss]}"))
    with Progress(*columns) as progress:
        task = progress.add_task("Training", total=1.0, loss="…")
        while any(process.is_alive() for process in processes):
            processes[0].join(timeout=2)
            if any(process.exitcode for process in processes):
                break  # the others would wait for it
            if shown := _progress(folder / "log.jsonl", settings):
                progress.update(task, completed=shown[0], loss=f"{shown[1]:.2f}")
    if any(process.exitcode for process in processes):
        for process in processes:
            process.terminate()
        raise SqlbergError("a training worker stopped early: run the same command again to go on")


def _progress(log: Path, settings: Settings) -> tuple[float, float] | None:
    """The share of the run that is done, and the loss of the last steps."""
    lines = log.read_text().splitlines()[-20:] if log.exists() else []
    if not lines:
        return None
    steps = [json.loads(line) for line in lines]
    by_time = steps[-1]["seconds"] / (60 * settings.minutes) if settings.minutes else 0.0
    done = max(by_time, steps[-1]["step"] / settings.steps)
    return min(done, 1.0), sum(step["loss"] for step in steps) / len(steps)
