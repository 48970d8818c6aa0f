"""What selectors look at: each view against what it should be for a model small enough to work it out, and
from real models.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sqlberg.agents.opening import open_database
from sqlberg.training.active.choosing import choose, view_all
from sqlberg.training.active.readers import CausalReader, EmbeddedReader, Reader, reader_of
from sqlberg.training.active.views import SKETCHED, STEPS, TOKENS, VIEWS, Look, Written, viewed
from sqlberg.training.evaluation.dataset import Question
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from ..models.tiny import build_tiny_model

ASKED = ("How many customers are from Chile?", "Show the names of all customers.", "What is the total price?")
QUESTIONS = [
    Question(id=f"q{number}", db_id="shop", question=text, sql=None) for number, text in enumerate(ASKED)
]


def linear_look(batch: int = 3, width: int = 6, outputs: int = 5) -> tuple[Look, Tensor, Tensor]:
    """A softmax over a linear map of what is read, with two steps of which one counts; the map, and what is
    read.
    """
    torch.manual_seed(0)
    matrix = torch.randn(width, outputs)
    read = torch.randn(batch, 2, width)

    def write(push: Tensor) -> Written:
        return read + push[:, None], lambda states: states @ matrix

    steps = torch.tensor([[True, False]] * batch)
    unpushed = write(torch.zeros(batch, width))
    surprisals = [[0.5], [1.0, 2.0], []]
    look = Look(unpushed, write, steps, width, torch.ones(batch, 1), read[:, 0], surprisals)
    return look, matrix, read[:, 0]


def test_the_perturbation_is_the_fisher_matrix_times_the_push():
    look, matrix, read = linear_look()
    found = torch.tensor(viewed(look, "perturbation", seed=4)).float()
    push = torch.randn(1, look.width, generator=torch.Generator().manual_seed(4))
    push = push / push.norm()
    chances = (read @ matrix).softmax(-1)
    for row, p in zip(found, chances, strict=True):
        fisher = matrix @ (torch.diag(p) - torch.outer(p, p)) @ matrix.T
        expected = fisher @ push[0]
        assert torch.cosine_similarity(row, expected, dim=0) > 0.99
        assert row.norm() == pytest.approx(float(expected.norm()), rel=0.05)


def test_sketched_gradients_have_the_inner_products_of_the_gradients():
    look, matrix, read = linear_look(batch=20)
    found = torch.tensor(viewed(look, "gradient", seed=1)).float()
    scores = read @ matrix
    errors = scores.softmax(-1)
    errors[torch.arange(len(errors)), scores.argmax(-1)] -= 1
    whole = torch.einsum("be,bw->bew", errors @ matrix.T, read).flatten(1)
    assert found.shape == (20, SKETCHED)
    told = np.corrcoef((found @ found.T).flatten(), (whole @ whole.T).flatten())[0, 1]
    assert told > 0.97


def test_entropy_is_that_of_the_steps_that_count():
    look, matrix, read = linear_look()
    chances = (read @ matrix).softmax(-1)
    expected = -(chances * chances.log()).sum(-1)
    assert viewed(look, "entropy")[:, 0] == pytest.approx(expected.tolist(), rel=1e-5)


def test_surprisals_are_vectors_of_unit_length():
    found = viewed(linear_look()[0], "surprisal")
    assert found.shape == (3, TOKENS)
    assert np.linalg.norm(found, axis=1) == pytest.approx([1, 1, 0])
    assert found[1, :2] == pytest.approx([5**-0.5, 2 * 5**-0.5])


@pytest.fixture(scope="module")
def causal(tmp_path_factory: pytest.TempPathFactory) -> CausalReader:
    folder = build_tiny_model(tmp_path_factory.mktemp("tiny"), spread=0.1)
    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    return CausalReader(network, AutoTokenizer.from_pretrained(folder), "tiny", ())


@pytest.fixture(scope="module")
def embedded() -> EmbeddedReader:
    return EmbeddedReader()


@pytest.mark.parametrize("model", ["embedded", "causal"])
@pytest.mark.parametrize("view", VIEWS)
def test_real_models_give_every_view_each_question_its_own(
    shop: Path, model: str, view: str, request: pytest.FixtureRequest
):
    reader: Reader = request.getfixturevalue(model)
    with open_database(shop, embedder="none") as database:
        dialogues = [reader.opening(database, question) for question in ASKED]
    found = [viewed(reader.look([dialogue]), view, seed=3)[0] for dialogue in dialogues]
    assert all(np.isfinite(row).all() and np.abs(row).max() > 0 for row in found)
    assert not np.allclose(found[0], found[1])
    again = viewed(reader.look([dialogues[0]]), view, seed=3)[0]
    np.testing.assert_array_equal(again, found[0])
    if reader.rows > 1:  # what it is read beside does not matter
        together = viewed(reader.look(dialogues), view, seed=3)
        size = np.abs(together).max()
        np.testing.assert_allclose(together / size, np.array(found) / size, atol=2e-3)


def test_a_push_moves_only_the_reading_of_the_question(causal: CausalReader, shop: Path):
    with open_database(shop, embedder="none") as database:
        look = causal.look([causal.opening(database, ASKED[0])])
    with torch.no_grad():
        still = look.logprobs()
        moved = look.logprobs(torch.full((1, look.width), 5.0))
    assert still.shape[1] <= STEPS
    assert (still - moved).abs().max() > 1e-3
    assert len(look.surprisals[0]) >= len(ASKED[0].split())


def chosen(folder: Path, shop: Path, reader: Any, count: int = 2, **options: Any) -> list[str]:
    opened = partial(lambda shop, db_id: open_database(shop, embedder="none"), shop)
    found = choose(QUESTIONS, count, "vapal", folder, reader=reader, open_database=opened, **options)
    return [one.id for one in found]


def test_views_of_a_causal_model_belong_to_its_weights_and_to_what_it_is_asked_with(tmp_path: Path):
    pytest.importorskip("peft", reason="reading causal models needs the train extra")
    folder = build_tiny_model(tmp_path / "tiny", spread=0.1)
    first = reader_of(f"transformers:{folder}")
    assert isinstance(first, CausalReader)
    assert [tool["function"]["name"] for tool in first.tools][-1] == "execute_sql"
    build_tiny_model(folder, spread=0.2)
    assert reader_of(f"transformers:{folder}").name != first.name


def test_what_was_read_is_not_read_again(shop: Path, tmp_path: Path, embedded: EmbeddedReader):
    pytest.importorskip("sklearn", reason="active learning needs the train extra")
    read: list[int] = []
    first = chosen(tmp_path, shop, lambda: embedded, advance=read.append)
    assert read == [0, 3]

    class Never(EmbeddedReader):
        def look(self, dialogues: Any) -> Look:
            raise AssertionError("it was read before")

    assert chosen(tmp_path, shop, Never) == first
    with pytest.raises(AssertionError, match="it was read before"):  # not with this seed
        chosen(tmp_path, shop, Never, seed=1)


def test_another_question_under_the_same_id_is_read_anew(
    shop: Path, tmp_path: Path, embedded: EmbeddedReader
):
    def state(question: Question) -> np.ndarray:
        def opened(_: str):
            return open_database(shop, embedder="none")

        return view_all([question], "state", tmp_path, embedded, open_database=opened)

    first = state(QUESTIONS[0])
    second = state(QUESTIONS[1].model_copy(update={"id": QUESTIONS[0].id}))
    assert not np.allclose(first, second)
