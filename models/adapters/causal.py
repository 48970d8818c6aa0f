"""Adapters of causal language models: put on, saved with their fingerprint, restored and checked, merged.

network = attach(network, Adapter("bora"))      # kinds.py; then train it
save(network, tokenizer, folder)
network = restore(network, tokenizer, folder)   # the right class, and the right outputs, or a ModelError
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import DAMAGED, ModelError, one_line
from .allocation import folded
from .folders import (
    PREFIX,
    Stored,
    checked,
    is_ours,
    put_tensors,
    read_adapter,
    tensors_of,
    write_adapter,
)
from .kinds import Adapter, attach
from .probes import ASKED, check_probes, probe


def save(network: Any, tokenizer: Any, folder: Path, *, write: bool = True) -> None:
    """Write the adapter of a network of `attach`, with what it says of the probes. write: not where another
    process does; the layers may be divided among them, and then all are needed to compute.
    """
    config = network.peft_config["default"]
    targets = config.target_modules
    adapter, tensors = folded(adapter_of(network), tensors_of(network))
    stored = Stored(
        adapter,
        targets if isinstance(targets, str) else tuple(sorted(targets)),
        tensors,
        weights_of(network),
        probe(network, tokenizer),
    )
    about = {"task_type": "CAUSAL_LM", "base_model_name_or_path": config.base_model_name_or_path}
    if write:
        write_adapter(folder, stored, **about)


def restore(network: Any, tokenizer: Any, folder: Path, *, trainable: bool = False) -> Any:
    """The network with a saved adapter. Raises `ModelError` where it was trained on other weights, or does
    not say what it said when it was saved. What was not saved here comes as PEFT reads it.
    """
    if not is_ours(checked(folder)):
        return _by_peft(network, folder, trainable)
    stored = read_adapter(folder)
    if stored.base and stored.base != weights_of(network):
        raise ModelError(f"the adapter {folder} was trained on another model than this")
    try:
        network = attach(network, stored.adapter, stored.targets)
    except DAMAGED as error:
        raise ModelError(f"the adapter {folder} does not fit this model: {one_line(error)}") from error
    put_tensors(network, stored.tensors)
    if not trainable:
        network.eval().requires_grad_(False)
    if stored.probes is not None:
        check_probes(stored.probes, probe(network, tokenizer, ASKED), folder)
    return network


def probed(network: Any, tokenizer: Any, stored: Stored) -> Stored:
    """The adapter with what it says of the probes. network: plain, and plain again afterwards."""
    network = attach(network, stored.adapter, stored.targets)
    try:
        put_tensors(network, stored.tensors)
        return replace(stored, probes=probe(network, tokenizer))
    finally:
        network.unload()


def _by_peft(network: Any, folder: Path, trainable: bool) -> Any:
    from peft import PeftModel
    from safetensors import SafetensorError

    try:
        return PeftModel.from_pretrained(network, str(folder), is_trainable=trainable)
    except (*DAMAGED, SafetensorError) as error:
        raise ModelError(f"the adapter {folder} does not fit this model: {one_line(error)}") from error


def adapter_of(network: Any) -> Adapter:
    """How the network's adapter was made. Raises `ModelError` for kinds of PEFT's that are not ours."""
    config = network.peft_config["default"]
    if hasattr(config, "adapter"):
        return config.adapter
    if config.peft_type != "LORA" or config.use_dora:
        raise ModelError(f"an adapter of type {config.peft_type} is not one of ours: keep it with PEFT")
    return Adapter("rslora" if config.use_rslora else "lora", config.r, config.lora_alpha)


def weights_of(network: Any) -> str:
    """A fingerprint of a network's weights without its adapter: a few values of each tell one model from
    another. The same for any precision it is loaded in (float16 aside).
    """
    import torch

    content = hashlib.blake2b(digest_size=8)
    for name, parameter in sorted(_own(network)):
        values: Any = parameter.detach()
        if hasattr(values, "full_tensor"):  # divided among processes, which all are here
            values = values.full_tensor()
        values = values.flatten()
        values = values[:: max(1, len(values) // 16)].to("cpu", torch.bfloat16).float()
        content.update(name.encode() + values.numpy().tobytes())
    return content.hexdigest()


def _own(network: Any) -> Iterator[tuple[str, Any]]:
    for name, parameter in network.named_parameters():
        if ".lora_" not in name:
            yield name.removeprefix(PREFIX).replace(".base_layer.", "."), parameter
