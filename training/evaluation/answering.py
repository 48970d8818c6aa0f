"""Answers for an evaluation from a model reference, and the settings that make two runs comparable."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from ...agents.budget import Budget
from ...models.weight_files import weights_digest
from .dataset import Dataset
from .runner import Answering

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from ...agents.answer import Answer
    from ...tools.database import Database


@dataclass(frozen=True)
class Setup:
    """Everything about the agent that changes its answers or their cost.

    candidates: dialogues per question, voted by result; those after the first are sampled with `temperature`
    and `seed`. seconds, rounds: of one question. concurrency: questions at once (it changes seconds per
    question). embedder: of the column search, by name.
    """

    model: str = "embedded"
    base_url: str | None = None
    candidates: int = 1
    temperature: float = 0.7
    seed: int = 0
    seconds: float = 120.0
    rounds: int = 12
    concurrency: int = 2
    embedder: str = "embedded"
    abstain_below: float | None = None


def settings_of(setup: Setup, dataset: Dataset) -> dict[str, Any]:
    """What a run folder remembers, so that a resumed run cannot mix models, weights, questions or options."""
    return {
        "sqlberg": version("sqlberg"),
        "questions": dataset.digest,
        "weights": weights_digest(setup.model),
        **asdict(setup),
    }


def opening(setup: Setup, dataset: Dataset) -> Callable[[str], Database]:
    """A function that opens the database of a `db_id`. Raises EmbedderUnavailable."""
    from ...agents.opening import find_embedder
    from ...tools.database import open_database

    embedder = find_embedder(setup.embedder)
    return lambda db_id: open_database(dataset.database(db_id), embedder=embedder)


def answering(setup: Setup) -> Answering:
    """A function that answers: one chat model for all databases, an agent on top of it per question."""
    from ...agents.sql_agent import SqlAgent
    from ...models.references import load_chat_model

    chat_model = load_chat_model(setup.model, base_url=setup.base_url)
    if setup.model.startswith("transformers:"):
        _share_cores(setup.concurrency)
    budget = Budget(rounds=setup.rounds, seconds=setup.seconds)

    def answer(question: str, database: Database, cancel: threading.Event, /) -> Answer:
        with SqlAgent(
            database,
            chat_model,
            model_name=setup.model,
            candidates=setup.candidates,
            temperature=setup.temperature,
            seed=setup.seed,
            abstain_below=setup.abstain_below,
            budget=budget,
        ) as agent:
            return agent.ask(question, cancel=cancel)

    return answer


def answering_by(model: BaseChatModel) -> Answering:
    """A function that answers with a chat model at hand, as plainly as can be: one dialogue, nothing looked
    up beside it.
    """
    from ...agents.sql_agent import SqlAgent

    def answer(question: str, database: Database, cancel: threading.Event, /) -> Answer:
        with SqlAgent(database, model, explain=False) as agent:
            return agent.ask(question, cancel=cancel)

    return answer


def _share_cores(concurrency: int) -> None:
    """Questions at once share the cores; each computing on all of them would make them wait for another."""
    import torch

    torch.set_num_threads(max(1, (os.cpu_count() or 1) // concurrency))
