"""The embedded model at its last decision, many questions at a time: which SQL to run.

Whole dialogues take most of their time for tools whose answers are always the same. The experiments ask
pi_SFT once, through the real graph, and keep each dialogue up to the decision of the SQL (`open_dialogues`);
every policy after it decides there (`write_sql`). What running a statement shows is kept by question and
statement (`Verdicts`). How far this is from whole dialogues is measured at the end of the experiment.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from sqlberg.agents.annotation.evidence import Candidate, Evidence, Looked, look
from sqlberg.agents.opening import open_database
from sqlberg.errors import SqlbergError
from sqlberg.models.adapters.folders import WEIGHTS, digest
from sqlberg.models.embedded.grammar import Query, parse
from sqlberg.models.embedded.network import SketchNetwork
from sqlberg.models.embedded.prompt import PromptWriter
from sqlberg.models.embedded.reading import Situation
from sqlberg.models.embedded.sql_writer import SqlWriter, UnconnectedTables
from sqlberg.models.embedded.weights import load_weights
from sqlberg.tools.database import Database
from sqlberg.tools.limits import Limits
from sqlberg.training.embedded.trajectories import read_turn
from sqlberg.training.embedded.workers import compute_alone
from sqlberg.training.evaluation.comparators import multiset
from sqlberg.training.evaluation.dataset import Question
from sqlberg.training.journal import fingerprint
from sqlberg.training.precision import computing
from sqlberg.training.preferences import Messages
from sqlberg.training.rounds.candidates import Response, Sampled

from .many_prompts import Beam, best_sketches
from .openings import Asked, Opened

LIMITS = Limits(seconds=10, rows=20_000)
CANDIDATES = 4
TOGETHER = 16
"""Questions that are written for at a time."""
TRIES = 3
"""Statements that the graph runs at most until one does not fail."""


def write_sql(rows: Sequence[Opened], weights: Path, adapter: Path | None, count: int) -> list[list[str]]:
    """For each dialogue the `count` best different statements of a policy, best first.

    pi_SFT's verdict was never trained, so sketches stand in the order of their probability.
    """
    network, writer = load_weights(weights, adapter)
    return [[sql for sql, _ in statements] for statements in write_scored(rows, network, writer, count)]


def write_scored(
    rows: Sequence[Opened], network: SketchNetwork, writer: PromptWriter, count: int, members: int = 1
) -> list[list[tuple[str, float]]]:
    """The same, each with its log-probability; of a network that is an ensemble of so many members."""
    situations = {
        number: read_turn([message.wired() for message in (*row.prompt, *row.opening)])
        for number, row in enumerate(rows)
        if row.prompt
    }
    prompts = {number: writer.write(found) for number, found in situations.items()}
    by_length = sorted(prompts, key=lambda number: len(prompts[number].pieces))
    statements: list[list[tuple[str, float]]] = [[] for _ in rows]
    for start in range(0, len(by_length), TOGETHER):
        numbers = by_length[start : start + TOGETHER]
        with torch.inference_mode(), computing("cpu", half=True):
            written = best_sketches(network, [prompts[number] for number in numbers], count, members)
        for number, sketches in zip(numbers, written, strict=True):
            statements[number] = _statements(situations[number], sketches)
    return statements


def sampled(rows: Sequence[Opened], written: Sequence[Sequence[str]]) -> list[Sampled]:
    """The statements as candidates, for annotators and trainers."""
    return [
        Sampled(
            id=row.id,
            db_id=row.db_id,
            question=row.question,
            prompt=(*row.prompt, *row.opening),
            responses=tuple(
                Response(id=f"{row.id}-{number}", sql=sql, messages=said(sql))
                for number, sql in enumerate(statements)
            ),
        )
        for row, statements in zip(rows, written, strict=True)
        if statements
    ]


def said(sql: str) -> Messages:
    """The response that decides for a statement; what was searched before it belongs to the prompt."""
    call = {"id": "call_sql", "function": {"name": "execute_sql", "arguments": {"sql": sql}}}
    last = {"role": "assistant", "content": "", "tool_calls": [call]}
    return Sampled.model_validate({"id": "", "db_id": "", "question": "", "prompt": [last]}).prompt


@dataclass(frozen=True)
class Verdict:
    """What running a statement for a question shows. right: it gives the gold's rows."""

    looked: Looked
    right: bool


class Verdicts:
    """Verdicts by question and statement, kept in a folder, where each process has a file of its own."""

    def __init__(self, folder: Path, data: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file, self.data = folder / f"{os.getpid()}.jsonl", data
        self.known: dict[tuple[str, str], Verdict] = {}
        for file in folder.glob("*.jsonl"):
            for line in file.read_text(encoding="utf-8").splitlines():
                try:
                    identity, row = json.loads(line)
                except ValueError:
                    continue  # torn by a kill
                evidence = row["looked"].pop("evidence")
                candidate = Candidate(**evidence.pop("candidate"))
                for name in ("columns", "notes", "unsaid"):
                    evidence[name] = tuple(evidence[name])
                looked = Looked(Evidence(candidate, **evidence), **row["looked"])
                self.known[identity, candidate.sql] = Verdict(looked, row["right"])

    def of(self, questions: Sequence[Question], written: Sequence[Sequence[str]]) -> list[list[Verdict]]:
        """The verdict of each statement of each question; what is not known yet is run."""
        missing: dict[str, list[tuple[Question, list[str]]]] = {}
        for question, statements in zip(questions, written, strict=True):
            new = [sql for sql in dict.fromkeys(statements) if (question.id, sql) not in self.known]
            if new:
                missing.setdefault(question.db_id, []).append((question, new))
        with self.file.open("a", encoding="utf-8") as file:
            for asked in missing.values():
                for identity, verdict in _look_at(self.data, asked):
                    self.known[identity, verdict.looked.evidence.candidate.sql] = verdict
                    file.write("\n" + json.dumps([identity, asdict(verdict)]))
        return [
            [self.known[question.id, sql] for sql in statements]
            for question, statements in zip(questions, written, strict=True)
        ]


@cache
def verdicts_in(folder: Path, data: Path) -> Verdicts:
    """Those of a folder, read once by each process."""
    return Verdicts(folder, data)


@dataclass(frozen=True)
class Deciding:
    """What adapters of one model decide, and what comes of it. weights: the model's; place: where both are
    kept; data: the folder with databases/.
    """

    weights: Path
    place: Path
    data: Path

    @property
    def verdicts(self) -> Verdicts:
        return verdicts_in(self.place / "verdicts", self.data)

    def write(self, asked: Asked, adapter: Path | None, count: int = CANDIDATES) -> list[list[str]]:
        """The `count` best statements that the model writes for each question with an adapter (None: by
        itself); kept by the adapter's content.
        """
        rows = [row for _, row in asked]
        of = digest(adapter, WEIGHTS) if adapter else "none"
        file = (
            self.place / "written" / f"{of}-{fingerprint({'asked': [row.id for row in rows]})}-{count}.json"
        )
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            mine = file.with_suffix(f".{os.getpid()}")  # another process may be about to write the same
            mine.write_text(json.dumps(write_sql(rows, self.weights, adapter, count)), encoding="utf-8")
            mine.replace(file)
        return json.loads(file.read_text(encoding="utf-8"))

    def look(
        self, asked: Asked, adapter: Path | None, count: int = CANDIDATES
    ) -> tuple[list[list[str]], list[list[Verdict]]]:
        """The same, and what each statement shows."""
        written = self.write(asked, adapter, count)
        return written, self.verdicts.of([question for question, _ in asked], written)

    def score(self, asked: Asked, adapter: Path | None) -> str:
        """Whether each question is answered right: ones and zeros. The next statement of a question is run
        where the one before failed, as the graph does.
        """
        written = self.write(asked, adapter)
        seen: list[list[Verdict]] = [[] for _ in asked]
        for turn in range(TRIES):
            waiting = [
                number
                for number, statements in enumerate(written)
                if len(statements) > turn and all(one.looked.evidence.error for one in seen[number])
            ]
            found = self.verdicts.of(
                [asked[number][0] for number in waiting], [[written[number][turn]] for number in waiting]
            )
            for number, verdicts in zip(waiting, found, strict=True):
                seen[number] += verdicts
        return "".join("1" if answered(one) else "0" for one in seen)


def answered(verdicts: Iterable[Verdict]) -> bool:
    """Whether the statement that the graph would end with is right: the first that does not fail."""
    for verdict in list(verdicts)[:TRIES]:
        if not verdict.looked.evidence.error:
            return verdict.right
    return False


def processes() -> ProcessPoolExecutor:
    """Two that compute on one core each."""
    return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"), initializer=compute_alone)


def _statements(situation: Situation, sketches: Iterable[Beam]) -> list[tuple[str, float]]:
    """The different statements that sketches stand for, each with the log-probability of its first."""
    types = {(column.table, column.name): column.type for column in situation.columns}
    writer = SqlWriter(dialect=situation.dialect, joins=situation.joins, types=types)
    statements: dict[str, float] = {}
    for sketch in sketches:
        tree = parse(sketch.tokens)
        try:
            if isinstance(tree, Query):
                statements.setdefault(writer.write(tree), sketch.score)
        except UnconnectedTables:
            continue
    return list(statements.items())


def _look_at(data: Path, asked: Sequence[tuple[Question, list[str]]]) -> list[tuple[str, Verdict]]:
    found = []
    path = data / "databases" / f"{asked[0][0].db_id}.sqlite"
    with open_database(path, embedder="none") as database:
        for question, statements in asked:
            gold = _rows(database, question.sql) if question.sql else None
            ordered = database.check(question.sql).ordered if question.sql and gold else False
            for sql in statements:
                looked = look(database, question.question, sql, LIMITS)
                rows = _rows(database, sql) if not looked.evidence.error and gold else None
                right = bool(gold and rows and multiset(gold[0], rows[0], ordered=ordered))
                found.append((question.id, Verdict(looked, right)))
    return found


def _rows(database: Database, sql: str) -> tuple[Any] | None:
    try:
        result = database.execute(sql, limits=LIMITS)
    except SqlbergError:
        return None
    return (result.rows,) if result.complete else None
