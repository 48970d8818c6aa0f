"""`sqlberg chat`: the web page."""

from __future__ import annotations

import threading
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import err, plain_text, print_json
from .options import (
    BaseUrlOption,
    EmbedderOption,
    JsonOption,
    ModelOption,
    PolicyOption,
    finite,
    read_policy,
    tell_idle_patterns,
)

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from .web.runs import Runs


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
    people: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="TOML of who may come in, with passwords and access policies."),
    ] = None,
    add_person: Annotated[
        str | None, typer.Option(metavar="NAME", help="Ask for a password, write it to --people, and end.")
    ] = None,
    person_header: Annotated[
        str | None, typer.Option(metavar="HEADER", help="In which a reverse proxy names who comes in.")
    ] = None,
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

      sqlberg chat --people people.toml --add-person ada

      sqlberg chat shop.duckdb --people people.toml --host 0.0.0.0

      sqlberg chat shop.duckdb --model vllm:sales --base-url http://127.0.0.1:8000/v1
    """
    from ..errors import SqlbergError
    from ..models.serving.engine import LOOPBACK
    from ..tools.limits import Limits
    from ..training.feedback.store import Store

    if find_spec("gradio") is None:
        raise SqlbergError("the page needs Gradio: pip install 'sqlberg[chat]'")
    from .web.people import People, read_people
    from .web.people import add_person as write_person

    if add_person is not None:
        if people is None:
            raise SqlbergError("--add-person writes to the file of --people: name it")
        write_person(people, add_person, typer.prompt("Password", hide_input=True, confirmation_prompt=True))
        err().print(plain_text(f"{add_person} may come in: sqlberg chat --people {people}"))
        return
    if host not in LOOPBACK and people is None and person_header is None:
        raise SqlbergError(
            f"on {host} anybody could ask: give --people or --person-header, or stay on 127.0.0.1"
        )
    from ..tools.references import find_engine
    from .listening import listening, not_free

    known = read_people(people) if people else People()
    from .web.app import launch
    from .web.room import Room, named
    from .web.runs import Runs

    listening(host, port).close()  # tried now, and not when all is opened
    for reference in databases or ():
        find_engine(reference)  # one that is not there is told now, and not when somebody asks about it
    runs = Runs(folder / "improve", model) if model.startswith(("embedded", "transformers:")) else None
    answering, loaded = _answering(model, base_url, runs)
    room = Room(
        named(databases or ["sample"]),
        loaded,
        answering,
        Store(folder / "feedback.sqlite"),
        memory=folder / "conversations",
        notes=folder / "notes",
        policy=read_policy(policy),
        policies=known.policies,
        managers=known.managers,
        embedder=embedder,
        limits=Limits(seconds=query_timeout, rows=limit_rows),
        options={"candidates": candidates},
    )
    try:
        first = room.agent(room.names[0])  # opened now, so that the first question does not wait, nor fail
        if len(room.names) == 1:  # of several, each may have names of its own
            tell_idle_patterns(first.database)
        _, address = launch(
            room,
            runs=runs,
            host=host,
            port=port,
            people=known if people else None,
            header=person_header,
            block=False,
        )
        if as_json:
            print_json({"address": address})
        err().print(plain_text(f"open {address} (Ctrl-C ends it)"))
        threading.Event().wait()
    except OSError as error:
        raise not_free(host, port, error) from error
    finally:
        room.close()


def _answering(model: str, base_url: str | None, runs: Runs | None) -> tuple[str, BaseChatModel]:
    """What answers, with its reference: what people chose on the page, as far as it is still there."""
    from ..errors import SqlbergError
    from ..models.references import load_chat_model

    if runs is not None:
        try:
            chosen = runs.choice.answering()
            if chosen != model:
                loaded = load_chat_model(chosen, base_url=base_url)
                err().print(plain_text(f"{chosen} answers, as chosen on the page"))
                return chosen, loaded
        except SqlbergError as error:
            err().print(plain_text(f"{model} answers, not what was chosen on the page: {error}"))
    return model, load_chat_model(model, base_url=base_url)
