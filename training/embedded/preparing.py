"""What the embedded weights are trained on: trajectories of the real tools, and the network's own candidates.

Everything lies in FOLDER, one file a database, written whole or not at all: `trajectories/` (people's train
questions), `synthetic/` (training/synthesis), `follow_ups/`, `judged/` (candidates of the trained network).
A later call makes what is missing. Nothing but the first is made over the held-out databases.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ...models.embedded.prompt import spoken
from .batches import Example, readable
from .judged import write_judged
from .start import minilm_folder
from .trajectories import read_examples, write_trajectories
from .workers import Counts, in_processes

HELD_OUT = 8
"""Train databases kept for checking, never trained on (chosen by the seed)."""
UNANSWERABLE_SHARE = 0.08
"""Unanswerable questions, as a share of the synthetic ones."""
JUDGED_QUESTIONS = {"trajectories": 32, "synthetic": 12}
"""Questions of each training database whose candidates are judged, of people and synthetic."""


def prepare(data: Path, folder: Path, workers: int = 2) -> Counts:
    """Write the trajectories of DATA's train questions, one file a database."""
    by_database = _people(data)
    missing = [db for db in by_database if not (folder / "trajectories" / f"{db}.jsonl").exists()]
    jobs = [partial(_teach, data, folder, db, by_database[db]) for db in missing]
    return in_processes(jobs, "Trajectories", workers)


def prepare_synthetic(data: Path, folder: Path, count: int, seed: int, workers: int = 2) -> Counts:
    """Write trajectories of up to `count` synthetic questions over each training database, and of some that
    it cannot answer.
    """
    jobs = [partial(_synthesize, data, folder, db, count, seed) for db in _missing(folder, "synthetic", seed)]
    return in_processes(jobs, "Synthetic trajectories", workers)


def prepare_follow_ups(data: Path, folder: Path, count: int, seed: int, workers: int = 2) -> Counts:
    """Write trajectories of up to `count` follow-ups over each training database, and of some questions of
    people after another that has nothing to do with them.
    """
    jobs = [partial(_follow_up, data, folder, db, count, seed) for db in _missing(folder, "follow_ups", seed)]
    return in_processes(jobs, "Follow-ups", workers)


def prepare_judged(data: Path, folder: Path, seed: int, workers: int = 2) -> Counts:
    """Judge the candidates that FOLDER/weights write for some of each training database's questions."""
    jobs = [partial(_judge, data, folder, db, seed) for db in _missing(folder, "judged", seed)]
    return in_processes(jobs, "Judged candidates", workers)


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


def _people(data: Path) -> dict[str, list[dict[str, Any]]]:
    """People's train questions by database, reworded ones included."""
    by_database: dict[str, list[dict[str, Any]]] = {}
    for name in ("questions.jsonl", "questions_reworded_train.jsonl"):
        if not (data / name).is_file():
            continue
        for line in (data / name).read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if row["split"] == "train":
                by_database.setdefault(row["db_id"], []).append(row)
    return by_database


def _missing(folder: Path, kind: str, seed: int) -> list[str]:
    """The training databases without a file of this kind."""
    held_out = held_out_databases(folder, seed)
    names = [file.stem for file in sorted((folder / "trajectories").glob("*.jsonl"))]
    return [db for db in names if db not in held_out and not (folder / kind / f"{db}.jsonl").exists()]


def _teach(data: Path, folder: Path, db: str, rows: Sequence[dict[str, Any]]) -> Counts:
    from ...agents.opening import open_database

    # By meaning, as the tools will answer later; with the weights that training starts from.
    with open_database(_path(data, db), cache_dir=folder / "cache", embedder="minilm") as database:
        return write_trajectories(database, rows, folder / "trajectories" / f"{db}.jsonl")


def _synthesize(data: Path, folder: Path, db: str, count: int, seed: int) -> Counts:
    from ...agents.opening import open_database
    from ..synthesis.generator import synthesize
    from ..synthesis.unanswerable import unanswerable

    with open_database(_path(data, db), cache_dir=folder / "cache", embedder="minilm") as database:
        asked = [(made.question, made.sql, "") for made in synthesize(database, count, seed)]
        refused = unanswerable(database, int(count * UNANSWERABLE_SHARE), seed)
        asked += [(made.question, None, made.missing) for made in refused]
        rows = [
            {"id": f"synthetic-{number}", "db_id": db, "question": question, "sql": sql, "missing": missing}
            for number, (question, sql, missing) in enumerate(asked)
        ]
        return write_trajectories(database, rows, folder / "synthetic" / f"{db}.jsonl")


def _follow_up(data: Path, folder: Path, db: str, count: int, seed: int) -> Counts:
    from ...agents.opening import open_database
    from ..synthesis.follow_ups import follow_ups

    rng = random.Random(f"{seed}-{db}")
    with open_database(_path(data, db), cache_dir=folder / "cache", embedder="minilm") as database:
        rows: list[dict[str, Any]] = [
            {"question": made.question, "sql": made.sql, "earlier": [made.first]}
            for made in follow_ups(database, count, seed)
        ]
        asked = _people(data).get(db, [])
        for _ in range(min(count // 3, len(asked))):
            before, row = rng.choice(asked), rng.choice(asked)
            rows.append({"question": row["question"], "sql": row["sql"], "earlier": [before["question"]]})
        named = [{"id": f"follow-up-{n}", "db_id": db, **row} for n, row in enumerate(rows)]
        return write_trajectories(database, named, folder / "follow_ups" / f"{db}.jsonl")


def _judge(data: Path, folder: Path, db: str, seed: int) -> Counts:
    from ...tools.database import open_database

    rows: list[dict[str, Any]] = []
    for kind, count in JUDGED_QUESTIONS.items():
        file = folder / kind / f"{db}.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        rows += [json.loads(line) for line in random.Random(seed).sample(lines, min(count, len(lines)))]
    with open_database(_path(data, db), cache_dir=folder / "cache") as database:
        written = write_judged(database, rows, folder / "weights", folder / "judged" / f"{db}.jsonl")
    return written, len(rows) - written


def _path(data: Path, db: str) -> Path:
    return data / "databases" / f"{db}.sqlite"
