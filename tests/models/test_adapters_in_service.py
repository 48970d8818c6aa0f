"""Adapters of a running server: put in service, changed under load, refused, and there again after a kill."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from sqlberg.models.adapters.folders import ORIGIN, WEIGHTS, read_adapter, write_adapter
from sqlberg.models.adapters.kinds import Adapter, attach
from sqlberg.models.adapters.masks import drawn, members
from sqlberg.models.adapters.probes import ASKED, PROBES, differences, probe
from sqlberg.models.errors import ModelError
from sqlberg.models.loading import load_network
from sqlberg.models.references import load_chat_model
from sqlberg.models.served import served_models
from sqlberg.models.serving.client import Server
from sqlberg.models.serving.in_service import activate, check_fit, current, parity, roll_back, versions
from sqlberg.models.serving.merged import served_weights
from sqlberg.models.serving.supervisor import Supervisor

from .serving import supervisor

pytest.importorskip("peft", reason="adapters need the train extra")
pytestmark = [pytest.mark.server, pytest.mark.timeout(900)]


def made(model: Path, place: Path, seed: int, adapter: Adapter | None = None) -> Path:
    """An adapter that makes the model say other things."""
    from sqlberg.models.adapters.causal import save

    network, tokenizer = load_network(str(model), device="cpu", dtype="float32")
    torch.manual_seed(seed)
    network = attach(network, adapter or Adapter(rank=8))
    for name, parameter in network.named_parameters():
        if "lora_B" in name:
            parameter.data.copy_(0.2 * torch.randn(parameter.shape))
    save(network, tokenizer, place)
    return place


@pytest.fixture(scope="module")
def adapters(taught_model: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    place = tmp_path_factory.mktemp("adapters")
    return [made(taught_model, place / str(seed), seed) for seed in (1, 2)]


@pytest.fixture(scope="module")
def served(taught_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    """A watched server."""
    with supervisor(taught_model, tmp_path_factory.mktemp("served"), dtype="float32") as running:
        watching = threading.Thread(target=running.watch, args=(0.2,))
        watching.start()
        try:
            yield running
        finally:
            running.stopping.set()
            watching.join()


@pytest.fixture
def server(served: Supervisor) -> Iterator[Server]:
    """The server, with no adapters afterwards."""
    yield served.server
    for model in served.server.models():
        if model.base:
            served.server.unload(model.name)


def reply(server: Server, name: str) -> tuple[str, list[float]]:
    """What is said greedily, and how likely each token was."""
    model: Any = load_chat_model(f"vllm:{name}", base_url=server.base_url, temperature=0.0, max_tokens=12)
    message = model.invoke("Hello")
    tokens = message.response_metadata["logprobs"]["content"]
    return "".join(token["token"] for token in tokens), [token["logprob"] for token in tokens]


def test_an_adapter_in_service_says_what_it_said_after_training(server: Server, adapters: list[Path]) -> None:
    base = server.next_tokens("base", PROBES, ASKED)
    for adapter in adapters:
        version, found = activate(server, "sales", adapter)
        assert found is not None
        assert found.largest <= 0.01
        assert current(server.models(), "sales") == version
        assert max(differences(base, server.next_tokens(version, PROBES, ASKED))) > 0.5
    assert [one.path for one in versions(server.models(), "sales")] == [str(path) for path in adapters]


def test_a_rollback_answers_as_before(server: Server, adapters: list[Path]) -> None:
    first, _ = activate(server, "sales", adapters[0])
    before = reply(server, "sales")
    activate(server, "sales", adapters[1])
    assert reply(server, "sales")[0] != before[0]
    assert roll_back(server, "sales") == first
    assert reply(server, "sales")[0] == before[0]
    with pytest.raises(ModelError, match="nothing was in service"):
        roll_back(server, "sales")


def test_a_thousand_requests_while_adapters_change_are_each_answered_by_one(
    server: Server, adapters: list[Path]
) -> None:
    """Each greedy reply is that of one of the two, whole."""
    known = {}
    for adapter in adapters:
        activate(server, "sales", adapter)
        text, told = reply(server, "sales")
        known[text] = told
    assert len(known) == 2
    model: Any = load_chat_model("vllm:sales", base_url=server.base_url, temperature=0.0, max_tokens=12)
    replies: list[tuple[str, list[float]]] = []

    def ask() -> None:
        while len(replies) < 1000 or changing.is_alive():
            tokens = model.invoke("Hello").response_metadata["logprobs"]["content"]
            text = "".join(token["token"] for token in tokens)
            replies.append((text, [token["logprob"] for token in tokens]))

    def change() -> None:
        for number in range(10):
            activate(server, "sales", adapters[number % 2])
            time.sleep(1.0)
        roll_back(server, "sales")

    changing = threading.Thread(target=change)
    changing.start()
    with ThreadPoolExecutor(16) as pool:
        for asking in [pool.submit(ask) for _ in range(16)]:
            asking.result()
    changing.join()
    assert {text for text, _ in replies} == set(known)
    assert len(replies) >= 1000
    apart = [abs(one - other) for text, told in replies for one, other in zip(told, known[text], strict=True)]
    assert max(apart) < 0.02


def other_shapes(adapter: Path, place: Path) -> Path:
    """As if trained on a model half as wide."""
    stored = read_adapter(adapter)
    halves = {
        name: tensor[:, : tensor.shape[1] // 2] if "lora_A" in name else tensor
        for name, tensor in stored.tensors.items()
    }
    write_adapter(place, replace(stored, tensors=halves))
    return place


def test_what_is_wrong_with_an_adapter_is_said_and_the_old_one_stays(
    served: Supervisor,
    server: Server,
    adapters: list[Path],
    taught_model: Path,
    random_model: Path,
    tmp_path: Path,
) -> None:
    version, pid = activate(server, "sales", adapters[0])[0], served.pid
    damaged = tmp_path / "damaged"
    write_adapter(damaged, read_adapter(adapters[1]))
    (damaged / WEIGHTS).write_bytes((damaged / WEIGHTS).read_bytes()[:-2000])
    large = made(taught_model, tmp_path / "large", 3, Adapter(rank=16))
    for folder, reason in (
        (damaged, "damaged"),
        (made(random_model, tmp_path / "foreign", 3), "does not say on this server"),
        (large, "is of rank 16, and the server has room for 8"),
        (other_shapes(adapters[1], tmp_path / "shapes"), "they differ in model.layers.0"),
        (made(taught_model, tmp_path / "bora", 3, Adapter("bora", rank=8)), "served as whole weights"),
        (tmp_path / "nothing", "no adapter in|tells nothing"),
    ):
        with pytest.raises(ModelError, match=reason) as refused:
            activate(server, "sales", folder)
        assert "\n" not in str(refused.value)
    assert current(server.models(), "sales") == version
    assert [one.name for one in server.models() if one.base] == [version]
    assert served.pid == pid


def test_only_plain_lora_is_sent_to_a_server(taught_model: Path, tmp_path: Path) -> None:
    dora = made(taught_model, tmp_path, 3, Adapter("dora", rank=8))
    (dora / ORIGIN).unlink()  # as PEFT writes it
    with pytest.raises(ModelError, match="no plain LoRA"):
        check_fit(dora, [], unchecked=True)


def test_each_member_of_an_ensemble_is_served_as_it_was_drawn(
    server: Server, taught_model: Path, tmp_path: Path
) -> None:
    from sqlberg.models.adapters.causal import restore

    folder = made(taught_model, tmp_path / "masked", 4, Adapter(rank=8, mask=0.3))
    network, tokenizer = load_network(str(taught_model), device="cpu", dtype="float32")
    network = restore(network, tokenizer, folder)
    for number, member in enumerate(members(read_adapter(folder), 2, seed=9)):
        write_adapter(tmp_path / str(number), member)
        server.load(f"member-{number}", tmp_path / str(number))
        with drawn(network, 2, seed=9):
            told = [_likeliest(network, tokenizer, text, number) for text in PROBES]
        apart = differences(told, server.next_tokens(f"member-{number}", PROBES, ASKED))
        assert sum(apart) / len(apart) < 0.005
        assert max(differences(told, probe(network, tokenizer, ASKED))) > 0.1


def _likeliest(network: Any, tokenizer: Any, text: str, member: int) -> dict[str, float]:
    """What one of two members would say next."""
    ids = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"]])
    with torch.no_grad():
        best = network(ids.repeat(2, 1)).logits[member, -1].float().log_softmax(-1).topk(4)
    return {
        str(token): value for token, value in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    }


def test_a_killed_server_is_there_again_with_its_adapters(
    served: Supervisor, server: Server, adapters: list[Path]
) -> None:
    version, _ = activate(server, "sales", adapters[1])
    before, pid = reply(server, "sales"), served.pid
    assert pid is not None
    time.sleep(1.0)
    os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + 300
    while (served.pid == pid or not server.healthy()) and time.monotonic() < until:
        time.sleep(0.2)
    assert served.pid != pid
    assert current(server.models(), "sales") == version
    assert reply(server, "sales")[0] == before[0]


def test_bora_is_served_as_whole_weights_that_say_the_same(taught_model: Path, tmp_path: Path) -> None:
    bora = made(taught_model, tmp_path / "bora", 5, Adapter("bora", rank=8))
    weights = served_weights(str(taught_model), {"sales": bora}, tmp_path / "merged")
    with supervisor(Path(weights.model), tmp_path / "log", name="sales") as running:
        weights.check(running.server, "sales")
        assert served_models(running.engine.base_url) == ("sales",)
        other = made(taught_model, tmp_path / "other", 6, Adapter("bora", rank=8))
        with pytest.raises(ModelError, match="does not say on this server"):
            parity(running.server, "sales", other)
