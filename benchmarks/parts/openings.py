"""Whole dialogues up to the decision of the SQL, asked of a model once, through the real graph.

Each database has a journal of its own, so that two processes ask side by side, and what one experiment asked
is there for the next one with the same weights.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from pydantic import ConfigDict
from sqlberg.agents.opening import open_database
from sqlberg.agents.sql_agent import SqlAgent
from sqlberg.models.adapters.folders import digest
from sqlberg.models.embedded.chat_model import EmbeddedChatModel
from sqlberg.tools.database import Database
from sqlberg.training.course import work_through
from sqlberg.training.embedded.workers import Counts, in_processes
from sqlberg.training.evaluation.dataset import Question
from sqlberg.training.formats import chat_messages
from sqlberg.training.journal import Finished, Journal
from sqlberg.training.preferences import Messages


class Opened(Finished):
    """A question with its dialogue up to the decision of the SQL; none where pi_SFT declined before it."""

    model_config = ConfigDict(frozen=True)

    db_id: str
    question: str
    prompt: Messages = ()
    opening: Messages = ()

    def about(self, item: Question) -> bool:
        return self.question == item.question


Asked = list[tuple[Question, Opened]]


def open_dialogues(questions: Sequence[Question], weights: Path, data: Path, folder: Path) -> list[Opened]:
    """The dialogue of every question, in `folder`/openings; those that are there already stay, whichever
    experiment with these weights asked for them.
    """
    by_database: dict[str, list[Question]] = {}
    for question in questions:
        by_database.setdefault(question.db_id, []).append(question)
    known = _read_openings(folder, weights, by_database)
    missing = [
        partial(_open, asked, weights, data, folder / "openings" / db_id)
        for db_id, asked in by_database.items()
        if any(question.id not in known for question in asked)
    ]
    if missing:
        in_processes(missing, "Dialogues")
        known = _read_openings(folder, weights, by_database)
    return [known[question.id] for question in questions]


def _read_openings(folder: Path, weights: Path, names: Iterable[str]) -> dict[str, Opened]:
    known: dict[str, Opened] = {}
    for db_id in names:
        with _openings(folder / "openings" / db_id, weights) as journal:
            known |= journal.records
    return known


def _openings(folder: Path, weights: Path) -> Journal[Opened]:
    return Journal(folder, {"weights": digest(weights)}, Opened, "openings.jsonl")


def _open(asked: Sequence[Question], weights: Path, data: Path, folder: Path) -> Counts:
    """The dialogues about one database."""

    def work(question: Question, database: Callable[[], Database], stop: threading.Event) -> Opened:
        about: dict[str, Any] = {"id": question.id, "db_id": question.db_id, "question": question.question}
        with SqlAgent(database(), _model(weights), explain=False) as agent:
            messages = chat_messages(agent.ask(question.question, cancel=stop).messages)
        start = next(place for place, message in enumerate(messages) if message.role == "assistant")
        for place, message in enumerate(messages):
            if any(
                call.function.name in ("find_shortest_path", "execute_sql") for call in message.tool_calls
            ):
                return Opened(**about, prompt=tuple(messages[:start]), opening=tuple(messages[start:place]))
        return Opened(**about)

    with _openings(folder, weights) as journal:
        rows = work_through(asked, work, journal, open_database=partial(_database, data))
    return len(rows), 0


@cache
def _model(weights: Path) -> EmbeddedChatModel:
    """Loaded once by each process."""
    return EmbeddedChatModel(folder=weights)


def _database(data: Path, db_id: str) -> Database:
    return open_database(data / "databases" / f"{db_id}.sqlite", embedder="embedded")
