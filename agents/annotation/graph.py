"""The annotator agent: run the candidates, look at what they rest on, ask a judge where that leaves doubt,
decide.

    gather → (judge) → decide

    annotate(database, question, candidates, annotator("combined"))

A LangGraph graph over the same guarded database as the SQL agent. It answers with the better and the worse
candidate, or with a tie (they give the same result, or nothing tells them apart), or abstains (it cannot be
sure enough); always with a probability and its reasons, so that a person can read every annotation later.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Required, TypedDict

from langgraph.graph import END, START, StateGraph

from ...tools.limits import Limits
from .annotators import Annotator
from .evidence import Candidate, Evidence, gather
from .judge import Judgement, judge

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langgraph.graph.state import CompiledStateGraph

    from ...tools.database import Database

Verdict = Literal["preferred", "tie", "abstained"]
SAME = 1e-9


@dataclass(frozen=True)
class Annotation:
    """Which of the candidates is better.

    chosen, rejected: the ids of the better and the worse ("" but where one is preferred). probability: that
    chosen is the better of the two. margin: in log-odds. evidence: of every candidate, in their order.
    """

    question: str
    annotator: str
    verdict: Verdict
    probability: float = 0.5
    margin: float = 0.0
    chosen: str = ""
    rejected: str = ""
    reasons: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = field(default=(), repr=False)


class State(TypedDict, total=False):
    """question, candidates go in, annotation comes out; the rest is work."""

    question: Required[str]
    candidates: Required[Sequence[Candidate]]
    evidence: Required[list[Evidence]]
    judgement: Judgement | None
    annotation: Annotation


def build_annotator_graph(
    database: Database,
    annotator: Annotator,
    *,
    model: BaseChatModel | None = None,
    limits: Limits | None = None,
    cancel: threading.Event | None = None,
) -> CompiledStateGraph[Any, Any, Any, Any]:
    """The compiled graph: {"question", "candidates"} in, {"annotation"} out.

    model: the judge, for annotators that ask one.
    """

    def gather_node(state: State) -> dict[str, Any]:
        found = gather(database, state["question"], state["candidates"], limits=limits, cancel=cancel)
        return {"evidence": found}

    def judge_node(state: State) -> dict[str, Any]:
        assert model is not None
        better, worse = _apart(annotator, state["evidence"])
        return {"judgement": judge(model, state["question"], better, worse)}

    def decide_node(state: State) -> dict[str, Any]:
        decided = decide(annotator, state["question"], state["evidence"], state.get("judgement"))
        return {"annotation": decided}

    def after_gathering(state: State) -> str:
        asked = model is not None and annotator.judged > 0 and len(state["evidence"]) > 1
        return "judge" if asked and not _same(*_apart(annotator, state["evidence"])) else "decide"

    graph = StateGraph(State)
    graph.add_node("gather", gather_node)
    graph.add_node("judge", judge_node)
    graph.add_node("decide", decide_node)
    graph.add_edge(START, "gather")
    graph.add_conditional_edges("gather", after_gathering, ["judge", "decide"])
    graph.add_edge("judge", "decide")
    graph.add_edge("decide", END)
    return graph.compile(name="sqlberg annotator")


def annotate(
    database: Database,
    question: str,
    candidates: Sequence[Candidate],
    annotator: Annotator,
    **options: Any,
) -> Annotation:
    """One annotation; options: of `build_annotator_graph`."""
    graph = build_annotator_graph(database, annotator, **options)
    return graph.invoke({"question": question, "candidates": candidates})["annotation"]


def decide(
    annotator: Annotator,
    question: str,
    evidence: Sequence[Evidence],
    judgement: Judgement | None = None,
) -> Annotation:
    """The annotation that the evidence gives."""
    told = {"question": question, "annotator": annotator.name, "evidence": tuple(evidence)}
    if len(evidence) < 2:
        return Annotation(verdict="abstained", reasons=("there is nothing to compare",), **told)
    better, worse = _apart(annotator, evidence)
    if _same(better, worse):
        return Annotation(verdict="tie", reasons=("all candidates give the same result",), **told)
    margin = annotator.utility(better) - annotator.utility(worse)
    said = annotator.judged * judgement.verdict if judgement else 0.0
    margin += said
    if margin < 0:
        better, worse, margin, said = worse, better, -margin, -said
    reasons = annotator.reasons(better, worse)
    if judgement is not None:
        reasons.append(f"judge: {judgement.reason} ({said:+.2f})")
    probability = 1 / (1 + math.exp(-margin))
    told |= {"margin": margin, "probability": probability}
    if margin < SAME:
        return Annotation(verdict="tie", reasons=("nothing tells the candidates apart",), **told)
    if probability < annotator.sure_enough:
        reasons.insert(0, f"not sure enough: {probability:.2f} of {annotator.sure_enough:.2f} asked for")
        return Annotation(verdict="abstained", reasons=tuple(reasons), **told)
    return Annotation(
        verdict="preferred",
        chosen=better.candidate.id,
        rejected=worse.candidate.id,
        reasons=tuple(reasons),
        **told,
    )


def _apart(annotator: Annotator, evidence: Sequence[Evidence]) -> tuple[Evidence, Evidence]:
    """The candidate of most utility and, of those with another result, the one it is held against."""
    best = max(evidence, key=annotator.utility)
    others = [one for one in evidence if not _same(best, one)]
    held = min if annotator.against == "worst" else max
    return best, held(others, key=annotator.utility) if others else best


def _same(one: Evidence, other: Evidence) -> bool:
    """Whether two candidates say the same: one result, or one statement (or none) without any."""
    if one.ran and other.ran:
        return one.group == other.group
    return one.candidate.sql == other.candidate.sql
