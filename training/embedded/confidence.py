"""Fits how sure the embedded model says it is, on train questions over the databases it was not trained on.

The model answers them through the real graph; whether each answer is right, and the probability that the
network itself gave it, give the curve (models/embedded/confidence.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...models.embedded.chat_model import EmbeddedChatModel
from ...models.embedded.confidence import Confidence
from ...models.embedded.encoder import EmbeddedEncoder

if TYPE_CHECKING:
    import threading

    from ...agents.answer import Answer
    from ...tools.database import Database

FLOOR = 1e-3
"""Smallest x (minus a log-probability) that is told apart from 0."""
WANTED = 0.86
"""Share of right answers that the default threshold is to reach over eight databases: more than is promised
(0.8), by what eight others may differ (a bootstrap over the databases: 4 points either way, 9 times in 10).
"""
_LEAST = 50  # fewer questions say too little
_CONCURRENCY = 2


def fit_confidence(judged: Sequence[tuple[float, bool]]) -> Confidence:
    """The curve of least cross-entropy over (log-probability, right) pairs, with a little weight decay.

    Raises ValueError when all are right or all are wrong.
    """
    import torch

    if len({right for _, right in judged}) < 2:
        raise ValueError("right and wrong answers are both needed")
    x = torch.tensor([math.log(max(FLOOR, -logprob)) for logprob, _ in judged], dtype=torch.double)
    right = torch.tensor([float(right) for _, right in judged], dtype=torch.double)
    line = torch.tensor([-1.0, 0.0], dtype=torch.double, requires_grad=True)
    optimiser = torch.optim.LBFGS([line], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        logits = line[0] * x + line[1]
        total = torch.nn.functional.binary_cross_entropy_with_logits(logits, right, reduction="sum")
        total = total + 0.5 * line[0] ** 2
        total.backward()
        return total

    optimiser.step(loss)
    slope, height = line.tolist()
    power = max(0.05, -slope)  # a curve that rises with x would mean a model that is right when unsure
    return Confidence(half=round(math.exp(height / power), 4), power=round(power, 4))


def fit_threshold(judged: Sequence[tuple[float, bool]], wanted: float = WANTED) -> float:
    """The lowest confidence such that of the answers at least so sure a share of `wanted` is right.

    judged: (confidence, right) pairs. 1.0 when no threshold is good enough.
    """
    threshold = 1.0
    for confidence in sorted({confidence for confidence, _ in judged}, reverse=True):
        above = [right for other, right in judged if other >= confidence]
        if sum(above) / len(above) >= wanted:
            threshold = confidence
    return math.floor(threshold * 100) / 100


def judge(data: Path, weights: Path, databases: Sequence[str], run_folder: Path) -> list[tuple[float, bool]]:
    """(log of the network's probability, right) of every answer to DATA's train questions over these
    databases, reworded ones included. Resumable: finished questions are kept in `run_folder`, by the weights'
    digest.
    """
    from ...agents.opening import open_database
    from ...agents.sql_agent import SqlAgent
    from ..evaluation.comparators import HEADLINE
    from ..evaluation.dataset import QUESTIONS, load_dataset
    from ..evaluation.records import RunFolder
    from ..evaluation.runner import run

    model, digest = EmbeddedChatModel(folder=weights, calibrated=False), EmbeddedEncoder(weights).name
    judged: list[tuple[float, bool]] = []
    for name in (QUESTIONS, "questions_reworded_train.jsonl"):
        if not (data / name).is_file():
            continue
        dataset = load_dataset(data, split="train", questions=name)
        chosen = tuple(question for question in dataset.questions if question.db_id in databases)
        dataset = replace(dataset, questions=chosen)

        def answer(question: str, database: Database, cancel: threading.Event, /) -> Answer:
            with SqlAgent(database, model, explain=False) as agent:
                given = agent.ask(question, cancel=cancel)
            # Without what the data says against the SQL, which lowers the answer's confidence besides.
            return replace(given, confidence=given.logprob.sureness if given.logprob else None)

        settings = {"questions": dataset.digest, "weights": digest}
        # Weights that were trained on need a folder of their own: a run folder refuses other weights.
        with RunFolder(run_folder / digest / Path(name).stem, settings) as folder:
            records = run(
                dataset,
                answer,
                folder,
                open_database=lambda db_id, paths=dataset: open_database(paths.database(db_id)),
                concurrency=_CONCURRENCY,
            )
        judged += [
            (math.log(max(record.confidence, 1e-12)), record.scores[HEADLINE] == 1)
            for record in records
            if record.confidence is not None
        ]
    return judged


def calibrate(data: Path, weights: Path, databases: Sequence[str], run_folder: Path) -> Confidence | None:
    """Fit and keep the curve of these weights; None (and nothing kept) with too few questions to tell."""
    from ...models.embedded.confidence import save_confidence

    judged = judge(data, weights, databases, run_folder)
    if len(judged) < _LEAST or len({right for _, right in judged}) < 2:
        return None
    curve = fit_confidence(judged)
    threshold = fit_threshold([(curve.of(logprob), right) for logprob, right in judged])
    save_confidence(curve, threshold, weights)
    return curve
