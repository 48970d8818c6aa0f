"""The store of what people asked and what they said of the answers: one SQLite file.

    store = Store(folder / "feedback.sqlite")
    store.keep(asked)                                   # a question with its answer
    store.say(Said(asked=asked.id, person="ada", verdict="corrected", better="SELECT ..."))

A call returns when its row is on disk (WAL, synchronous=FULL): whatever was acknowledged survives a kill and
a power cut. Nothing is changed or deleted but links to conversations: who changes their mind says another
thing. Safe for many threads and processes at once.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ...errors import SqlbergError
from ..preferences import Messages

Verdict = Literal["up", "down", "corrected", "preferred", "neither", "comment"]
VERSION = 3  # 2: rights; 3: the verdict "neither"
_SECONDS = 30.0  # that a writer waits for others
_TABLES = """
CREATE TABLE IF NOT EXISTS asked (
    id TEXT PRIMARY KEY, at TEXT NOT NULL, person TEXT NOT NULL, thread TEXT NOT NULL, db_id TEXT NOT NULL,
    question TEXT NOT NULL, model TEXT NOT NULL, status TEXT NOT NULL, content TEXT NOT NULL,
    rights TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS asked_by ON asked (person, at);
CREATE TABLE IF NOT EXISTS said (
    number INTEGER PRIMARY KEY, at TEXT NOT NULL, person TEXT NOT NULL, asked TEXT NOT NULL REFERENCES asked,
    verdict TEXT NOT NULL, content TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS said_of ON said (asked);
CREATE TABLE IF NOT EXISTS logged (
    number INTEGER PRIMARY KEY, at TEXT NOT NULL, person TEXT NOT NULL, db_id TEXT NOT NULL,
    event TEXT NOT NULL, content TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS shared (
    link TEXT PRIMARY KEY, at TEXT NOT NULL, person TEXT NOT NULL, thread TEXT NOT NULL,
    UNIQUE (person, thread));
"""


def now() -> str:
    """This moment in UTC, to the millisecond, as text that sorts by time."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Asked(BaseModel):
    """A question with its answer.

    id: nobody guesses it. person, thread: whose conversation it belongs to. model: what answered, with its
    adapter. prompt, response: the dialogue, as it is learned from. sql: what was answered; others: of rival
    readings, best first. answer: `Answer.to_dict()`. rights: by which policy it was read, as its digest.
    """

    model_config = ConfigDict(frozen=True)

    id: str = Field(default_factory=lambda: secrets.token_urlsafe(16))
    at: str = Field(default_factory=now)
    person: str = ""
    thread: str = ""
    db_id: str
    question: str
    model: str = ""
    status: str = "answered"
    prompt: Messages = ()
    response: Messages = ()
    sql: str = ""
    others: tuple[str, ...] = ()
    answer: dict[str, Any] = {}
    rights: str = ""


class Said(BaseModel):
    """What a person says of an answer.

    verdict: "up" and "down" of the answer as it is; "corrected": `better` should have been run; "preferred":
    `better` over `worse`, both shown; "neither": none that was shown is right; "comment": `words` alone.
    number: in the order of saying.
    """

    model_config = ConfigDict(frozen=True)

    asked: str
    person: str = ""
    verdict: Verdict
    better: str = ""
    worse: str = ""
    words: str = ""
    at: str = Field(default_factory=now)
    number: int = 0


class Logged(BaseModel):
    """What somebody did, for those who must know later: which SQL ran for whom, and what came of it.

    event: "ask", or "run" for SQL of a person's own. rows: that were read. outcome: an answer's status,
    "ran", or the error.
    """

    model_config = ConfigDict(frozen=True)

    person: str = ""
    db_id: str
    event: str
    question: str = ""
    sql: str = ""
    rows: int = 0
    outcome: str = ""
    at: str = Field(default_factory=now)


class Store:
    """See above. Raises `SqlbergError` for a file that is no store, which stays as it is, or that cannot be
    written. new: an empty file, or one that is not there, becomes a store.
    """

    def __init__(self, path: Path, *, new: bool = True) -> None:
        self.path = path
        self._here = threading.local()
        with self._telling():
            if not _is_store(path, or_empty=new):
                raise SqlbergError(
                    f"{path} is no store of `sqlberg chat`, and was left as it is: name another file"
                )
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = self._connection()
            _patiently(connection, "PRAGMA journal_mode = WAL")
            found = connection.execute("PRAGMA user_version").fetchone()[0]
            if found > VERSION:
                raise SqlbergError(f"{path} was written by a later sqlberg: install that one")
            connection.executescript(_TABLES)
            with connection:
                connection.execute("BEGIN IMMEDIATE")  # one server at a time
                if not any(row[1] == "rights" for row in connection.execute("PRAGMA table_info(asked)")):
                    connection.execute("ALTER TABLE asked ADD COLUMN rights TEXT NOT NULL DEFAULT ''")
                connection.execute(f"PRAGMA user_version = {VERSION}")

    def keep(self, asked: Asked) -> Asked:
        """Keep a question; returns it."""
        content = asked.model_dump_json(include={"prompt", "response", "sql", "others", "answer"})
        values = (asked.id, asked.at, asked.person, asked.thread, asked.db_id, asked.question, asked.model)
        with self._telling(), self._connection() as connection:
            connection.execute(
                "INSERT INTO asked VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*values, asked.status, content, asked.rights),
            )
        return asked

    def say(self, said: Said) -> int:
        """Keep what a person says; returns its number. Raises `SqlbergError` for an unknown question."""
        content = said.model_dump_json(include={"better", "worse", "words"})
        with self._telling(), self._connection() as connection:
            if connection.execute("SELECT 1 FROM asked WHERE id = ?", (said.asked,)).fetchone() is None:
                raise SqlbergError("this question is not in the store: ask it again")
            written = connection.execute(
                "INSERT INTO said (at, person, asked, verdict, content) VALUES (?, ?, ?, ?, ?)",
                (said.at, said.person, said.asked, said.verdict, content),
            )
        return int(written.lastrowid or 0)

    def log(self, logged: Logged) -> None:
        """Keep what was done."""
        content = logged.model_dump_json(include={"question", "sql", "rows", "outcome"})
        values = (logged.at, logged.person, logged.db_id, logged.event, content)
        with self._telling(), self._connection() as connection:
            connection.execute(
                "INSERT INTO logged (at, person, db_id, event, content) VALUES (?, ?, ?, ?, ?)", values
            )

    def logged(
        self, *, person: str | None = None, db_id: str | None = None, most: int | None = None
    ) -> list[Logged]:
        """What was done, the newest first. person, db_id: by and on these alone."""
        names = ("at", "person", "db_id", "event")
        with self._telling():
            rows = self._connection().execute(
                "SELECT at, person, db_id, event, content FROM logged "
                "WHERE person = coalesce(?, person) AND db_id = coalesce(?, db_id) "
                "ORDER BY number DESC LIMIT ?",
                (person, db_id, -1 if most is None else most),
            )
            return [
                Logged.model_validate(dict(zip(names, row, strict=False)) | json.loads(row[-1]))
                for row in rows
            ]

    def asked(
        self,
        *,
        person: str | None = None,
        db_id: str | None = None,
        thread: str | None = None,
        words: str = "",
        most: int | None = None,
    ) -> list[Asked]:
        """Questions, the newest first. person, db_id, thread: of these alone; words: that the question
        holds.
        """
        wanted, values = ["1"], []
        for column, value in (("person", person), ("db_id", db_id), ("thread", thread)):
            if value is not None:
                wanted.append(f"{column} = ?")
                values.append(value)
        for word in words.split():
            wanted.append("instr(folded(question), ?)")
            values.append(word.casefold())
        with self._telling():
            rows = self._connection().execute(
                f"SELECT * FROM asked WHERE {' AND '.join(wanted)} ORDER BY at DESC, rowid DESC LIMIT ?",
                (*values, -1 if most is None else most),
            )
            return [_asked(row) for row in rows]

    def conversations(self, person: str, most: int, rights: str = "") -> list[tuple[str, str, str]]:
        """Thread, database and first question of a person's conversations, the one asked in last first. most:
        questions that are looked through, from the newest. rights: that they were read by.
        """
        with self._telling():
            rows = self._connection().execute(
                "SELECT thread, db_id, question FROM asked WHERE person = ? AND rights = ? "
                "ORDER BY at DESC, rowid DESC LIMIT ?",
                (person, rights, most),
            )
            return list({row[0]: row for row in rows}.values())  # a dict keeps places, and the last value

    def find(self, id: str, *, person: str | None = None) -> Asked | None:
        """The question with this id; person: only if it is theirs."""
        with self._telling():
            row = self._connection().execute("SELECT * FROM asked WHERE id = ?", (id,)).fetchone()
        found = _asked(row) if row else None
        return found if found and (person is None or found.person == person) else None

    def share(self, thread: str, *, person: str) -> str:
        """The link to a person's conversation, the same until it is ended; nobody guesses it."""
        with self._telling(), self._connection() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO shared VALUES (?, ?, ?, ?)",
                (secrets.token_urlsafe(24), now(), person, thread),
            )
            found = connection.execute(
                "SELECT link FROM shared WHERE person = ? AND thread = ?", (person, thread)
            )
            return str(found.fetchone()[0])

    def unshare(self, thread: str, *, person: str) -> None:
        """End the link to a person's conversation, if there is one."""
        with self._telling(), self._connection() as connection:
            connection.execute("DELETE FROM shared WHERE person = ? AND thread = ?", (person, thread))

    def shared(self, link: str) -> list[Asked]:
        """The questions of a shared conversation, the oldest first; none where there is no such link."""
        with self._telling():
            row = (
                self._connection()
                .execute("SELECT person, thread FROM shared WHERE link = ?", (link,))
                .fetchone()
            )
        return self.asked(person=row[0], thread=row[1])[::-1] if row else []

    def said(self, asked: str | None = None) -> list[Said]:
        """What was said, of one question or of all, in the order of saying."""
        wanted, values = ("WHERE asked = ?", (asked,)) if asked else ("", ())
        with self._telling():
            rows = self._connection().execute(
                f"SELECT number, at, person, asked, verdict, content FROM said {wanted} ORDER BY number",
                values,
            )
            names = ("number", "at", "person", "asked", "verdict")
            return [
                Said.model_validate(dict(zip(names, row, strict=False)) | json.loads(row[-1])) for row in rows
            ]

    def close(self) -> None:
        """Close this thread's connection."""
        connection = getattr(self._here, "connection", None)
        if connection is not None:
            connection.close()
            self._here.connection = None

    def _connection(self) -> sqlite3.Connection:
        """This thread's own."""
        connection = getattr(self._here, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self.path, timeout=_SECONDS)
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA cache_size = -256")  # KiB: a server has a connection for each thread
            # SQLite's own lower() knows the letters of English alone.
            connection.create_function("folded", 1, str.casefold, deterministic=True)
            self._here.connection = connection
        return connection

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise SqlbergError(f"the store {self.path} cannot be used: {error}") from error


def _is_store(path: Path, or_empty: bool) -> bool:
    """Whether a file holds the tables of a store, of any version; looking leaves it as it is."""
    if or_empty and not path.exists():
        return True
    # Where a writer's log lies beside it, tables may be in that alone. Where none does, SQLite would make one
    # even for a reader, unless the file is told to be immutable.
    how = "mode=ro" if path.with_name(path.name + "-wal").exists() else "immutable=1"
    address = f"{path.absolute().as_uri()}?{how}"
    with contextlib.closing(sqlite3.connect(address, uri=True, timeout=_SECONDS)) as connection:
        if or_empty and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
            return True
        columns = {row[1] for row in connection.execute("PRAGMA table_info(asked)")}
    return columns >= {"id", "person", "thread", "db_id", "question", "content"}


def _patiently(connection: sqlite3.Connection, statement: str) -> None:
    """A statement that SQLite does not wait for where another process is opening the file, too."""
    ends = time.monotonic() + _SECONDS
    while True:
        try:
            connection.execute(statement)
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > ends:
                raise
        time.sleep(0.05)


def _asked(row: tuple[Any, ...]) -> Asked:
    names = ("id", "at", "person", "thread", "db_id", "question", "model", "status")
    *columns, content, rights = row
    return Asked.model_validate(
        dict(zip(names, columns, strict=True)) | json.loads(content) | {"rights": rights}
    )
