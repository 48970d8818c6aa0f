"""Ensembles: members of LoRA Dropout that answer as one, and models that vote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.messages.tool import tool_call
from sqlberg.agents.sql_agent import SqlAgent
from sqlberg.models.adapters.kinds import Adapter, attach
from sqlberg.models.adapters.masks import averaged, drawn
from sqlberg.models.ensemble import EnsembleChatModel
from sqlberg.models.errors import ModelError, UnknownModel
from sqlberg.models.references import load_chat_model
from sqlberg.models.transformers_chat import TransformersChatModel

from tests.agents.scripted import ScriptedModel

ASKED = "How many customers are from Chile?"


@pytest.fixture(scope="module")
def masked(random_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter with masks that has moved far."""
    pytest.importorskip("peft", reason="adapters need the train extra")
    from sqlberg.models.adapters.causal import save
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(0)
    network = AutoModelForCausalLM.from_pretrained(random_model, dtype=torch.float32)
    network = attach(network, Adapter(rank=4, mask=0.4))
    for parameter in network.parameters():
        if parameter.requires_grad:
            parameter.data += 0.3 * torch.randn(parameter.shape)
    folder = tmp_path_factory.mktemp("masked")
    save(network.eval(), AutoTokenizer.from_pretrained(random_model), folder)
    return folder


def reply(model: TransformersChatModel, **options: Any) -> AIMessage:
    return model.invoke([HumanMessage(ASKED)], max_tokens=12, **options)


def test_members_answer_by_the_mean_of_their_distributions(random_model: Path, masked: Path) -> None:
    model = TransformersChatModel.load(str(random_model), adapter=masked, dtype="float32", members=3)
    said = [entry["logprob"] for entry in reply(model).response_metadata["logprobs"]["content"]]
    # The same tokens by hand: each member reads the whole text by itself.
    plain = TransformersChatModel.load(str(random_model), adapter=masked, dtype="float32")
    prompt = plain.tokenizer(plain._prompt([HumanMessage(ASKED)], plain._request(None, {})))["input_ids"]
    ids = list(prompt)
    expected = []
    with torch.no_grad(), drawn(plain.network, 3, seed=0):
        for _ in said:
            logits = plain.network(torch.tensor([ids] * 3)).logits[:, -1]
            best = averaged(logits, 3)[0].max(0)
            expected.append(float(best.values))
            ids.append(int(best.indices))
    assert said == pytest.approx(expected, abs=1e-4)
    assert said != pytest.approx(
        [one["logprob"] for one in reply(plain).response_metadata["logprobs"]["content"]], abs=1e-2
    )


def test_a_batch_of_an_ensemble_says_what_each_conversation_gets_alone(
    random_model: Path, masked: Path
) -> None:
    model = TransformersChatModel.load(str(random_model), adapter=masked, dtype="float32", members=2)
    asked: list[Any] = [[HumanMessage(text)] for text in (ASKED, "Hello", "List all the singers of Chile")]
    together = model.batch(asked, max_tokens=8)
    assert [one.content for one in together] == [model.invoke(one, max_tokens=8).content for one in asked]


def test_a_reference_names_the_number_of_members(random_model: Path, masked: Path) -> None:
    named = f"transformers:{random_model}+{masked}"
    model = load_chat_model(f"{named}*3", dtype="float32")
    assert isinstance(model, TransformersChatModel)
    assert model.members == 3
    with pytest.raises(UnknownModel, match="1 to 64 members"):
        load_chat_model(f"{named}*0")
    with pytest.raises(ModelError, match="trained with a mask"):
        TransformersChatModel.load(str(random_model), members=3)


def scripted(sql: str) -> ScriptedModel:
    def say(messages: list[BaseMessage]) -> AIMessage:
        if messages[-1].type == "tool":
            return AIMessage("That is it.")
        return AIMessage("", tool_calls=[tool_call(name="execute_sql", args={"sql": sql}, id="call")])

    return ScriptedModel(script=say)


def test_members_vote_on_each_question_by_results(shop: Path) -> None:
    right, other = "SELECT count(*) FROM customer WHERE country = 'Chile'", "SELECT count(*) FROM customer"
    said = [scripted(right), scripted(other), scripted(right.replace("count(*)", "count(id)"))]
    with SqlAgent(shop, EnsembleChatModel(members=said), clarify=False) as agent:
        answer = agent.ask(ASKED)
    assert answer.rows == [(2,)]
    assert answer.confidence is not None
    assert answer.confidence == pytest.approx(2 / 3, abs=0.2)
    assert [len(one.sent) for one in said] == [2, 2, 2]


def test_members_answer_greedily_and_only_further_candidates_are_samples() -> None:
    members = [scripted("SELECT 1"), scripted("SELECT 2")]
    model = EnsembleChatModel(members=members)
    for candidate in range(3):
        list(model.stream(ASKED, candidate=candidate, temperature=0.7, seed=5 + candidate))
    assert [one["temperature"] for one in members[0].options] == [0.0, 0.7]
    assert members[0].options[1]["seed"] == 7
    assert [one["temperature"] for one in members[1].options] == [0.0]


def test_an_evaluation_of_an_ensemble_knows_its_adapter_by_its_weights(masked: Path) -> None:
    from sqlberg.models.in_use import put_to_use
    from sqlberg.models.weight_files import weights_digest

    alone = weights_digest(f"embedded+{masked}")
    assert weights_digest(f"embedded+{masked}*3") == alone != weights_digest("embedded")
    put_to_use(masked.parent, masked)
    assert weights_digest(f"embedded+{masked.parent}") == alone
    put_to_use(masked.parent, None)
    assert weights_digest(f"embedded+{masked.parent}") == weights_digest("embedded")
