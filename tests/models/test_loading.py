"""Loading a causal model with an adapter: where things lie, what is never run, what damaged files end in."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from sqlberg.models.adapters.folders import CONFIG, ORIGIN, WEIGHTS, is_ours, read_adapter, write_adapter
from sqlberg.models.adapters.kinds import Adapter, attach
from sqlberg.models.adapters.masks import masked_layers, members
from sqlberg.models.errors import ModelError, UnknownModel, UnsupportedOption
from sqlberg.models.loading import load_network
from sqlberg.models.references import load_chat_model

pytest.importorskip("peft", reason="adapters need the train extra")
causal = pytest.importorskip("sqlberg.models.adapters.causal")


@pytest.fixture(scope="module")
def saved(random_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter with masks that changes what the model says."""
    network, tokenizer = load_network(str(random_model), dtype="float32", device="cpu")
    network = attach(network, Adapter(rank=4, mask=0.3))
    torch.manual_seed(0)
    for name, parameter in network.named_parameters():
        if "lora_B" in name:
            parameter.data.copy_(0.05 * torch.randn(parameter.shape))
    folder = tmp_path_factory.mktemp("saved")
    causal.save(network, tokenizer, folder)
    return folder


def copied(folder: Path, place: Path, *without: str) -> Path:
    shutil.copytree(folder, place)
    for name in without:
        (place / name).unlink()
    return place


def test_masks_lie_where_the_weights_do(
    random_model: Path, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = Adapter(rank=4, mask=0.3)
    monkeypatch.setattr(causal, "restore", lambda network, *_: attach(network, adapter))
    network, _ = load_network(str(random_model), adapter=saved, device="meta", members=2)
    masks = [layer.masks for layer in masked_layers(network).values()]
    assert {mask.inputs.device.type for mask in masks if mask} == {"meta"}
    assert {parameter.device.type for parameter in network.parameters()} == {"meta"}
    assert len(masks) > 3


def test_code_in_a_models_folder_is_never_run(
    random_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda *_: "y")  # whoever would be asked says yes
    folder = copied(random_model, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    ours = {"AutoConfig": "ours.Config", "AutoModelForCausalLM": "ours.Model"}
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "ours", "auto_map": ours}))
    (folder / "ours.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(UnknownModel, match="custom code"):
        load_network(str(folder), device="cpu")
    assert not (tmp_path / "ran").exists()


DAMAGES: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("model.safetensors", lambda content: content[:-500]),
    ("model.safetensors", lambda content: b"\x80\x04pickle"),
    ("config.json", lambda content: b"[]"),
    ("config.json", lambda content: content.replace(b'"hidden_size": 64', b'"hidden_size": 128')),
]


@pytest.mark.parametrize(("name", "damage"), DAMAGES)
def test_a_damaged_model_is_one_line(
    random_model: Path, tmp_path: Path, name: str, damage: Callable[[bytes], bytes]
) -> None:
    folder = copied(random_model, tmp_path / "model")
    (folder / name).write_bytes(damage((folder / name).read_bytes()))
    with pytest.raises(UnknownModel, match="cannot be loaded") as told:
        load_network(str(folder), device="cpu")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        (WEIGHTS, lambda content: content[:-100]),
        (WEIGHTS, lambda content: b"\x80\x04pickle"),
        (CONFIG, lambda content: b"[]"),
        (CONFIG, lambda content: content.replace(b'"r": 4', b'"r": "x"')),
        (CONFIG, lambda content: content.replace(b'"r": 4', b'"r": 8')),
    ],
)
def test_a_damaged_adapter_of_others_is_one_line_with_its_name(
    random_model: Path, saved: Path, tmp_path: Path, name: str, damage: Callable[[bytes], bytes]
) -> None:
    folder = copied(saved, tmp_path / "theirs", ORIGIN)
    load_network(str(random_model), adapter=folder, device="cpu")
    (folder / name).write_bytes(damage((folder / name).read_bytes()))
    with pytest.raises(ModelError, match=str(folder)) as told:
        load_network(str(random_model), adapter=folder, device="cpu")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("probes", [[], {"a": 1}, 7, [{}] * 8, [{"3": "x"}] * 8, ["x"] * 8])
def test_what_an_adapter_tells_to_check_it_by_may_be_damaged(
    random_model: Path, saved: Path, tmp_path: Path, probes: object
) -> None:
    folder = copied(saved, tmp_path / "ours")
    origin = json.loads((folder / ORIGIN).read_text())
    (folder / ORIGIN).write_text(json.dumps(origin | {"probes": probes}))
    with pytest.raises(ModelError, match=f"{folder} tells to check it by is damaged"):
        load_network(str(random_model), adapter=folder, device="cpu")


def test_an_exported_member_tells_what_it_says_and_leaves_the_network_as_it_was(
    random_model: Path, saved: Path, tmp_path: Path
) -> None:
    network, tokenizer = load_network(str(random_model), dtype="float32", device="cpu")
    before = causal.weights_of(network)
    for number, member in enumerate(members(read_adapter(saved), 2, seed=0)):
        write_adapter(tmp_path / str(number), causal.probed(network, tokenizer, member))
        assert causal.weights_of(network) == before
        load_network(str(random_model), adapter=tmp_path / str(number), device="cpu")
    one, other = (read_adapter(tmp_path / name).probes for name in ("0", "1"))
    assert is_ours(tmp_path / "0")
    assert len(one) == len(other) == 8
    assert one != other


@pytest.mark.parametrize("option", [{"temperature": -1.0}, {"max_tokens": 0}, {"seed": -1}])
def test_an_option_that_cannot_be_is_one_line(random_model: Path, option: dict[str, float]) -> None:
    with pytest.raises(UnsupportedOption, match=f"the option {next(iter(option))} cannot be"):
        load_chat_model(f"transformers:{random_model}", device="cpu", **option)  # pyright: ignore


def test_the_embedded_model_is_as_strict(random_model: Path) -> None:
    with pytest.raises(UnsupportedOption, match="the option temperature cannot be -1"):
        load_chat_model("embedded", temperature=-1.0)


@pytest.mark.parametrize("reference", ["embedded+", "transformers:{}+", "transformers:{}+ "])
def test_an_adapter_that_is_not_named_is_not_passed_over(random_model: Path, reference: str) -> None:
    with pytest.raises(UnknownModel, match="names no adapter behind its"):
        load_chat_model(reference.format(random_model))
