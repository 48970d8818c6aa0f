"""`sqlberg train-embedded`: make the embedded model's weights from a folder of questions and databases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ..errors import SqlbergError
from .console import out, print_json
from .options import JsonOption


def train_embedded(
    data: Annotated[
        Path, typer.Argument(help="Folder with questions.jsonl and databases/; its train split.")
    ],
    folder: Annotated[Path, typer.Argument(help="Where trajectories, checkpoints and weights go.")],
    steps: Annotated[int, typer.Option(min=1, help="Steps of each worker, at most.")] = 4000,
    minutes: Annotated[
        float, typer.Option(min=0, help="End the training after so long (0: after --steps).")
    ] = 0,
    judging: Annotated[
        int, typer.Option(min=0, help="Steps after these that tell right candidates of its own from wrong.")
    ] = 600,
    rows: Annotated[int, typer.Option(min=1, help="Examples in a step.")] = 16,
    rate: Annotated[float, typer.Option(min=0, help="Learning rate until the run cools down.")] = 3e-4,
    start: Annotated[
        Path | None,
        typer.Option(help="Go on from these trained weights (a folder), instead of beginning with MiniLM's."),
    ] = None,
    synthetic: Annotated[
        int, typer.Option(min=0, help="Synthetic questions over each training database, besides people's.")
    ] = 110,
    workers: Annotated[int, typer.Option(min=1, help="Processes that train side by side.")] = 2,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    seed: Annotated[int, typer.Option(help="Seed of data order, augmentation and dropout.")] = 7,
    as_json: JsonOption = False,
) -> None:
    """Make the embedded model's weights: trajectories of the real tools, for people's questions and synthetic
    ones, training, calibration. Resumable.

    Examples:

      sqlberg train-embedded data/spider runs/embedded --minutes 120

      sqlberg train-embedded data/spider runs/embedded --device cuda --workers 1 --rows 64

      sqlberg train-embedded data/spider runs/further --start runs/embedded/judging/weights
    """
    from ..training.embedded.confidence import calibrate
    from ..training.embedded.preparing import (
        held_out_databases,
        prepare,
        prepare_follow_ups,
        prepare_judged,
        prepare_synthetic,
    )
    from ..training.embedded.recipe import average, run_training
    from ..training.embedded.trainer import Settings

    at_hand = (data / "questions.jsonl").is_file()
    if not at_hand and not list((folder / "trajectories").glob("*.jsonl")):
        raise SqlbergError(f"{data} holds no questions.jsonl: name a folder with questions and databases")
    if start and not (start / "config.json").is_file():
        raise SqlbergError(f"{start} holds no trained weights: name a folder with config.json")
    folder.mkdir(parents=True, exist_ok=True)
    taught, passed = prepare(data, folder, workers)
    if at_hand and synthetic:
        prepare_synthetic(data, folder, synthetic, seed, workers)
    settings = Settings(steps=steps, minutes=minutes, rows=rows, rate=rate, seed=seed)
    if start:
        settings = replace(settings, plain_steps=0)
    weights = run_training(folder, settings, workers, device, start=start)
    if judging and at_hand:
        prepare_follow_ups(data, folder, synthetic // 2, seed, workers)
        prepare_judged(data, folder, seed, workers)
        after = Settings(
            steps=judging, rows=rows, rate=rate / 2, warmup=20, cooldown=0.7, plain_steps=0, seed=seed
        )
        parts = [weights, run_training(folder, after, workers, device, judging=True)]
        weights = average([start, *parts] if start else parts, folder / "averaged")
    if at_hand:
        calibrate(data, weights, sorted(held_out_databases(folder, seed)), folder / "calibration")
    if as_json:
        print_json({"taught": taught, "passed_over": passed, "weights": str(weights)})
        return
    out().print(f"{taught} new trajectories, {passed} questions passed over; weights in {weights}")
