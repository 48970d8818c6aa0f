"""Adapters of the embedded model that were changed or damaged: refused by name, and not blamed on sqlberg."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sqlberg.models.adapters.folders import Stored, digest, tensors_of, write_adapter
from sqlberg.models.adapters.kinds import Adapter, config_of
from sqlberg.models.embedded.probes import probe
from sqlberg.models.embedded.weights import SHIPPED, load_members, load_weights
from sqlberg.models.errors import ModelError

peft = pytest.importorskip("peft", reason="adapters need the train extra")


@pytest.fixture(scope="module")
def stored() -> Stored:
    """An adapter with masks that moves the model a little."""
    plain, writer = load_weights(SHIPPED)
    names = [name for name, module in plain.named_modules() if isinstance(module, torch.nn.Linear)]
    targets = tuple(name for name in names if name.startswith("stack"))
    network, adapter = copy.deepcopy(plain), Adapter(rank=4, mask=0.3)
    peft.inject_adapter_in_model(config_of(adapter, targets), network)
    torch.manual_seed(0)
    for name, parameter in network.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.01)
    told = probe(network, writer)
    return Stored(adapter, targets, tensors_of(network), digest(SHIPPED), told)


def test_members_are_checked_as_their_mean_is(stored: Stored, tmp_path: Path) -> None:
    write_adapter(tmp_path / "own", stored)
    load_members(SHIPPED, tmp_path / "own", 2)
    turned = {name: -30 * one if "lora_B" in name else one for name, one in stored.tensors.items()}
    write_adapter(tmp_path / "changed", replace(stored, tensors=turned))
    for load in (load_weights, lambda base, adapter: load_members(base, adapter, 2)):
        with pytest.raises(ModelError, match="changed this model does not say what it said"):
            load(SHIPPED, tmp_path / "changed")


def test_ranks_that_disagree_are_the_adapters_fault(stored: Stored, tmp_path: Path) -> None:
    name = next(name for name in stored.tensors if "lora_A" in name)
    write_adapter(
        tmp_path, replace(stored, tensors={**stored.tensors, name: stored.tensors[name][:2].clone()})
    )
    with pytest.raises(ModelError, match=f"the adapter in {tmp_path} is damaged"):
        load_weights(SHIPPED, tmp_path)


@pytest.mark.parametrize("count", [0, 2])
def test_what_is_told_of_too_few_texts_is_refused(stored: Stored, tmp_path: Path, count: int) -> None:
    write_adapter(tmp_path, replace(stored, probes=stored.probes[:count]))
    with pytest.raises(ModelError, match=f"{tmp_path} tells to check it by is damaged"):
        load_weights(SHIPPED, tmp_path)
