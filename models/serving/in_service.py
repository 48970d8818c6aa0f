"""Which adapter answers under a name, while it changes: the newest of the name's versions.

    sales@1790000000    sales@1790003600    →  whoever asks for sales gets the second

A version is an adapter that the server has loaded under NAME@SECONDS. To put one in service is to load it,
to check that it says what it said after training, and only then to offer it as a version; to roll back is to
drop the newest, and the one before stays loaded for that. The list that the server gives is all there is to
know: nothing else can be out of step with it. No version is ever changed in place, so that a request ends
with the weights it began with, and no cached prefix is another's.

What is no plain LoRA, too large or of other shapes is not even sent: vLLM 0.32 says so, but ends by it.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from statistics import fmean

from ..adapters.folders import CONFIG, WEIGHTS, checked, is_ours, read_adapter
from ..adapters.probes import ASKED, PROBES, TOLERANCE, compared
from ..errors import DAMAGED, ModelError, UnsupportedOption
from .client import Served, Server
from .engine import ROOM, rank_told

GRACE = 10
"""Seconds after which nobody asks for a version any more that another has followed."""
UNTOLD = 16
"""The rank that vLLM has room for, where it was not started here and does not say."""
TRIAL = "~"
"""Between the name and the number of what is only on trial."""
_SINCE = "@"
_VERSION = re.compile(rf"(.+){_SINCE}(\d+)")


@dataclass(frozen=True)
class Parity:
    """How far served log-probabilities are from those after training: mean and largest, over the probes'
    tokens.
    """

    mean: float
    largest: float


def checked_name(name: str) -> str:
    """The name, if an adapter may be called so. Raises `UnsupportedOption` for one that would be taken for
    another's version, for one on trial, for a told rank or for several names.
    """
    if not name.strip() or any(mark in name for mark in (_SINCE, TRIAL, ROOM, ",")):
        raise UnsupportedOption(
            f"an adapter cannot be called {name!r}: choose a name without {_SINCE}, {TRIAL}, {ROOM} and a "
            "comma in it"
        )
    return name


def versions(models: Sequence[Served], name: str) -> list[Served]:
    """Those of a name, the oldest first."""
    found = [(match, model) for model in models if (match := _VERSION.fullmatch(model.name))]
    own = [(int(match[2]), model) for match, model in found if match[1] == name]
    return [model for _, model in sorted(own, key=lambda one: one[0])]


def _since(version: Served) -> int:
    """The second in which it was put in service, or a few later."""
    return int(version.name.rpartition(_SINCE)[2])


def named(models: Sequence[Served]) -> list[str]:
    """The names that have a version in service."""
    return list(dict.fromkeys(match[1] for one in models if (match := _VERSION.fullmatch(one.name))))


def current(models: Sequence[Served], name: str) -> str | None:
    """What answers to a name: the model of just this name, or its newest version."""
    if any(model.name == name for model in models):
        return name
    found = versions(models, name)
    return found[-1].name if found else None


def check_fit(folder: Path, models: Sequence[Served], *, unchecked: bool = False) -> None:
    """Raises `ModelError` for an adapter that the server of these models cannot have."""
    room = max((rank for one in models if (rank := rank_told(one.name))), default=UNTOLD)
    if not is_ours(folder):
        check_room(folder, rank_of(folder), room)
        if not unchecked:
            raise ModelError(
                f"{folder} tells nothing to check it by, it was not trained here (--unchecked: anyway)"
            )
        return
    stored = read_adapter(folder)
    if stored.adapter.axes:
        raise UnsupportedOption(
            f"{folder} is {stored.adapter.kind}, which is no LoRA and is served as whole weights: start "
            "`sqlberg serve` with it"
        )
    check_room(folder, stored.adapter.rank, room)
    base = next((one.path for one in models if not one.base), "")
    shapes = _shapes(base)
    for layer in stored.layers() if shapes else ():
        if shapes.get(layer.name) != (layer.up.shape[0], layer.down.shape[1]):
            raise ModelError(
                f"{folder} was trained on another model than {base}: they differ in {layer.name}"
            )


def rank_of(folder: Path) -> int:
    """Of an adapter. Raises `ModelError` for one that cannot be read."""
    return read_adapter(folder).adapter.rank if is_ours(folder) else _plain_rank(folder)


def check_room(folder: Path, rank: int, room: int) -> None:
    """Raises `UnsupportedOption` for an adapter of a larger rank than a server has room for."""
    if rank > room:
        raise UnsupportedOption(
            f"{folder} is of rank {rank}, and the server has room for {room}: start it with --rank {rank}"
        )


def _plain_rank(folder: Path) -> int:
    """Of an adapter of PEFT's, which must be plain LoRA; the largest of its layers."""
    from safetensors import SafetensorError, safe_open

    try:
        config = json.loads((checked(folder) / CONFIG).read_text(encoding="utf-8"))
        plain = config["peft_type"] == "LORA" and not config.get("use_dora") and config.get("bias") == "none"
        with safe_open(folder / WEIGHTS, "pt") as file:
            downs = [file.get_slice(name).get_shape() for name in file.keys() if ".lora_A." in name]  # noqa: SIM118
        ranks = [config["r"], *(config.get("rank_pattern") or {}).values(), *(shape[0] for shape in downs)]
    except (*DAMAGED, IndexError, SafetensorError):
        plain, ranks = False, []
    if not plain or not all(isinstance(rank, int) for rank in ranks):
        raise UnsupportedOption(f"{folder} holds no plain LoRA, and a server takes no other")
    return max(ranks)


@cache
def _shapes(model: str) -> dict[str, tuple[int, ...]]:
    """Of the linear weights of a model that lies here, by their modules' names; of others none."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(model, local_files_only=True, trust_remote_code=False)
        with torch.device("meta"):
            network = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except DAMAGED:
        return {}
    modules = network.named_modules()
    return {name: tuple(one.weight.shape) for name, one in modules if isinstance(one, torch.nn.Linear)}


def parity(server: Server, name: str, folder: Path, tolerance: float = TOLERANCE) -> Parity:
    """Of what is served under a name with what the adapter's folder tells. Raises `ModelError` where they are
    further apart than that on average, or the folder tells nothing.
    """
    probes = read_adapter(folder).probes
    if probes is None:
        raise ModelError(f"{folder} tells nothing to check it by: train it again (--unchecked: anyway)")
    apart = compared(probes, server.next_tokens(name, PROBES, ASKED), folder)
    found = Parity(fmean(apart), max(apart))
    if not found.mean <= tolerance:
        raise ModelError(
            f"{folder} does not say on this server what it said after training (a token's log-probability is "
            f"{found.mean:.3f} off on average, {tolerance:g} at most): it is not put in service"
        )
    return found


def activate(
    server: Server, name: str, folder: Path, *, unchecked: bool = False, tolerance: float = TOLERANCE
) -> tuple[str, Parity | None]:
    """Put an adapter in service under a name; returns its version, and how it was found to agree.

    Before it is offered it is checked under a name that nobody asks for; where anything is wrong, what was in
    service stays. Raises `ModelError`.
    """
    checked_name(name)
    models = server.models()
    check_fit(folder, models, unchecked=unchecked)
    if any(model.name == name for model in models):
        raise ModelError(f"{name} is a model of the server already: choose another name, or unload it")
    found = None
    if not unchecked:
        trial = f"{name}{TRIAL}{time.time_ns()}"
        server.load(trial, folder)
        try:
            found = parity(server, trial, folder, tolerance)
        finally:
            server.unload(trial)
    before = versions(models, name)
    number = max([int(time.time()), *(_since(one) + 1 for one in before)])
    version = f"{name}{_SINCE}{number}"
    server.load(version, folder)
    for one, follower in pairwise(before):
        if time.time() - _since(follower) >= GRACE:
            server.unload(one.name)
    return version, found


def roll_back(server: Server, name: str) -> str:
    """Take the newest version out of service; returns the one before, which answers now. Raises `ModelError`
    where there is none.
    """
    found = versions(server.models(), name)
    if len(found) < 2:
        raise ModelError(f"nothing was in service as {name} before what is now")
    server.unload(found[-1].name)
    return found[-2].name
