"""Who a browser is, whatever other cookies it holds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlberg.ui.web.visitors import Visitors, visitor


def cookies_given(*kept: str) -> list[bytes]:
    """The cookies that a page sets for a browser that holds these."""
    sent: list[Any] = []

    async def page(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"cookie", one.encode("latin-1")) for one in kept]
    asyncio.run(Visitors(page)({"type": "http", "path": "/", "headers": headers}, None, send))
    return [value for name, value in sent[0].get("headers", []) if name == b"set-cookie"]


def test_whoever_has_no_cookie_is_given_one():
    for kept in ((), ("theme=dark",), ("sqlberg_visitor=",)):
        (given,) = cookies_given(*kept)
        assert given.startswith(b"sqlberg_visitor=")
        assert b"HttpOnly" in given


@pytest.mark.parametrize(
    "other", ["a/b=1", 'prefs={"x":1}', "alone", "\xe9=\xff", "=;;=", '"', "path=/; a=b"]
)
def test_odd_cookies_beside_ours_make_no_new_visitor(other: str):
    assert cookies_given(f"{other}; sqlberg_visitor=abc") == []
    assert cookies_given(f"sqlberg_visitor=abc; {other}") == []
    assert len(cookies_given(other)) == 1


def test_a_visitor_is_known_by_a_hash_alone():
    known = visitor({"sqlberg_visitor": "abc"})
    assert known == visitor({"sqlberg_visitor": "abc", "other": "x"})
    assert known is not None
    assert "abc" not in known
    assert visitor({}) is None
