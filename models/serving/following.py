"""A chat model that follows a name: each request goes to the version that is in service as it is sent."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.language_models import BaseChatModel

from ..errors import UnknownModel
from .client import Server
from .in_service import current

FRESH = 1.0
"""Seconds for which what the server listed is believed (versions are kept longer, `in_service.GRACE`)."""


class Pointer:
    """The version that a name stands for, asked anew each second."""

    def __init__(self, server: Server, name: str) -> None:
        self.server, self.name = server, name
        self._lock = threading.Lock()
        self._known, self._until = "", 0.0

    def version(self) -> str:
        """Raises `UnknownModel` where none is in service any more, or `ServerUnreachable`."""
        with self._lock:
            if time.monotonic() > self._until:
                found = current(self.server.models(), self.name)
                if found is None:
                    raise UnknownModel(
                        f"nothing is in service as {self.name} any more: see `sqlberg adapters list`"
                    )
                self._known, self._until = found, time.monotonic() + FRESH
            return self._known

    def forget(self) -> None:
        """Ask anew at once: what was known was rolled back."""
        self._until = 0.0


def following(server: Server, name: str, **options: Any) -> BaseChatModel:
    """options: of LangChain's ChatOpenAI."""
    from langchain_openai import ChatOpenAI
    from openai import NotFoundError

    pointer = Pointer(server, name)

    class InService(ChatOpenAI):
        """ChatOpenAI, asking for the version of the moment; once more where that is gone as it arrives."""

        def _get_request_payload(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
            return super()._get_request_payload(*args, **kwargs) | {"model": pointer.version()}

        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            try:
                return super()._generate(*args, **kwargs)
            except NotFoundError:
                pointer.forget()
                return super()._generate(*args, **kwargs)

        async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
            try:
                return await super()._agenerate(*args, **kwargs)
            except NotFoundError:
                pointer.forget()
                return await super()._agenerate(*args, **kwargs)

        def _stream(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
            try:
                yield from super()._stream(*args, **kwargs)
            except NotFoundError:  # before anything was said
                pointer.forget()
                yield from super()._stream(*args, **kwargs)

        async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            try:
                async for chunk in super()._astream(*args, **kwargs):
                    yield chunk
            except NotFoundError:
                pointer.forget()
                async for chunk in super()._astream(*args, **kwargs):
                    yield chunk

    return InService(model=name, base_url=server.base_url, **options)
