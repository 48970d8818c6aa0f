"""`sqlberg mcp`: the tools and the agent for clients of the Model Context Protocol."""

from __future__ import annotations

import os
from contextlib import nullcontext
from importlib.util import find_spec
from typing import Annotated

import typer

from .console import err, plain_text, print_json
from .options import (
    BaseUrlOption,
    DatabaseArgument,
    EmbedderOption,
    JsonOption,
    ModelOption,
    PolicyOption,
    finite,
    read_policy,
    tell_idle_patterns,
)

KEY = "SQLBERG_MCP_KEY"


def mcp(
    database: DatabaseArgument,
    http: Annotated[
        bool, typer.Option("--http", help="Listen at an address; without, over standard input and output.")
    ] = False,
    host: Annotated[
        str | None, typer.Option(help=f"Of --http (default: 127.0.0.1). Not loopback: needs {KEY}.")
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Of --http (default: 8800).")] = None,
    model: ModelOption = "embedded",
    base_url: BaseUrlOption = None,
    candidates: Annotated[int, typer.Option("--candidates", "-c", min=1, help="Runs that vote.")] = 1,
    query_timeout: Annotated[
        float, typer.Option(min=0.1, callback=finite, help="Seconds for one query.")
    ] = 10.0,
    limit_rows: Annotated[int, typer.Option(min=1, help="Rows read of a result at most.")] = 1000,
    embedder: EmbedderOption = "embedded",
    policy: PolicyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give the four tools and `ask` to an MCP client, read-only.

    Over HTTP, a key in SQLBERG_MCP_KEY is asked of every client as its bearer token.

    Examples:

      sqlberg mcp shop.duckdb

      sqlberg mcp shop.duckdb --http --port 8800
    """
    from ..errors import SqlbergError
    from ..models.serving.engine import LOOPBACK

    key = os.environ.get(KEY) or None
    if find_spec("mcp") is None:
        raise SqlbergError("this needs the MCP SDK: pip install 'sqlberg[mcp]'")
    if not http and (host, port) != (None, None):
        raise SqlbergError("--host and --port are of --http: add it, or leave them out")
    host, port = host or "127.0.0.1", port or 8800
    if http and host not in LOOPBACK and key is None:
        raise SqlbergError(
            f"on {host} others could read the database: set a key in {KEY}, or stay on 127.0.0.1"
        )
    import anyio

    from ..agents.opening import open_database
    from ..agents.sql_agent import SqlAgent
    from ..models.references import load_chat_model
    from ..tools.limits import Limits
    from .listening import listening
    from .mcp_server import over_http, over_stdio, server_of

    limits = Limits(seconds=query_timeout, rows=limit_rows)
    with (
        listening(host, port) if http else nullcontext() as taken,
        open_database(database, policy=read_policy(policy), limits=limits, embedder=embedder) as opened,
    ):
        tell_idle_patterns(opened)
        _ = opened.catalog  # built now, so that the first call does not wait for it
        chat_model = load_chat_model(model, base_url=base_url)
        with SqlAgent(opened, chat_model, model_name=model, candidates=candidates) as agent:
            server = server_of(agent)
            if taken is None:
                anyio.run(over_stdio, server)
                return
            address = f"http://{host}:{port}/mcp"
            if as_json:
                print_json({"address": address})
            err().print(plain_text(f"MCP clients connect to {address} (Ctrl-C ends it)"))
            over_http(server, taken, host, key)
