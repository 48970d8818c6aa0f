"""What speaks for and against each candidate answer to a question, gathered from the database."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ...models.embedded.prompt import STOP_WORDS, WORD, spoken, stem
from ...tools.errors import QueryCancelled, SqlbergError
from ...tools.limits import Limits
from ...tools.observations import render_result
from ..grounds import grounds_of
from ..results import is_empty, result_key

if TYPE_CHECKING:
    from ...tools.database import Database
    from ...tools.limits import Result

MOST_COLUMNS_ASKED = 8


@dataclass(frozen=True)
class Candidate:
    """One answer to a question. sql: "" where it declined. reward: log(pi / pi_SFT) of its trajectory, where
    that is known (the implicit reward).
    """

    id: str
    sql: str
    reward: float | None = None


@dataclass(frozen=True)
class Evidence:
    """What was found about one candidate.

    error: why it did not run ("" if it did). rows, columns: of its result. cut, empty: of its result. group:
    candidates of one group gave the same result (-1: none). share: of the candidates that gave this result.
    missing_literals, unknown_joins, inferred_joins: see `agents.confidence.Doubts`. notes: what its joins do
    to rows. named: share of its columns that the question names. shown: its first rows, for a judge or a
    person.
    """

    candidate: Candidate
    error: str = ""
    rows: int = 0
    columns: tuple[str, ...] = ()
    cut: bool = False
    empty: bool = False
    group: int = -1
    share: float = 0.0
    missing_literals: int = 0
    unknown_joins: int = 0
    inferred_joins: int = 0
    notes: tuple[str, ...] = ()
    named: float = 0.0
    shown: str = ""

    @property
    def ran(self) -> bool:
        return bool(self.candidate.sql) and not self.error

    def features(self) -> Mapping[str, float]:
        """The evidence as numbers, of like size: what annotators weigh."""
        return {
            "declined": float(not self.candidate.sql),
            "failed": float(bool(self.error)),
            "cut": float(self.cut),
            "empty": float(self.empty),
            "share": self.share,
            "missing literals": min(2.0, float(self.missing_literals)),
            "unknown joins": min(2.0, float(self.unknown_joins)),
            "inferred joins": min(2.0, float(self.inferred_joins)),
            "join notes": min(2.0, float(len(self.notes))),
            "columns named": self.named,
            "columns": math.log1p(min(len(self.columns), MOST_COLUMNS_ASKED)),
            "reward": self.candidate.reward or 0.0,
        }


def gather(
    database: Database,
    question: str,
    candidates: Sequence[Candidate],
    *,
    limits: Limits | None = None,
    cancel: threading.Event | None = None,
) -> list[Evidence]:
    """Run every candidate under the guard, look at what its SQL rests on, and group them by result.

    Raises only `QueryCancelled`: SQL that does not run is evidence.
    """
    seen: dict[str, tuple[Evidence, Result | None, bool]] = {}
    for candidate in candidates:
        if candidate.sql not in seen:
            seen[candidate.sql] = _look(database, question, candidate, limits, cancel)
    looked = [seen[candidate.sql] for candidate in candidates]
    results = [(result, ordered) for _, result, ordered in looked if result is not None]
    ordered = all(is_ordered for _, is_ordered in results)
    keys = [None if r is None else result_key(r.rows, ordered=ordered) for _, r, _ in looked]
    groups = {key: number for number, key in enumerate(dict.fromkeys(key for key in keys if key))}
    return [
        replace(
            evidence,
            candidate=candidate,
            group=groups[key] if key else -1,
            share=keys.count(key) / len(candidates) if key else 0.0,
        )
        for candidate, (evidence, _, _), key in zip(candidates, looked, keys, strict=True)
    ]


def _look(
    database: Database,
    question: str,
    candidate: Candidate,
    limits: Limits | None,
    cancel: threading.Event | None,
) -> tuple[Evidence, Result | None, bool]:
    """The evidence of one statement, its result, and whether it orders its rows."""
    if not candidate.sql:
        return Evidence(candidate), None, False
    try:
        result = database.execute(candidate.sql, limits=limits, cancel=cancel)
    except QueryCancelled:
        raise
    except SqlbergError as error:
        return Evidence(candidate, error=str(error)), None, False
    grounds = grounds_of(database, candidate.sql, result, explain=True, cancel=cancel)
    doubts = grounds.doubts
    evidence = Evidence(
        candidate,
        rows=len(result.rows),
        columns=result.columns,
        cut=bool(result.cuts),
        empty=is_empty(result.rows),
        missing_literals=doubts.missing_literals,
        unknown_joins=doubts.unknown_joins,
        inferred_joins=doubts.inferred_joins,
        notes=grounds.notes,
        named=_named(question, result.columns),
        shown=render_result(result),
    )
    return evidence, result, grounds.ordered


def _named(question: str, columns: Sequence[str]) -> float:
    """The share of a result's columns whose name has a word of the question."""
    asked = {stem(word) for word in WORD.findall(question) if word.lower() not in STOP_WORDS}
    words = [re.findall(r"[a-z0-9]+", spoken(column)) for column in columns]
    return sum(bool(asked & {stem(w) for w in name}) for name in words) / len(columns) if columns else 0.0
