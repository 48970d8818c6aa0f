"""Teaching trajectories: gold questions answered through the real tools, as chats with tool calls.

For each question the oracle makes the moves that the embedded model should make (`models.embedded.turns`),
with the gold's literals and SQL where the network will decide, and the real tools answer. A trajectory is
kept when its SQL, written back from the sketch, returns the gold's rows. One JSON line each: id, db_id,
messages, and `targets`, the sketch to write at each assistant message the network is responsible for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...agents.prompts import database_section
from ...models.embedded import turns
from ...models.embedded.grammar import Query, parse
from ...models.embedded.items import Item, Token
from ...models.embedded.prompt import WORD
from ...models.embedded.reading import read_dialogue
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
        self.sketcher = Sketcher(schema, joins, catalog.dialect)
        self.types = {(c.table, c.name): c.type for c in catalog.columns()}

    def teach(self, question: str, sql: str) -> tuple[list[dict[str, Any]], dict[int, list[Token]]]:
        """Messages and targets. Raises `Unsketchable` (also when the rows differ) and `SqlbergError`."""
        sketch: list[Token] = ["execute", *self.sketcher.sketch(sql)]
        query = parse(sketch)
        assert isinstance(query, Query)
        messages: list[dict[str, Any]] = [
            {"role": "system", "content": self.section},
            {"role": "user", "content": question},
        ]
        targets: dict[int, list[Token]] = {}
        self._take(messages, turns.search_columns(read_dialogue(messages)))
        spans = self._spans(question, sketch)
        if spans:
            pairs = [token for first, last in spans for token in (",", first, last)]
            targets[len(messages)] = ["lookup", *pairs[1:], "end"]
            self._take(messages, turns.look_up(read_dialogue(messages), spans))
        writer = self._writer(messages)
        path = turns.find_join(read_dialogue(messages), writer, query)
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
        messages.append({"role": "assistant", "content": turns.conclude(read_dialogue(messages)).thought})
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
        situation = read_dialogue(messages)
        return SqlWriter(dialect=self.database.dialect, joins=situation.joins, types=self.types)

    def _spans(self, question: str, sketch: Sequence[Token]) -> list[tuple[Item, Item]]:
        """The words that name the sketch's texts, to be looked up."""
        literals = [t.value for t in sketch if isinstance(t, Item) and isinstance(t.value, str)]
        words = WORD.findall(question)
        texts = [text for text in dict.fromkeys(literals) if not text.replace(".", "", 1).isdigit()]
        return [
            (Item("word", words[first], index=first), Item("word", words[last], index=last))
            for first, last in spans_of(texts, words)
        ]

    def _execute(self, gold: str, written: str) -> str:
        """The observation of `written`, where it returns the gold's rows (in any order)."""
        expected = self.database.read(gold, limits=GOLD_LIMITS)
        result = self.database.read(written, limits=GOLD_LIMITS)
        if sorted(map(repr, expected.rows)) != sorted(map(repr, result.rows)):
            raise Unsketchable("the sketch does not return the gold's rows")
        return render_result(result)


def write_trajectories(
    database: Database, questions: Iterable[Mapping[str, Any]], file: Path
) -> tuple[int, int]:
    """Write `file`, a line for each question that can be taught; returns (taught, passed over). All or
    nothing.
    """
    teacher = Teacher(database)
    taught = passed = 0
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    with partial.open("w", encoding="utf-8") as out:
        for row in questions:
            try:
                messages, targets = teacher.teach(row["question"], row["sql"])
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
                    situation = read_dialogue(row["messages"][: int(place)])
                    yield row["db_id"], Example(situation, tuple(item_from_json(token) for token in tokens))
