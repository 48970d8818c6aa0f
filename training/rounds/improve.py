"""The rounds of an improvement run: the few preferences of people first, then the model's own.

    round 0   seed preferences → trained on → adapter 0 (π_0), weights of the `combined` annotator
    round t   questions → candidates of π_{t-1} → log π_{t-1}, log(π_{t-1} / π_SFT) → annotations
              → preferences → follower → trained on from π_{t-1} → adapter t → held-out questions → gate

After SGPO/SSAPO (Chu et al., arXiv 2502.18099, Algorithm 1) and SPA (Kim et al., arXiv 2406.04412); with
`epsilon` 0 or another objective it is iterative DPO and its kin. π_SFT is the model without an adapter.
Everything lies in a run folder: each item of each stage is on disk as it is finished, and a run that was
killed at any moment goes on with the next one. Unlike the papers, an adapter is put to use only if it answers
more held-out questions than the one in use, beyond chance.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import SqlbergError
from ...models.in_use import CURRENT, adapter_in_use, put_to_use
from ..evaluation.answering import answering_by
from ..evaluation.dataset import Dataset, Question
from ..evaluation.gate import compared, gate
from ..evaluation.records import Record, RunFolder
from ..evaluation.runner import run as evaluate
from ..journal import agree, fingerprint, write_json
from ..preferences import Preference
from .annotations import (
    Annotated,
    agreements,
    annotate_all,
    combined_weights,
    fingerprint_of,
    preferences_of,
)
from .candidates import Sampled, sample_candidates
from .learners import Learner
from .learning import Learning, check, learn
from .plan import Improved, Plan, Progress, Round
from .report import write_report
from .rewards import Scored, scored_responses
from .truth import Truth, truths

if TYPE_CHECKING:
    from ...tools.database import Database

REPORT, GATE = "report.json", "gate.json"


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
    progress: Progress | None = None,
    about: Mapping[str, Any] | None = None,
) -> Improved:
    """Improve a learner by its own answers to questions nobody labelled.

    seeds: preferences of people. held_out: questions with gold, asked before and after each round; without
    them no adapter is put to use by itself. about: what else the run goes by (`sources.identity`). What is in
    use lies in the folder (`models/in_use.py`). Raises `SqlbergError`, also where the folder was begun with
    other questions, preferences or settings.
    """
    if not seeds and plan.annotator == "implicit":
        raise SqlbergError(
            "the implicit annotator goes by what seed preferences taught: give some, or another annotator"
        )
    learning = Learning(folder / "references", plan.follower, plan.aligned, plan.copies)
    check(plan.method, plan.reference, learning)  # before the hours of the rounds before it
    if plan.copies and not learner.varies:
        raise SqlbergError(f"{learner.name} knows no copies of a pair in other words: leave --copies out")
    begun = {
        **(about or {}),
        "learner": learner.name,
        "questions": fingerprint({"asked": [one.model_dump() for one in questions]}),
        "seed preferences": fingerprint_of(seeds),
        "held out": held_out.digest if held_out else "",
        **_told_apart(asdict(plan)),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        agree(folder / "run.json", begun)
        progress = progress or Progress()
        rounds = _Rounds(learner, folder, plan, open_database, held_out, judge, progress, learning)
        return rounds.run(questions, seeds)
    except OSError as error:
        raise SqlbergError(
            f"cannot write to {folder}: {error.strerror or error}; make room and start again, it goes on"
        ) from error


@dataclass
class _Rounds:
    learner: Learner
    folder: Path
    plan: Plan
    open_database: Callable[[str], Database]
    held_out: Dataset | None
    judge: Any
    progress: Progress
    learning: Learning

    def run(self, questions: Sequence[Question], seeds: Sequence[Preference]) -> Improved:
        plan = self.plan
        if not (self.folder / CURRENT).exists():
            put_to_use(self.folder, None)
        before = self._measured(None, "base")
        rounds: list[Round] = []
        pairs = [_with_tools(seed) for seed in seeds]
        adapter: Path | None = None
        if seeds:
            self.progress.round = 0
            done = self._trained(0, None, pairs, objective="dpo", epochs=plan.seed_epochs)
            done, before = self._gated(done, before)
            rounds.append(done)
            adapter = done.adapter
            self._report(rounds)
        weights = self._weights(seeds)
        for number, part in enumerate(_parts(questions, plan.rounds, plan.seed), start=1):
            self.progress.round = number
            sampled = self._sampled(number, part, adapter)
            scored = self._scored(sampled, adapter)
            annotated = self._annotated(number, sampled, scored, weights)
            own = preferences_of(sampled, annotated)
            pairs = [*pairs, *own] if plan.cumulative else own
            if not pairs:
                raise SqlbergError(
                    f"round {number} has no preference to learn from: all of its annotations are ties or "
                    "abstentions; give seed preferences, more questions, or another annotator"
                )
            done = self._trained(number, adapter, pairs, objective=plan.method, epochs=plan.training.epochs)
            adapter = done.adapter
            done = self._told(done, part, sampled, annotated)
            done, before = self._gated(done, before)
            rounds.append(done)
            self._report(rounds)
        return Improved(adapter_in_use(self.folder), tuple(rounds))

    def _place(self, number: int) -> Path:
        return self.folder / f"round-{number}"

    def _scored(self, sampled: Sequence[Sampled], adapter: Path | None) -> dict[str, Scored]:
        return scored_responses(
            self.learner.policy(adapter, self.plan.adapter),
            sampled,
            self.plan.training,
            self.learning,
            self.progress,
            adapted=adapter is not None,
        )

    def _sampled(self, number: int, questions: Sequence[Question], adapter: Path | None) -> list[Sampled]:
        plan = self.plan
        self.progress.stage("candidates", len(questions))
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

    def _annotated(
        self, number: int, sampled: Sequence[Sampled], scored: dict[str, Scored], weights: Any
    ) -> list[Annotated]:
        from ...agents.annotation.annotators import annotator

        self.progress.stage("annotations", len(sampled))
        return annotate_all(
            sampled,
            scored,
            annotator(self.plan.annotator, weights),
            self._place(number) / "annotations",
            open_database=self.open_database,
            settings={"annotator": self.plan.annotator, "weights": weights},
            judge=self.judge,
            concurrency=self.plan.concurrency,
            finished=lambda row: self.progress.advance(1),
        )

    def _told(
        self,
        done: Round,
        questions: Sequence[Question],
        sampled: Sequence[Sampled],
        annotated: Sequence[Annotated],
    ) -> Round:
        """The round with what is known of its annotations."""
        verdicts = {v: sum(row.verdict == v for row in annotated) for v in ("preferred", "tie", "abstained")}
        known: list[Truth] = truths(
            questions,
            sampled,
            annotated,
            self._place(done.number) / "truth",
            open_database=self.open_database,
            settings={"annotator": self.plan.annotator},
            concurrency=self.plan.concurrency,
        )
        apart = [one.chosen for one in known if one.chosen != one.rejected]
        twice = agreements(annotated)
        return replace(
            done,
            questions=len(questions),
            verdicts=verdicts,
            told_apart=len(apart),
            true=sum(apart),
            judged_twice=len(twice),
            agreed=sum(twice),
        )

    def _weights(self, seeds: Sequence[Preference]) -> dict[str, float] | None:
        """Of the `combined` annotator, fitted to the seed preferences."""
        if self.plan.annotator != "combined" or not seeds:
            return None
        self.progress.stage("evidence", len(seeds))
        return combined_weights(seeds, self.open_database, self.folder, self.progress.advance)

    def _trained(
        self, number: int, adapter: Path | None, pairs: Sequence[Preference], *, objective: str, epochs: int
    ) -> Round:
        """One round of training, on from an adapter."""
        import torch

        plan = self.plan
        torch.manual_seed(plan.seed + number)  # of a new adapter
        settings = replace(
            plan.training,
            objective=objective,
            reference=plan.reference,
            epochs=epochs,
            seed=plan.seed + number,
        )
        policy = self.learner.policy(adapter, plan.adapter)
        done = learn(policy, pairs, settings, self._place(number), self.learning, self.progress)
        return Round(number, questions=0, verdicts={}, **asdict(done))

    def _measured(self, adapter: Path | None, name: str) -> list[Record]:
        """The held-out questions answered with an adapter."""
        if self.held_out is None:
            return []
        answer = answering_by(self.learner.model(adapter))
        settings = {"learner": self.learner.name, "questions": self.held_out.digest}
        self.progress.stage(f"held-out questions, {name}", len(self.held_out.questions))
        with RunFolder(self.folder / "measured" / name, settings) as records:
            return evaluate(
                self.held_out,
                answer,
                records,
                open_database=self.open_database,
                concurrency=self.plan.concurrency,
                finished=lambda record: self.progress.advance(1),
            )

    def _gated(self, done: Round, before: list[Record]) -> tuple[Round, list[Record]]:
        """The round with the gate's word, and how what is best so far answers. What passes is put to use,
        once: whoever rolled back since is not overruled when the run is started again.
        """
        if self.held_out is None:
            reason = "no held-out questions were given, so nothing says that it answers better"
            return replace(done, reason=reason), before
        after = self._measured(done.adapter, f"round-{done.number}")
        measured = compared(before, after)
        kept, reason = gate(measured, None)
        decided = self._place(done.number) / GATE
        if not decided.exists():
            if kept:
                put_to_use(self.folder, done.adapter)
            write_json(decided, {"kept": kept, "reason": reason})
        return replace(done, measured=measured, kept=kept, reason=reason), after if kept else before

    def _report(self, rounds: Sequence[Round]) -> None:
        told = {"plan": asdict(self.plan), "learner": self.learner.name}
        rows = json.loads(json.dumps([asdict(one) for one in rounds], default=str))
        write_json(
            self.folder / REPORT, {**told, "rounds": rows, "adapter": str(adapter_in_use(self.folder) or "")}
        )
        if find_spec("matplotlib"):  # a machine that only trains may do without pictures
            write_report(self.folder)


def _with_tools(seed: Preference) -> Preference:
    """The preference as the model is asked here, where its file does not say what tools were on offer."""
    from ...agents.acting import tools_on_offer

    return seed if seed.tools else seed.model_copy(update={"tools": tools_on_offer()})


def _told_apart(plan: Mapping[str, Any]) -> dict[str, Any]:
    """The plan, so that what differs from another can be told by its name; how much is done at once is no
    matter.
    """
    flat: dict[str, Any] = {}
    for name, value in plan.items():
        if isinstance(value, dict):
            flat |= {f"{name} {part}": one for part, one in _told_apart(value).items()}
        elif name != "concurrency":
            flat[name] = value
    return flat


def _parts(questions: Sequence[Question], rounds: int, seed: int) -> list[list[Question]]:
    """The questions of each round, shuffled and dealt out evenly."""
    order = random.Random(seed).sample(list(questions), len(questions))
    return [order[start::rounds] for start in range(rounds)]
