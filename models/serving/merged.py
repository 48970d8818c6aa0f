"""What a server is started with: the model and its LoRA adapters, or a model with a DoRA or BoRA merged in.

The differences that DoRA and BoRA make are of full rank, so that no LoRA is equal to them: they are served as
whole weights, which are written once and kept by the adapter's content.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import SqlbergError
from ..adapters.causal import restore
from ..adapters.folders import WEIGHTS, checked, digest, is_ours, read_adapter
from ..errors import ModelError, UnsupportedOption
from ..in_use import resolved
from ..loading import load_network
from .client import Server
from .in_service import parity


@dataclass(frozen=True)
class Weights:
    """model: a folder or hub name; adapters: LoRA folders by name. name, merged: of an adapter that was
    merged in, and its folder.
    """

    model: str
    adapters: dict[str, Path] = field(default_factory=dict)
    name: str | None = None
    merged: Path | None = None

    def check(self, server: Server, name: str) -> None:
        """Raises `ModelError` where what is served does not say what it said after training. name: of the
        model.
        """
        told = {name: self.merged} if self.merged else {}
        for one, folder in (told | self.adapters).items():
            if is_ours(folder):
                parity(server, one, folder)


def served_weights(
    model: str, adapters: Mapping[str, Path], place: Path, tell: Callable[[str], None] = lambda line: None
) -> Weights:
    """place: where merged weights are kept. Raises `ModelError`, also for what cannot be served together."""
    folders: dict[str, Path] = {}
    whole: list[str] = []
    for name, path in adapters.items():
        folder = resolved(path)
        if folder is None:
            raise ModelError(f"no adapter is in use in {path} yet")
        folders[name] = checked(folder).resolve()
        if is_ours(folder) and read_adapter(folder).adapter.axes:
            whole.append(name)
    if not whole:
        return Weights(model, folders)
    if len(folders) > 1:
        raise UnsupportedOption(
            f"{whole[0]} is served as whole weights, alone: start another server for the rest"
        )
    name, folder = whole[0], folders[whole[0]]
    weights = merge(model, folder, place / digest(folder, WEIGHTS), tell)
    return Weights(str(weights), name=name, merged=folder)


def merge(model: str, adapter: Path, place: Path, tell: Callable[[str], None] = lambda line: None) -> Path:
    """Write the model with an adapter merged in, if that was not done before. Raises `SqlbergError`."""
    if (place / "config.json").is_file():
        return place
    tell(f"merging {adapter} into {model}")
    network, tokenizer = load_network(model, device="cpu")
    network = restore(network, tokenizer, adapter).merge_and_unload()
    partial = place.with_name(f"{place.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        network.save_pretrained(partial, safe_serialization=True)
        tokenizer.save_pretrained(partial)
        partial.replace(place)
    except OSError as error:
        why = error.strerror or error
        raise SqlbergError(f"cannot write to {place}: {why}; make room and try again") from None
    return place
