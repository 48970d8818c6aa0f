"""DPO and IPO against TRL's trainer on the same batch: the same losses and the same gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from sqlberg.training.logprobs import response_logprobs
from sqlberg.training.losses import OBJECTIVES, Options, Scores
from sqlberg.training.tokens import Turn
from sqlberg.training.trees import batch_of, tree_of
from transformers import AutoModelForCausalLM, AutoTokenizer

from ..models.tiny import build_tiny_model

trl = pytest.importorskip("trl", reason="TRL is not installed")

# (prompt, chosen, rejected): token ids of unlike lengths.
PAIRS = [
    ((5, 6, 7, 8, 9), (10, 11, 12), (10, 13)),
    ((20, 21), (22, 23, 24, 25, 26), (27, 28, 29, 30)),
    ((40, 41, 42), (43,), (44, 45, 46, 47, 48, 49)),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_model(tmp_path_factory.mktemp("tiny"), spread=0.1)


def load(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def drifted(folder: Path) -> Any:
    """The policy: the reference, some steps away."""
    model = load(folder)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.02 * torch.randn(parameter.shape, generator=generator)
    return model


def theirs(folder: Path, model: Any, loss: str, beta: float, work: Path) -> torch.Tensor:
    import datasets
    from trl.trainer.dpo_trainer import DataCollatorForPreference

    trainer = trl.DPOTrainer(
        model=model,
        ref_model=load(folder),
        args=trl.DPOConfig(
            output_dir=str(work), beta=beta, loss_type=[loss], use_cpu=True, report_to=[], bf16=False
        ),
        train_dataset=datasets.Dataset.from_list([{"prompt": "a", "chosen": "b", "rejected": "c"}]),
        processing_class=AutoTokenizer.from_pretrained(folder),
    )
    rows = [{"prompt_ids": list(p), "chosen_ids": list(c), "rejected_ids": list(r)} for p, c, r in PAIRS]
    batch = DataCollatorForPreference(pad_token_id=0)(rows)
    return trainer.compute_loss(model, dict(batch))


def ours(folder: Path, model: Any, objective: str, options: Options) -> torch.Tensor:
    batch = batch_of([tree_of([[Turn(p, c)], [Turn(p, r)]]) for p, c, r in PAIRS])
    policy = response_logprobs(model, batch)
    with torch.no_grad():
        reference = response_logprobs(load(folder), batch)
    lengths = torch.bincount(batch.response).float()
    scores = Scores(
        *(values[side::2] for values in (policy, reference) for side in (0, 1)),
        *(lengths[side::2] for side in (0, 1)),
    )
    return OBJECTIVES[objective](scores, options).mean()


@pytest.mark.parametrize(
    ("loss", "objective", "beta"), [("sigmoid", "dpo", 0.1), ("sigmoid", "dpo", 0.7), ("ipo", "ipo", 0.1)]
)
def test_losses_and_gradients_are_those_of_trl(
    folder: Path, loss: str, objective: str, beta: float, tmp_path: Path
):
    one, two = drifted(folder), drifted(folder)
    expected = theirs(folder, one, loss, beta, tmp_path)
    found = ours(folder, two, objective, Options(beta=beta))
    assert float(found.detach()) == pytest.approx(float(expected.detach()), abs=1e-5)
    expected.backward()
    found.backward()
    for (name, mine), other in zip(two.named_parameters(), one.parameters(), strict=True):
        assert torch.allclose(mine.grad, other.grad, atol=1e-5, rtol=1e-4), name
