"""What a server is started with: the model and its LoRA adapters, or a model with a DoRA or BoRA merged in.

The differences that DoRA and BoRA make are of full rank, so that no LoRA is equal to them: they are served as
whole weights, which are written once and kept by the adapter's content and the model's place.
"""

from __future__ import annotations

import errno
import hashlib
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError

from ...errors import SqlbergError
from ..adapters.causal import restore
from ..adapters.folders import WEIGHTS, checked, digest, is_ours, read_adapter
from ..errors import ModelError, UnsupportedOption, one_line
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

    def check(self, server: Server, name: str, tell: Callable[[str], None] = lambda line: None) -> None:
        """Raises `ModelError` where what is served does not say what it said after training. name: of the
        model; tell: is told what tells nothing to check it by.
        """
        told = {name: self.merged} if self.merged else {}
        for one, folder in (told | self.adapters).items():
            if is_ours(folder) and read_adapter(folder).probes is not None:
                parity(server, one, folder)
            else:
                tell(f"{one} is served unchecked: {folder} tells nothing to check it by")


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
    weights = merge(model, folder, place / f"{digest(folder, WEIGHTS)}-{_named(model)}", tell)
    return Weights(str(weights), name=name, merged=folder)


def _named(model: str) -> str:
    """Tells one model from another, by where it lies."""
    place = Path(model).resolve() if Path(model).is_dir() else model
    return hashlib.blake2b(str(place).encode(), digest_size=4).hexdigest()


def merge(model: str, adapter: Path, place: Path, tell: Callable[[str], None] = lambda line: None) -> Path:
    """Write the model with an adapter merged in, if that was not done before. Raises `SqlbergError`."""
    place = place.resolve()
    if (place / "config.json").is_file():
        return place
    tell(f"merging {adapter} into {model}")
    network, tokenizer = load_network(model, device="cpu")
    network = restore(network, tokenizer, adapter).merge_and_unload()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".merging-", dir=place.parent) as held:
            partial = Path(held) / "weights"
            network.save_pretrained(partial, safe_serialization=True)
            tokenizer.save_pretrained(partial)
            partial.replace(place)
    except (OSError, SafetensorError) as error:
        full = getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error)
        then = "make room and try again" if full else "name another folder"
        raise SqlbergError(f"cannot write to {place}: {_why(error)}; {then}") from None
    return place


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or one_line(error)
