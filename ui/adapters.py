"""`sqlberg adapters`: what a running server answers with, and adapters as files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import data_table, err, out, plain_text, print_json
from .options import BaseUrlOption, JsonOption

if TYPE_CHECKING:
    from ..models.serving.client import Server

adapters = typer.Typer(
    name="adapters",
    help="Change the adapters of a running server (`sqlberg serve`), or write them in other forms.",
    no_args_is_help=True,
)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Under which it answers: vllm:NAME.")]
FolderArgument = Annotated[
    Path, typer.Argument(metavar="ADAPTER", help="Its folder, or a run folder of `sqlberg improve`.")
]


@adapters.command("list")
def list_served(base_url: BaseUrlOption = None, as_json: JsonOption = False) -> None:
    """List what a server offers, and which version of each name is in service.

    Examples:

      sqlberg adapters list --base-url http://127.0.0.1:8000/v1
    """
    from ..models.serving.engine import rank_told
    from ..models.serving.in_service import current, named

    models = [one for one in _server(base_url).models() if rank_told(one.name) is None]
    serving = {current(models, name) for name in named(models)}
    rows = [
        {"name": one.name, "adapter of": one.base, "in service": one.name in serving, "folder": one.path}
        for one in models
    ]
    if as_json:
        print_json(rows)
        return
    shown = [(r["name"], r["adapter of"], "yes" if r["in service"] else "", r["folder"]) for r in rows]
    out().print(data_table(("name", "adapter of", "in service", "folder"), shown))


@adapters.command()
def activate(
    name: NameArgument,
    adapter: FolderArgument,
    unchecked: Annotated[bool, typer.Option(help="Even if there is nothing to check it by.")] = False,
    tolerance: Annotated[
        float, typer.Option(min=0.0, help="Mean difference of log-probabilities that is let pass.")
    ] = 0.05,
    base_url: BaseUrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put an adapter in service under a name, once it says on the server what it said after training.

    Requests in flight end with the adapter they began with, the next ones get the new one. Where anything is
    wrong with it, what was in service stays.

    Examples:

      sqlberg adapters activate sales runs/improve/shop/round-3/train/adapter
    """
    from ..models.serving.in_service import activate as put

    version, found = put(_server(base_url), name, _folder(adapter), unchecked=unchecked, tolerance=tolerance)
    if as_json:
        apart = {"mean": found.mean, "largest": found.largest} if found else None
        print_json({"in service": version, "difference": apart})
        return
    text = f"In service: {version}"
    if found:
        text += f"; served and trained differ by {found.mean:.4f} a token, {found.largest:.4f} at most"
    out().print(plain_text(text))


@adapters.command()
def rollback(name: NameArgument, base_url: BaseUrlOption = None, as_json: JsonOption = False) -> None:
    """Take the version in service out of it, so that the one before answers again.

    Examples:

      sqlberg adapters rollback sales
    """
    from ..models.serving.in_service import roll_back

    version = roll_back(_server(base_url), name)
    _tell("in service again", version, as_json)


@adapters.command()
def load(
    name: NameArgument, adapter: FolderArgument, base_url: BaseUrlOption = None, as_json: JsonOption = False
) -> None:
    """Offer an adapter under just this name, without putting it in service for others.

    Examples:

      sqlberg adapters load trial runs/train/pairs/train/adapter
    """
    from ..models.serving.in_service import check_fit, checked_name

    folder, server = _folder(adapter), _server(base_url)
    checked_name(name)
    check_fit(folder, server.models(), unchecked=True)
    server.load(name, folder)
    _tell("loaded", name, as_json)


@adapters.command()
def unload(name: NameArgument, base_url: BaseUrlOption = None, as_json: JsonOption = False) -> None:
    """Offer an adapter no more; requests in flight end with it.

    Examples:

      sqlberg adapters unload trial
    """
    _server(base_url).unload(name)
    _tell("unloaded", name, as_json)


@adapters.command()
def merge(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="What it was trained on.")],
    adapter: FolderArgument,
    output: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the whole weights.")],
    as_json: JsonOption = False,
) -> None:
    """Write a model with an adapter merged in, as plain weights that anything can load.

    Examples:

      sqlberg adapters merge Qwen/Qwen3-4B runs/train/pairs/train/adapter models/merged
    """
    from ..models.serving.merged import merge as write

    _tell("written", str(write(model, _folder(adapter), _new(output))), as_json)


@adapters.command()
def export(
    adapter: FolderArgument,
    output: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the members, each in its own.")],
    draws: Annotated[int, typer.Option("--draws", "-n", min=1, max=64, help="Members.")] = 4,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    model: Annotated[
        str | None,
        typer.Option(help="What it was trained on, so that each member can be checked when served."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the members of a LoRA Dropout ensemble as plain adapters, to be served side by side.

    Examples:

      sqlberg adapters export runs/train/pairs/train/adapter runs/members --draws 4 --model Qwen/Qwen3-4B
    """
    from ..errors import SqlbergError
    from ..models.adapters.folders import read_adapter, write_adapter
    from ..models.adapters.masks import members

    output, stored = _new(output), read_adapter(_folder(adapter))
    drawn = members(stored, draws, seed)
    if model is not None:
        from ..models.adapters.causal import probed, restore
        from ..models.loading import load_network

        network, tokenizer = load_network(model)
        network = restore(network, tokenizer, _folder(adapter)).unload()  # says so where it is another's
        drawn = [probed(network, tokenizer, member) for member in drawn]
    try:
        for number, member in enumerate(drawn):
            write_adapter(output / f"member-{number}", member)
    except OSError as error:
        raise SqlbergError(f"cannot write to {output}: {error.strerror}; name another folder") from None
    if stored.adapter.axes:
        told = f"members of {stored.adapter.kind} are whole weights: no server has them side by side"
        err().print(plain_text(f"{told}; ask them here, with --model transformers:MODEL+ADAPTER*N"))
    _tell("written", str(output), as_json)


def _new(output: Path) -> Path:
    """A folder that is written to. Raises `SqlbergError` where other things are in it."""
    from ..errors import SqlbergError
    from ..models.in_use import expanded

    place = expanded(output).resolve()
    if place == Path.cwd() or place.is_file() or (place.is_dir() and any(place.iterdir())):
        raise SqlbergError(f"{output} is not new or empty: name a new folder")
    return place


def _tell(done: str, what: str, as_json: bool) -> None:
    if as_json:
        print_json({done: what})
    else:
        out().print(plain_text(f"{done.capitalize()}: {what}"))


def _server(base_url: str | None) -> Server:
    from ..models.served import VLLM_ADDRESS
    from ..models.serving.client import Server

    return Server(base_url or VLLM_ADDRESS, os.environ.get("VLLM_API_KEY"))


def _folder(adapter: Path) -> Path:
    """As the server finds it. Raises `ModelError`."""
    from ..models.adapters.folders import checked
    from ..models.errors import ModelError
    from ..models.in_use import expanded, resolved

    folder = resolved(expanded(adapter))
    if folder is None:
        raise ModelError(f"no adapter is in use in {adapter} yet")
    return checked(folder).resolve()
