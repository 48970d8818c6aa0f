"""An improvement run whose model answers on a real vLLM server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlberg.agents.opening import open_database
from sqlberg.errors import SqlbergError
from sqlberg.models.adapters.kinds import Adapter
from sqlberg.models.references import load_chat_model
from sqlberg.models.serving.supervisor import Supervisor
from sqlberg.training.evaluation.dataset import Question
from sqlberg.training.preferences import Preference
from sqlberg.training.rounds.improve import improve
from sqlberg.training.rounds.learners import TransformersLearner
from sqlberg.training.rounds.plan import Plan
from sqlberg.training.rounds.served import served
from sqlberg.training.trainer import Settings

from ..models.serving import supervisor
from ..models.tiny import ANSWER, GREETING, build_tiny_model, teach

pytest.importorskip("peft", reason="training needs the train extra")
pytestmark = [pytest.mark.server, pytest.mark.timeout(900)]

SEED = Preference.model_validate(
    {
        "id": "seed",
        "db_id": "shop",
        "prompt": [{"role": "user", "content": "Hello"}],
        "chosen": [{"role": "assistant", "content": ANSWER}],
        "rejected": [{"role": "assistant", "content": GREETING}],
    }
)
PLAN = Plan(
    method="dpo",
    annotator="execution",
    rounds=1,
    candidates=2,
    adapter=Adapter(rank=8),
    seed_epochs=8,
    training=Settings(batch=1, micro=1, rate=3e-2, sft=1.0, half=False),
)


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return teach(build_tiny_model(tmp_path_factory.mktemp("taught"), context=16_384))


@pytest.fixture(scope="module")
def running(taught: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    with supervisor(taught, tmp_path_factory.mktemp("served"), dtype="float32") as server:
        yield server


def said(model: Any) -> str:
    return model.invoke("Hello", max_tokens=12, temperature=0.0).content


def test_a_run_answers_on_the_server_and_leaves_there_what_it_is_told(
    running: Supervisor, taught: Path, shop: Path, tmp_path: Path
) -> None:
    trained = TransformersLearner(str(taught), {"dtype": "float32", "device": "cpu"})
    questions = [Question(id="q0", db_id="shop", question="How many singers are there?", sql=None)]
    with served(trained, "base", running.engine.base_url) as learner:
        assert said(learner.model(None)) == GREETING
        done = improve(
            learner,
            questions,
            [SEED],
            tmp_path,
            PLAN,
            open_database=partial(lambda db_id: open_database(shop, embedder="none")),
        )
        adapter = done.rounds[-1].adapter
        assert adapter is not None
        here = said(trained.model(adapter))
        assert here != GREETING
        assert said(learner.model(adapter)) == here
        assert len([one for one in running.server.models() if one.base]) == 2  # of the seed and of the round
        version = learner.put_in_service("sales", adapter)
        assert learner.put_in_service("sales", adapter) == version
    assert [one.name for one in running.server.models() if one.base] == [version]
    assert said(load_chat_model("vllm:sales", base_url=running.engine.base_url)) == here
    sampled = json.loads((tmp_path / "round-1" / "candidates" / "candidates.jsonl").read_text())
    assert (sampled["error"], len(sampled["responses"]) > 0) == ("", True)


def test_what_the_server_does_not_have_is_said_at_once(running: Supervisor, taught: Path) -> None:
    trained = TransformersLearner(str(taught))
    with (
        pytest.raises(SqlbergError, match=r"serves base.*; not 'other'"),
        served(trained, "other", running.engine.base_url),
    ):
        pass
    with (
        served(trained, "base", running.engine.base_url) as learner,
        pytest.raises(SqlbergError, match="bora is no LoRA"),
    ):
        learner.policy(None, replace(PLAN.adapter, kind="bora"))
