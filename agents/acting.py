"""Runs one tool call of the model and says what the model should see of it.

The tools (tools/toolbox.py) validate arguments and turn every foreseen error into an observation. Added here:
tools that do not exist, calls made before, results that look wrong although they ran, and the seconds that
are left.
"""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from langchain_core.messages.tool import ToolCall
from langchain_core.tools import StructuredTool, ToolException
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ValidationError

from ..tools.cells import excerpt
from ..tools.limits import Limits, Result
from ..tools.toolbox import make_tools, unfenced
from .answer import Logprob, Step
from .results import is_empty

if TYPE_CHECKING:
    from ..tools.database import Database


@dataclass(frozen=True)
class Observation:
    """What came of a call.

    result: the rows of a statement that ran. failed: the text is an error or a refusal. repeats: the call was
    not run because an earlier step had made it. seconds: the tool's time.
    """

    text: str
    result: Result | None = None
    failed: bool = False
    repeats: bool = False
    seconds: float = 0.0


@dataclass(frozen=True)
class Executed:
    """A statement that ran without error: as asked by the model, tidied, its result, what the model saw of
    it, and how likely the message was that held it.
    """

    asked: str
    sql: str
    result: Result
    shown: str
    logprob: Logprob | None = None


def tools_of(
    database: Database, *, limits: Limits | None = None, cancel: threading.Event | None = None
) -> list[StructuredTool]:
    """The four tools over the database, as what they are: functions with a schema."""
    return [
        tool
        for tool in make_tools(database, limits=limits, cancel=cancel)
        if isinstance(tool, StructuredTool)
    ]


@cache
def tools_on_offer() -> tuple[dict[str, Any], ...]:
    """The four tools as a model is told of them, in OpenAI's format: the same over every database."""
    return tuple(convert_to_openai_tool(tool) for tool in make_tools(cast("Database", None)))


def run_call(
    database: Database,
    tools: Sequence[StructuredTool],
    call: ToolCall,
    *,
    seconds: float,
    stop: threading.Event,
) -> Observation:
    """Runs the call's tool. A query is cut off after `seconds` (or the database's own limit), or `stop`."""
    tool = next((tool for tool in tools if tool.name == call["name"]), None)
    if tool is None:
        return Observation(_unknown_tool(call["name"], tools), failed=True)
    if tool.name == "execute_sql":
        limits = dataclasses.replace(
            database.limits, seconds=max(0.05, min(database.limits.seconds, seconds))
        )
        tool = tools_of(database, limits=limits, cancel=stop)[-1]
    started = time.monotonic()
    text, result, failed = _called(tool, call["args"])
    return Observation(text, result, failed, seconds=time.monotonic() - started)


def with_executed(
    ran: Sequence[Executed], call: ToolCall, observation: Observation, logprob: Logprob | None
) -> tuple[Executed, ...]:
    """The statements that ran, the one that counts last: what this call ran, or what it asks for again."""
    asked = str(call["args"].get("sql", ""))
    if observation.repeats:
        return tuple(sorted(ran, key=lambda one: one.asked == asked))
    if observation.result is None:
        return tuple(ran)
    # Never as the guard regenerated it: what the policy puts in there is not the caller's to see.
    sql = unfenced(asked).strip().rstrip("; \n\t")
    return (*ran, Executed(asked, sql, observation.result, observation.text, logprob))


def unreadable(problem: str, call: ToolCall, tools: Sequence[StructuredTool]) -> Observation:
    """The observation for a call whose arguments could not be read."""
    known = next((tool for tool in tools if tool.name == call["name"]), None)
    usage = _usage(known) if known else ", ".join(_usage(tool) for tool in tools)
    return Observation(f"Error: this call was not run: {problem}. Call it as {usage}", failed=True)


def repeated(call: ToolCall, steps: Sequence[Step]) -> Observation | None:
    """The observation for a call that an earlier step has already made; None for a new one."""
    for number, step in enumerate(steps, 1):
        if step.tool == call["name"] and _same(step.arguments, call["args"]):
            advice = (
                "If its result answers the question, reply with the answer; if not, change the SQL"
                if step.sql
                else "Use what it showed, or ask for something else"
            )
            return Observation(
                f"Error: step {number} made exactly this call; its observation is above. {advice}.",
                failed=True,
                repeats=True,
            )
    return None


def suspicion(observation: Observation) -> str:
    """What to check when a statement ran but its result says nothing; empty when nothing is wrong."""
    if observation.result is None or not is_empty(observation.result.rows):
        return ""
    what = "no rows" if not observation.result.rows else "only NULL"
    return (
        f"The result holds {what}. Check that its literals are spelled as stored and its joins lead "
        "where they should; if both stand, this is the answer."
    )


def _called(tool: StructuredTool, arguments: Mapping[str, Any]) -> tuple[str, Result | None, bool]:
    """Text, rows and whether it failed, of a tool called with these arguments.

    Does what `tool.invoke` does, with the tool's own schema and error texts, but for the callbacks of a tool
    run, which take longer than most calls (the node is traced, with call and observation).
    """
    schema: Any = tool.args_schema
    try:
        given = schema.model_validate(arguments)
        function: Any = tool.func
        found = function(**{name: getattr(given, name) for name in schema.model_fields})
    except ValidationError as error:
        explain: Any = tool.handle_validation_error
        return explain(error), None, True
    except ToolException as error:
        return str(error), None, True
    if isinstance(found, tuple):
        text, result = found
        return text, result, False
    return found, None, False


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return json.dumps(one, sort_keys=True, default=str) == json.dumps(other, sort_keys=True, default=str)


def _unknown_tool(name: str, tools: Sequence[StructuredTool]) -> str:
    known = ", ".join(_usage(tool) for tool in tools)
    return f"Error: there is no tool {excerpt(name, 60) or 'without name'}; the tools are {known}"


def _usage(tool: StructuredTool) -> str:
    """`name(first, second)`: the tool with its required arguments."""
    schema: Any = tool.args_schema
    required = [name for name, field in schema.model_fields.items() if field.is_required()]
    return f"{tool.name}({', '.join(required)})"
