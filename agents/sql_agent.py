"""The SQL agent: questions in plain language in, answers with SQL, rows, steps and grounds out.

    with SqlAgent("shop.duckdb") as agent:
        answer = agent.ask("How many customers came back last year?")
        print(answer.text, answer.to_pandas(), sep="\\n")

`ask`, `aask`, `stream` and `batch` differ only in how the answer arrives. A `thread_id` makes questions a
conversation. Safe for many threads at once; questions of one conversation wait for each other, as long as
their budget lasts. What a model or a database does wrong is in the answer's status; only wrong use of the
agent raises (SqlbergError).
"""

from __future__ import annotations

import asyncio
import dataclasses
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver

from ..errors import SqlbergError
from ..models.errors import one_line
from ..tools.limits import Limits
from ..tools.policy import AccessPolicy
from .answer import Answer
from .budget import Budget, Spent
from .clarify import ask_back
from .conclusion import conclude
from .conversation import Turn, remember, turn_of
from .deadline import Cancelled, OutOfTime
from .events import Event
from .memory import Memory
from .nodes import CANCELLED
from .speaking import sampling_options
from .sql_graph import build_sql_graph
from .state import Asking, Ending
from .voting import abstain, elect, too_unsure

if TYPE_CHECKING:
    from ..tools.database import Database

MOST_CANDIDATES = 64
QUESTION_CHARS = 8_000
_AT_ONCE = 8  # candidates of one question that run at the same time

Tell = Callable[[Event], None]


class SqlAgent:
    """Answers questions over one database with one chat model."""

    def __init__(
        self,
        database: Database | str | Path,
        model: BaseChatModel | str = "embedded",
        *,
        model_name: str = "",
        candidates: int = 1,
        temperature: float = 0.7,
        seed: int = 0,
        abstain_below: float | None = None,
        clarify: bool = True,
        explain: bool = True,
        budget: Budget | None = None,
        memory: BaseCheckpointSaver[Any] | str | Path | None = None,
        policy: AccessPolicy | None = None,
        limits: Limits | None = None,
    ) -> None:
        """
        database: an open Database, or what `open_database` takes; then policy and limits are for it.
        model: a LangChain chat model that can call tools, or a reference ("embedded", "provider:model", ...).
        model_name: how answers and errors call the model (default: the reference, or the model's own name).
        candidates: how many runs vote by result; the first is greedy, the others are sampled with
            `temperature` and `seed`, where the model takes these options (the embedded model gives its best
            queries in their order instead). At least as many as the members of an ensemble, if it is one.
        abstain_below: least confidence of an answer, 0 to 1 (None: what the model asks for itself, as the
            embedded one does; else 0). Below it the best guess is only a reading of an abstained answer.
            Unknown confidence (one candidate of a model that reports no log-probabilities) is not held
            against it.
        clarify: ask back when candidates read the question in two likely ways with different results.
        explain: look up what literals and joins of the answer rest on, and what its joins do to rows.
        budget: rounds, seconds and tokens of one question. memory: where conversations are kept: None for
            this process, a path for a SQLite file, or any LangGraph checkpointer.
        """
        if not 1 <= candidates <= MOST_CANDIDATES:
            raise SqlbergError(f"candidates must be 1 to {MOST_CANDIDATES}, not {candidates}")
        if abstain_below is not None and not 0 <= abstain_below <= 1:
            raise SqlbergError(f"abstain_below must be 0 to 1, not {abstain_below}")
        self.temperature = temperature
        self.seed = seed
        self.clarify = clarify
        self.budget = budget or Budget()
        self._owns_database = isinstance(database, (str, Path))
        self.model, self._name = _model(model, model_name)
        self.candidates = max(candidates, int(getattr(self.model, "voters", 1)))
        own = float(getattr(self.model, "abstain_below", 0.0))
        self.abstain_below = own if abstain_below is None else abstain_below
        self.database = _database(database, policy, limits)
        self._memory = Memory(memory, self.database)
        self._graph = build_sql_graph(
            self.database, self.model, budget=self.budget, explain=explain, model_name=self._name
        )
        self._threads = build_sql_graph(
            self.database,
            self.model,
            budget=self.budget,
            explain=explain,
            model_name=self._name,
            checkpointer=self._memory.checkpointer,
        )

    def ask(
        self, question: str, *, thread_id: str | None = None, cancel: threading.Event | None = None
    ) -> Answer:
        """The answer to one question.

        thread_id: the conversation it belongs to ("and in 2023?"). cancel: set it from another thread to stop
        the model and the query; the answer is then partial. Raises SqlbergError for an empty question or bad
        thread id.
        """
        return self._ask(question, thread_id, cancel or threading.Event(), None)

    def sample(self, question: str, *, cancel: threading.Event | None = None) -> list[Answer]:
        """The answers of all `candidates`, none chosen and none withheld: what annotators compare and what
        training learns from.
        """
        return self._runs(_checked(question), [], cancel or threading.Event(), None)

    async def aask(self, question: str, *, thread_id: str | None = None) -> Answer:
        """`ask` for asyncio; cancelling the task stops the model and the query."""
        cancel = threading.Event()
        try:
            return await asyncio.to_thread(self._ask, question, thread_id, cancel, None)
        except asyncio.CancelledError:
            cancel.set()
            raise

    def stream(
        self, question: str, *, thread_id: str | None = None, cancel: threading.Event | None = None
    ) -> Iterator[Event]:
        """Every event of one question as it happens; the last one holds the answer. Closing it cancels."""
        cancel = cancel or threading.Event()
        events: queue.SimpleQueue[Event | BaseException] = queue.SimpleQueue()

        def work() -> None:
            try:
                answer = self._ask(question, thread_id, cancel, events.put)
                events.put(Event("answer", answer.text, answer=answer))
            except BaseException as error:  # raised again where the events are read
                events.put(error)

        _checked(question)
        threading.Thread(target=work, daemon=True).start()
        try:
            while True:
                event = events.get()
                if isinstance(event, BaseException):
                    raise event
                yield event
                if event.kind == "answer":
                    return
        finally:
            cancel.set()

    def batch(
        self, questions: Sequence[str], *, concurrency: int = 4, cancel: threading.Event | None = None
    ) -> list[Answer]:
        """The answers to independent questions, in order; one that cannot be asked is "failed"."""
        if concurrency < 1:
            raise SqlbergError(f"concurrency must be at least 1, not {concurrency}")
        cancel = cancel or threading.Event()

        def one(question: str) -> Answer:
            try:
                return self._ask(question, None, cancel, None)
            except SqlbergError as error:
                return Answer(question, status="failed", reason=str(error), text=str(error))

        with ThreadPoolExecutor(concurrency, thread_name_prefix="sqlberg-batch") as pool:
            try:
                return list(pool.map(one, questions))
            except BaseException:
                cancel.set()
                raise

    def conversation(self, thread_id: str) -> list[Turn]:
        """What a thread remembers, oldest first; empty for an unknown one. Raises SqlbergError."""
        config = self._memory.config(thread_id)
        try:
            state = self._threads.get_state(config)
        except Exception as error:  # whatever a checkpointer raises
            raise SqlbergError(f"the conversation cannot be read: {one_line(error)}; try again") from error
        return list(state.values.get("conversation", []))

    def forget(self, thread_id: str) -> None:
        """Delete a conversation."""
        self._memory.forget(thread_id)

    def close(self) -> None:
        """Close the memory, and the database if the agent opened it."""
        self._memory.close()
        if self._owns_database:
            self.database.close()

    def __enter__(self) -> SqlAgent:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(
        self, question: str, thread_id: str | None, cancel: threading.Event, tell: Tell | None
    ) -> Answer:
        question = _checked(question)
        if thread_id is None:
            return self._decide(question, [], cancel, tell)
        config = self._memory.config(thread_id)
        with ExitStack() as turn:
            waiting = Spent()
            try:
                turn.enter_context(
                    self._memory.turn_taking(thread_id, seconds=self.budget.seconds, cancel=cancel)
                )
            except Cancelled:
                return self._unasked(question, thread_id, waiting, CANCELLED)
            except OutOfTime:
                reason = "the time budget ended while an earlier question of the conversation was answered"
                return self._unasked(question, thread_id, waiting, Ending("partial", reason))
            earlier = self.conversation(thread_id)
            answer = self._decide(question, earlier, cancel, tell)
            return dataclasses.replace(self._kept(answer, earlier, config), thread_id=thread_id)

    def _kept(self, answer: Answer, earlier: list[Turn], config: RunnableConfig) -> Answer:
        """The answer, once its thread remembers it; or with a note that it does not."""
        try:
            self._threads.update_state(
                config, {"conversation": remember(earlier, turn_of(answer))}, as_node="think"
            )
        except Exception as error:  # whatever a checkpointer raises must not lose the answer
            note = f"The conversation does not remember this answer: {one_line(error)}."
            return dataclasses.replace(answer, notes=(*answer.notes, note))
        return answer

    def _unasked(self, question: str, thread_id: str, waiting: Spent, ending: Ending) -> Answer:
        """Of a question whose turn in the conversation did not come."""
        answer = conclude(
            self.database,
            question=question,
            ending=ending,
            best=None,
            steps=(),
            spent=waiting,
            messages=(),
            budget=self.budget,
            cancel=threading.Event(),
            explain=False,
            model_name=self._name,
        )
        return dataclasses.replace(answer, thread_id=thread_id)

    def _decide(
        self, question: str, earlier: list[Turn], cancel: threading.Event, tell: Tell | None
    ) -> Answer:
        """One run, or several that vote."""
        if self.candidates == 1:
            return self._judged(self._run(question, earlier, 0, cancel, tell))
        started = time.monotonic()
        answers = self._runs(question, earlier, cancel, tell)
        answer = elect(answers, abstain_below=self.abstain_below)
        answer = ask_back(answer) if self.clarify else answer
        tokens = answers[0].tokens
        for other in answers[1:]:
            tokens = tokens + other.tokens
        return dataclasses.replace(answer, seconds=time.monotonic() - started, tokens=tokens)

    def _runs(
        self, question: str, earlier: list[Turn], cancel: threading.Event, tell: Tell | None
    ) -> list[Answer]:
        """All candidates, some at a time."""
        with ThreadPoolExecutor(
            min(self.candidates, _AT_ONCE), thread_name_prefix="sqlberg-candidate"
        ) as pool:
            try:
                runs = [
                    pool.submit(self._run, question, earlier, number, cancel, tell)
                    for number in range(self.candidates)
                ]
                return [run.result() for run in runs]
            except BaseException:
                cancel.set()
                raise

    def _judged(self, answer: Answer) -> Answer:
        """A single candidate's answer, withheld when it is known to be too unsure."""
        sure = answer.confidence is None or answer.confidence >= self.abstain_below
        if sure or answer.status != "answered":
            return answer
        return abstain(answer, too_unsure(answer.confidence or 0.0, self.abstain_below))

    def _run(
        self,
        question: str,
        earlier: list[Turn],
        candidate: int,
        cancel: threading.Event,
        tell: Tell | None,
    ) -> Answer:
        """One run of the graph."""
        sampling = (
            sampling_options(
                self.model,
                candidate=candidate,
                candidates=self.candidates,
                temperature=self.temperature,
                seed=self.seed,
            )
            if self.candidates > 1
            else {}
        )
        asking = Asking(cancel=cancel, sampling=sampling, candidate=candidate)
        payload: Any = {"question": question}
        if earlier:
            payload["conversation"] = earlier
        config: RunnableConfig = {"recursion_limit": 10 + 4 * self.budget.rounds}
        if tell is None:
            return self._graph.invoke(payload, config, context=asking)["answer"]
        answer: Answer | None = None
        for mode, chunk in self._graph.stream(
            payload, config, context=asking, stream_mode=["custom", "values"]
        ):
            if mode == "custom":
                tell(cast(Event, chunk))
            else:
                answer = cast(Any, chunk).get("answer", answer)
        if answer is None:
            raise RuntimeError("the graph ended without an answer")
        return answer


def _checked(question: str) -> str:
    if not isinstance(question, str) or not question.strip():
        raise SqlbergError("there is no question: ask something in words")
    if len(question) > QUESTION_CHARS:
        raise SqlbergError(f"the question has {len(question)} characters; ask in at most {QUESTION_CHARS}")
    return question.strip()


def _model(model: BaseChatModel | str, name: str) -> tuple[BaseChatModel, str]:
    """The chat model, and the name by which answers call it."""
    if not isinstance(model, str):
        own = getattr(model, "model_name", "") or getattr(model, "model", "") or type(model).__name__
        return model, name or str(own)
    from ..models.references import load_chat_model

    return load_chat_model(model), name or model


def _database(
    database: Database | str | Path, policy: AccessPolicy | None, limits: Limits | None
) -> Database:
    if isinstance(database, (str, Path)):
        from .opening import open_database

        return open_database(database, policy=policy, limits=limits)
    if policy is not None or limits is not None:
        raise SqlbergError("the database is already open: give policy and limits to open_database instead")
    return database
