"""`sqlberg chat`: the web page."""

from __future__ import annotations

import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from .console import err, plain_text, print_json
from .options import BaseUrlOption, EmbedderOption, JsonOption, ModelOption, PolicyOption, finite, read_policy


def chat(
    databases: Annotated[
        list[str] | None,
        typer.Argument(metavar="[DATABASE ...]", help="What `sqlberg ask` takes (default: sample)."),
    ] = None,
    model: ModelOption = "embedded",
    base_url: BaseUrlOption = None,
    candidates: Annotated[int, typer.Option("--candidates", "-c", min=1, help="Runs that vote.")] = 1,
    folder: Annotated[Path, typer.Option(help="Where conversations and what people say are kept.")] = Path(
        "runs/chat"
    ),
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Of it.")] = 7860,
    query_timeout: Annotated[
        float, typer.Option(min=0.1, callback=finite, help="Seconds for one query.")
    ] = 10.0,
    limit_rows: Annotated[int, typer.Option(min=1, help="Rows read of a result at most.")] = 1000,
    embedder: EmbedderOption = "embedded",
    policy: PolicyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Open the page: ask, watch, check, correct, teach. Ctrl-C ends it.

    Examples:

      sqlberg chat

      sqlberg chat shop.duckdb orders.csv --candidates 4

      sqlberg chat shop.duckdb --model vllm:sales --base-url http://127.0.0.1:8000/v1
    """
    from ..errors import SqlbergError
    from ..models.references import load_chat_model
    from ..tools.limits import Limits
    from ..training.feedback.store import Store

    if find_spec("gradio") is None:
        raise SqlbergError("the page needs Gradio: pip install 'sqlberg[chat]'")
    from .web.app import launch
    from .web.room import Room, named

    room = Room(
        named(databases or ["sample"]),
        load_chat_model(model, base_url=base_url),
        model,
        Store(folder / "feedback.sqlite"),
        memory=folder / "conversations",
        policy=read_policy(policy),
        embedder=embedder,
        limits=Limits(seconds=query_timeout, rows=limit_rows),
        options={"candidates": candidates},
    )
    try:
        room.agent(room.names[0])  # opened now, so that the first question does not wait, nor fail
        _, address = launch(room, host=host, port=port, block=False)
        if as_json:
            print_json({"address": address})
        err().print(plain_text(f"open {address} (Ctrl-C ends it)"))
        threading.Event().wait()
    except OSError as error:
        raise SqlbergError(f"cannot listen on {host}:{port}: {error}; choose another --port") from error
    finally:
        room.close()
