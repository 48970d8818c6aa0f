"""What all pages of one server share: the databases, the model that answers, and the store.

Databases are opened when they are first asked about, each with one agent that answers everybody: agents are
safe for many threads at once, and conversations are kept apart by person and thread.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...agents.conversation import new_thread_id
from ...errors import SqlbergError
from ...tools.limits import Limits, Result
from ...tools.notes import Notes, read_notes, write_notes
from ...tools.references import name_of
from ...training.feedback.store import Asked, Logged, Store
from ...training.formats import parted
from .visitors import visitor

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from ...agents.answer import Answer
    from ...agents.events import Event
    from ...agents.sql_agent import SqlAgent
    from ...tools.database import Database
    from ...tools.policy import AccessPolicy

TO_JUDGE = "label"
"""What the threads of questions begin with that were asked to be judged: they are no conversations."""


@dataclass
class Room:
    """databases: references by the name that people see. model: answers everywhere; model_name: how it is
    kept. options: further ones of `SqlAgent`. limits: of each query. policy: what people read; policies: what
    those do, by name, who have one of their own. memory, notes: folders of conversations and of what people
    know of the databases. managers: who may change what answers; None: everybody.
    """

    databases: Mapping[str, str]
    model: BaseChatModel
    model_name: str
    store: Store
    memory: Path | None = None
    notes: Path | None = None
    policy: AccessPolicy | None = None
    embedder: str = "embedded"
    limits: Limits = field(default_factory=Limits)
    options: Mapping[str, Any] = field(default_factory=dict)
    policies: Mapping[str, AccessPolicy] = field(default_factory=dict)
    managers: frozenset[str] | None = None
    _agents: dict[tuple[str, str], SqlAgent] = field(default_factory=dict)
    _open: dict[tuple[str, str], Database] = field(default_factory=dict)
    _examples: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def names(self) -> list[str]:
        return list(self.databases)

    def agent(self, name: str, person: str = "") -> SqlAgent:
        """The agent of a database, for those who may read what this person may. Raises `SqlbergError` for a
        name that is not offered here.
        """
        from ...agents.sql_agent import SqlAgent

        key = (name, self.rights(person))
        with self._lock:
            if key not in self._agents:
                # Conversations hold what was read: each policy has a memory of its own.
                memory = (
                    None if self.memory is None else self.memory / f"{'-'.join(filter(None, key))}.sqlite"
                )
                database = self._database(key, person)
                self._agents[key] = SqlAgent(
                    database, self.model, model_name=self.model_name, memory=memory, **self.options
                )
            return self._agents[key]

    def use(self, model_name: str) -> None:
        """Answer with another model from the next question on; those in work end with the one they have.
        Raises `SqlbergError`, and then nothing changes.
        """
        from ...models.references import load_chat_model

        model = load_chat_model(model_name)
        with self._lock:
            self.model, self.model_name = model, model_name
            self._agents.clear()

    def notes_of(self, name: str) -> Notes:
        """What people know of a database. Raises `SqlbergError`."""
        return read_notes(self.notes / f"{name}.json") if self.notes else Notes()

    def note(self, name: str, change: Callable[[Notes], Notes]) -> None:
        """Change what people know of a database: the next question goes by it. Raises `SqlbergError`."""
        if self.notes is None or name not in self.databases:
            raise SqlbergError("this page keeps no notes")
        with self._lock:  # from reading to writing, so that nobody's words are lost
            notes = change(self.notes_of(name))
            write_notes(self.notes / f"{name}.json", notes)
            for (opened, _), database in self._open.items():
                if opened == name:
                    database.notes = notes
            # Instructions of an agent hold what was known as it was made.
            self._agents = {key: agent for key, agent in self._agents.items() if key[0] != name}

    def database(self, name: str, person: str = "") -> Database:
        """A database as this person may read it. Raises `SqlbergError`."""
        return self.agent(name, person).database

    def managed_by(self, person: str) -> bool:
        """Whether this person may start improvements and change what answers."""
        return self.managers is None or person in self.managers

    def may_see(self, person: str) -> str | None:
        """Whose questions this person may see: None for everybody's, which those see who manage."""
        return None if self.managed_by(person) else person

    def rights(self, person: str) -> str:
        """Which policy this person reads by, as a digest; "" where all may be read."""
        policy = self.policies.get(person, self.policy)
        return "" if policy is None or policy == type(policy)() else policy.digest()

    def conversations(self, person: str, most: int) -> list[tuple[str, str, str]]:
        """Thread, database and first question of those a person can go on with: what was read by another
        policy than theirs of today is not shown again.
        """
        found = self.store.conversations(person, most, rights=self.rights(person))
        return [one for one in found if one[1] in self.databases and not one[0].startswith(TO_JUDGE)]

    def conversation(self, thread: str, person: str) -> list[Asked]:
        """One of them, the oldest question first; none if it is not among them."""
        talked = bool(thread) and not thread.startswith(TO_JUDGE)
        found = self.store.asked(person=person, thread=thread)[::-1] if talked else []
        kept = [one for one in found if one.db_id in self.databases and one.rights == self.rights(person)]
        return kept if len(kept) == len(found) else []

    def _database(self, key: tuple[str, str], person: str) -> Database:
        """Opened once. The lock is held."""
        from ...agents.opening import open_database

        name, _ = key
        if key not in self._open:
            if name not in self.databases:
                raise SqlbergError(f"there is no database {name!r} here")
            notes = self.notes_of(name)  # before it is opened: without them nobody is answered
            self._open[key] = open_database(
                self.databases[name],
                policy=self.policies.get(person, self.policy),
                limits=self.limits,
                embedder=self.embedder,
            )
            self._open[key].notes = notes
        return self._open[key]

    def ask(
        self, name: str, question: str, *, person: str, thread: str, cancel: threading.Event
    ) -> Iterator[Event | Asked]:
        """The events of a question; after its answer the same as it is kept. Raises `SqlbergError`."""
        answer: Answer | None = None
        agent = self.agent(name, person)
        for event in agent.stream(question, thread_id=self._thread(agent, thread, person), cancel=cancel):
            yield event
            answer = event.answer or answer
        if answer is not None:
            yield self.keep(name, answer, person=person, thread=thread)

    def _thread(self, agent: SqlAgent, thread: str, person: str) -> str:
        """The thread of the agent's memory: of this person alone, since others may name theirs alike."""
        own = hashlib.blake2b(f"{person}\0{thread}".encode(), digest_size=16).hexdigest()
        if agent.conversation(own) or not agent.conversation(thread):
            return own
        # An earlier version began it, which gave the agent the bare thread.
        talkers = {one.person for one in self.store.asked(thread=thread)}
        return thread if talkers == {person} else own

    def answer(self, name: str, question: str, *, person: str) -> Asked:
        """The answer to one question, as it is kept. Raises `SqlbergError`."""
        *_, kept = self.ask(name, question, person=person, thread=new_thread_id(), cancel=threading.Event())
        assert isinstance(kept, Asked)  # the last event of a question is its answer
        return kept

    def keep(self, name: str, answer: Answer, *, person: str, thread: str) -> Asked:
        """Keep an answer in the store and in the log."""
        prompt, response = parted(answer)
        rivals = tuple(reading.sql for reading in answer.readings if reading.sql != answer.sql)
        kept = Asked(
            person=person,
            thread=thread,
            db_id=name,
            question=answer.question,
            model=self.model_name,
            status=answer.status,
            prompt=tuple(prompt),
            response=tuple(response),
            sql=answer.sql or (answer.readings[0].sql if answer.readings else ""),
            others=rivals,
            answer=answer.to_dict() | {"thread_id": thread},
            rights=self.rights(person),
        )
        self.store.keep(kept)
        self._log(kept.person, name, "ask", answer.question, kept.sql, len(answer.rows), answer.status)
        return kept

    def shared(self, link: str, person: str) -> list[Asked]:
        """The questions of a conversation that somebody shared, the oldest first. Raises `SqlbergError`:
        there is none, or it was read by another policy than this person's.
        """
        found = [one for one in self.store.shared(link) if one.db_id in self.databases]
        if not found:
            raise SqlbergError("There is no such conversation, or its link was ended.")
        if any(one.rights != self.rights(person) for one in found):
            raise SqlbergError("Whoever shared this may read other data than you: ask it yourself.")
        return found

    def run(self, name: str, sql: str, *, person: str) -> Result:
        """What a person's own statement gives, under the same guard and limits. Raises `SqlbergError`."""
        try:
            result = self.agent(name, person).database.execute(sql)
        except SqlbergError as error:
            self._log(person, name, "run", "", sql, 0, str(error))
            raise
        self._log(person, name, "run", "", sql, len(result.rows), "ran")
        return result

    def examples(self, name: str, person: str = "", count: int = 5) -> list[str]:
        """Questions that the schema and the values of a database suggest, the same each time."""
        from ...training.synthesis.generator import synthesize

        key = (name, self.rights(person))
        if key not in self._examples:
            made = [one.question for one in synthesize(self.agent(name, person).database, 40 * count, 7)]
            plain = [text for text in made if text[0].isupper() and text.endswith("?") and len(text) < 70]
            self._examples[key] = (plain or made)[:: max(1, len(plain or made) // count)][:count]
        return self._examples[key]

    def close(self) -> None:
        with self._lock:
            for agent in self._agents.values():
                agent.close()
            for database in self._open.values():
                database.close()
            self._agents.clear()
            self._open.clear()

    def _log(
        self, person: str, name: str, event: str, question: str, sql: str, rows: int, outcome: str
    ) -> None:
        self.store.log(
            Logged(
                person=person,
                db_id=name,
                event=event,
                question=question,
                sql=sql,
                rows=rows,
                outcome=outcome,
            )
        )


def person_of(request: Any) -> str:
    """Who asks, by Gradio's request: whoever logged in, else the browser, else the session alone."""
    return str(request.username or visitor(request.cookies) or f"session {request.session_hash}")


def named(references: list[str]) -> dict[str, str]:
    """Databases by the names that people see: of the file or folder, told apart by numbers."""
    found: dict[str, str] = {}
    for reference in references:
        stem = name_of(reference)
        name, tries = stem, 2
        while name in found:
            name, tries = f"{stem} {tries}", tries + 1
        found[name] = reference
    return found
