"""Model references: what they load, and that every failure is one line that says what to do and no secret."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlberg.errors import SqlbergError
from sqlberg.models.errors import (
    MissingExtra,
    ModelError,
    ServerUnreachable,
    UnknownModel,
    UnsupportedOption,
    explain,
    redact,
)
from sqlberg.models.references import list_models, load_chat_model
from sqlberg.models.served import KEYS, VLLM_ADDRESS
from sqlberg.models.transformers_chat import TransformersChatModel

KEY = "sk-very-secret-0123456789"


class Answering(BaseHTTPRequestHandler):
    """Says which models it serves, and refuses every chat with the status in the model's name."""

    def do_GET(self) -> None:
        given = self.headers.get("Authorization", "")
        if self.path == "/html/models":
            self._send(200, "<html>not a model server</html>")
        elif self.path != "/v1/models":
            self._send(404, "{}")
        elif given == f"Bearer {KEY}x":
            self._send(401, "{}")
        else:
            names = ("base", "status-500", "status-401", "sales@1790000000")
            self._send(200, json.dumps({"data": [{"id": name} for name in names]}))

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = int(asked["model"].removeprefix("status-"))
        self._send(status, json.dumps({"error": {"message": f"wrong key {self.headers['Authorization']}"}}))

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the tests' output quiet."""

    def _send(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body.encode())


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of a loopback server that speaks enough of OpenAI's protocol for these tests."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_transformers_reference_loads_the_folder_with_its_options(random_model: Path) -> None:
    model = load_chat_model(f"transformers:{random_model}", temperature=0.5, seed=3, device="cpu")
    assert isinstance(model, TransformersChatModel)
    assert (model.temperature, model.seed, model.model_name) == (0.5, 3, f"transformers:{random_model}")


def test_a_plus_in_a_folders_own_name_is_no_adapter(random_model: Path, tmp_path: Path) -> None:
    named = tmp_path / "tiny+chat"
    named.symlink_to(random_model)
    assert isinstance(load_chat_model(f"transformers:{named}", device="cpu"), TransformersChatModel)


@pytest.mark.parametrize("reference", ["", "gpt", "embedded:x", "transformers:", ":x", "nobody:model"])
def test_an_unknown_reference_is_one_line(reference: str) -> None:
    with pytest.raises(UnknownModel) as caught:
        load_chat_model(reference)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, SqlbergError)


@pytest.mark.parametrize(
    ("reference", "options"),
    [
        ("embedded+~nobody-here/x", {}),
        ("transformers:~nobody-here/x", {}),
        ("transformers:~nobody-here/x+y", {}),
        ("transformers:x+~nobody-here/y", {}),
        ("embedded", {"adapter": "~nobody-here/x"}),
    ],
)
def test_a_path_in_the_home_of_nobody_is_one_line(reference: str, options: dict[str, Any]) -> None:
    with pytest.raises(UnknownModel, match=r"~nobody-here/. is in the home of nobody|~nobody-here/x\+y"):
        load_chat_model(reference, **options)


@pytest.mark.parametrize("address", ["http://[::1", "http://]/v1", "localhost", "file:///etc/passwd"])
def test_an_address_that_is_none_is_one_line(address: str) -> None:
    with pytest.raises(ServerUnreachable, match="is no address of a server"):
        list_models(base_url=address)


@pytest.mark.parametrize(
    ("reference", "options"),
    [
        ("embedded", {"base_url": "http://127.0.0.1:1/v1"}),
        ("embedded+one", {"adapter": "two"}),
        ("transformers:x", {"api_key": KEY}),
        ("openai:x", {"dtype": "float32"}),
        ("vllm:x", {"adapter": "some/folder"}),
        ("transformers:x+one", {"adapter": "two"}),
    ],
)
def test_options_that_do_not_go_with_the_reference_are_refused(
    reference: str, options: dict[str, Any]
) -> None:
    with pytest.raises(UnsupportedOption) as caught:
        load_chat_model(reference, **options)
    assert KEY not in str(caught.value)


def test_a_missing_package_names_the_pip_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "langchain.chat_models", None)
    with pytest.raises(MissingExtra, match=r"pip install 'sqlberg\[openai\]'"):
        load_chat_model("openai:some-model", api_key=KEY)
    monkeypatch.undo()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="pip install 'langchain-anthropic'"):
        load_chat_model("anthropic:some-model", api_key=KEY)


def test_a_missing_api_key_names_the_variable_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ModelError, match="OPENAI_API_KEY"):
        load_chat_model("openai:some-model")


def test_where_no_server_answers_the_address_is_named_without_its_password() -> None:
    with pytest.raises(ServerUnreachable, match="no model server answers at http") as caught:
        load_chat_model("vllm:base", base_url="http://me:pass-word@127.0.0.1:9/v1")
    assert "pass-word" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "message"),
    [("/v1", "serves base"), ("/v2", "HTTP 404"), ("/html", "no OpenAI-compatible server")],
)
def test_a_server_that_does_not_serve_the_name_says_what_it_is(address: str, path: str, message: str) -> None:
    for reference in ("vllm:other", "openai:other"):
        with pytest.raises(ModelError, match=message):
            load_chat_model(reference, base_url=address + path)


def test_an_address_that_is_no_web_address_is_refused() -> None:
    with pytest.raises(ServerUnreachable, match="http://host:port/v1"):
        load_chat_model("vllm:base", base_url="file:///etc/passwd")


def test_a_served_name_becomes_a_chat_model_that_asks_for_log_probabilities(address: str) -> None:
    model: Any = load_chat_model("vllm:base", base_url=f"{address}/v1", temperature=0.2, max_tokens=5)
    assert (model.model_name, model.logprobs, model.temperature, model.max_tokens) == ("base", True, 0.2, 5)


def test_the_key_of_another_provider_is_not_sent_to_a_vllm_server(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    model: Any = load_chat_model("vllm:base", base_url=f"{address}/v1")
    assert model.openai_api_key.get_secret_value() != KEY


def test_a_refused_key_is_never_shown(address: str) -> None:
    with pytest.raises(ModelError, match="refused the API key") as caught:
        load_chat_model("vllm:base", base_url=f"{address}/v1", api_key=f"{KEY}x")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"), [("status-401", "refused the API key"), ("status-500", "failed")]
)
def test_an_error_while_answering_is_explained_in_one_line_without_the_key(
    address: str, name: str, message: str
) -> None:
    model: Any = load_chat_model(f"vllm:{name}", base_url=f"{address}/v1", api_key=KEY)
    with pytest.raises(Exception, match="wrong key") as caught:
        model.invoke("Hello")
    said = str(explain(caught.value, f"vllm:{name}"))
    assert message in said
    assert KEY not in said
    assert "\n" not in said


def test_a_server_that_went_away_is_explained() -> None:
    class APIConnectionError(Exception):
        pass

    assert isinstance(explain(APIConnectionError("Connection error."), "vllm:base"), ServerUnreachable)


def test_redaction_knows_keys_by_their_shape() -> None:
    said = redact(f"Incorrect key {KEY} or Bearer abcdefghijkl at http://user:pass@host/v1")
    assert said == "Incorrect key *** or *** at http://***@host/v1"


def test_the_list_of_models_says_what_each_still_needs(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = {one.reference: one for one in list_models(base_url=f"{address}/v1")}
    assert {"embedded", "vllm:base", "vllm:sales", "openai:NAME"} <= set(listed)
    assert listed["embedded"].needs == ""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert {one.reference: one.needs for one in list_models()}[
        "openai:NAME"
    ] == "pip install 'sqlberg[openai]'"


def test_a_model_without_its_server_or_key_is_not_called_ready(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    def needs(base_url: str | None = None) -> dict[str, str]:
        return {one.reference: one.needs for one in list_models(base_url=base_url)}

    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    for names in KEYS.values():
        for name in names:
            monkeypatch.delenv(name, raising=False)
    told = needs()
    assert (
        told["vllm:NAME"]
        == told["vllm:NAME,NAME,..."]
        == f"a server at {VLLM_ADDRESS}, or another --base-url"
    )
    assert told["openai:NAME"] == "a key in OPENAI_API_KEY, or --base-url"
    assert told["mistralai:NAME"] == "a key in MISTRAL_API_KEY"
    assert told["ollama:NAME"] == "a running server of ollama"
    served = needs(f"{address}/v1")
    assert (served["vllm:NAME"], served["vllm:base"], served["openai:NAME"]) == ("", "", "")
    for names in KEYS.values():
        monkeypatch.setenv(names[-1], KEY)
    told = needs()
    assert all(told[f"{provider}:NAME"] == "" for provider in KEYS)


def test_reading_references_imports_nothing_heavy() -> None:
    heavy = "('torch', 'transformers', 'langchain', 'openai', 'peft')"
    imports = "import sys, sqlberg.models.references, sqlberg.models.transformers_chat"
    script = f"{imports}\nprint([name for name in {heavy} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
