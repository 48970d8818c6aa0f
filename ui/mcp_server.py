"""The four tools and `ask` for any client of the Model Context Protocol, read-only, over one database.

    mcp.Client(server_of(agent))                         # in process, for tests
    anyio.run(over_stdio, server_of(agent))              # a client that starts the command itself
    over_http(server_of(agent), listening("127.0.0.1", 8800))      # clients that connect to it

Arguments, observations and refusals are those of the agent's own tools (`tools/toolbox.py`). Everything runs
under the same guard, policy and limits; a client that gives up stops its query.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from ..agents.acting import run_call, tools_of
from ..agents.notes import remarks
from ..errors import SqlbergError

if TYPE_CHECKING:
    from socket import socket

    from mcp.server.lowlevel import Server

    from ..agents.sql_agent import SqlAgent

ASK = {
    "type": "object",
    "properties": {
        "question": {"type": "string", "description": "In plain words, as a person would ask it"},
        "thread": {
            "type": "string",
            "description": 'Name of a conversation, for follow-ups like "and in 2023?"; leave out for none',
        },
    },
    "required": ["question"],
    "additionalProperties": False,
}
ASK_TOLD = (
    "Ask a question about the database in plain language. sqlberg's own agent looks up columns, values and "
    "joins, writes SQL, runs it read-only, and answers with the SQL, the rows and how sure it is."
)
QUERY_SECONDS = 60.0
SHOWN_ROWS = 50


def server_of(agent: SqlAgent) -> Server[Any]:
    """The server over an agent's database. Needs mcp (the mcp extra)."""
    from mcp.server.lowlevel import Server
    from mcp_types import CallToolResult, ListToolsResult, TextContent, Tool, ToolAnnotations

    tools = tools_of(agent.database)
    harmless = ToolAnnotations(
        read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
    )

    def schema(tool: Any) -> dict[str, Any]:
        return tool.args_schema.model_json_schema()

    offered = [
        Tool(name=tool.name, description=tool.description, input_schema=schema(tool), annotations=harmless)
        for tool in tools
    ]
    offered.append(Tool(name="ask", description=ASK_TOLD, input_schema=ASK, annotations=harmless))

    async def listed(context: Any, given: Any) -> ListToolsResult:
        return ListToolsResult(tools=offered)

    async def called(context: Any, given: Any) -> CallToolResult:
        arguments = dict(given.arguments or {})
        work = _asked if given.name == "ask" else partial(_used, given.name)
        text, failed, found = await _in_thread(partial(work, agent, arguments))
        return CallToolResult(
            content=[TextContent(type="text", text=text)], structured_content=found, is_error=failed
        )

    return Server(
        "sqlberg",
        version=version("sqlberg"),
        title="sqlberg",
        instructions=(
            f"Read-only access to the database {agent.database.name} ({agent.database.dialect}). Look up "
            "columns and values before you write SQL, or leave all of it to `ask`."
        ),
        on_list_tools=listed,
        on_call_tool=called,
    )


async def over_stdio(server: Server[Any]) -> None:
    """Serve the client that started this process, until it goes."""
    from mcp.server.stdio import stdio_server

    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


def over_http(server: Server[Any], taken: socket, host: str = "127.0.0.1", key: str | None = None) -> None:
    """Serve clients at /mcp of the address that was taken, called `host`, until Ctrl-C, which is raised; with
    a key, only those that bring it as their bearer token.
    """
    import uvicorn

    app: Any = server.streamable_http_app(host=host)
    config = uvicorn.Config(_with_key(app, key) if key else app, log_level="warning")
    uvicorn.Server(config).run(sockets=[taken])


def _with_key(app: Any, key: str) -> Any:
    from hmac import compare_digest

    async def checked(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not compare_digest(given, f"Bearer {key}".encode()):
                await send({"type": "http.response.start", "status": 401, "headers": []})
                await send({"type": "http.response.body", "body": b"the key is missing or wrong"})
                return
        await app(scope, receive, send)

    return checked


async def _in_thread(work: Callable[[threading.Event], tuple[str, bool, Any]]) -> tuple[str, bool, Any]:
    """What the work gives; it is told to stop where the client does not wait for it."""
    import anyio.to_thread

    stop = threading.Event()
    try:
        return await anyio.to_thread.run_sync(work, stop, abandon_on_cancel=True)
    finally:
        stop.set()


def _used(
    name: str, agent: SqlAgent, arguments: dict[str, Any], stop: threading.Event
) -> tuple[str, bool, None]:
    call: Any = {"name": name, "args": arguments, "id": "mcp", "type": "tool_call"}
    seen = run_call(agent.database, tools_of(agent.database), call, seconds=QUERY_SECONDS, stop=stop)
    return seen.text, seen.failed, None


def _asked(
    agent: SqlAgent, arguments: dict[str, Any], stop: threading.Event
) -> tuple[str, bool, dict[str, Any] | None]:
    question, thread = arguments.get("question"), arguments.get("thread") or None
    if not isinstance(question, str) or not (thread is None or isinstance(thread, str)):
        return "Error: ask takes question (text) and thread (text, optional)", True, None
    try:
        answer = agent.ask(question, thread_id=thread, cancel=stop)
    except SqlbergError as error:
        return f"Error: {error}", True, None
    told = answer.to_dict()
    kept = ("status", "sql", "columns", "confidence", "text", "reason")
    found = {name: told[name] for name in kept} | {
        "rows": told["rows"][:SHOWN_ROWS],
        "row_count": len(told["rows"]),
        "notes": remarks(answer),
    }
    return answer.to_markdown(rows=SHOWN_ROWS), answer.status == "failed", found
