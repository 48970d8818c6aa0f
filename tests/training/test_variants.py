"""Copies of a lesson in other words: readable, alike for all of its responses, and learned beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlberg.errors import SqlbergError
from sqlberg.models.adapters.kinds import Adapter
from sqlberg.models.embedded.items import KEYWORDS
from sqlberg.training.embedded.policy import EmbeddedPolicy, EncodedSketches
from sqlberg.training.formats import read_lessons
from sqlberg.training.policies import Asked, CausalPolicy
from sqlberg.training.preferences import Preference
from sqlberg.training.rounds.learning import Learning, learn
from sqlberg.training.rounds.plan import Progress
from sqlberg.training.trainer import Settings, Step
from transformers import LlamaConfig, LlamaForCausalLM

from .test_embedded_policy import asked, with_sql

pytest.importorskip("peft", reason="training needs the train extra")

QUESTIONS = ("How many customers are from Chile?", "Show the names of all customers.")


@pytest.fixture(scope="module")
def policy() -> EmbeddedPolicy:
    return EmbeddedPolicy(kind=Adapter(rank=2))


@pytest.fixture(scope="module")
def lessons(shop: Path) -> list[Asked]:
    found = []
    for question in QUESTIONS:
        prompt, good = asked(shop, question)
        poor = with_sql(good, "SELECT country FROM customer")
        found.append(Asked(tuple(prompt), [tuple(good), tuple(poor)]))
    return found


def keywords(row: EncodedSketches, response: int) -> list[int]:
    """What a response says but for the names and values in it."""
    return [one for _, ids in row.decisions[response] for one in ids if one < len(KEYWORDS)]


def test_copies_say_the_same_in_other_words(policy: EmbeddedPolicy, lessons: list[Asked]):
    for lesson, copies in zip(lessons, policy.vary(lessons, 6, seed=1), strict=True):
        original = policy.encode(lesson.prompt, lesson.responses)
        assert len(copies) >= 4
        assert len({copy.key for copy in [original, *copies]}) > 4
        for copy in copies:
            assert [keywords(copy, n) for n in (0, 1)] == [keywords(original, n) for n in (0, 1)]
            assert copy.own_tokens == original.own_tokens
            assert len(copy.prompts) == len(original.prompts)  # chosen and rejected read the same


def test_the_same_seed_gives_the_same_copies(policy: EmbeddedPolicy, lessons: list[Asked]):
    first, again, other = (
        [[copy.key for copy in copies] for copies in policy.vary(lessons, 3, seed)] for seed in (1, 1, 2)
    )
    assert first == again != other


def test_copies_are_learned_beside_their_lesson(policy: EmbeddedPolicy, lessons: list[Asked], tmp_path: Path):
    pairs = [
        Preference(id=str(n), prompt=one.prompt, chosen=one.responses[0], rejected=one.responses[1])
        for n, one in enumerate(lessons)
    ]
    steps: list[Step] = []

    class Watching(Progress):
        def step(self, step: Step) -> None:
            steps.append(step)

    settings = Settings(batch=1, objective="ssapo", reference="base")
    done = learn(policy, pairs, settings, tmp_path, Learning(tmp_path / "r", copies=2), Watching())
    assert (done.pairs, done.unreadable, len(steps)) == (2, 0, 6)
    assert len(read_lessons(tmp_path / "preferences.jsonl").rows) == 2


def test_a_causal_model_knows_no_copies(lessons: list[Asked]):
    small = LlamaConfig(
        vocab_size=9, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1
    )
    with pytest.raises(SqlbergError, match="no copies of a lesson"):
        CausalPolicy(LlamaForCausalLM(small), None).vary(lessons, 1, seed=0)
