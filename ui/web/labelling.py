"""Which questions a person should judge next, and what they are shown of each: rival answers, order blind.

pool → ranked by active learning (`training/active/`) → for each: answers of several candidates, by result
→ the two most likely results, in an order that says nothing → what the person says, into the store
"""

from __future__ import annotations

import hashlib
import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...agents.clarify import differences
from ...agents.conversation import new_thread_id
from ...agents.sql_agent import SqlAgent
from ...errors import SqlbergError
from ...training.active.choosing import choose
from ...training.active.selectors import SELECTORS
from ...training.evaluation.dataset import Question, read_questions
from ...training.feedback.lessons import same_question
from ...training.feedback.store import Asked
from .room import TO_JUDGE, Room

CANDIDATES = 5
POOL = 500
"""Questions that are ranked at most: the newest."""
SELECTOR_NAMES = tuple(SELECTORS)


@dataclass(frozen=True)
class Task:
    """A question to judge. kept: as it is in the store; sides: its rival answers, at most two, as readings
    (`sql`, `columns`, `rows`). apart: what only the one and only the other uses.
    """

    kept: Asked
    sides: tuple[dict[str, Any], ...]
    apart: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())


class Labelling:
    """Over a room. folder: where the views of questions are kept."""

    def __init__(self, room: Room, folder: Path) -> None:
        self.room, self.folder = room, folder
        self._choosing = threading.Lock()  # one at a time writes views

    def queue(
        self, name: str, person: str, selector: str, count: int, file: Path | None = None
    ) -> list[Question]:
        """Questions over a database that this person has not judged, those worth most first: of a file, or
        all that were asked here (of those who do not manage the room: that they asked). Raises
        `SqlbergError`.
        """
        from ...training.active.readers import reader_of

        said = [self._asked(one.asked) for one in self.room.store.said() if one.person == person]
        judged = {one.question for one in said if one.db_id == name}
        if file is None:
            whose = self.room.may_see(person)
            kept = self.room.store.asked(db_id=name, person=whose, most=4 * POOL)
            asked = dict.fromkeys(one.question for one in kept)
            texts = [text for text in asked if text not in judged]
        else:
            read = read_questions(file, db_id=name, databases=None, gold=False)
            texts = [one.question for one in read.rows if one.question not in judged]
        if not texts:
            raise SqlbergError("there is no question left to judge: ask some, or give a file of questions")
        pool = [Question(id=_id(text), db_id=name, question=text, sql=None) for text in texts[:POOL]]
        database = self.room.agent(name, person).database
        with self._choosing:
            return choose(
                pool,
                count,
                selector,
                self.folder / name,
                reader=lambda: reader_of(_local(self.room.model_name)),
                open_database=lambda _: _Kept(database),  # pyright: ignore[reportArgumentType]
                about={"policy": database.policy.digest()},
            )

    def task(self, question: Question, person: str) -> Task:
        """The question with its rival answers. Raises `SqlbergError`."""
        agent = self.room.agent(question.db_id, person)
        several = SqlAgent(
            agent.database,
            self.room.model,
            model_name=self.room.model_name,
            candidates=CANDIDATES,
            clarify=False,
            explain=False,
        )
        answer = several.ask(question.question)
        thread = f"{TO_JUDGE}-{new_thread_id()}"
        kept = self.room.keep(question.db_id, answer, person=person, thread=thread)
        readings = [one for one in kept.answer.get("readings", []) if one["columns"]]
        if not readings and answer.columns:
            readings = [{name: kept.answer[name] for name in ("sql", "columns", "rows")}]
        sides = readings[:2]
        if int(_id(kept.id), 16) % 2:  # neither place says which one the model prefers
            sides.reverse()
        if len(sides) < 2:
            return Task(kept, tuple(sides))
        one, other = differences(sides[0]["sql"], sides[1]["sql"], dialect=agent.database.dialect)
        return Task(kept, tuple(sides), (tuple(one), tuple(other)))

    def disagreements(self, name: str, person: str) -> list[tuple[str, str, str]]:
        """Questions over a database of which people hold different SQL to be right: question, person, SQL.
        Only those who manage the room see what others hold.
        """
        if not self.room.managed_by(person):
            return []
        texts: dict[tuple[str, ...], str] = {}
        held: dict[tuple[str, ...], dict[str, str]] = defaultdict(dict)
        asked = {one.id: one for one in self.room.store.asked(db_id=name)}
        for one in self.room.store.said():
            if one.asked not in asked or one.verdict == "comment":
                continue
            question = asked[one.asked]
            key = same_question(question)
            texts.setdefault(key, question.question)
            held[key].pop(one.person, None)  # the last word of each
            if one.verdict in ("preferred", "corrected", "up"):
                held[key][one.person] = one.better or question.sql
        return [
            (texts[key], person, sql)
            for key, rivals in held.items()
            if len(set(rivals.values())) > 1
            for person, sql in rivals.items()
        ]

    def _asked(self, id: str) -> Asked:
        found = self.room.store.find(id)
        assert found is not None  # the store refuses words about unknown questions
        return found


class _Kept:
    """A database that stays open when the course that borrows it is over."""

    def __init__(self, database: Any) -> None:
        self._database = database

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def close(self) -> None:
        return


def _id(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _local(model: str) -> str:
    """The model whose reading ranks: the one that answers, if it is here, else the embedded one."""
    return model if model.startswith(("embedded", "transformers:")) else "embedded"


def shown(values: Sequence[str]) -> str:
    return ", ".join(values) or "nothing of its own"
