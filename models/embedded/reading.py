"""Reading a dialogue back: from chat messages to what the model knows at its turn.

The embedded model sees only what any chat model sees: the system message's database section, the question,
and the text of each observation. This module parses those texts (the formats of `tools/observations.py` and
of the prompt's database section) into a `Situation`. Lines it does not understand are passed over: an
observation is data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .sql_writer import JoinKey

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

NAME = r'(?:"(?:[^"]|"")+"|[^\W\d]\w*)'
COLUMN_LINE = re.compile(
    rf"(?P<table>{NAME})\.(?P<column>{NAME}) (?P<type>.*?)(?P<key> key)?"
    rf"(?P<refs>(?: -> {NAME}\.{NAME}(?:, )?)+)?(?: -- (?P<notes>.*))?\Z"
)
VALUE_LINE = re.compile(rf"({NAME})\.({NAME}) = ('(?:[^']|'')*'|-?[\d.]+)(?: -- (\w+).*)?\Z")
TABLE_LINE = re.compile(rf"(?P<table>{NAME}) \([^)]*\)(?: key (?P<key>.*))?\Z")
JOIN_LINE = re.compile(
    rf"({NAME})\.({NAME}|\([^)]*\)) -> ({NAME})\.({NAME}|\([^)]*\))(?P<inferred> \(inferred\))?\Z"
)
JOIN_CONDITION = re.compile(rf"({NAME})\.({NAME}) = ({NAME})\.({NAME})")
DATABASE_LINE = re.compile(r"Database (?P<name>.*) \((?P<dialect>\w+)\)\Z")
STRING = re.compile(r"'(?:[^']|'')*'")
NUMBER_LIKE = re.compile(r"\W*\d")


@dataclass(frozen=True)
class SeenTable:
    """A table of the database section."""

    name: str
    key: tuple[str, ...] = ()


@dataclass
class SeenColumn:
    """A column of a search observation, or (type "") one known only from a key or join of the database
    section.
    """

    table: str
    name: str
    type: str = ""
    is_key: bool = False
    refers_to: str = ""
    values: tuple[str, ...] = ()
    is_number: bool = False
    is_date: bool = False
    holds_words: bool = False


@dataclass(frozen=True)
class SeenValue:
    """A cell found by a value search; `match` is "exact", "similar", "partial" or "within"."""

    table: str
    column: str
    value: str | int | float
    match: str


@dataclass
class Situation:
    """All that the dialogue holds at one turn of the model.

    earlier: the questions before this one. earlier_words: how many words of `question` are of these.
    """

    question: str = ""
    earlier: tuple[str, ...] = ()
    earlier_words: int = 0
    dialect: str = "sqlite"
    tables: list[SeenTable] = field(default_factory=list)
    columns: list[SeenColumn] = field(default_factory=list)
    values: list[SeenValue] = field(default_factory=list)
    joins: list[JoinKey] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    observations: list[str] = field(default_factory=list)

    def called(self, tool: str) -> list[int]:
        """The positions in `calls` at which the tool was used for the current question."""
        return [index for index, (name, _) in enumerate(self.calls) if name == tool]


def read_dialogue(messages: Sequence[BaseMessage | Mapping[str, Any]]) -> Situation:
    """The situation of the dialogue's last question. Messages are LangChain's, or the chat format's
    dictionaries.
    """
    situation = Situation()
    questions: list[str] = []
    calls: dict[str, tuple[str, dict[str, Any]]] = {}
    for message in messages:
        role, text, called, call_id = _message(message)
        if role == "system":
            read_database(text, situation)
        elif role == "user":
            questions.append(text.strip())
            situation.calls, situation.observations, situation.values = [], [], []
        elif role == "tool":
            call = calls.get(call_id, ("", {}))
            situation.calls.append(call)
            situation.observations.append(text)
            read_observation(call[0], text, situation)
        calls.update(called)
    situation.question = questions[-1] if questions else ""
    situation.earlier = tuple(questions[:-1])
    return situation


def _message(
    message: BaseMessage | Mapping[str, Any],
) -> tuple[str, str, dict[str, tuple[str, dict[str, Any]]], str]:
    """Role, text, tool calls by id, and the id of the call that a tool message answers."""
    if isinstance(message, Mapping):
        called = {
            call["id"]: (call["function"]["name"], json.loads(call["function"]["arguments"]))
            for call in message.get("tool_calls") or []
        }
        return message["role"], message.get("content") or "", called, message.get("tool_call_id", "")
    role = {"human": "user", "ai": "assistant"}.get(message.type, message.type)
    called = {call["id"] or "": (call["name"], call["args"]) for call in getattr(message, "tool_calls", [])}
    return role, str(message.text), called, getattr(message, "tool_call_id", "")


def read_database(text: str, situation: Situation) -> None:
    """The database section: dialect, tables with keys, joins. It is the last section of the system
    message.
    """
    lines = text.splitlines()
    starts = [index for index, line in enumerate(lines) if DATABASE_LINE.match(line)]
    if not starts:
        return
    header = DATABASE_LINE.match(lines[starts[-1]])
    assert header
    situation.dialect = header["dialect"]
    for line in lines[starts[-1] + 1 :]:
        if table := TABLE_LINE.match(line):
            key = tuple(_name(name) for name in re.findall(NAME, table["key"] or ""))
            situation.tables.append(SeenTable(_name(table["table"]), key))
        elif join := JOIN_LINE.match(line):
            situation.joins.append(JoinKey(_name(join[1]), _names(join[2]), _name(join[3]), _names(join[4])))
    for table in situation.tables:
        for name in table.key:
            _column(situation, table.name, name).is_key = True
    for join in situation.joins:
        for name, ref_name in zip(join.columns, join.ref_columns, strict=False):
            _column(situation, join.table, name).refers_to = join.ref_table
            _column(situation, join.ref_table, ref_name)


def read_observation(tool: str, text: str, situation: Situation) -> None:
    """One tool's observation, into the situation."""
    for line in text.splitlines():
        if tool == "search_column" and (found := COLUMN_LINE.match(line)):
            _read_column(found, situation)
        elif tool == "search_value" and (found := VALUE_LINE.match(line)):
            seen = SeenValue(_name(found[1]), _name(found[2]), _literal(found[3]), found[4] or "exact")
            situation.values.append(seen)
        elif tool == "find_shortest_path" and re.match(r"\d+\. ", line):
            # A join path that was asked for goes before the joins known so far.
            path = [
                JoinKey(_name(a), (_name(b),), _name(c), (_name(d),))
                for a, b, c, d in JOIN_CONDITION.findall(line)
            ]
            if line.startswith("1. "):
                situation.joins[:0] = [join for join in path if join not in situation.joins]


def _read_column(found: re.Match[str], situation: Situation) -> None:
    column = _column(situation, _name(found["table"]), _name(found["column"]), seen=True)
    column.type = found["type"].strip()
    column.is_key = column.is_key or bool(found["key"])
    if found["refs"]:
        column.refers_to = _name(re.findall(NAME, found["refs"])[0])
    notes = found["notes"] or ""
    cells = tuple(_string(value) for value in STRING.findall(notes.split(" -- ")[0]))
    if notes.startswith("values: "):
        column.values = cells
    column.holds_words = bool(cells) and not any(NUMBER_LIKE.match(cell) for cell in cells)
    column.is_date = bool(re.match(r"'?\d{4}-\d\d-\d\d", notes))
    column.is_number = not column.is_date and bool(re.match(r"-?\d[\d.e+-]* to ", notes))


def _column(situation: Situation, table: str, name: str, seen: bool = False) -> SeenColumn:
    """The column's entry, made when new. Columns of searches keep the order in which they were found."""
    for index, column in enumerate(situation.columns):
        if column.table == table and column.name == name:
            if seen and not column.type:
                situation.columns.append(situation.columns.pop(index))
            return column
    column = SeenColumn(table, name)
    situation.columns.append(column)
    return column


def _name(text: str) -> str:
    return text[1:-1].replace('""', '"') if text.startswith('"') else text


def _names(text: str) -> tuple[str, ...]:
    """One name, or a composite key `(a, b)`."""
    if not text.startswith("("):
        return (_name(text),)
    return tuple(_name(name) for name in re.findall(NAME, text))


def _string(text: str) -> str:
    return text[1:-1].replace("''", "'")


def _literal(text: str) -> str | int | float:
    if text.startswith("'"):
        return _string(text)
    return float(text) if "." in text else int(text)
