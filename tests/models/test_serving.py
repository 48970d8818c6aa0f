"""Serving without a server: how it is started, what is refused before, and why it died."""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from sqlberg.models.adapters.folders import CONFIG, WEIGHTS
from sqlberg.models.errors import ModelError, UnknownModel, UnsupportedOption
from sqlberg.models.served import served_models
from sqlberg.models.serving.client import Served, Server
from sqlberg.models.serving.engine import Engine, check_open, command, environment, rank_told
from sqlberg.models.serving.in_service import activate, check_fit, checked_name, current, named, versions
from sqlberg.models.serving.merged import served_weights
from sqlberg.models.serving.supervisor import Supervisor

from ..addresses import free_port


@pytest.fixture
def model(tmp_path: Path) -> str:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen3", "max_position_embeddings": 4096}))
    return str(folder)


def value(arguments: list[str], option: str) -> str:
    return arguments[arguments.index(option) + 1]


def test_a_server_is_started_for_agents_and_adapters(model: str) -> None:
    arguments = command(Engine(model, "shop", rank=20, tensor=2), "python3", {"sales": Path("/adapters/one")})
    assert arguments[:2] == ["python3", "-m"]
    assert value(arguments, "--tool-call-parser") == "hermes"
    assert value(arguments, "--max-lora-rank") == "32"
    assert value(arguments, "--tensor-parallel-size") == "2"
    assert json.loads(value(arguments, "--lora-modules")) == {"name": "sales", "path": "/adapters/one"}
    assert "--enable-prefix-caching" in arguments
    assert "--pipeline-parallel-size" not in arguments


def test_on_a_cpu_what_does_not_work_there_is_left_out(model: str) -> None:
    arguments = command(Engine(model, "shop", cpu=True), "python3", {})
    assert "--no-enable-chunked-prefill" in arguments
    assert value(arguments, "--max-num-batched-tokens") == value(arguments, "--max-model-len") == "4096"
    assert "--gpu-memory-utilization" not in arguments


def test_the_key_is_no_argument(model: str) -> None:
    engine = Engine(model, "shop")
    assert environment(engine, "secret")["VLLM_API_KEY"] == "secret"
    assert not any("secret" in one for one in command(engine, "python3", {}))


def test_other_machines_are_let_in_with_a_key_alone() -> None:
    check_open("127.0.0.1", None)
    check_open("0.0.0.0", "secret")
    with pytest.raises(UnsupportedOption, match="VLLM_API_KEY"):
        check_open("0.0.0.0", None)


def test_what_cannot_be_started_is_said_before(model: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedOption, match="rank 512 at most"):
        command(Engine(model, "shop", rank=1000), "python3", {})
    with pytest.raises(UnknownModel, match=r"config\.json"):
        command(Engine(str(tmp_path), "shop"), "python3", {})
    (Path(model) / "config.json").write_text(json.dumps({"model_type": "own"}))
    with pytest.raises(UnsupportedOption, match="--tool-parser"):
        command(Engine(model, "shop"), "python3", {})
    with pytest.raises(ModelError, match="no adapter in"):
        served_weights(model, {"sales": tmp_path / "nothing"}, tmp_path)


@pytest.mark.parametrize("config", ["[]", "{", "7"])
def test_a_model_whose_config_is_none_is_told(tmp_path: Path, config: str) -> None:
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(UnknownModel, match=r"a folder with a config\.json and safetensors is needed"):
        command(Engine(str(tmp_path), "shop"), "python3", {})


def test_the_rank_that_there_is_room_for_is_a_name_of_the_model(model: str) -> None:
    arguments = command(Engine(model, "shop", rank=9), "python3", {})
    name = arguments[arguments.index("--served-model-name") + 2]
    assert (rank_told(name), rank_told("shop"), rank_told("shop:lora-rank-x")) == (16, None, None)


def test_the_newest_version_of_a_name_is_in_service() -> None:
    models = [
        Served("base"),
        Served("a@9", base="base"),
        Served("a@10", base="base"),
        Served("b", base="base"),
    ]
    assert [one.name for one in versions(models, "a")] == ["a@9", "a@10"]
    assert named(models) == ["a"]
    assert (current(models, "a"), current(models, "b"), current(models, "c")) == ("a@10", "b", None)


def test_a_name_with_a_version_of_its_own_is_no_version_of_another() -> None:
    models = [Served("sales@50", "", "base"), Served("sales@eu@100", "", "base")]
    assert [one.name for one in versions(models, "sales")] == ["sales@50"]
    assert (current(models, "sales"), current(models, "sales@eu")) == ("sales@50", "sales@eu@100")


@pytest.mark.parametrize("name", ["sales@eu", "sales~1", "sales:lora-rank-8", "a,b", " ", ""])
def test_a_name_that_would_be_taken_for_something_else_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedOption, match="cannot be called"):
        activate(Server("http://127.0.0.1:9/v1"), name, tmp_path)


@pytest.mark.parametrize("name", ["sales", "sales-eu.2", "Verkäufe", "org/sales"])
def test_other_names_are_let_through(name: str) -> None:
    assert checked_name(name) == name


def theirs(place: Path, rank: object = 8, **config: object) -> Path:
    """An adapter as PEFT saves it, of one layer of rank 8."""
    from safetensors.torch import save_file

    place.mkdir()
    told = {"peft_type": "LORA", "r": rank, "bias": "none"} | config
    (place / CONFIG).write_text(json.dumps(told))
    save_file({"base_model.model.layer.lora_A.weight": torch.zeros(8, 4)}, place / WEIGHTS)
    return place


SERVED = [Served("base"), Served("base:lora-rank-8")]


def test_a_plain_adapter_of_others_that_there_is_room_for_is_sent(tmp_path: Path) -> None:
    check_fit(theirs(tmp_path / "adapter"), SERVED, unchecked=True)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"rank": 256}, "is of rank 256, and the server has room for 8: start it with --rank 256"),
        ({"rank_pattern": {"layer": 16}}, "is of rank 16"),
        ({"rank": "x"}, "no plain LoRA"),
        ({"use_dora": True}, "no plain LoRA"),
    ],
)
def test_an_adapter_of_others_is_measured_before_it_is_sent(
    tmp_path: Path, config: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UnsupportedOption, match=reason):
        check_fit(theirs(tmp_path / "adapter", **config), SERVED, unchecked=True)


def test_a_pickle_by_the_name_of_tensors_is_not_sent(tmp_path: Path) -> None:
    adapter = theirs(tmp_path / "adapter")
    (adapter / WEIGHTS).write_bytes(b"\x80\x04pickle")
    with pytest.raises(UnsupportedOption, match="no plain LoRA"):
        check_fit(adapter, SERVED, unchecked=True)


def test_an_address_of_the_sixth_version_is_written_in_brackets(model: str) -> None:
    assert Engine(model, "shop", host="::1").base_url == "http://[::1]:8000/v1"


def script(place: Path, text: str) -> str:
    """A Python that says something and ends."""
    file = place / "python"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return str(file)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "echo '(Worker) ERROR torch.OutOfMemoryError: CUDA out of memory'\n"
            "echo 'RuntimeError: Engine core initialization failed. See root cause above.'\nexit 1",
            "OutOfMemoryError: CUDA out of memory",
        ),
        ("echo 'WARNING 1 OSError: too many files'\nexit 3", "exit code 3"),
    ],
)
def test_why_a_server_did_not_start_is_one_sentence(
    model: str, tmp_path: Path, text: str, reason: str
) -> None:
    engine = Engine(model, "shop", port=9, cpu=True)
    with pytest.raises(ModelError, match=reason) as failed:
        Supervisor(engine, script(tmp_path, text), tmp_path / "log" / "server.log").__enter__()
    assert "\n" not in str(failed.value)


def failing(tmp_path: Path, port: int, failures: str) -> str:
    """In the place of vLLM: answers as it does to who asks whether it is there, but fails at these starts."""
    site = tmp_path / "site"
    (site / "v1").mkdir(parents=True)
    (site / "health").touch()
    (site / "v1" / "models").write_text('{"data": []}')
    return script(
        tmp_path,
        f"echo >> {tmp_path}/starts\n"
        f"case $(wc -l < {tmp_path}/starts) in {failures}) echo 'OSError: memory is held'; exit 1;; esac\n"
        f"exec {sys.executable} -m http.server {port} --bind 127.0.0.1 --directory {site}",
    )


def test_a_start_that_fails_after_a_death_is_tried_again(model: str, tmp_path: Path) -> None:
    port, told = free_port(), []
    engine = Engine(model, "shop", port=port, cpu=True)
    with Supervisor(engine, failing(tmp_path, port, "2"), tmp_path / "log", tell=told.append) as supervisor:
        first = supervisor.pid
        assert first
        os.kill(first, signal.SIGKILL)
        watching = threading.Thread(target=supervisor.watch, args=(0.05,))
        watching.start()
        while len([line for line in told if line.startswith("ready")]) < 2:
            assert watching.is_alive(), told
            time.sleep(0.05)
        supervisor.stopping.set()
        watching.join()
        assert supervisor.pid not in (None, first)
    assert [line for line in told if "memory is held" in line and "stopped while starting" in line]


def test_remembered_adapters_that_there_is_no_room_for_are_left_out(model: str, tmp_path: Path) -> None:
    port, told = free_port(), []
    adapters = {"small": theirs(tmp_path / "small"), "large": theirs(tmp_path / "large", 32)}
    engine = Engine(model, "shop", port=port, cpu=True, rank=16)
    python, log = failing(tmp_path, port, "never"), tmp_path / "server.log"
    kept = {"model": model, "adapters": {name: str(path) for name, path in adapters.items()}}
    log.with_suffix(".adapters.json").write_text(json.dumps(kept))
    with Supervisor(engine, python, log, tell=told.append):
        assert "large is left out" in told[0]
        assert "rank 32, and the server has room for 16" in told[0]
        assert "small" not in told[0]
    with pytest.raises(UnsupportedOption, match="room for 16"):
        Supervisor(engine, python, log, adapters={"asked for": adapters["large"]}).__enter__()


def test_a_server_that_does_not_start_again_is_given_up(model: str, tmp_path: Path) -> None:
    port = free_port()
    engine = Engine(model, "shop", port=port, cpu=True)
    with Supervisor(engine, failing(tmp_path, port, "2|3|4"), tmp_path / "log") as supervisor:
        assert supervisor.pid
        os.kill(supervisor.pid, signal.SIGKILL)
        with pytest.raises(ModelError, match="died 3 times within minutes: OSError: memory is held"):
            supervisor.watch(0.05)


def test_a_python_that_is_not_there_is_one_sentence(model: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be started"):
        Supervisor(Engine(model, "shop", port=9, cpu=True), str(tmp_path / "no"), tmp_path / "l").__enter__()


def test_a_log_that_cannot_be_written_is_one_sentence(model: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    engine = Engine(model, "shop", port=9, cpu=True)
    with pytest.raises(ModelError, match="name another --log"):
        Supervisor(engine, "python3", tmp_path / "file" / "server.log").__enter__()


def test_an_address_that_is_none_is_one_sentence() -> None:
    with pytest.raises(ModelError, match="write it as http"):
        served_models("localhost:8000")
