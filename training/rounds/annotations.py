"""The annotator agent over all sampled candidates, and the preferences that come of it."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, Field

from ...errors import SqlbergError
from ..cluster import Cluster, carry_out
from ..formats import to_sqlberg
from ..journal import Finished, Journal, fingerprint, write_json
from ..preferences import Message, Preference
from .alike import asked_alike
from .candidates import Sampled

if TYPE_CHECKING:
    from ...agents.annotation.annotators import Annotator
    from ...agents.annotation.evidence import Candidate, Evidence
    from ...agents.annotation.graph import Annotation
    from ...tools.database import Database
    from .rewards import Scored

ANNOTATIONS = "annotations.jsonl"


class Annotated(Finished):
    """What the annotator said of a question's candidates, for people to read and for training.

    evidence: of each candidate, its features by name. See `agents.annotation.graph.Annotation`.
    """

    model_config = ConfigDict(frozen=True)

    db_id: str
    question: str
    annotator: str
    verdict: str
    chosen: str = ""
    rejected: str = ""
    probability: float = 0.5
    margin: float = 0.0
    reasons: tuple[str, ...] = ()
    evidence: dict[str, dict[str, Any]] = Field(default_factory=dict)
    error: str = ""

    def about(self, item: Any) -> bool:
        """Of the same question and, where they were looked at, the same candidates."""
        seen = {name: told["sql"] for name, told in self.evidence.items()}
        same = (self.db_id, self.question) == (item.db_id, item.question)
        return same and (not seen or seen == {one.id: one.sql for one in item.responses})


def annotate_all(
    sampled: Sequence[Sampled],
    scored: Mapping[str, Scored],
    annotator: Annotator,
    folder: Path,
    *,
    open_database: Callable[[str], Database],
    settings: dict[str, Any],
    judge: Any = None,
    concurrency: int = 2,
    cluster: Cluster | None = None,
    again: bool = False,
    finished: Callable[[Annotated], None] = lambda row: None,
) -> list[Annotated]:
    """Annotate every question's candidates, in `folder`; those that are there already stay.

    scored: what the model finds of responses, by their ids, where known. judge: a chat model. cluster: whose
    workers do it (then the judge is a `ToLoad` and `open_database` can be pickled), instead of `concurrency`
    threads. again: also those that failed before. Raises `SqlbergError`.
    """
    agreed = asked_alike(sampled, scored) if "alike" in annotator.weights else {}
    work = _Annotating(annotator, dict(scored), agreed, judge)
    with Journal(folder, settings, Annotated, ANNOTATIONS) as journal:
        return carry_out(
            sampled,
            work,
            journal,
            open_database=open_database,
            concurrency=concurrency,
            cluster=cluster,
            finished=finished,
            failure=lambda row: row.error,
            again=again,
        )


@dataclass(frozen=True)
class _Annotating:
    """What is done with the candidates of a question, here or by a worker of a cluster."""

    annotator: Annotator
    scored: Mapping[str, Scored]
    agreed: Mapping[str, float]
    judge: Any

    def begun(self) -> _Annotating:
        from ...models.references import loaded

        return self if self.judge is None else replace(self, judge=loaded(self.judge))

    def __call__(self, row: Sampled, database: Callable[[], Database], stop: threading.Event) -> Annotated:
        from ...agents.annotation.graph import annotate

        if len(row.responses) < 2:
            return self._without(row, reasons=(row.error or "all candidates say the same",))
        candidates = candidates_of(row, self.scored, self.agreed)
        try:
            found = annotate(
                database(), row.question, candidates, self.annotator, model=self.judge, cancel=stop
            )
        except SqlbergError as error:
            return self.failed(row, str(error))
        return as_annotated(row, found)

    def failed(self, row: Sampled, error: str) -> Annotated:
        return self._without(row, error=error)

    def _without(self, row: Sampled, **told: Any) -> Annotated:
        """No word on which is better."""
        return Annotated(
            id=row.id,
            db_id=row.db_id,
            question=row.question,
            annotator=self.annotator.name,
            verdict="abstained",
            **told,
        )


def as_annotated(row: Sampled, found: Annotation) -> Annotated:
    """What the annotator found, with the question it was asked."""
    return Annotated(
        id=row.id,
        db_id=row.db_id,
        question=row.question,
        annotator=found.annotator,
        verdict=found.verdict,
        chosen=found.chosen,
        rejected=found.rejected,
        probability=found.probability,
        margin=found.margin,
        reasons=found.reasons,
        evidence={one.candidate.id: _told(one) for one in found.evidence},
    )


def candidates_of(row: Sampled, scored: Mapping[str, Scored], agreed: Mapping[str, float]) -> list[Candidate]:
    """The responses to a question, for an annotator. agreed: see `alike.asked_alike`."""
    from ...agents.annotation.evidence import Candidate

    found = []
    for one in row.responses:
        said, alike = scored.get(one.id), agreed.get(one.id, 0.0)
        reward, logprob = (said.reward, said.logprob) if said else (None, None)
        found.append(Candidate(one.id, one.sql, reward, logprob, alike))
    return found


def preferences_of(sampled: Sequence[Sampled], annotated: Sequence[Annotated]) -> list[Preference]:
    """The preferences among the annotations, in their order; ties and abstentions give none."""
    by_id = {row.id: row for row in sampled}
    preferences = []
    for said in annotated:
        if said.verdict != "preferred":
            continue
        row = by_id[said.id]
        responses = {one.id: one.messages for one in row.responses}
        preferences.append(
            Preference.model_validate(
                {
                    "id": row.id,
                    "db_id": row.db_id,
                    "prompt": row.prompt,
                    "chosen": responses[said.chosen],
                    "rejected": responses[said.rejected],
                    "tools": row.tools,
                    "source": said.annotator,
                    "probability": said.probability,
                    "margin": said.margin if math.isfinite(said.margin) else None,
                    "reasons": said.reasons,
                }
            )
        )
    return preferences


def agreements(annotated: Sequence[Annotated]) -> list[bool]:
    """For each preference over which the implicit reward and the execution evidence both have a say: whether
    they favour the same answer.
    """
    from ...agents.annotation.annotators import EXECUTION

    found = []
    for said in annotated:
        if said.verdict != "preferred":
            continue
        better, worse = said.evidence[said.chosen], said.evidence[said.rejected]
        # Rows of an older version lack what was not yet looked for.
        data = sum(w * (better.get(name, 0.0) - worse.get(name, 0.0)) for name, w in EXECUTION.items())
        reward = better["reward"] - worse["reward"]
        if data and reward:
            found.append((data > 0) == (reward > 0))
    return found


def seed_evidence(
    seeds: Sequence[Preference],
    open_database: Callable[[str], Database],
    advance: Callable[[], None] = lambda: None,
) -> list[tuple[Evidence, Evidence]]:
    """What the database says of the better and the worse answer of each seed preference."""
    from ...agents.annotation.evidence import Candidate, gather

    pairs = []
    for db_id in dict.fromkeys(seed.db_id for seed in seeds):
        with open_database(db_id) as database:
            for seed in (seed for seed in seeds if seed.db_id == db_id):
                sides = [Candidate(side, sql_of(getattr(seed, side))) for side in ("chosen", "rejected")]
                better, worse = gather(database, seed.question, sides)
                pairs.append((better, worse))
                advance()
    return pairs


def combined_weights(
    seeds: Sequence[Preference],
    open_database: Callable[[str], Database],
    folder: Path,
    advance: Callable[[int], None] = lambda done: None,
) -> dict[str, float]:
    """The weights of the `combined` annotator, fitted to these seed preferences once and kept in a folder."""
    file = folder / f"weights-{fingerprint_of(seeds)}.json"
    if not file.exists():
        from ...agents.annotation.annotators import fit_weights

        write_json(file, fit_weights(seed_evidence(seeds, open_database, lambda: advance(1))))
    return json.loads(file.read_text(encoding="utf-8"))


def fingerprint_of(seeds: Sequence[Preference]) -> str:
    """Changes with any of the preferences."""
    return fingerprint({"pairs": [to_sqlberg(one) for one in seeds]})


def sql_of(response: Sequence[Message]) -> str:
    """The last statement that a response asked to run, "" for none."""
    calls = [call.function for message in response for call in message.tool_calls]
    statements = [call.arguments.get("sql") for call in calls if call.name == "execute_sql"]
    return str(statements[-1] or "") if statements else ""


def _told(evidence: Evidence) -> dict[str, Any]:
    about = {"sql": evidence.candidate.sql, "error": evidence.error, "rows": evidence.rows}
    told = {"columns": list(evidence.columns), "unsaid": list(evidence.unsaid)}
    return {**about, **told, **evidence.features()}
