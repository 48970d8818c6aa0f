"""`serve`, `adapters` and `models` as a person calls them, without a server of models."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from sqlberg.errors import SqlbergError
from sqlberg.models.adapters.folders import Stored, write_adapter
from sqlberg.models.adapters.kinds import Adapter
from sqlberg.models.in_use import put_to_use, roll_back
from sqlberg.models.serving import supervisor
from sqlberg.models.serving.client import Server
from sqlberg.ui.cli import app
from sqlberg.ui.serve import _stopped
from typer.testing import CliRunner, Result

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def sqlberg(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def said(result: Result) -> str:
    return " ".join(result.stderr.split())


@pytest.fixture
def signals() -> Iterator[None]:
    """What the tests' process does at signals is put back."""
    before = [signal.getsignal(number) for number in SIGNALS]
    yield
    for number, handler in zip(SIGNALS, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_closed_terminal_ends_the_server_as_ctrl_c_does(signals: None, number: int) -> None:
    stop = _stopped()
    os.kill(os.getpid(), number)
    assert stop.wait(5)


def test_under_nohup_a_closed_terminal_ends_nothing(signals: None) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stop = _stopped()
    os.kill(os.getpid(), signal.SIGHUP)
    assert not stop.wait(0.1)


class Supervised:
    """In the place of a watched server; notes what it is started with."""

    started: list[Supervised] = []  # noqa: RUF012

    def __init__(self, engine: Any, python: str, log: Path, **options: Any) -> None:
        self.engine, self.log, self.server = engine, log, Server(engine.base_url)
        self.adapters = options["adapters"]
        self.started.append(self)

    def __enter__(self) -> Supervised:
        return self

    def __exit__(self, *_: object) -> None: ...

    def watch(self) -> None: ...


def test_servers_beside_each_other_have_logs_of_their_own(
    signals: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(supervisor, "Supervisor", Supervised)
    monkeypatch.setattr(Supervised, "started", [])
    (tmp_path / "shop").mkdir()
    monkeypatch.chdir(tmp_path / "shop")
    for options in (("--port", 8001), ("--port", 8002), ("--log", "here.log")):
        result = sqlberg("serve", ".", "--python", "python3", *options)
        assert result.exit_code == 0, result.output
    logs = [one.log for one in Supervised.started]
    assert logs == [Path(f"runs/serve/{name}") for name in ("8001/server.log", "8002/server.log")] + [
        Path("here.log")
    ]
    assert {one.engine.name for one in Supervised.started} == {"shop"}


def masked(place: Path, kind: Any) -> Path:
    parts = {"layer.lora_A.weight": torch.ones(2, 4), "layer.lora_B.weight": torch.ones(4, 2)}
    if kind == "bora":
        parts |= {f"layer.lora_magnitude_{axis}.weight": torch.ones(4) for axis in ("out", "in")}
    write_adapter(place, Stored(Adapter(kind, rank=2, mask=0.5), ("layer",), parts))
    return place


def test_members_go_to_a_folder_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter, out = masked(tmp_path / "masked", "lora"), tmp_path / "members"
    assert sqlberg("adapters", "export", adapter, out, "-n", 3).exit_code == 0
    assert sorted(path.name for path in out.iterdir()) == ["member-0", "member-1", "member-2"]
    (tmp_path / "file").touch()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for command in ("export", "merge"):
        given = (adapter,) if command == "export" else ("model", adapter)
        for place in (out, tmp_path / "file", "."):
            told = sqlberg("adapters", command, *given, place)
            assert (told.exit_code, "name a new folder" in said(told)) == (1, True)
    told = sqlberg("adapters", "export", adapter, tmp_path / "file" / "out")
    assert (told.exit_code, "name another folder" in said(told)) == (1, True)


def test_members_that_no_server_has_side_by_side_are_told(tmp_path: Path) -> None:
    told = sqlberg("adapters", "export", masked(tmp_path / "masked", "bora"), tmp_path / "members")
    assert (told.exit_code, "no server has them side by side" in said(told)) == (0, True)


def test_the_models_of_a_server_with_a_key_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Locked(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.headers.get("Authorization") == "Bearer k" else 401)
            self.end_headers()
            self.wfile.write(b'{"data": [{"id": "base"}, {"id": "sales@1790000000"}]}')

        def log_message(self, format: str, *args: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Locked) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("VLLM_API_KEY", "k")
        told = sqlberg("models", "--base-url", f"http://127.0.0.1:{server.server_port}/v1", "--json")
        server.shutdown()
    assert told.exit_code == 0, told.output
    assert '"vllm:sales"' in told.stdout


def test_an_adapter_that_is_gone_is_not_used_again(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        put_to_use(tmp_path, tmp_path / name)
    (tmp_path / "first").rmdir()
    told = sqlberg("rollback", tmp_path)
    assert (told.exit_code, "what was in use before is gone" in said(told)) == (1, True)
    (tmp_path / "first").mkdir()
    assert roll_back(tmp_path) == tmp_path / "first"


def test_a_list_of_adapters_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "current.json").write_text('{"adapter": "a", "earlier": "xyz"}')
    with pytest.raises(SqlbergError, match="is damaged"):
        roll_back(tmp_path)
