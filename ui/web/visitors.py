"""Visitors without a login: each browser is one person, by a cookie that nobody else has.

What is kept of them is a hash of the cookie, so that the store gives nobody their conversations. The cookie
is HttpOnly and goes to this server alone.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

from starlette.requests import HTTPConnection

COOKIE = "sqlberg_visitor"
YEAR = 365 * 24 * 3600


class Visitors:
    """ASGI middleware that gives a cookie to whoever has none."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or _has_cookie(scope):
            await self._app(scope, receive, send)
            return
        kept = f"{COOKIE}={secrets.token_urlsafe(24)}; Max-Age={YEAR}; Path=/; HttpOnly; SameSite=Lax"

        async def sent(message: Any) -> None:
            if message["type"] == "http.response.start" and scope["path"] == "/":
                message["headers"] = [*message.get("headers", []), (b"set-cookie", kept.encode())]
            await send(message)

        await self._app(scope, receive, sent)


def visitor(cookies: Mapping[str, str]) -> str | None:
    """Who a browser is, by its cookies; None without ours."""
    kept = cookies.get(COOKIE)
    return f"visitor {hashlib.sha256(kept.encode()).hexdigest()[:16]}" if kept else None


def _has_cookie(scope: Any) -> bool:
    """Read as `person_of` reads it: other cookies may be as odd as browsers let them be."""
    return visitor(HTTPConnection(scope).cookies) is not None
