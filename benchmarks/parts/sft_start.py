"""A modest model to improve: the embedded network trained from MiniLM on synthetic questions over the
training databases and on a hundredth of people's questions with their gold SQL (pi_SFT of the experiments).

The shipped weights have seen all of the train questions, so nothing could be called unlabelled to them.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlberg.agents.opening import open_database
from sqlberg.training.embedded.preparing import prepare_synthetic
from sqlberg.training.embedded.recipe import run_training
from sqlberg.training.embedded.trainer import Settings
from sqlberg.training.embedded.trajectories import write_trajectories
from sqlberg.training.embedded.workers import in_processes
from sqlberg.training.evaluation.dataset import Question, load_dataset

SYNTHETIC = 40
"""Made-up questions over each training database."""
TAUGHT = 1 / 100
"""Of people's train questions."""
STEPS = 1500


@dataclass(frozen=True)
class Split:
    """People's train questions by what they are used for. taught: with gold, to make pi_SFT; seeds: judged by
    people; unlabelled: the rest, one database after the other in an order of its own, so that questions asked
    alike stay together and those at the end are of other databases than those at the beginning.
    """

    taught: tuple[Question, ...]
    seeds: tuple[Question, ...]
    unlabelled: tuple[Question, ...]


def split_train(data: Path, seed: int, *, taught: float, seeds: float) -> Split:
    """The train questions divided by chance; taught, seeds: shares of all."""
    questions = list(load_dataset(data, split="train").questions)
    random.Random(seed).shuffle(questions)
    first, second = round(taught * len(questions)), round((taught + seeds) * len(questions))
    rest = questions[second:]
    places = {db_id: place for place, db_id in enumerate(dict.fromkeys(one.db_id for one in rest))}
    rest.sort(key=lambda one: places[one.db_id])
    return Split(tuple(questions[:first]), tuple(questions[first:second]), tuple(rest))


def sft_start(data: Path, folder: Path, taught: Sequence[Question], steps: int, seed: int) -> Path:
    """The weights of pi_SFT, in `folder`; goes on where it was stopped."""
    names = {question.db_id for question in load_dataset(data, split="train").questions}
    by_database: dict[str, list[Question]] = {name: [] for name in names}  # some have synthetic ones alone
    for question in taught:
        by_database[question.db_id].append(question)
    in_processes(
        [
            partial(_teach, data, folder, db_id, questions)
            for db_id, questions in sorted(by_database.items())
            if not (folder / "trajectories" / f"{db_id}.jsonl").exists()
        ],
        "Trajectories",
    )
    prepare_synthetic(data, folder, SYNTHETIC, seed)
    settings = Settings(steps=steps, rows=16, plain_steps=0, seed=seed)
    return run_training(folder, settings, workers=2, device="cpu")


def _teach(data: Path, folder: Path, db_id: str, questions: Sequence[Question]) -> tuple[int, int]:
    rows = [question.model_dump() for question in questions]
    path = data / "databases" / f"{db_id}.sqlite"
    with open_database(path, cache_dir=folder / "cache", embedder="minilm") as database:
        return write_trajectories(database, rows, folder / "trajectories" / f"{db_id}.jsonl")
