"""The rounds of an improvement run: the few preferences of people first, then the model's own.

    round 0   seed preferences → trained on → adapter 0 (π_0), weights of the `combined` annotator
    round t   questions → candidates of π_{t-1} → rewards log(π_{t-1} / π_SFT) → annotations → preferences
              → follower → trained on from π_{t-1} → adapter t → held-out questions → gate

After SGPO/SSAPO (Chu et al., arXiv 2502.18099, Algorithm 1) and SPA (Kim et al., arXiv 2406.04412); with
`epsilon` 0 or another objective it is iterative DPO and its kin. π_SFT is the model without an adapter.
Everything lies in a run folder: each item of each stage is on disk as it is finished, and a run that was
killed at any moment goes on with the next one. Unlike the papers, an adapter is put to use only if it answers
more held-out questions than the one in use, beyond chance.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import SqlbergError
from ..evaluation.dataset import Dataset, Question
from ..evaluation.gate import compared, gate
from ..evaluation.records import Record, RunFolder
from ..evaluation.runner import run as evaluate
from ..formats import to_sqlberg
from ..journal import write_json
from ..policies import Encoded, Policy, Reference
from ..preferences import Preference
from ..reference import reference_logprobs
from ..rows import write_rows
from ..trainer import train
from .annotations import Annotated, annotate_all, preferences_of, seed_evidence
from .candidates import Sampled, sample_candidates
from .game import SPACES, follow
from .learners import Learner
from .negatives import weak_negatives
from .plan import Improved, Plan, Progress, Round
from .report import write_report
from .truth import Truth, truths

if TYPE_CHECKING:
    from ...tools.database import Database

REPORT, CURRENT = "report.json", "current.json"


def improve(
    learner: Learner,
    questions: Sequence[Question],
    seeds: Sequence[Preference],
    folder: Path,
    plan: Plan,
    *,
    open_database: Callable[[str], Database],
    held_out: Dataset | None = None,
    judge: Any = None,
    tools: Sequence[dict[str, Any]] = (),
    progress: Progress | None = None,
) -> Improved:
    """Improve a learner by its own answers to questions nobody labelled.

    seeds: preferences of people. held_out: questions with gold, asked before and after each round; without
    them no adapter is put to use by itself. Raises `SqlbergError`.
    """
    return _Rounds(learner, folder, plan, open_database, held_out, judge, tools, progress or Progress()).run(
        questions, seeds
    )


@dataclass
class _Rounds:
    learner: Learner
    folder: Path
    plan: Plan
    open_database: Callable[[str], Database]
    held_out: Dataset | None
    judge: Any
    tools: Sequence[dict[str, Any]]
    progress: Progress

    def run(self, questions: Sequence[Question], seeds: Sequence[Preference]) -> Improved:
        plan = self.plan
        if plan.annotator == "implicit" and not seeds:
            raise SqlbergError(
                "the implicit annotator goes by what seed preferences taught: give some, or another annotator"
            )
        policy_adapter: Path | None = None
        in_use: Path | None = None
        before = self._measured(None, "base")
        rounds: list[Round] = []
        pairs: list[Preference] = []
        if seeds:
            pairs = list(seeds)
            zero = self._trained(0, None, pairs, objective="dpo", epochs=plan.seed_epochs)
            rounds.append(zero)
            policy_adapter = zero.adapter
            rounds[-1], in_use, before = self._gated(zero, in_use, before)
            self._report(rounds, in_use)
        weights = self._weights(seeds)
        for number, part in enumerate(_parts(questions, plan.rounds, plan.seed), start=1):
            sampled = self._sampled(number, part, policy_adapter)
            rewards = self._rewards(number, sampled, policy_adapter)
            annotated = self._annotated(number, sampled, rewards, weights)
            own = preferences_of(sampled, annotated, self.tools)
            pairs = [*pairs, *own] if plan.cumulative else own
            verdicts = {
                v: sum(row.verdict == v for row in annotated) for v in ("preferred", "tie", "abstained")
            }
            if not pairs:
                raise SqlbergError(
                    f"round {number} has no preference to learn from: all of its annotations are ties or "
                    "abstentions; give seed preferences, more questions, or another annotator"
                )
            epochs = plan.training.epochs
            done = self._trained(number, policy_adapter, pairs, objective=plan.method, epochs=epochs)
            known = self._truths(number, part, sampled, annotated)
            apart = [one.chosen for one in known if one.chosen != one.rejected]
            done = replace(
                done, questions=len(part), verdicts=verdicts, told_apart=len(apart), true=sum(apart)
            )
            policy_adapter = done.adapter
            done, in_use, before = self._gated(done, in_use, before)
            rounds.append(done)
            self._report(rounds, in_use)
        self._report(rounds, in_use)
        return Improved(in_use, tuple(rounds))

    def _place(self, number: int) -> Path:
        return self.folder / f"round-{number}"

    def _sampled(self, number: int, questions: Sequence[Question], adapter: Path | None) -> list[Sampled]:
        plan = self.plan
        self.progress.stage(number, "candidates", len(questions))
        return sample_candidates(
            questions,
            self._place(number) / "candidates",
            agent_options={
                "model": self.learner.model(adapter),
                "candidates": plan.candidates,
                "temperature": plan.temperature,
                "seed": plan.seed + number,
            },
            open_database=self.open_database,
            settings={"learner": self.learner.name, "candidates": plan.candidates, "seed": plan.seed},
            concurrency=plan.concurrency,
            finished=lambda row: self.progress.advance(1),
        )

    def _rewards(self, number: int, sampled: Sequence[Sampled], adapter: Path | None) -> dict[str, float]:
        """log(pi / pi_SFT) of every response that the policy can read, by id."""
        if adapter is None:
            return {}
        policy = self.learner.policy(adapter, self.plan.rank)
        rows: dict[str, Encoded] = {}
        for row in sampled:
            for response in row.responses:
                try:
                    rows[response.id] = policy.encode(row.prompt, [response.messages], self.tools)
                except SqlbergError:
                    continue  # it has no reward; other evidence may still decide
        self.progress.stage(number, "rewards", 2 * len(rows))
        start, base = (self._logprobs(policy, list(rows.values()), kind) for kind in ("start", "base"))
        return {name: start[row.key][0] - base[row.key][0] for name, row in rows.items()}

    def _annotated(
        self, number: int, sampled: Sequence[Sampled], rewards: dict[str, float], weights: Any
    ) -> list[Annotated]:
        from ...agents.annotation.annotators import annotator

        self.progress.stage(number, "annotations", len(sampled))
        return annotate_all(
            sampled,
            rewards,
            annotator(self.plan.annotator, weights),
            self._place(number) / "annotations",
            open_database=self.open_database,
            settings={"annotator": self.plan.annotator, "weights": weights},
            judge=self.judge,
            concurrency=self.plan.concurrency,
            finished=lambda row: self.progress.advance(1),
        )

    def _truths(
        self,
        number: int,
        questions: Sequence[Question],
        sampled: Sequence[Sampled],
        annotated: Sequence[Annotated],
    ) -> list[Truth]:
        return truths(
            questions,
            sampled,
            annotated,
            self._place(number) / "truth",
            open_database=self.open_database,
            settings={"annotator": self.plan.annotator},
            concurrency=self.plan.concurrency,
        )

    def _weights(self, seeds: Sequence[Preference]) -> dict[str, float] | None:
        """Of the `combined` annotator, fitted to the seed preferences."""
        if self.plan.annotator != "combined" or not seeds:
            return None
        file = self.folder / "weights.json"
        if not file.exists():
            from ...agents.annotation.annotators import fit_weights

            self.progress.stage(0, "evidence", len(seeds))
            pairs = seed_evidence(seeds, self.open_database, lambda: self.progress.advance(1))
            write_json(file, fit_weights(pairs))
        return json.loads(file.read_text())

    def _trained(
        self,
        number: int,
        adapter: Path | None,
        pairs: Sequence[Preference],
        *,
        objective: str,
        epochs: int,
    ) -> Round:
        """One round of training, on from an adapter."""
        import torch

        plan = self.plan
        torch.manual_seed(plan.seed + number)  # of a new adapter
        policy = self.learner.policy(adapter, plan.rank)
        rows: list[Encoded] = []
        aside: list[dict[str, str]] = []
        weak = weak_negatives(pairs) if objective == "epa" else [[]] * len(pairs)
        for pair, others in zip(pairs, weak, strict=True):
            try:
                rows.append(policy.encode(pair.prompt, [pair.chosen, pair.rejected, *others], pair.tools))
            except SqlbergError as error:
                aside.append({"id": pair.id, "reason": str(error)})
        place = self._place(number)
        write_rows(place / "preferences.jsonl", map(to_sqlberg, pairs))
        write_rows(place / "set_aside.jsonl", aside)
        extras: dict[str, Sequence[float]] = {}
        moved = 0.0
        if objective in SPACES and rows:
            self.progress.stage(number, "follower", 2 * len(rows))
            start, base = (self._logprobs(policy, rows, kind) for kind in ("start", "base"))
            worst = follow(objective, _margins(rows, start, base), plan.training.options.beta, plan.follower)
            if worst is not None:
                extras = {"moved": worst.moved.tolist(), "shift": worst.shifts.tolist()}
                moved = float(worst.moved.mean())
        settings = replace(
            plan.training,
            objective=objective,
            reference=plan.reference,
            epochs=epochs,
            seed=plan.seed + number,
        )
        self.progress.stage(number, "training", -(-len(rows) // settings.batch) * epochs)
        trained = train(policy, rows, settings, place / "train", extras=extras, tell=self.progress.step)
        return Round(number, trained, 0, {}, len(pairs), len(aside), moved)

    def _logprobs(self, policy: Policy, rows: Sequence[Encoded], kind: Reference) -> dict[str, list[float]]:
        from accelerate import Accelerator

        accelerator = Accelerator(mixed_precision="bf16" if self.plan.training.half else "no")
        policy.network.to(accelerator.device)
        place = self.folder / "reference"
        return reference_logprobs(policy, rows, kind, place, accelerator, advance=self.progress.advance)

    def _measured(self, adapter: Path | None, name: str) -> list[Record]:
        """The held-out questions answered with an adapter."""
        if self.held_out is None:
            return []
        from ...agents.sql_agent import SqlAgent

        model = self.learner.model(adapter)

        def answer(question: str, database: Database, cancel: threading.Event, /) -> Any:
            with SqlAgent(database, model, explain=False) as agent:
                return agent.ask(question, cancel=cancel)

        settings = {"learner": self.learner.name, "questions": self.held_out.digest}
        self.progress.stage(0, f"held-out questions, {name}", len(self.held_out.questions))
        with RunFolder(self.folder / "measured" / name, settings) as records:
            return evaluate(
                self.held_out,
                answer,
                records,
                open_database=self.open_database,
                concurrency=self.plan.concurrency,
                finished=lambda record: self.progress.advance(1),
            )

    def _gated(
        self, done: Round, in_use: Path | None, before: list[Record]
    ) -> tuple[Round, Path | None, list[Record]]:
        """The round with the gate's word, the adapter in use after it, and how that answers."""
        if self.held_out is None:
            reason = "no held-out questions were given, so nothing says that it answers better"
            return replace(done, reason=reason), in_use, before
        after = self._measured(done.adapter, f"round-{done.number}")
        measured = compared(before, after)
        kept, reason = gate(measured, None)
        done = replace(done, measured=measured, kept=kept, reason=reason)
        return (done, done.adapter, after) if kept else (done, in_use, before)

    def _report(self, rounds: Sequence[Round], in_use: Path | None) -> None:
        told = {"plan": asdict(self.plan), "learner": self.learner.name}
        rows = json.loads(json.dumps([asdict(one) for one in rounds], default=str))
        write_json(self.folder / REPORT, {**told, "rounds": rows, "adapter": str(in_use or "")})
        write_json(self.folder / CURRENT, {"adapter": str(in_use or "")})
        if find_spec("matplotlib"):  # a machine that only trains may do without pictures
            write_report(self.folder)


def _margins(
    rows: Sequence[Encoded], policy: dict[str, list[float]], reference: dict[str, list[float]]
) -> list[float]:
    """h of each pair."""
    gains = [[p - r for p, r in zip(policy[row.key], reference[row.key], strict=True)] for row in rows]
    return [chosen - rejected for chosen, rejected, *_ in gains]


def _parts(questions: Sequence[Question], rounds: int, seed: int) -> list[list[Question]]:
    """The questions of each round, shuffled and dealt out evenly."""
    order = random.Random(seed).sample(list(questions), len(questions))
    return [order[start::rounds] for start in range(rounds)]
