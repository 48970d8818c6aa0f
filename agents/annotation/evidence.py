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
from ..wording import wording

if TYPE_CHECKING:
    from ...tools.database import Database

MOST_COLUMNS_ASKED = 8
MOST_UNSAID = 6.0
LEAST_LOGPROB = -20.0


@dataclass(frozen=True)
class Candidate:
    """One answer to a question. sql: "" where it declined. reward: log(pi / pi_SFT) of its trajectory (the
    implicit reward); logprob: log pi, of the model that gave it; both where that is known. alike: how much
    the answers to questions asked alike agree with it, from 0 to 1.
    """

    id: str
    sql: str
    reward: float | None = None
    logprob: float | None = None
    alike: float = 0.0


@dataclass(frozen=True)
class Evidence:
    """What was found about one candidate.

    error: why it did not run ("" if it did). rows, columns: of its result. cut, empty: of its result. group:
    candidates of one group gave the same result (-1: none). share: of the candidates that gave this result.
    missing_literals, unknown_joins, inferred_joins: see `agents.confidence.Doubts`. notes: what its joins do
    to rows. named: share of its columns that the question names. unsaid: what the question says and the
    statement does not, odd: how many of its operations the question does not ask for (`agents.wording`).
    reward, likelihood: the candidate's reward and logprob; where these are not known, the mean of those of
    the others, so that they say nothing. shown: its first rows, for a judge or a person.
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
    unsaid: tuple[str, ...] = ()
    odd: int = 0
    reward: float = 0.0
    likelihood: float = 0.0
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
            "words unsaid": min(MOST_UNSAID, float(len(self.unsaid))),
            "odd operations": min(MOST_UNSAID, float(self.odd)),
            "reward": self.reward,
            "likelihood": max(LEAST_LOGPROB, self.likelihood),
            "alike": self.candidate.alike,
        }


@dataclass(frozen=True)
class Looked:
    """What one statement gives by itself. in_order, in_any_order: digests of its rows ("" where it did not
    run); ordered: it orders them.
    """

    evidence: Evidence
    ordered: bool = False
    in_order: str = ""
    in_any_order: str = ""


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
    seen = {sql: look(database, question, sql, limits, cancel) for sql in {c.sql: None for c in candidates}}
    return together(candidates, [seen[candidate.sql] for candidate in candidates])


def look(
    database: Database,
    question: str,
    sql: str,
    limits: Limits | None = None,
    cancel: threading.Event | None = None,
) -> Looked:
    """Run one statement and look at what it rests on. Raises `QueryCancelled`."""
    candidate = Candidate("", sql)
    if not sql:
        return Looked(Evidence(candidate))
    reads = wording(question, sql, database.dialect)
    try:
        result = database.execute(sql, limits=limits, cancel=cancel)
        grounds = grounds_of(database, sql, result, explain=True, cancel=cancel)
    except QueryCancelled:
        raise
    except SqlbergError as error:
        return Looked(Evidence(candidate, error=str(error), unsaid=reads.unsaid, odd=reads.odd))
    evidence = Evidence(
        candidate,
        rows=len(result.rows),
        columns=result.columns,
        cut=bool(result.cuts),
        empty=is_empty(result.rows),
        missing_literals=grounds.doubts.missing_literals,
        unknown_joins=grounds.doubts.unknown_joins,
        inferred_joins=grounds.doubts.inferred_joins,
        notes=grounds.notes,
        named=_named(question, result.columns),
        unsaid=reads.unsaid,
        odd=reads.odd,
        shown=render_result(result),
    )
    in_order, in_any_order = (result_key(result.rows, ordered=ordered) for ordered in (True, False))
    return Looked(evidence, grounds.ordered, in_order, in_any_order)


def together(candidates: Sequence[Candidate], looked: Sequence[Looked]) -> list[Evidence]:
    """The evidence of candidates beside each other: who gives the same result. The order of rows counts where
    all statements order them.
    """
    ordered = all(one.ordered for one in looked if one.in_order)
    keys = [one.in_order if ordered else one.in_any_order for one in looked]
    groups = {key: number for number, key in enumerate(dict.fromkeys(key for key in keys if key))}
    rewards = _or_mean([candidate.reward for candidate in candidates])
    likelihoods = _or_mean([candidate.logprob for candidate in candidates])
    return [
        replace(
            one.evidence,
            candidate=candidate,
            group=groups[key] if key else -1,
            share=keys.count(key) / len(candidates) if key else 0.0,
            reward=reward,
            likelihood=likelihood,
        )
        for candidate, one, key, reward, likelihood in zip(
            candidates, looked, keys, rewards, likelihoods, strict=True
        )
    ]


def _or_mean(values: Sequence[float | None]) -> list[float]:
    """The values, the mean of those that are known in the place of one that is not; 0 where none is."""
    known = [value for value in values if value is not None]
    mean = math.fsum(known) / len(known) if known else 0.0
    return [mean if value is None else value for value in values]


def _named(question: str, columns: Sequence[str]) -> float:
    """The share of a result's columns whose name has a word of the question."""
    asked = {stem(word) for word in WORD.findall(question) if word.lower() not in STOP_WORDS}
    words = [re.findall(r"[a-z0-9]+", spoken(column)) for column in columns]
    return sum(bool(asked & {stem(w) for w in name}) for name in words) / len(columns) if columns else 0.0
