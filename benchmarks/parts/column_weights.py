"""Fits the weights of the column search (tools/columns.py) anew: a logistic regression of gold columns.

Train questions only. With an embedder the reworded questions count too, or meaning earns no weight: Spider's
own questions mostly repeat the schema's words. Takes minutes; the result is printed, not written anywhere.

    python -m benchmarks.parts.column_weights FOLDER [--embedder embedded]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from sqlberg.models.embedded.encoder import shipped_encoder
from sqlberg.tools.column_features import FEATURES, ColumnFeatures
from sqlberg.tools.column_meaning import ColumnMeaning
from sqlberg.tools.database import open_database
from sqlberg.tools.embedding import Embedder, load_embedder
from sqlberg.tools.schema import Catalog

from .search import gold_columns


def training_rows(
    questions: Iterable[Mapping[str, Any]], catalogs: Mapping[str, Catalog], embedder: Embedder | None
) -> tuple[np.ndarray, np.ndarray]:
    """float32 [rows, features] and [rows]: one row for every question and column, 1 for gold columns."""
    schemas: dict[str, tuple[ColumnFeatures, ColumnMeaning | None]] = {}
    features, golds = [], []
    for question in track(list(questions), "Questions", console=Console(stderr=True)):
        name = question["db_id"]
        gold = gold_columns(question["sql"], catalogs[name])
        if not gold:
            continue
        if name not in schemas:
            meaning = ColumnMeaning(catalogs[name], embedder) if embedder is not None else None
            schemas[name] = ColumnFeatures(catalogs[name]), meaning
        schema, meaning = schemas[name]
        features.append(schema.of(question["question"], meaning and meaning.of(question["question"])).T)
        golds.append(np.array([(column.table, column.name) in gold for column in schema.columns], np.float32))
    return np.concatenate(features), np.concatenate(golds)


def fit_weights(features: np.ndarray, gold: np.ndarray, *, decay: float = 1e-4) -> dict[str, float]:
    """Weights by feature, and "bias": the least cross-entropy with a little weight decay (L-BFGS)."""
    rows, targets = torch.from_numpy(features), torch.from_numpy(gold)
    weights, bias = torch.zeros(rows.shape[1], requires_grad=True), torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights, bias], max_iter=300, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        entropy = torch.nn.functional.binary_cross_entropy_with_logits(rows @ weights + bias, targets)
        total = entropy + decay * weights.square().sum()
        total.backward()
        return total

    optimizer.step(loss)
    found = dict(zip(FEATURES, weights.tolist(), strict=True)) | {"bias": bias.item()}
    return {name: round(value, 2) for name, value in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Fit the weights of the column search on Spider's train split."
    )
    parser.add_argument(
        "folder", type=Path, help="databases/, questions.jsonl, questions_reworded_train.jsonl"
    )
    parser.add_argument("--embedder", choices=("embedded", "minilm"), help="and the reworded questions too")
    asked = parser.parse_args()
    files = ["questions.jsonl", *(["questions_reworded_train.jsonl"] if asked.embedder else [])]
    lines = [
        line for file in files for line in (asked.folder / file).read_text(encoding="utf-8").splitlines()
    ]
    questions = [question for question in map(json.loads, lines) if question["split"] == "train"]
    catalogs = {}
    for name in sorted({question["db_id"] for question in questions}):
        with open_database(asked.folder / "databases" / f"{name}.sqlite") as database:
            catalogs[name] = database.catalog
    embedder = {"embedded": shipped_encoder, "minilm": load_embedder, None: lambda: None}[asked.embedder]()
    print(json.dumps(fit_weights(*training_rows(questions, catalogs, embedder)), indent=1))


if __name__ == "__main__":
    main()
