"""The tools and `ask` by the protocol's own client: in process, over standard input and output, over HTTP."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlberg.agents.sql_agent import SqlAgent
from sqlberg.ui.cli import app
from typer.testing import CliRunner

from ..addresses import free_port

mcp = pytest.importorskip("mcp", reason="the MCP door needs the mcp extra")
NAMES = ["search_column", "search_value", "find_shortest_path", "execute_sql", "ask"]
COMMAND = ["-m", "sqlberg", "mcp"]


def visited(target: Any, visit: Callable[[Any], Awaitable[None]]) -> None:
    async def meet() -> None:
        async with mcp.Client(target) as client:
            await visit(client)

    asyncio.run(meet())


async def looks_around(client: Any) -> None:
    """What any client may do, and what none may."""
    tools = (await client.list_tools()).tools
    assert [tool.name for tool in tools] == NAMES
    assert all(tool.annotations.read_only_hint and not tool.annotations.destructive_hint for tool in tools)
    columns = await client.call_tool("search_column", {"queries": ["country of a customer"]})
    assert "customer.country" in columns.content[0].text
    run = await client.call_tool("execute_sql", {"sql": "SELECT count(*) FROM customer"})
    assert (run.is_error, "3" in run.content[0].text) == (False, True)
    refused = await client.call_tool("execute_sql", {"sql": "DELETE FROM customer"})
    assert refused.is_error
    assert "only one SELECT statement runs here" in refused.content[0].text
    answer = await client.call_tool("ask", {"question": "How many customers are from Chile?"})
    assert (answer.structured_content["rows"], answer.structured_content["status"]) == ([[2]], "answered")
    assert "Chile" in answer.structured_content["sql"]


def test_a_client_lists_and_calls_the_tools_and_writes_nothing(shop: Path) -> None:
    from sqlberg.ui.mcp_server import server_of

    with SqlAgent(shop) as agent:
        visited(server_of(agent), looks_around)


def test_wrong_calls_are_answered_with_what_to_do(shop: Path) -> None:
    from sqlberg.ui.mcp_server import server_of

    async def errs(client: Any) -> None:
        for name, arguments, reason in (
            ("ask", {"question": ""}, "ask something in words"),
            ("ask", {"query": "x"}, "ask takes question"),
            ("search_column", {"columns": ["x"]}, "search_column takes queries"),
            ("drop_table", {}, "search_column"),
        ):
            told = await client.call_tool(name, arguments)
            assert told.is_error
            assert reason in told.content[0].text

    with SqlAgent(shop) as agent:
        visited(server_of(agent), errs)


def test_a_client_that_starts_the_command_talks_over_its_pipes(shop: Path) -> None:
    started = mcp.StdioServerParameters(
        command=sys.executable,
        args=[*COMMAND, str(shop), "--embedder", "none"],
        env={**os.environ},
    )
    visited(started, looks_around)


def test_over_http_only_those_with_the_key_are_answered(shop: Path) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}/mcp"
    command = [sys.executable, *COMMAND, str(shop), "--http", "--port", str(port), "--embedder", "none"]
    server = subprocess.Popen(command, env={**os.environ, "SQLBERG_MCP_KEY": "secret"})
    try:
        assert refused_at(address) == 401
        import httpx2
        from mcp.client.streamable_http import streamable_http_client

        known = httpx2.AsyncClient(headers={"Authorization": "Bearer secret"}, timeout=60)
        visited(streamable_http_client(address, http_client=known), looks_around)
    finally:
        server.terminate()
        server.wait()


def test_ctrl_c_ends_http_as_an_interruption(shop: Path) -> None:
    port = free_port()
    command = [sys.executable, *COMMAND, str(shop), "--http", "--port", str(port), "--embedder", "none"]
    server = subprocess.Popen(
        command, env={**os.environ, "SQLBERG_MCP_KEY": "secret"}, stderr=subprocess.PIPE
    )
    assert refused_at(f"http://127.0.0.1:{port}/mcp") == 401
    server.send_signal(signal.SIGINT)
    _, errors = server.communicate(timeout=30)
    assert server.returncode == 130
    assert b"Traceback" not in errors


def test_a_port_that_is_taken_is_told_before_anything_is_opened(tmp_path: Path) -> None:
    pytest.importorskip("gradio", reason="the page needs the chat extra")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for command in (("mcp", tmp_path / "gone.sqlite", "--http"), ("chat", tmp_path / "gone.sqlite")):
            told = CliRunner().invoke(app, [*map(str, command), "--port", str(port)])
            assert told.exit_code == 1
            assert told.stderr == (
                f"sqlberg: cannot listen on 127.0.0.1:{port}: Address already in use; "
                "choose another --port or --host\n"
            )


def refused_at(address: str) -> int:
    """With which code a visitor without a key is sent away, once somebody is there."""
    for _ in range(300):
        try:
            urllib.request.urlopen(address, timeout=1)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            time.sleep(0.1)
    raise AssertionError("nobody came")


@pytest.mark.parametrize("option", [("--port", "8801"), ("--host", "127.0.0.1")])
def test_an_address_without_http_is_refused(shop: Path, option: tuple[str, str]) -> None:
    told = CliRunner().invoke(app, ["mcp", str(shop), *option])
    assert told.exit_code == 1
    assert "are of --http" in told.stderr


def test_other_machines_need_a_key(shop: Path) -> None:
    told = CliRunner().invoke(app, ["mcp", str(shop), "--http", "--host", "0.0.0.0"])
    assert told.exit_code == 1
    assert "set a key in SQLBERG_MCP_KEY" in " ".join(told.stderr.split())
