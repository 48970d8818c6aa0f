"""The trainer over a tiny causal model: it learns, goes on where it was killed, and divides its work."""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from sqlberg.errors import SqlbergError
from sqlberg.models.adapters.causal import restore
from sqlberg.models.adapters.folders import read_adapter
from sqlberg.models.adapters.kinds import Adapter, attach
from sqlberg.training.dividing import divide_layers
from sqlberg.training.losses import Options
from sqlberg.training.order import epoch_batches
from sqlberg.training.policies import CausalPolicy, EncodedTree
from sqlberg.training.tokens import Turn
from sqlberg.training.trainer import ADAPTER, LOG, Settings, Step, by_row, learning_rate, train
from sqlberg.training.trees import tree_of
from transformers import AutoModelForCausalLM, AutoTokenizer

from ..addresses import free_port
from ..models.tiny import build_tiny_model

pytest.importorskip("peft", reason="training needs the train extra")

QUICK = Settings(batch=4, micro=2, rate=5e-3, epochs=3, half=False, save_every=2, options=Options(beta=0.5))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_model(tmp_path_factory.mktemp("tiny"), spread=0.1)


def policy_of(folder: Path, kind: Adapter = Adapter(rank=4)) -> CausalPolicy:
    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    torch.manual_seed(0)
    return CausalPolicy(attach(network, kind), AutoTokenizer.from_pretrained(folder))


def pairs(count: int) -> list[EncodedTree]:
    """What is chosen ends with an even token, what is rejected with an odd one."""
    rng = random.Random(5)
    rows = []
    for _ in range(count):
        prompt = tuple(rng.choices(range(20, 200), k=rng.randint(3, 12)))
        chosen = (*rng.choices(range(20, 200), k=rng.randint(1, 5)), 2 * rng.randint(100, 105))
        rejected = (*chosen[:-1], chosen[-1] + 1)
        rows.append(EncodedTree(tree_of([[Turn(prompt, chosen)], [Turn(prompt, rejected)]])))
    return rows


def steps_of(run: Path) -> list[Step]:
    return [Step(**json.loads(line)) for line in (run / LOG).read_text().splitlines()]


def test_the_policy_learns_what_is_preferred(folder: Path, tmp_path: Path):
    policy, told, read = policy_of(folder), [], []
    adapter = train(policy, pairs(24), QUICK, tmp_path, tell=told.append, prepare=read.append)
    steps = steps_of(tmp_path)
    assert steps == told
    assert len(steps) == 18
    assert steps[0].loss == pytest.approx(math.log(2), abs=1e-4)
    assert steps[-1].loss < 0.5
    assert (steps[-1].accuracy, sum(read)) == (1.0, 24)
    assert steps[-1].margin > 0.5
    assert (adapter / "adapter_model.safetensors").is_file()


@pytest.mark.parametrize("kind", [Adapter("bora", rank=4), Adapter("dora", rank=4, mask=0.2)])
def test_every_adapter_learns_and_goes_on(folder: Path, tmp_path: Path, kind: Adapter):
    settings = replace(QUICK, rate=2e-2, draws=2 if kind.mask else 1)
    policy = policy_of(folder, kind)
    adapter = train(policy, pairs(12), settings, tmp_path)
    assert steps_of(tmp_path)[-1].loss < 0.5
    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    later = CausalPolicy(restore(network, policy.tokenizer, adapter, trainable=True), policy.tokenizer)
    assert later.fingerprint("start") == policy.fingerprint("start")
    assert later.fingerprint("base") == policy.fingerprint("base") != policy.fingerprint("start")


def test_a_step_is_the_mean_over_its_draws(folder: Path, tmp_path: Path):
    policy = policy_of(folder, Adapter(rank=4, mask=0.3))
    for name, parameter in policy.network.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(std=0.1, generator=torch.Generator().manual_seed(1))
    rows, settings = pairs(2), replace(QUICK, batch=2, epochs=1, draws=8, reference="base")
    with torch.no_grad():
        with policy.as_reference("base"):
            base = policy.logprobs(policy.collate(rows))
        policy.network.train()
        torch.manual_seed(settings.seed)
        draws = torch.stack([policy.logprobs(policy.collate(rows)) - base for _ in range(settings.draws)])
    margins = draws[:, ::2] - draws[:, 1::2]
    train(policy, rows, settings, tmp_path)
    wanted = -torch.nn.functional.logsigmoid(0.5 * margins).mean()
    assert steps_of(tmp_path)[0].loss == pytest.approx(float(wanted), abs=1e-5)
    assert margins.std(0).min() > 1e-3


def test_ranks_are_shared_out_while_training_and_saved_as_plain_lora(folder: Path, tmp_path: Path):
    policy = policy_of(folder, Adapter("adalora", rank=6, mask=0.1))
    adapter = train(policy, pairs(24), replace(QUICK, rate=2e-2, epochs=4), tmp_path)
    assert steps_of(tmp_path)[-1].loss < 0.5
    left = [int((p != 0).sum()) for n, p in policy.network.named_parameters() if "lora_E" in n]
    assert sum(left) == 4 * len(left)  # two thirds
    assert len(set(left)) > 1
    stored = read_adapter(adapter)
    assert (stored.adapter.kind, stored.adapter.rank, stored.adapter.mask) == ("lora", 6, 0.1)
    pruned = [int((layer.up != 0).any(0).sum()) for layer in stored.layers()]
    assert sorted(pruned) == sorted(left)


@pytest.mark.parametrize("objective", ["dpo", "spa", "masked dpo", "adaptive dpo"])
def test_a_run_that_was_stopped_gives_the_same_losses(folder: Path, tmp_path: Path, objective: str):
    how, _, name = objective.rpartition(" ")
    kind = Adapter("adalora" if how == "adaptive" else "lora", rank=4, mask=0.2 if how == "masked" else 0.0)
    rows, settings = pairs(16), replace(QUICK, objective=name)
    train(policy_of(folder, kind), rows, settings, tmp_path / "whole")

    class Killed(Exception):
        pass

    def kill(step: Step) -> None:
        if step.step == 5:
            raise Killed

    with pytest.raises(Killed):
        train(policy_of(folder, kind), rows, settings, tmp_path / "killed", tell=kill)
    # What a kill in the middle of a line leaves behind.
    with (tmp_path / "killed" / LOG).open("a") as log:
        log.write('{"step": 6, "lo')
    read: list[int] = []
    train(policy_of(folder, kind), rows, settings, tmp_path / "killed", prepare=read.append)
    whole, resumed = steps_of(tmp_path / "whole"), steps_of(tmp_path / "killed")
    assert [replace(s, seconds=0.0) for s in resumed] == [replace(s, seconds=0.0) for s in whole]
    assert read == [16]


DETECTING = replace(QUICK, objective="spa", batch=5, options=Options(beta=0.5, flip=0.5))
"""A batch does not come out even, and what was seen before decides what is doubtful."""
DIVIDED = {"pairs": QUICK, "layers": QUICK, "detector": DETECTING}


def divided(folder: Path, runs: Path) -> None:
    """What each of two processes does, started as `accelerate launch` starts them."""
    torch.set_num_threads(1)
    for what, settings in DIVIDED.items():
        policy = policy_of(folder)
        if what == "layers":
            divide_layers(policy.network)
            held = policy.network.get_base_model().model.layers[0].mlp.up_proj.weight
            assert held.to_local().numel() == held.numel() // 2
        train(policy, pairs(12), settings, runs / what)


@pytest.fixture(scope="module")
def by_two(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs of two processes, started once for all."""
    runs, port = tmp_path_factory.mktemp("by_two"), str(free_port())
    root = Path(__file__).parents[2]
    script = (
        f"import sys; sys.path.append({str(root)!r})\n"
        "from pathlib import Path\n"
        "from tests.training.test_trainer import divided\n"
        f"divided(Path({str(folder)!r}), Path({str(runs)!r}))"
    )
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    work = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            env={**os.environ, **shared, "RANK": rank, "LOCAL_RANK": rank, "ACCELERATE_USE_CPU": "true"},
        )
        for rank in ("0", "1")
    ]
    assert [process.wait(100) for process in work] == [0, 0]
    return runs


@pytest.mark.parametrize("what", DIVIDED)
def test_two_processes_do_what_one_does(folder: Path, by_two: Path, tmp_path: Path, what: str):
    train(policy_of(folder), pairs(12), DIVIDED[what], tmp_path)
    for one, two in zip(steps_of(tmp_path), steps_of(by_two / what), strict=True):
        assert two.loss == pytest.approx(one.loss, abs=1e-5)
        assert two.norm == pytest.approx(one.norm, rel=1e-4)
        assert two.accuracy == one.accuracy
    stored = [read_adapter(run / ADAPTER) for run in (tmp_path, by_two / what)]
    assert stored[1].base == stored[0].base
    for name, tensor in stored[0].tensors.items():
        assert stored[1].tensors[name].numpy() == pytest.approx(tensor.numpy(), abs=1e-5)


def test_layers_are_divided_among_several_processes_only(folder: Path):
    with pytest.raises(SqlbergError, match="this is one: accelerate launch"):
        divide_layers(policy_of(folder).network)


def test_an_adapter_is_compared_with_itself_or_with_the_model_below_it(folder: Path, tmp_path: Path):
    policy = policy_of(folder)
    train(policy, pairs(24), QUICK, tmp_path / "first")
    later = replace(QUICK, epochs=1)
    train(policy, pairs(24), later, tmp_path / "start")
    assert steps_of(tmp_path / "start")[0].loss == pytest.approx(math.log(2), abs=1e-3)
    train(policy, pairs(24), replace(later, reference="base"), tmp_path / "base")
    assert steps_of(tmp_path / "base")[0].loss < 0.5


@pytest.mark.parametrize(
    ("rows", "changes", "reason"),
    [
        (0, {}, "no preference to learn from"),
        (4, {"objective": "dop"}, "no objective 'dop'"),
        (8, {"rate": 1e30, "clip": 1e30}, "is not a number: train with a lower rate"),
    ],
)
def test_what_cannot_be_learned_is_one_clear_error(
    folder: Path, rows: int, changes: dict[str, Any], reason: str, tmp_path: Path
):
    with pytest.raises(SqlbergError, match=reason):
        train(policy_of(folder), pairs(rows), replace(QUICK, **changes), tmp_path)


def test_a_folder_that_was_begun_otherwise_is_refused_and_says_in_what(folder: Path, tmp_path: Path):
    given = {"follower": {"epsilon": 0.01}}
    train(policy_of(folder), pairs(4), QUICK, tmp_path, given=given)
    with pytest.raises(SqlbergError, match="pairs is"):
        train(policy_of(folder), pairs(5), QUICK, tmp_path, given=given)
    with pytest.raises(SqlbergError, match=r"rate is 1\.0, was"):
        train(policy_of(folder), pairs(4), replace(QUICK, rate=1.0), tmp_path, given=given)
    with pytest.raises(SqlbergError, match=r"follower is .*0\.5.*was .*0\.01"):
        train(policy_of(folder), pairs(4), QUICK, tmp_path, given={"follower": {"epsilon": 0.5}})


def test_a_folder_in_which_another_adapter_was_trained_is_refused(folder: Path, tmp_path: Path):
    once = replace(QUICK, epochs=1)
    train(policy_of(folder), pairs(4), once, tmp_path)
    train(policy_of(folder), pairs(4), once, tmp_path)
    others = (Adapter(rank=8), Adapter("rslora", rank=4), Adapter("bora", rank=4), Adapter(rank=4, mask=0.5))
    for other in others:
        with pytest.raises(SqlbergError, match="begins with is"):
            train(policy_of(folder, other), pairs(4), once, tmp_path)


def test_a_place_that_cannot_be_written_is_one_clear_error(folder: Path, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SqlbergError, match="cannot write to"):
        train(policy_of(folder), pairs(4), QUICK, tmp_path / "file" / "run")


def test_batches_hold_every_example_once_and_like_lengths():
    lengths = [random.Random(n).randint(1, 100) for n in range(333)]
    batches = epoch_batches(lengths, 8, seed=3, epoch=1)
    assert sorted(row for batch in batches for row in batch) == list(range(333))
    assert batches == epoch_batches(lengths, 8, seed=3, epoch=1)
    assert batches != epoch_batches(lengths, 8, seed=3, epoch=2)
    spread = [max(lengths[r] for r in batch) - min(lengths[r] for r in batch) for batch in batches]
    assert sum(spread) / len(spread) < 15


def test_the_rate_rises_and_falls_to_nothing():
    rates = [learning_rate(step, 100, Settings(rate=1.0)) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == pytest.approx(1.0)
    assert rates[-1] < 0.001


def test_rows_of_unlike_many_responses_stand_side_by_side():
    logprobs = torch.tensor([-1.0, -2.0, -3.0, -4.0, -5.0, -6.0], requires_grad=True)
    policy, reference, tokens = by_row(
        logprobs, [[-1.5, -2.5, -3.5], [-4.5, -5.5], [-6.5]], [[3, 4, 5], [6, 7], [8]]
    )
    assert policy.tolist() == [[-1, -2, -3], [-4, -5, -math.inf], [-6, -6, -math.inf]]
    assert reference.tolist() == [[-1.5, -2.5, -3.5], [-4.5, -5.5, 0], [-6.5, -6.5, 0]]
    assert tokens.tolist() == [[3, 4, 5], [6, 7, 0], [8, 8, 0]]
    policy.logsumexp(-1).sum().backward()
    assert logprobs.grad is not None
    assert torch.isfinite(logprobs.grad).all()


def test_what_is_chosen_alone_can_be_imitated(folder: Path, tmp_path: Path):
    rows = [EncodedTree(tree_of([[Turn((30, 31, n), (40, 2 * n))]])) for n in range(50, 58)]
    train(policy_of(folder), rows, replace(QUICK, objective="sft", epochs=8), tmp_path)
    steps = steps_of(tmp_path)
    assert steps[-1].loss < 0.8 * steps[0].loss
    assert steps[-1].margin == 0
