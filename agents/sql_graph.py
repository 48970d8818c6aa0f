"""The SQL agent's graph: begin and think -> act (and observe) -> think ... -> answer, under a budget.

After Interactive-T2S (arXiv 2408.11062): one thought and one tool call a turn, until the model answers in
words. Differs from the released code: actions are structured tool calls, never evaluated text; a repeated,
malformed or unknown call is answered by an observation; a suspicious result is questioned a bounded number of
times instead of rerunning the whole dialogue; every end of a budget is a partial answer that says so.

    graph = build_sql_graph(database, model)
    answer = graph.invoke({"question": "How many customers are there?"})["answer"]

With `stream_mode="custom"` the graph yields every step as an `Event` (events.py). With a checkpointer, runs
with one `thread_id` are a conversation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, cast

from langchain_core.language_models import BaseChatModel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command

from .budget import Budget
from .nodes import Nodes
from .state import Asking, SqlInput, SqlOutput, SqlState

if TYPE_CHECKING:
    from ..tools.database import Database


Route = Callable[[SqlState], str]


class Node(Protocol):
    """A step: from the state, what changes."""

    def __call__(self, state: SqlState, *, runtime: Runtime[Asking]) -> dict[str, Any]: ...


def build_sql_graph(
    database: Database,
    model: BaseChatModel,
    *,
    budget: Budget | None = None,
    checkpointer: BaseCheckpointSaver[Any] | None = None,
    explain: bool = True,
    model_name: str = "",
) -> CompiledStateGraph[SqlState, Asking, SqlInput, SqlOutput]:
    """The compiled graph: {"question": str} in, {"answer": Answer} out.

    model: any chat model that can call tools. checkpointer: keeps conversations by thread_id. explain: after
    the answer, look up what its literals and joins rest on and what its joins do to rows (a few more
    queries). model_name: the reference that answers name as their origin (default: the model's class). Raises
    SqlbergError when the model cannot call tools.
    """
    nodes = Nodes(database, model, budget or Budget(), explain=explain, model_name=model_name)
    graph = StateGraph(SqlState, context_schema=Asking, input_schema=SqlInput, output_schema=SqlOutput)
    # A step of LangGraph costs about a millisecond: the first thought is taken in the step that begins, and
    # the answer is made in the step that ends the run.
    begin = _and_finish(_both(nodes.begin, nodes.think), nodes.finish)
    think, act = _and_finish(nodes.think, nodes.finish), _and_finish(nodes.act, nodes.finish)
    graph.add_node("begin", _then(begin, _after_thought), destinations=("think", "act", END))
    graph.add_node("think", _then(think, _after_thought), destinations=("think", "act", END))
    graph.add_node("act", _then(act, _after_act), destinations=("think", END))
    graph.add_edge(START, "begin")
    return graph.compile(checkpointer=checkpointer, name="sqlberg")


def _then(node: Node, route: Route) -> Callable[..., Command[str]]:
    """The node, going on where `route` says for the state that it leaves behind.

    The same as a conditional edge, without reading the whole state once more for it.
    """

    def run(state: SqlState, *, runtime: Runtime[Asking]) -> Command[str]:
        change = node(state, runtime=runtime)
        return Command(update=change, goto=route(cast(SqlState, {**state, **change})))

    return run


def _both(first: Node, second: Node) -> Node:
    """Two nodes as one, the second unless the first ends the run."""

    def run(state: SqlState, *, runtime: Runtime[Asking]) -> dict[str, Any]:
        change = first(state, runtime=runtime)
        if change.get("ending"):
            return change
        return {**change, **second(cast(SqlState, {**state, **change}), runtime=runtime)}

    return run


def _and_finish(node: Node, finish: Node) -> Node:
    """The node, and the answer when it ends the run."""

    def run(state: SqlState, *, runtime: Runtime[Asking]) -> dict[str, Any]:
        change = node(state, runtime=runtime)
        if not change.get("ending"):
            return change
        return {**change, **finish(cast(SqlState, {**state, **change}), runtime=runtime)}

    return run


def _after_act(state: SqlState) -> str:
    return END if state.get("ending") else "think"


def _after_thought(state: SqlState) -> str:
    """Words without a call that do not end the run were sent back to the model."""
    if state.get("ending"):
        return END
    return "act" if "reply" in state and state["reply"].call else "think"
