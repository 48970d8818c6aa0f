"""Adapters: what each kind computes, its masks, its files, and who may read them."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from sqlberg.models.adapters.decomposition import composed, linear, magnitudes
from sqlberg.models.adapters.folders import CONFIG, ORIGIN, WEIGHTS, read_adapter, write_adapter
from sqlberg.models.adapters.kinds import KINDS, Adapter, Kind, attach
from sqlberg.models.adapters.masks import Masks, averaged, drawn, members
from sqlberg.models.errors import ModelError, UnsupportedOption
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.models.tiny import build_tiny_model

peft = pytest.importorskip("peft", reason="adapters need the train extra")
causal = pytest.importorskip("sqlberg.models.adapters.causal")

IDS = torch.arange(24).view(2, 12) % 90 + 5
EVERY = [Adapter(kind, rank=4, mask=mask) for kind in KINDS for mask in (0.0, 0.3)]  # pyright: ignore
BORA = [Adapter("bora", rank=4, order=order) for order in ("out-in", "in-out")]


def named(adapter: Adapter) -> str:
    return f"{adapter.kind}{' masked' if adapter.mask else ''}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_model(tmp_path_factory.mktemp("tiny"), spread=0.1)


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    return AutoTokenizer.from_pretrained(folder)


def plain(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def trained(folder: Path, adapter: Adapter) -> Any:
    """A network whose adapter has moved somewhere."""
    network = attach(plain(folder), adapter)
    generator = torch.Generator().manual_seed(3)
    for parameter in network.parameters():
        if parameter.requires_grad:
            parameter.data += 0.05 * torch.randn(parameter.shape, generator=generator)
    return network.eval()


def says(network: Any, ids: Tensor = IDS) -> Tensor:
    with torch.no_grad():
        return network(ids).logits


def apart(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max())


# --- what they compute ---


@pytest.mark.parametrize("adapter", [*EVERY, *BORA], ids=named)
def test_a_new_adapter_changes_nothing_at_all(folder: Path, adapter: Adapter) -> None:
    assert says(attach(plain(folder), adapter).eval()).equal(says(plain(folder)))


@pytest.mark.parametrize("adapter", [*EVERY, *BORA], ids=named)
def test_merged_weights_say_what_the_adapter_says(folder: Path, adapter: Adapter) -> None:
    network = trained(folder, adapter)
    said, base = says(network), says(plain(folder))
    assert apart(said, base) > 0.01
    network.merge_adapter()
    assert apart(says(network), said) < 1e-5
    network.unmerge_adapter()
    assert apart(says(network), said) < 1e-5
    with network.disable_adapter():
        assert apart(says(network), base) < 1e-5
    assert apart(says(network.merge_and_unload()), said) < 1e-5


def test_weights_are_composed_axis_after_axis() -> None:
    weight, down, up = torch.randn(5, 3), torch.randn(2, 3), torch.randn(5, 2)
    sizes = {"out": torch.rand(5) + 1, "in": torch.rand(3) + 1}
    v = weight + 0.5 * up @ down
    h = sizes["out"][:, None] * v / v.norm(dim=1, keepdim=True)
    wanted = sizes["in"] * h / h.norm(dim=0)
    assert torch.allclose(composed(weight, down, up, 0.5, sizes)[0], wanted)  # pyright: ignore
    other = composed(weight, down, up, 0.5, {"in": sizes["in"], "out": sizes["out"]})[0]
    assert torch.allclose(other.norm(dim=1), sizes["out"])
    assert not torch.allclose(other, wanted)


@pytest.mark.parametrize("axes", [("out",), ("out", "in"), ("in", "out")])
@pytest.mark.parametrize("bias", [None, torch.randn(5)])
def test_gradients_are_those_of_norms_held_constant(axes: Any, bias: Tensor | None) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(4, 6, 3, requires_grad=True), torch.randn(5, 3)
    down, up = torch.randn(2, 3, requires_grad=True), torch.randn(5, 2, requires_grad=True)
    sizes: Any = {axis: size.requires_grad_() for axis, size in magnitudes(weight, axes).items()}
    into = torch.randn(4, 6, 5)
    own = [x, down, up, *sizes.values()]
    found = torch.autograd.grad((linear(x, weight, bias, down, up, 0.5, sizes) * into).sum(), own)
    factors = {}
    changed = weight + 0.5 * up @ down
    for axis, size in sizes.items():
        norm = changed.detach().norm(dim=1 if axis == "out" else 0)
        factors[axis] = size / norm
        changed = changed * (factors[axis][:, None] if axis == "out" else factors[axis])
    wanted = torch.autograd.grad((nn.functional.linear(x, changed, bias) * into).sum(), own)
    for one, other in zip(found, wanted, strict=True):
        assert torch.allclose(one, other, atol=1e-4)
    exact = torch.autograd.grad(
        (linear(x, weight, bias, down, up, 0.5, sizes, detach=False) * into).sum(), own
    )
    assert not torch.allclose(exact[1], wanted[1], atol=1e-3)


def test_gradients_reach_both_matrices_and_both_magnitudes(folder: Path) -> None:
    network = trained(folder, Adapter("bora", rank=4)).train()
    network(IDS).logits.log_softmax(-1)[..., 7].sum().backward()
    reached = {
        name.split(".default")[0].rsplit(".", 1)[1]
        for name, parameter in network.named_parameters()
        if parameter.grad is not None and parameter.grad.abs().sum() > 0
    }
    assert reached == {"lora_A", "lora_B", "lora_magnitude_out", "lora_magnitude_in"}


def test_our_dora_is_peft_s(folder: Path, tokenizer: Any, tmp_path: Path) -> None:
    network = trained(folder, Adapter("dora", rank=4))
    causal.save(network, tokenizer, tmp_path)
    theirs = peft.PeftModel.from_pretrained(plain(folder), str(tmp_path), is_trainable=True)
    assert apart(says(theirs), says(network)) < 1e-5
    for one in (network, theirs):
        one(IDS).logits.log_softmax(-1)[..., 7].sum().backward()
    grads = [
        {name: parameter.grad for name, parameter in one.named_parameters() if parameter.requires_grad}
        for one in (network, theirs)
    ]
    assert grads[0].keys() == grads[1].keys()
    assert all(torch.allclose(grads[0][name], grads[1][name], atol=1e-3) for name in grads[0])


def test_what_cannot_be_made_is_refused(folder: Path) -> None:
    for options in ({"kind": "lora2"}, {"rank": 0}, {"mask": 1.0}, {"kind": "bora", "order": "both"}):
        with pytest.raises(UnsupportedOption):
            Adapter(**options)  # pyright: ignore

    class Quantised(nn.Linear):
        pass

    network = nn.Sequential(Quantised(3, 3))
    from peft import inject_adapter_in_model
    from sqlberg.models.adapters.kinds import config_of

    with pytest.raises(UnsupportedOption, match="plain linear layers"):
        inject_adapter_in_model(config_of(Adapter("bora"), ["0"]), network)


# --- masks ---


def test_masks_leave_out_columns_and_rows_as_published(folder: Path) -> None:
    layer = next(m for m in trained(folder, EVERY[1]).modules() if hasattr(m, "masks"))
    torch.manual_seed(0)
    kept = []
    for _ in range(400):
        masks = Masks.passing(layer, 0.3)
        whole = masks.outputs[0, :, None] * masks.inputs[0]  # of B A's entries
        assert set(whole.unique().tolist()) <= {0.0, 1.0}
        kept.append(whole.mean())
    assert float(torch.stack(kept).mean()) == pytest.approx(1 - (2 * 0.3 - 0.3**2), abs=0.01)


@pytest.mark.parametrize("kind", ["lora", "rslora"])
def test_a_single_pass_is_the_mean_of_many_draws(folder: Path, kind: Kind) -> None:
    network = trained(folder, Adapter(kind, rank=4, mask=0.3))
    layer = next(m for m in network.modules() if hasattr(m, "masks"))
    x = torch.randn(1, layer.in_features)
    with torch.no_grad():
        single, base = layer(x), layer.plain(x)
        draws = 4000
        layer.masks = Masks.fixed("layer", (layer.in_features, layer.out_features), 0.3, draws, seed=1)
        rows = layer(x.expand(draws, -1))
    error = float((rows.std(0) / draws**0.5).max())
    assert apart(rows.mean(0, keepdim=True), single) < 5 * error
    assert apart(single, base) > 20 * error


@pytest.mark.parametrize("kind", KINDS)
def test_training_is_masked_and_the_reference_is_not(folder: Path, kind: Kind) -> None:
    network = trained(folder, Adapter(kind, rank=4, mask=0.5))
    from trl.trainer.utils import disable_dropout_in_model

    disable_dropout_in_model(network)  # as trainers of preferences do
    assert says(network).equal(says(network))
    network.train()
    first, second = says(network), says(network)
    assert apart(first, second) > 1e-3
    with network.disable_adapter():
        assert says(network).equal(says(plain(folder)))


@pytest.mark.parametrize("kind", KINDS)
def test_each_member_is_an_adapter_by_itself(
    folder: Path, tokenizer: Any, tmp_path: Path, kind: Kind
) -> None:
    network = trained(folder, Adapter(kind, rank=4, mask=0.3))
    causal.save(network, tokenizer, tmp_path)
    with drawn(network, 3, seed=5):
        together = says(network, IDS.repeat(3, 1)).chunk(3)
    assert apart(together[0], together[1]) > 1e-3
    for number, member in enumerate(members(read_adapter(tmp_path), 3, seed=5)):
        place = tmp_path / str(number)
        write_adapter(place, member)
        if kind == "bora":
            alone = causal.restore(plain(folder), tokenizer, place)
        else:
            alone = peft.PeftModel.from_pretrained(plain(folder), str(place)).eval()
        assert apart(says(alone), together[number]) < 1e-5


def test_only_a_masked_adapter_has_members(folder: Path, tokenizer: Any, tmp_path: Path) -> None:
    causal.save(trained(folder, Adapter(rank=4)), tokenizer, tmp_path)
    with pytest.raises(ModelError, match="trained with a mask"):
        members(read_adapter(tmp_path), 2, seed=0)


def test_a_batch_that_cannot_be_divided_among_the_draws_is_refused(folder: Path) -> None:
    network = trained(folder, EVERY[1])
    with drawn(network, 4, seed=0), pytest.raises(ModelError, match="divided among 4 draws"):
        says(network)


def test_an_ensemble_averages_probabilities() -> None:
    logits = torch.randn(6, 4, 9)
    wanted = logits.view(3, 2, 4, 9).softmax(-1).mean(0).log()
    assert torch.allclose(averaged(logits, 3), wanted, atol=1e-6)


# --- files ---


@pytest.mark.parametrize("adapter", [*EVERY, *BORA], ids=named)
def test_what_is_saved_comes_back(folder: Path, tokenizer: Any, tmp_path: Path, adapter: Adapter) -> None:
    network = trained(folder, adapter)
    causal.save(network, tokenizer, tmp_path)
    restored = causal.restore(plain(folder), tokenizer, tmp_path)
    assert causal.adapter_of(restored) == adapter_seen(adapter)
    assert apart(says(restored), says(network)) < 1e-6
    assert not any(parameter.requires_grad for parameter in restored.parameters())
    goes_on = causal.restore(plain(folder), tokenizer, tmp_path, trainable=True)
    assert any(parameter.requires_grad for parameter in goes_on.parameters())


def adapter_seen(adapter: Adapter) -> Adapter:
    """PEFT's own layers tell their alpha, whatever it was made from; adalora is saved as lora."""
    adapter = replace(adapter, kind="lora") if adapter.kind == "adalora" else adapter
    own = adapter.axes or adapter.mask
    return adapter if own else Adapter(adapter.kind, adapter.rank, adapter.mean_alpha)


def test_peft_alone_reads_a_masked_adapter_as_the_mean(folder: Path, tokenizer: Any, tmp_path: Path) -> None:
    network = trained(folder, Adapter(rank=4, mask=0.3))
    causal.save(network, tokenizer, tmp_path)
    theirs = peft.PeftModel.from_pretrained(plain(folder), str(tmp_path)).eval()
    assert apart(says(theirs), says(network)) < 1e-5


def test_what_peft_saved_itself_goes_on_here(folder: Path, tokenizer: Any, tmp_path: Path) -> None:
    theirs = trained(folder, Adapter(rank=4))
    theirs.save_pretrained(tmp_path)
    ours = causal.restore(plain(folder), tokenizer, tmp_path, trainable=True)
    assert apart(says(ours), says(theirs)) < 1e-5
    assert any(parameter.requires_grad for parameter in ours.parameters())


def test_peft_alone_cannot_read_bora(folder: Path, tokenizer: Any, tmp_path: Path) -> None:
    causal.save(trained(folder, BORA[0]), tokenizer, tmp_path)
    with pytest.raises(KeyError, match="SQLBERG_BORA"):
        peft.PeftModel.from_pretrained(plain(folder), str(tmp_path))


def test_other_weights_and_changed_files_are_refused(folder: Path, tokenizer: Any, tmp_path: Path) -> None:
    network = trained(folder, BORA[0])
    causal.save(network, tokenizer, tmp_path)
    other = plain(folder)
    other.model.embed_tokens.weight.data += 1
    with pytest.raises(ModelError, match="trained on another model"):
        causal.restore(other, tokenizer, tmp_path)
    origin = json.loads((tmp_path / ORIGIN).read_text())
    (tmp_path / ORIGIN).write_text(json.dumps({**origin, "adapter": {**origin["adapter"], "alpha": 40}}))
    with pytest.raises(ModelError, match="does not say what it said"):
        causal.restore(plain(folder), tokenizer, tmp_path)
    (tmp_path / ORIGIN).write_text(json.dumps(origin))
    config = json.loads((tmp_path / CONFIG).read_text())
    (tmp_path / CONFIG).write_text(json.dumps({**config, "target_modules": ["q_proj"]}))
    with pytest.raises(ModelError, match="differ in"):
        causal.restore(plain(folder), tokenizer, tmp_path)
    (tmp_path / WEIGHTS).write_bytes((tmp_path / WEIGHTS).read_bytes()[:100])
    with pytest.raises(ModelError, match="damaged"):
        causal.restore(plain(folder), tokenizer, tmp_path)


def test_weights_are_known_in_any_precision_and_with_any_adapter(folder: Path) -> None:
    known = causal.weights_of(plain(folder))
    assert known == causal.weights_of(plain(folder).to(torch.bfloat16))
    assert known == causal.weights_of(trained(folder, BORA[0]))
    changed = copy.deepcopy(plain(folder))
    changed.model.layers[0].mlp.up_proj.weight.data *= 1.1
    assert known != causal.weights_of(changed)
