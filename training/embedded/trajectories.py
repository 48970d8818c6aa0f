"""Teaching trajectories: gold questions answered through the real tools, as chats with tool calls.

For each question the oracle makes the moves that the embedded model should make (`models.embedded.turns`),
with the gold's literals and SQL where the network will decide, and the real tools answer. A trajectory is
kept when its SQL, written back from the sketch, returns the gold's rows. One JSON line each: id, db_id,
messages, and `targets`, the sketch to write at each assistant message the network is responsible for.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...agents.prompts import database_section
from ...models.embedded import turns
from ...models.embedded.follow_up import in_context
from ...models.embedded.grammar import Query, parse
from ...models.embedded.items import Item, Token
from ...models.embedded.prompt import WORD, spoken
from ...models.embedded.reading import Situation, read_dialogue
from ...models.embedded.sql_writer import JoinKey, SqlWriter, UnconnectedTables
from ...tools.errors import SqlbergError
from ...tools.limits import Limits
from ...tools.observations import render_result
from ...tools.toolbox import make_tools
from .batches import Example, item_from_json, item_to_json
from .sketching import Sketcher, Unsketchable
from .targets import spans_of

if TYPE_CHECKING:
    from ...tools.database import Database

POOR_SHARE = 0.06
POOR_COLUMNS = 3
GOLD_LIMITS = Limits(seconds=20, rows=100_000)


class Teacher:
    """Makes the trajectories of one database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        catalog = database.catalog
        self.tools = {tool.name: tool for tool in make_tools(database)}
        self.section = database_section(catalog)
        joins = [JoinKey(j.table, j.columns, j.ref_table, j.ref_columns) for j in catalog.joins]
        schema = {table.name: [column.name for column in table.columns] for table in catalog.tables}
        filled = {(c.table, c.name) for c in catalog.columns() if c.statistics.null_share == 0}
        self.sketcher = Sketcher(schema, joins, catalog.dialect, filled)
        self.types = {(c.table, c.name): c.type for c in catalog.columns()}

    def taught(self, row: Mapping[str, Any]) -> tuple[list[dict[str, Any]], dict[int, list[Token]]]:
        """Messages and targets of a record with question and sql (None: for want of what `missing` names),
        and perhaps the question `earlier` that it follows.
        """
        if row["sql"] is None:
            return self.teach_refusal(row["question"], row["missing"])
        earlier = row.get("earlier") or ()
        return self.teach(row["question"], row["sql"], earlier=earlier, top_k=_top_k(row["question"]))

    def teach(
        self, question: str, sql: str, *, earlier: Sequence[str] = (), top_k: int = turns.TOP_COLUMNS
    ) -> tuple[list[dict[str, Any]], dict[int, list[Token]]]:
        """Messages and targets. Raises `Unsketchable` (also when the rows differ) and `SqlbergError`.

        earlier: questions before this one. top_k: columns of the first search; where these leave out one that
        the SQL needs, it is searched by the words that name it.
        """
        sketch: list[Token] = ["execute", *self.sketcher.sketch(sql)]
        query = parse(sketch)
        assert isinstance(query, Query)
        messages: list[dict[str, Any]] = [{"role": "system", "content": self.section}]
        for before in earlier:
            messages.append({"role": "user", "content": before})
            messages.append({"role": "assistant", "content": "…"})
        messages.append({"role": "user", "content": question})
        question = read_turn(messages).question
        targets: dict[int, list[Token]] = {}
        self._take(messages, turns.search_columns(read_turn(messages), top_k))
        unseen = _unseen(read_turn(messages), sketch)
        if spans := _named(question, [spoken(column) for column in unseen]):
            targets[len(messages)] = _worded("search", spans)
            self._take(messages, turns.search_again(read_turn(messages), spans))
        spans = self._spans(question, sketch)
        if spans:
            targets[len(messages)] = _worded("lookup", spans)
            self._take(messages, turns.look_up(read_turn(messages), spans))
        writer = self._writer(messages)
        path = turns.find_join(read_turn(messages), writer, query)
        if path:
            self._take(messages, path)
            writer = self._writer(messages)
        try:
            written = writer.write(query)
        except UnconnectedTables as error:
            raise Unsketchable(str(error)) from None
        targets[len(messages)] = sketch
        observation = self._execute(sql, written)
        self._take(messages, turns.execute(query, written, 0), observation)
        messages.append({"role": "assistant", "content": turns.conclude(read_turn(messages)).thought})
        return messages, targets

    def teach_refusal(
        self, question: str, missing: str
    ) -> tuple[list[dict[str, Any]], dict[int, list[Token]]]:
        """Messages and targets of a question about something, `missing`, that the database does not hold:
        searched, searched again by its words, refused. Raises `Unsketchable` where the words are not found.
        """
        messages: list[dict[str, Any]] = [
            {"role": "system", "content": self.section},
            {"role": "user", "content": question},
        ]
        self._take(messages, turns.search_columns(read_turn(messages)))
        spans = _named(question, [missing])
        if not spans:
            raise Unsketchable(f"the question does not name {missing}")
        targets = {len(messages): _worded("search", spans)}
        self._take(messages, turns.search_again(read_turn(messages), spans))
        targets[len(messages)] = _worded("refuse", spans)
        refusal = turns.refuse(read_turn(messages), spans)
        messages.append({"role": "assistant", "content": refusal.thought})
        return messages, targets

    def _take(self, messages: list[dict[str, Any]], turn: turns.Turn, observation: str | None = None) -> None:
        """One assistant message with its call, and the tool's answer."""
        call_id = f"call_{len(messages)}"
        function = {"name": turn.tool, "arguments": json.dumps(turn.arguments, ensure_ascii=False)}
        call = {"id": call_id, "type": "function", "function": function}
        messages.append({"role": "assistant", "content": turn.thought, "tool_calls": [call]})
        if observation is None:
            observation = str(self.tools[turn.tool].invoke(turn.arguments))
        messages.append({"role": "tool", "tool_call_id": call_id, "content": observation})

    def _writer(self, messages: list[dict[str, Any]]) -> SqlWriter:
        situation = read_turn(messages)
        return SqlWriter(dialect=self.database.dialect, joins=situation.joins, types=self.types)

    def _spans(self, question: str, sketch: Sequence[Token]) -> list[tuple[Item, Item]]:
        """The words that name the sketch's texts, to be looked up."""
        literals = [t.value for t in sketch if isinstance(t, Item) and isinstance(t.value, str)]
        texts = [text for text in dict.fromkeys(literals) if not text.replace(".", "", 1).isdigit()]
        return _named(question, texts)

    def _execute(self, gold: str, written: str) -> str:
        """The observation of `written`, where it returns the gold's rows (in any order)."""
        expected = self.database.execute(gold, limits=GOLD_LIMITS)
        result = self.database.execute(written, limits=GOLD_LIMITS)
        if sorted(map(repr, expected.rows)) != sorted(map(repr, result.rows)):
            raise Unsketchable("the sketch does not return the gold's rows")
        return render_result(result)


def read_turn(messages: Sequence[Mapping[str, Any]]) -> Situation:
    """What the network knows at the turn after these messages."""
    return in_context(read_dialogue(messages))


def _unseen(situation: Situation, sketch: Sequence[Token]) -> list[str]:
    """Names of the sketch's columns that the dialogue does not hold yet."""
    seen = {(column.table, column.name) for column in situation.columns}
    columns = (t for t in sketch if isinstance(t, Item) and t.kind == "column")
    return list(dict.fromkeys(c.column for c in columns if (c.table, c.column) not in seen))


def _named(question: str, texts: Sequence[str]) -> list[tuple[Item, Item]]:
    """The first and last word of the question for each text that it names."""
    words = WORD.findall(question)
    return [
        (Item("word", words[first], index=first), Item("word", words[last], index=last))
        for first, last in spans_of(texts, words)
    ]


def _worded(turn: str, spans: Sequence[tuple[Item, Item]]) -> list[Token]:
    pairs = [token for first, last in spans for token in (",", first, last)]
    return [turn, *pairs[1:], "end"]


def _top_k(question: str) -> int:
    """Most first searches are whole; a share finds too little, so that searching again can be learned."""
    draw = zlib.crc32(question.encode()) % 100 / 100
    return POOR_COLUMNS if draw < POOR_SHARE else turns.TOP_COLUMNS


def write_trajectories(
    database: Database, questions: Iterable[Mapping[str, Any]], file: Path
) -> tuple[int, int]:
    """Write `file`, a line for each question that can be taught; returns (taught, passed over). All or
    nothing.

    questions: records with id, db_id, question, sql and, where that is None, missing.
    """
    teacher = Teacher(database)
    taught = passed = 0
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    with partial.open("w", encoding="utf-8") as out:
        for row in questions:
            try:
                messages, targets = teacher.taught(row)
            except (Unsketchable, SqlbergError):
                passed += 1
                continue
            as_json = {
                str(place): [item_to_json(token) for token in tokens] for place, tokens in targets.items()
            }
            line = {"id": row["id"], "db_id": row["db_id"], "messages": messages, "targets": as_json}
            out.write(json.dumps(line, ensure_ascii=False) + "\n")
            taught += 1
    partial.rename(file)
    return taught, passed


def read_examples(files: Iterable[Path]) -> Iterator[tuple[str, Example]]:
    """(db_id, example) for every turn of every trajectory that the network is responsible for."""
    for file in files:
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                for place, tokens in row["targets"].items():
                    situation = read_turn(row["messages"][: int(place)])
                    yield row["db_id"], Example(situation, tuple(item_from_json(token) for token in tokens))
