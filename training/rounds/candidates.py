"""Several answers of the policy to each question, with the whole dialogue of each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from ...errors import SqlbergError
from ..cluster import Cluster, carry_out
from ..evaluation.dataset import Question
from ..formats import parted
from ..journal import Finished, Journal
from ..preferences import Messages, said

if TYPE_CHECKING:
    from ...agents.answer import Answer
    from ...tools.database import Database

CANDIDATES = "candidates.jsonl"


class Response(BaseModel):
    """One answer: the SQL of its best query ("" where it declined or failed) and what was said for it."""

    model_config = ConfigDict(frozen=True)

    id: str
    sql: str
    messages: Messages


def _on_offer() -> tuple[dict[str, Any], ...]:
    from ...agents.acting import tools_on_offer

    return tools_on_offer()


class Sampled(Finished):
    """The different answers to a question. tools: on offer to the model that gave them, in OpenAI's format.
    error: why there is none.
    """

    model_config = ConfigDict(frozen=True)

    db_id: str
    question: str
    prompt: Messages = ()
    responses: tuple[Response, ...] = ()
    tools: tuple[dict[str, Any], ...] = Field(default_factory=_on_offer)
    error: str = ""

    def about(self, item: Any) -> bool:
        return (self.db_id, self.question) == (item.db_id, item.question)


def sample_candidates(
    questions: Sequence[Question],
    folder: Path,
    *,
    agent_options: dict[str, Any],
    open_database: Callable[[str], Database],
    settings: dict[str, Any],
    concurrency: int = 2,
    cluster: Cluster | None = None,
    again: bool = False,
    finished: Callable[[Sampled], None] = lambda row: None,
) -> list[Sampled]:
    """Candidates for every question, in `folder`; those that are there already stay.

    agent_options: of `SqlAgent`, its model and number of candidates among them; settings: what they stand
    for, so that a folder begun otherwise is refused. cluster: whose workers do it (then the model is a
    `ToLoad` and `open_database` can be pickled), instead of `concurrency` threads. again: also those that
    failed before. Raises `SqlbergError`.
    """
    with Journal(folder, settings, Sampled, CANDIDATES) as journal:
        return carry_out(
            questions,
            _Sampling(agent_options),
            journal,
            open_database=open_database,
            concurrency=concurrency,
            cluster=cluster,
            finished=finished,
            failure=lambda row: row.error,
            again=again,
        )


@dataclass(frozen=True)
class _Sampling:
    """What is done with a question, here or by a worker of a cluster."""

    agent_options: dict[str, Any]

    def begun(self) -> _Sampling:
        from ...models.references import loaded

        model = self.agent_options.get("model", "embedded")
        return _Sampling({**self.agent_options, "model": loaded(model)})

    def __call__(
        self, question: Question, database: Callable[[], Database], stop: threading.Event
    ) -> Sampled:
        from ...agents.sql_agent import SqlAgent

        try:
            with SqlAgent(database(), explain=False, **self.agent_options) as agent:
                return _sampled(self._about(question), agent.sample(question.question, cancel=stop))
        except SqlbergError as error:
            return self.failed(question, str(error))

    def failed(self, question: Question, error: str) -> Sampled:
        return Sampled(**self._about(question), error=error)

    def _about(self, question: Question) -> dict[str, Any]:
        return {"id": question.id, "db_id": question.db_id, "question": question.question}


def _sampled(about: dict[str, Any], answers: Sequence[Answer]) -> Sampled:
    """The answers that say different things."""
    prompt: Messages = ()
    responses: dict[str, Response] = {}
    for answer in answers:
        asked, response = parted(answer)
        if answer.status != "failed" and response and response[0].role == "assistant":
            prompt, words = tuple(asked), repr(said(response))
            number = f"{about['id']}-{len(responses)}"
            responses.setdefault(words, Response(id=number, sql=answer.sql, messages=tuple(response)))
    if not responses:
        reasons = "; ".join(dict.fromkeys(answer.reason for answer in answers))
        return Sampled(**about, error=reasons or "the model said nothing")
    return Sampled(**about, prompt=prompt, responses=tuple(responses.values()))
