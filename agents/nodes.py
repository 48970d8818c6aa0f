"""The steps of the SQL agent's graph, one method a node: begin, think, act, finish.

Each takes the state and returns what changed. Nothing here raises for what a model says or a database
answers: both end in the answer's status. The model and the tools run under the time left (deadline.py), so a
model that hangs ends in a partial answer like any other end of a budget.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.tool import ToolCall
from langgraph.runtime import Runtime

from ..errors import SqlbergError
from ..models.errors import explain as explain_model_error
from ..models.errors import one_line
from .acting import Observation, repeated, run_call, suspicion, tools_of, unreadable, with_executed
from .answer import Step
from .budget import Budget, Spent
from .conclusion import conclude
from .confidence import logprob_of
from .conversation import messages_of, remember, turn_of
from .deadline import Cancelled, OutOfTime, run_until
from .events import Event
from .prompts import prompt_for
from .replies import Reply, declines, holds_unrun, is_unfinished, read_reply
from .speaking import ask_model
from .state import Asking, Ending, SqlState

if TYPE_CHECKING:
    from ..tools.database import Database
    from .acting import Executed

Done = TypeVar("Done")

MOST_REPEATS = 2
THOUGHT_CHARS = 400
CANCELLED = Ending("partial", "the caller cancelled")
_NOTHING_RAN = (
    "Nothing was run: words are not executed. Make one tool call; or, if the database does not hold what was "
    'asked, reply "I cannot answer this:" with the reason.'
)
_NOT_RUN = (
    "The SQL in your words was not run. Run it with execute_sql if it answers the question; if the last "
    "result does, say so in words alone."
)


class Nodes:
    """The nodes of one graph: they share its database, model and budget, and hold nothing of any run."""

    def __init__(
        self, database: Database, model: BaseChatModel, budget: Budget, *, explain: bool, model_name: str
    ) -> None:
        self.database = database
        self.budget = budget
        self.explain = explain
        self.model_name = model_name or type(model).__name__
        self.tools = tools_of(database)
        self._warm: dict[str, str] = {}
        try:
            self.speaker = model.bind_tools(self.tools)
        except NotImplementedError:
            raise SqlbergError(
                f"{self.model_name} cannot call tools: use a chat model with tool calling, such as embedded"
            ) from None

    def begin(self, state: SqlState, *, runtime: Runtime[Asking]) -> dict[str, Any]:
        """A fresh account and the dialogue so far: system prompt, earlier turns, the question."""
        asking = runtime.context or Asking()
        spent = Spent()
        question = state.get("question", "").strip()
        change: dict[str, Any] = {
            "messages": [],
            "steps": (),
            "spent": spent,
            "ran": (),
            "sent_back": 0,
            "repeats": 0,
            "ending": None,
        }
        if not question:
            return {**change, "ending": Ending("failed", "there is no question: ask something in words")}
        try:
            prompt = self._within(
                "prompt", lambda stop: prompt_for(self.database, question), spent.left(self.budget), asking
            )
        except OutOfTime:
            return {**change, "ending": self._out_of_time()}
        except Cancelled:
            return {**change, "ending": CANCELLED}
        except SqlbergError as error:
            return {**change, "ending": Ending("failed", str(error))}
        earlier = messages_of(state.get("conversation", []))
        return {**change, "messages": [SystemMessage(prompt), *earlier, HumanMessage(question)]}

    def think(self, state: SqlState, *, runtime: Runtime[Asking]) -> dict[str, Any]:
        """The model's next reply, or the end of a budget."""
        asking = runtime.context or Asking()
        spent, messages = _at(state, "spent"), _at(state, "messages")
        if over := spent.over(self.budget):
            return {"ending": Ending("partial", over)}

        def speak(stop: threading.Event) -> AIMessage:
            def tell(text: str) -> None:
                if not stop.is_set():
                    runtime.stream_writer(Event("token", text, candidate=asking.candidate))

            return ask_model(self.speaker, messages, sampling=asking.sampling, stop=stop, tell=tell)

        started = time.monotonic()
        try:
            message = run_until(speak, seconds=spent.left(self.budget), cancel=asking.cancel)
        except OutOfTime:
            return {"ending": self._out_of_time()}
        except Cancelled:
            return {"ending": CANCELLED}
        except (
            Exception
        ) as error:  # whatever a provider's client raises: the person gets one line, not a traceback
            return {"ending": Ending("failed", str(explain_model_error(error, self.model_name)))}
        reply = read_reply(message)
        spent, read = spent.after(messages, message)
        change = {
            "reply": reply,
            "spent": spent,
            "steps": _with_tokens(_at(state, "steps"), read),
            "messages": [*messages, reply.message],
            "thinking": time.monotonic() - started,
        }
        if reply.call is None:
            return {**change, **self._words(state, reply, change["messages"])}
        runtime.stream_writer(Event("call", step=_step(reply), candidate=asking.candidate))
        return change

    def act(self, state: SqlState, *, runtime: Runtime[Asking]) -> dict[str, Any]:
        """Runs the call, and puts what came of it, with notes that help, into the dialogue."""
        asking = runtime.context or Asking()
        reply = _at(state, "reply")
        call = reply.call
        if call is None:
            raise RuntimeError("act needs a tool call; route here only after a reply that has one")
        observation, ending = self._observation(state, reply, call, asking)
        notes, sent_back = self._notes(state, reply, observation)
        text = "\n".join([observation.text, *(f"Note: {note}" for note in notes)])
        step = dataclasses.replace(
            _step(reply),
            observation=text,
            seconds=_at(state, "thinking") + observation.seconds,
            failed=observation.failed,
        )
        runtime.stream_writer(Event("step", step=step, candidate=asking.candidate))
        status = "error" if observation.failed else "success"
        message = ToolMessage(text, tool_call_id=call["id"] or "", name=step.tool, status=status)
        repeats = _at(state, "repeats") + 1 if observation.repeats else 0
        change: dict[str, Any] = {
            "messages": [*_at(state, "messages"), message],
            "steps": (*_at(state, "steps"), step),
            "ran": with_executed(_at(state, "ran"), call, observation, logprob_of(reply.message)),
            "sent_back": sent_back,
            "repeats": repeats,
        }
        return {**change, "ending": ending or _endless(state, repeats)}

    def _observation(
        self, state: SqlState, reply: Reply, call: ToolCall, asking: Asking
    ) -> tuple[Observation, Ending | None]:
        """What comes of the call, and the end of the run where it brings that about."""
        if reply.problem:
            return unreadable(reply.problem, call, self.tools), None
        if again := repeated(call, _at(state, "steps")):
            return again, None
        left = _at(state, "spent").left(self.budget)
        try:
            observation = self._within(
                call["name"],
                lambda stop: run_call(self.database, self.tools, call, seconds=left, stop=stop),
                left,
                asking,
            )
        except OutOfTime:
            ending = self._out_of_time()
            return Observation(f"Stopped: {ending.reason}", failed=True), ending
        except Cancelled:
            return Observation("Stopped: cancelled", failed=True), CANCELLED
        except Exception as error:  # a fault of a tool: nothing the model could do better next turn
            reason = f"{call['name']} failed: {one_line(error)}"
            return Observation(f"Error: {reason}", failed=True), Ending("failed", reason)
        return observation, None

    def _within(
        self, name: str, work: Callable[[threading.Event], Done], seconds: float, asking: Asking
    ) -> Done:
        """`work` of that name within `seconds`. Raises OutOfTime and Cancelled.

        Its first time on a database may build a catalog or an index, for longer than there is time: it runs
        apart and can be left behind. Later times take milliseconds, and queries keep to their limits and
        `cancel` by themselves: a thread of its own would cost more than the work.
        """
        content = self.database.fingerprint
        if self._warm.get(name) == content:
            return work(asking.cancel)
        done = run_until(work, seconds=seconds, cancel=asking.cancel)
        self._warm[name] = content
        return done

    def _notes(self, state: SqlState, reply: Reply, observation: Observation) -> tuple[list[str], int]:
        """What the model should know besides, and how often it has been sent back now."""
        notes, sent_back = [], _at(state, "sent_back")
        if reply.dropped:
            notes.append(f"Only the first of {reply.dropped + 1} calls was run. Make one call a turn.")
        if (doubt := suspicion(observation)) and sent_back < self.budget.retries:
            notes.append(doubt)
            sent_back += 1
        if self.budget.rounds - _at(state, "spent").rounds == 2:
            notes.append("Two turns are left: run the SQL that answers the question now, then answer.")
        return notes, sent_back

    def finish(self, state: SqlState, *, runtime: Runtime[Asking]) -> dict[str, Any]:
        """The answer, and what the thread remembers of it."""
        asking = runtime.context or Asking()
        answer = conclude(
            self.database,
            question=state.get("question", "").strip(),
            ending=state.get("ending") or Ending("failed", "the run ended without a reason"),
            best=_latest(state),
            steps=_at(state, "steps"),
            spent=_at(state, "spent"),
            messages=_at(state, "messages"),
            budget=self.budget,
            cancel=asking.cancel,
            explain=self.explain,
            model_name=self.model_name,
        )
        return {"answer": answer, "conversation": remember(state.get("conversation", []), turn_of(answer))}

    def _words(self, state: SqlState, reply: Reply, messages: list[BaseMessage]) -> dict[str, Any]:
        """What words without a call mean: the answer, an abstention, or a call meant but not made."""
        ran, sent_back = _at(state, "ran"), _at(state, "sent_back")
        declined = declines(reply.text)
        meant = holds_unrun(reply.text, [one.sql for one in ran]) if ran else is_unfinished(reply.text)
        if meant and not declined and sent_back < self.budget.retries:
            told = _NOT_RUN if ran else _NOTHING_RAN
            return {"messages": [*messages, HumanMessage(told)], "sent_back": sent_back + 1}
        if ran and not declined:
            return {"ending": Ending("answered", text=reply.text)}
        reason = reply.text or "the model said nothing and ran no SQL"
        return {"ran": (), "ending": Ending("abstained", reason, reply.text)}

    def _out_of_time(self) -> Ending:
        return Ending("partial", f"the time budget of {self.budget.seconds:g} seconds ended")


def _at(state: SqlState, key: str) -> Any:
    """A part of the state that `begin` has set."""
    return state[key]  # type: ignore[literal-required]


def _latest(state: SqlState) -> Executed | None:
    """The statement that counts, if any ran."""
    ran = state.get("ran", ())
    return ran[-1] if ran else None


def _step(reply: Reply) -> Step:
    """The step that the reply asks for, before it is done."""
    call = reply.call
    thought = " ".join(reply.text.split())
    if len(thought) > THOUGHT_CHARS:
        thought = thought[: THOUGHT_CHARS - 1].rstrip() + "…"
    usage = reply.message.usage_metadata
    return Step(
        thought=thought,
        tool=call["name"] if call else "",
        arguments=dict(call["args"]) if call else {},
        observation="",
        tokens=usage["output_tokens"] if usage else 0,
    )


def _with_tokens(steps: tuple[Step, ...], read: int) -> tuple[Step, ...]:
    """The steps, with what the model has just read counted to the last one."""
    if not steps or not read:
        return steps
    return (*steps[:-1], dataclasses.replace(steps[-1], tokens=steps[-1].tokens + read))


def _endless(state: SqlState, repeats: int) -> Ending | None:
    """The end of a run that only repeats itself. Repeating the statement that ran last confirms it."""
    if repeats < MOST_REPEATS:
        return None
    best, call = _latest(state), _at(state, "reply").call
    if best and call and call["args"].get("sql") == best.asked:
        return Ending("answered", "the model repeated its last statement; its result stands")
    return Ending("partial", "the model kept repeating the same call")
