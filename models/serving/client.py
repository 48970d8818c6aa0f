"""What a running server is asked over HTTP: which models it has, to load or drop an adapter, and what
would follow a text.
"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import ModelError, ServerUnreachable, one_line, redact
from .engine import LOOPBACK

_LONGEST = 16_000_000  # bytes of an answer


@dataclass(frozen=True)
class Served:
    """A model that a server offers. path: where it was loaded from; base: the name of the model that it is an
    adapter of, or "".
    """

    name: str
    path: str = ""
    base: str = ""


@dataclass(frozen=True)
class Server:
    """base_url: the server's /v1 address; seconds: of a request at most."""

    base_url: str
    api_key: str | None = None
    seconds: float = 5.0

    def models(self) -> list[Served]:
        """All that it offers, in its order. Raises `ServerUnreachable`, or `ModelError` where it refuses the
        key.
        """
        try:
            listed = self._asked("/models")["data"]
            return [
                Served(str(one["id"]), str(one.get("root") or ""), str(one.get("parent") or ""))
                for one in listed
            ]
        except _Refused as refused:
            raise ServerUnreachable(
                f"the server at {self.shown} does not list its models (HTTP {refused.code}): is this its /v1 "
                "address?"
            ) from None
        except (KeyError, TypeError, AttributeError):
            raise ServerUnreachable(self._other) from None

    def load(self, name: str, folder: Path) -> None:
        """Offer an adapter under a name. The folder is one that the server can read. Raises `ModelError` with
        the server's reason.
        """
        body = {"lora_name": name, "lora_path": str(folder)}
        try:
            self._asked("/load_lora_adapter", body, seconds=max(self.seconds, 120.0))
        except _Refused as refused:
            raise ModelError(f"the server does not take the adapter {folder}: {refused.reason}") from None

    def unload(self, name: str) -> None:
        """Offer it no more; requests in flight end with it. Raises `ModelError`."""
        try:
            self._asked("/unload_lora_adapter", {"lora_name": name})
        except _Refused as refused:
            raise ModelError(f"the server does not drop {name}: {refused.reason}") from None

    def next_tokens(self, name: str, texts: Sequence[str], count: int) -> list[dict[str, float]]:
        """Of each text the log-probabilities of its likeliest next tokens, by their ids. Raises
        `ModelError`.
        """
        found = []
        for text in texts:
            body = {"model": name, "prompt": text, "max_tokens": 1, "temperature": 0, "logprobs": count}
            body |= {"add_special_tokens": False, "return_tokens_as_token_ids": True}
            try:
                answer = self._asked("/completions", body, seconds=max(self.seconds, 120.0))
                likeliest = answer["choices"][0]["logprobs"]["top_logprobs"][0]
                found.append({token.removeprefix("token_id:"): value for token, value in likeliest.items()})
            except _Refused as refused:
                raise ModelError(f"{name} could not be checked: {refused.reason}") from None
            except (KeyError, IndexError, TypeError, AttributeError):
                raise ServerUnreachable(f"the server at {self.shown} gives no log-probabilities") from None
        return found

    def healthy(self) -> bool:
        """Whether it can answer at all."""
        address = self.base_url.rstrip("/").removesuffix("/v1")
        try:
            with self._opened(urllib.request.Request(f"{address}/health"), self.seconds):
                return True
        except (OSError, http.client.HTTPException):
            return False

    @property
    def shown(self) -> str:
        """Its address without a password."""
        return redact(self.base_url)

    @property
    def _other(self) -> str:
        return f"what answers at {self.shown} is no OpenAI-compatible server: is this its /v1 address?"

    def _asked(self, path: str, body: dict[str, Any] | None = None, seconds: float | None = None) -> Any:
        if not _is_address(self.base_url):
            raise ServerUnreachable(
                f"{self.shown!r} is no address of a server: write it as http://host:port/v1"
            )
        request = urllib.request.Request(self.base_url.rstrip("/") + path)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        if self.api_key:
            request.add_header("Authorization", f"Bearer {self.api_key}")
        try:
            with self._opened(request, seconds or self.seconds) as response:
                told = response.read(_LONGEST)
            return json.loads(told) if path in ("/models", "/completions") else told
        except urllib.error.HTTPError as error:
            if error.code in (401, 403):
                raise ModelError(f"the server at {self.shown} refused the API key") from None
            raise _Refused(error.code, _reason(error, self.api_key)) from None
        except (OSError, http.client.HTTPException) as error:
            reason = one_line(getattr(error, "reason", error), self.api_key, urlsplit(self.base_url).password)
            raise ServerUnreachable(
                f"no model server answers at {self.shown} ({reason}): start it or give its address with "
                "--base-url"
            ) from None
        except (ValueError, RecursionError):
            raise ServerUnreachable(self._other) from None

    def _opened(self, request: urllib.request.Request, seconds: float) -> Any:
        """The answer, of this server alone: a redirect would take the key elsewhere, and so would a proxy on
        the way to this machine itself.
        """
        handlers: list[urllib.request.BaseHandler] = [_NoRedirects()]
        if urlsplit(self.base_url).hostname in LOOPBACK:
            handlers.append(urllib.request.ProxyHandler({}))
        return urllib.request.build_opener(*handlers).open(request, timeout=seconds)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an error."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class _Refused(Exception):
    """The server's answer was an error."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


def _is_address(url: str) -> bool:
    try:
        return urlsplit(url).scheme in ("http", "https")
    except ValueError:  # such as "[" without "]"
        return False


def _reason(error: urllib.error.HTTPError, key: str | None) -> str:
    """The server's own words, in one line without the key."""
    try:
        told = json.loads(error.read(_LONGEST))
        return one_line(told.get("error", told).get("message", told), key)
    except (OSError, http.client.HTTPException, ValueError, AttributeError, RecursionError):
        return f"HTTP {error.code}"
