"""What a server is asked: whom the key is sent to, and what an answer may do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from sqlberg.models.errors import ServerUnreachable, redact
from sqlberg.models.serving.client import Server

KEY = "secret-key"


class Answering(BaseHTTPRequestHandler):
    """Lists one model; under /moved it sends on to another host, and under /deep its JSON has no end."""

    def do_GET(self) -> None:
        server: Any = self.server
        server.asked.append(self.headers.get("Authorization"))
        self.send_response(302 if self.path.startswith("/moved") else 200)
        self.send_header("Location", f"http://localhost:{server.server_port}/v1/models")
        self.end_headers()
        self.wfile.write(b"[" * 100_000 if self.path.startswith("/deep") else b'{"data": [{"id": "base"}]}')

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the tests' output quiet."""


@pytest.fixture
def listening() -> Iterator[ThreadingHTTPServer]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def at(listening: ThreadingHTTPServer, path: str) -> Server:
    return Server(f"http://127.0.0.1:{listening.server_port}{path}", KEY)


def test_a_redirect_does_not_take_the_key_along(listening: Any) -> None:
    with pytest.raises(ServerUnreachable, match="HTTP 302"):
        at(listening, "/moved/v1").models()
    assert listening.asked == [f"Bearer {KEY}"]


def test_this_machine_is_asked_without_a_proxy(listening: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    server = at(listening, "/v1")
    assert [one.name for one in server.models()] == ["base"]
    assert server.healthy()


def test_an_answer_without_end_is_no_answer(listening: Any) -> None:
    with pytest.raises(ServerUnreachable, match="no OpenAI-compatible server"):
        at(listening, "/deep/v1").models()


@pytest.mark.parametrize("password", ["s3cret", "s3@cret"])
@pytest.mark.parametrize("host", ["host", "127.0.0.1:1"])
def test_a_password_in_an_address_is_not_told(password: str, host: str) -> None:
    with pytest.raises(ServerUnreachable, match="no model server answers") as told:
        Server(f"http://user:{password}@{host}/v1").models()
    assert "cret" not in str(told.value)


def test_a_password_may_hold_the_sign_that_ends_it() -> None:
    assert redact("see http://u:p@ss@host/v1, or a@b") == "see http://***@host/v1, or a@b"
