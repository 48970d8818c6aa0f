"""Loads a causal language model of transformers with its tokenizer and, where asked, one PEFT adapter.

Weights come as safetensors only and no code from a model's folder is run. bfloat16 is the default everywhere:
on a CPU it is about four times as fast as float32, while float16 there is hundreds of times slower and
refused.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import DAMAGED, MissingExtra, UnknownModel, UnsupportedOption, one_line
from .in_use import expanded

if TYPE_CHECKING:
    import torch

DTYPES = ("auto", "bfloat16", "float32", "float16")


def load_network(
    name_or_path: str,
    *,
    adapter: str | Path | None = None,
    dtype: str = "auto",
    device: str = "auto",
    members: int = 0,
) -> tuple[Any, Any]:
    """(model in eval mode on its device, tokenizer).

    `name_or_path` is a folder or a name on the Hugging Face hub, `adapter` the folder of a PEFT adapter (its
    weights stay apart from the model's), `dtype` one of DTYPES, `device` "auto" or a torch device ("cuda:1").
    members: of a masked adapter's ensemble; the network then wants each row as often (`adapters/masks.py`).
    Raises UnknownModel, MissingExtra or UnsupportedOption with one line that says what to do.
    """
    place = _device(device)
    kind = _dtype(dtype, place)
    if _looks_like_path(name_or_path) and not (expanded(name_or_path) / "config.json").is_file():
        raise UnknownModel(
            f"no model in {name_or_path}: a folder with a config.json and safetensors is needed"
        )
    source = str(expanded(name_or_path)) if _looks_like_path(name_or_path) else name_or_path
    if adapter is not None:
        _check_adapter(adapter)

    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        with _quiet():
            tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
            network: Any = AutoModelForCausalLM.from_pretrained(
                source, dtype=kind, use_safetensors=True, trust_remote_code=False
            )
    except (*DAMAGED, SafetensorError) as error:
        raise UnknownModel(_why_not_loaded(name_or_path, error)) from error
    network = network.to(place)  # before the adapter: masks are drawn where the weights are, and stay there
    if adapter is not None:
        network = _with_adapter(network, tokenizer, expanded(adapter), members)
    elif members:
        raise UnsupportedOption(
            f"{name_or_path} has no members without an adapter that was trained with a mask"
        )
    return network.eval(), tokenizer


def _device(device: str) -> torch.device:
    import torch

    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        place = torch.device(device)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError) as error:
        raise UnsupportedOption(f"device {device!r} cannot be used here: {one_line(error)}") from error
    return place


def _dtype(dtype: str, place: torch.device) -> torch.dtype:
    import torch

    if dtype not in DTYPES:
        raise UnsupportedOption(f"dtype {dtype!r} is unknown: use one of {', '.join(DTYPES)}")
    if dtype == "float16" and place.type == "cpu":
        raise UnsupportedOption("dtype float16 is hundreds of times slower on a CPU: use bfloat16 or float32")
    return torch.bfloat16 if dtype == "auto" else getattr(torch, dtype)


def _looks_like_path(name: str) -> bool:
    # A hub name has at most one slash and no leading dot, tilde or slash.
    return name.startswith((".", "~", "/", os.sep)) or name.count("/") > 1 or Path(name).is_dir()


def _check_adapter(adapter: str | Path) -> None:
    if not (expanded(adapter) / "adapter_config.json").is_file():
        raise UnknownModel(f"no adapter in {adapter}: a folder with an adapter_config.json is needed")
    try:
        import peft  # noqa: F401
    except ImportError:
        raise MissingExtra("adapters need peft: pip install 'sqlberg[train]'") from None


def _with_adapter(network: Any, tokenizer: Any, adapter: Path, members: int) -> Any:
    from .adapters.causal import adapter_of, restore
    from .adapters.folders import is_ours
    from .adapters.masks import check_masked, draw

    network = restore(network, tokenizer, adapter)
    if members:
        check_masked(adapter_of(network).mask if is_ours(adapter) else 0.0)
        draw(network, members, seed=0)
        return network
    # Weights with magnitudes would be composed anew for each token.
    return network.merge_and_unload() if is_ours(adapter) and adapter_of(network).axes else network


def _why_not_loaded(name: str, error: BaseException) -> str:
    if _looks_like_path(name) or not isinstance(error, OSError):
        return f"the model in {name} cannot be loaded: {one_line(error)}"
    return (
        f"no model {name!r}: it is no folder here, not among the downloaded models, and could not be fetched;"
        " check the name and the network, or give the path of a folder"
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' progress bars, which would mix with the answer on a terminal."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
