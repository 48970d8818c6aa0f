"""The objectives: what each is at its neutral setting, and what its gradient does."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from sqlberg.training.follower import margin_tangents, support_of, worst_case
from sqlberg.training.losses import (
    OBJECTIVES,
    NoiseDetector,
    Options,
    Scores,
    dpo,
    epa,
    ipo,
    poft,
    spa,
    ssapo,
)
from torch import Tensor

OPTIONS = Options(beta=0.3)


def scores(seed: int = 0, pairs: int = 12) -> Scores:
    """Log-probabilities of trajectories of 10 to 60 tokens; those of the policy want gradients."""
    generator = torch.Generator().manual_seed(seed)

    def draw(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(pairs, generator=generator, dtype=torch.double)

    chosen, rejected = draw(-60, -5).requires_grad_(), draw(-60, -5).requires_grad_()
    return Scores(chosen, rejected, draw(-60, -5), draw(-60, -5), draw(10, 60).round(), draw(10, 60).round())


def gradient(loss: Tensor, of: Tensor) -> Tensor:
    return torch.autograd.grad(loss.sum(), of, retain_graph=True)[0]


def test_dpo_is_the_logistic_loss_of_the_margin():
    batch = scores()
    h = (batch.chosen - batch.reference_chosen) - (batch.rejected - batch.reference_rejected)
    assert torch.allclose(dpo(batch, OPTIONS), -torch.log(1 / (1 + torch.exp(-0.3 * h))))


def test_the_gradient_of_dpo_is_that_of_its_paper():
    batch = scores()
    expected = -0.3 * torch.sigmoid(-0.3 * batch.margin)
    assert torch.allclose(gradient(dpo(batch, OPTIONS), batch.chosen), expected)
    assert torch.allclose(gradient(dpo(batch, OPTIONS), batch.rejected), -expected)


def test_ipo_is_zero_where_the_margin_per_token_is_what_beta_asks_for():
    batch = scores()
    wanted = batch.reference_chosen + batch.chosen_tokens * (
        1 / (2 * OPTIONS.beta) + (batch.rejected - batch.reference_rejected) / batch.rejected_tokens
    )
    assert ipo(replace(batch, chosen=wanted), OPTIONS).abs().max() < 1e-12


@pytest.mark.parametrize("name", ["spa", "epa", "ssapo"])
def test_a_robust_loss_at_its_neutral_setting_is_dpo(name: str):
    batch = scores()
    zeros = torch.zeros_like(batch.chosen)
    neutral = replace(batch, doubtful=zeros, moved=zeros, shift=zeros + 3.0)
    for one in (batch, neutral):
        loss = OBJECTIVES[name](one, OPTIONS)
        assert torch.allclose(loss, dpo(one, OPTIONS))
        for of in (one.chosen, one.rejected):
            assert torch.allclose(gradient(loss, of), gradient(dpo(one, OPTIONS), of))


def answered(batch: Scores, epsilon: float) -> Scores:
    """The batch with what the follower does to it."""
    gaps = (OPTIONS.beta * batch.margin).detach().numpy()
    support = support_of(gaps)
    found = worst_case(gaps, margin_tangents(*support), epsilon, support)
    return replace(batch, moved=torch.from_numpy(found.moved), shift=torch.from_numpy(found.shifts))


def test_ssapo_with_a_budget_of_nothing_is_dpo():
    batch = scores()
    assert torch.allclose(ssapo(answered(batch, 0.0), OPTIONS), dpo(batch, OPTIONS))


def test_ssapo_pulls_at_the_doubtful_pairs_and_never_without_bound():
    batch = scores()
    worst = answered(batch, 0.5)
    pull = -gradient(ssapo(worst, OPTIONS), batch.chosen)
    plain = -gradient(dpo(batch, OPTIONS), batch.chosen)
    assert worst.moved is not None
    assert (pull >= plain - 1e-12).all()
    assert (pull <= OPTIONS.beta).all()
    assert torch.allclose(pull[worst.moved == 0], plain[worst.moved == 0])


def test_spa_turns_part_of_a_doubtful_label_round():
    batch = scores()
    doubted = replace(batch, doubtful=torch.ones_like(batch.chosen))
    smoothed = dpo(batch, replace(OPTIONS, smoothing=0.2))
    assert torch.allclose(spa(doubted, replace(OPTIONS, flip=0.2)), smoothed)


def test_weak_negatives_of_epa_are_pushed_down_with_the_strong_one():
    batch = scores()
    weak = scores(5).chosen.detach()[:, None].repeat(1, 3).requires_grad_()
    crowded = replace(batch, weak=weak, reference_weak=torch.full_like(weak, -30.0))
    loss = epa(crowded, OPTIONS)
    assert (loss > epa(batch, OPTIONS)).all()
    assert (gradient(loss, weak) > 0).all()
    none = replace(OPTIONS, weak_weight=0.0)
    assert torch.allclose(epa(crowded, none), dpo(batch, OPTIONS))


def test_poft_weighs_what_aligned_models_find_likely():
    batch = scores()
    own = batch.chosen / batch.chosen_tokens
    likely, unlikely = (replace(batch, aligned=own.detach() + by) for by in (2.0, -2.0))
    pulls = [-gradient(poft(one, OPTIONS), batch.chosen) for one in (likely, unlikely)]
    assert (pulls[0] > 5 * pulls[1]).all()
    with pytest.raises(ValueError, match="aligned"):
        poft(batch, OPTIONS)


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_every_objective_gives_one_finite_loss_for_each_pair(name: str):
    batch = scores()
    whole = replace(
        batch,
        aligned=torch.full_like(batch.chosen, -1.0),
        moved=torch.full_like(batch.chosen, 0.5),
        shift=torch.full_like(batch.chosen, 0.4),
        doubtful=torch.ones_like(batch.chosen),
    )
    loss = OBJECTIVES[name](whole, OPTIONS)
    assert loss.shape == (12,)
    assert loss.isfinite().all()


def test_the_detector_doubts_the_lowest_of_the_margins_it_saw():
    detector = NoiseDetector(window=20, share=0.1)
    margins = torch.tensor([-5.0, 0.4, 10.0])
    assert detector.doubtful(margins).tolist() == [0.0, 0.0, 0.0]
    detector.see([100.0] * 30)
    detector.see(float(n) for n in range(20))  # the last twenty alone count
    assert detector.doubtful(margins).tolist() == [1.0, 1.0, 0.0]
