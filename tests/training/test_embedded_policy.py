"""The embedded model as a policy: its decisions read back from a dialogue, scored and trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sqlberg.agents.opening import open_database
from sqlberg.agents.sql_agent import SqlAgent
from sqlberg.errors import SqlbergError
from sqlberg.models.adapters.folders import read_adapter, write_adapter
from sqlberg.models.adapters.kinds import Adapter, Kind
from sqlberg.models.adapters.masks import members
from sqlberg.models.embedded.chat_model import EmbeddedChatModel
from sqlberg.models.embedded.items import START
from sqlberg.models.embedded.tensors import prompt_tensors
from sqlberg.models.embedded.weights import SHIPPED, load_members, load_weights
from sqlberg.models.embedded.writing import Writing
from sqlberg.models.errors import ModelError
from sqlberg.training.embedded.policy import EmbeddedPolicy, decisions_of
from sqlberg.training.embedded.targets import resolve
from sqlberg.training.formats import chat_messages
from sqlberg.training.losses import Options
from sqlberg.training.preferences import Message
from sqlberg.training.trainer import Settings, train

pytest.importorskip("peft", reason="training needs the train extra")


Asked = tuple[list[Message], list[Message]]


def asked(shop: Path, question: str) -> Asked:
    """The dialogue of the shipped model over the shop: prompt and response."""
    with open_database(shop, embedder="none") as database, SqlAgent(database, "embedded") as agent:
        messages = chat_messages(agent.ask(question).messages)
    start = next(place for place, message in enumerate(messages) if message.role == "assistant")
    return messages[:start], messages[start:]


def with_sql(response: list[Message], sql: str) -> list[Message]:
    """The same response with other SQL."""
    changed = []
    for message in response:
        calls = tuple(
            call.model_copy(update={"function": call.function.model_copy(update={"arguments": {"sql": sql}})})
            if call.function.name == "execute_sql"
            else call
            for call in message.tool_calls
        )
        changed.append(message.model_copy(update={"tool_calls": calls}))
    return changed


def asked_pair(shop: Path) -> tuple[list[Message], list[list[Message]]]:
    prompt, good = asked(shop, "How many customers are there?")
    return prompt, [good, with_sql(good, "SELECT name FROM customer")]


def words(target: tuple) -> list[str]:
    return [token if isinstance(token, str) else token.text for token in target]


def test_decisions_are_read_back_from_the_dialogue(shop: Path):
    prompt, response = asked(shop, "How many customers are from Chile?")
    decisions = [words(target) for _, target in decisions_of(prompt, response)]
    assert decisions == [
        ["lookup", "Chile", "Chile", "end"],
        ["execute", "select", "count", "*", "where", "country", "=", "Chile", "end"],
    ]


def test_a_failed_query_before_the_last_does_not_count(shop: Path):
    prompt, response = asked(shop, "How many customers are there?")
    failed = with_sql(response, "SELECT name FROM customer")
    place = next(
        n for n, m in enumerate(failed) if m.tool_calls and "sql" in m.tool_calls[0].function.arguments
    )
    again = [*failed[: place + 2], *response[place:]]
    assert [words(target)[:3] for _, target in decisions_of(prompt, again)] == [
        ["execute", "select", "count"]
    ]


def test_scores_are_those_of_the_network_and_do_not_depend_on_the_batch(shop: Path):
    policy = EmbeddedPolicy()
    prompt, good = asked(shop, "How many customers are from Chile?")
    poor = with_sql(good, "SELECT name FROM customer WHERE country = 'Chile'")
    one = policy.encode(prompt, [good, poor])
    other_prompt, other = asked(shop, "Show the names of all customers.")
    two = policy.encode(other_prompt, [other])
    assert len(one.prompts) == 2  # that of the look-up, and that of both queries
    with torch.no_grad(), policy.as_reference("base"):
        alone = policy.logprobs(policy.collate([one]))
        together = policy.logprobs(policy.collate([two, one]))
    assert torch.allclose(together[1:], alone, atol=1e-3)
    assert alone[0] > alone[1]
    network, writer = load_weights()
    total = torch.zeros(())
    with torch.no_grad():
        for situation, target in decisions_of(prompt, good):
            read = writer.write(situation)
            ids = resolve(target, read)
            scores = network.write(prompt_tensors([read]).read(network), torch.tensor([[START, *ids[:-1]]]))
            total += scores.log_softmax(-1)[0, range(len(ids)), ids].sum()
    assert float(alone[0]) == pytest.approx(float(total), abs=1e-3)


def test_it_learns_what_is_preferred_and_the_adapter_answers_so(shop: Path, tmp_path: Path):
    question = "How many customers are from Chile?"
    prompt, good = asked(shop, question)
    wanted = "SELECT country, count(*) FROM customer WHERE country = 'Chile' GROUP BY country"
    policy = EmbeddedPolicy(kind=Adapter(rank=8))
    rows = [policy.encode(prompt, [with_sql(good, wanted), good])]
    settings = Settings(
        batch=1, micro=1, epochs=30, rate=3e-3, half=False, sft=0.5, options=Options(beta=0.1)
    )
    adapter = train(policy, rows, settings, tmp_path)
    model = EmbeddedChatModel(adapter=adapter)
    with open_database(shop, embedder="none") as database, SqlAgent(database, model) as agent:
        assert agent.ask(question).rows == [("Chile", 2)]
    later = EmbeddedPolicy(adapter=adapter)
    assert later.fingerprint("start") == policy.fingerprint("start") != EmbeddedPolicy().fingerprint("start")


@pytest.mark.parametrize("kind", ["rslora", "dora", "bora"])
def test_an_adapter_of_every_kind_is_merged_to_what_was_trained(shop: Path, tmp_path: Path, kind: Kind):
    policy = EmbeddedPolicy(kind=Adapter(kind, rank=2, mask=0.2))
    batch = policy.collate([policy.encode(*asked_pair(shop))])
    with torch.no_grad():
        for name, parameter in policy.network.named_parameters():
            if "lora_" in name:
                parameter += 0.02 * torch.randn(parameter.shape)
        with policy.as_reference("start"):
            said = policy.logprobs(batch)
        policy.save(tmp_path)
        merged = load_weights(SHIPPED, tmp_path)[0]
        again = EmbeddedPolicy(adapter=tmp_path)
        assert again.fingerprint("start") == policy.fingerprint("start")
        memory = batch.prompts.read(merged).rows(batch.prompt)
        scores = merged.write(memory, batch.outputs).log_softmax(-1)
        own = scores.gather(-1, batch.targets.clamp(min=0)[..., None])[..., 0].where(batch.targets >= 0, 0.0)
    assert float(own.sum()) == pytest.approx(float(said.sum()), abs=1e-3)


def test_an_adapter_whose_files_were_changed_is_refused(tmp_path: Path):
    policy = EmbeddedPolicy(kind=Adapter(rank=2))
    with torch.no_grad():
        for name, parameter in policy.network.named_parameters():
            if "lora_" in name:
                parameter += 0.1 * torch.randn(parameter.shape)
    policy.save(tmp_path / "whole")
    load_weights(SHIPPED, tmp_path / "whole")
    stored = read_adapter(tmp_path / "whole")
    others = {name: tensor * 1.5 for name, tensor in stored.tensors.items()}
    write_adapter(tmp_path / "other", replace(stored, tensors=others))
    with pytest.raises(ModelError, match="does not say what it said after training"):
        load_weights(SHIPPED, tmp_path / "other")


def test_an_ensemble_writes_by_the_mean_of_its_members(shop: Path, tmp_path: Path):
    policy = EmbeddedPolicy(kind=Adapter(rank=2, mask=0.3))
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, parameter in policy.network.named_parameters():
            if "lora_" in name:
                parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    policy.save(tmp_path / "whole")
    prompt, good = asked(shop, "How many customers are from Chile?")
    situation, target = decisions_of(prompt, good)[-1]
    network, writer = load_members(SHIPPED, tmp_path / "whole", 3)
    read = writer.write(situation)
    ids = [START, *resolve(target, read)[:-1]]
    alone = []
    with torch.no_grad():
        for number, member in enumerate(members(read_adapter(tmp_path / "whole"), 3, seed=0)):
            write_adapter(tmp_path / str(number), member)
            merged = load_weights(SHIPPED, tmp_path / str(number))[0]
            alone.append(
                merged.write(prompt_tensors([read]).read(merged), torch.tensor([ids]))[0].softmax(-1)
            )
        writing = Writing(network, prompt_tensors([read] * 3).read(network), rows=2, steps=len(ids))
        writing.keep([0, 0])
        together = torch.stack([writing.step([output, output])[1] for output in ids])
    mean = torch.stack(alone).mean(0)
    assert torch.allclose(together.softmax(-1), mean, atol=1e-4)
    assert not torch.allclose(alone[0], mean, atol=1e-2)


def test_an_ensemble_answers_and_one_without_a_mask_is_refused(shop: Path, tmp_path: Path):
    EmbeddedPolicy(kind=Adapter(rank=2, mask=0.3)).save(tmp_path / "masked")
    EmbeddedPolicy(kind=Adapter(rank=2)).save(tmp_path / "plain")
    question = "How many customers are there?"
    model = EmbeddedChatModel(adapter=tmp_path / "masked", members=4)
    with open_database(shop, embedder="none") as database, SqlAgent(database, model) as agent:
        assert agent.ask(question).rows == [(3,)]
    with pytest.raises(ModelError, match="trained with a mask"):
        load_members(SHIPPED, tmp_path / "plain", 4)


def test_the_reference_is_the_model_without_or_with_what_it_learned(shop: Path):
    policy = EmbeddedPolicy(kind=Adapter(rank=2))
    prompt, good = asked(shop, "How many customers are there?")
    batch = policy.collate([policy.encode(prompt, [good])])
    plain = {kind: policy.fingerprint(kind) for kind in ("start", "base")}
    with torch.no_grad():
        for name, parameter in policy.network.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.5)
        scores = {}
        for kind in ("start", "base"):
            with policy.as_reference(kind):
                scores[kind] = float(policy.logprobs(batch))
    assert scores["start"] != pytest.approx(scores["base"], abs=1e-3)
    assert policy.fingerprint("base") == plain["base"]
    assert policy.fingerprint("start") != plain["start"]
    assert policy.base == SHIPPED


@pytest.mark.parametrize(
    "sql", ["SELECT 1 +", "SELECT a.name FROM customer a JOIN customer b ON a.id = b.id"]
)
def test_sql_that_sketches_have_no_words_for_is_one_clear_error(shop: Path, sql: str):
    prompt, good = asked(shop, "How many customers are there?")
    with pytest.raises(SqlbergError, match="no words for this response"):
        EmbeddedPolicy(kind=Adapter(rank=2)).encode(prompt, [with_sql(good, sql)])
