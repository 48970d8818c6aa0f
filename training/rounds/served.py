"""A learner that is trained here and answers on a running vLLM server, with each of its adapters in turn."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import SqlbergError
from ...models.adapters.folders import WEIGHTS, digest
from ...models.adapters.kinds import Adapter
from ...models.serving.client import Server
from ...models.serving.in_service import activate, check_fit, parity, versions
from ..policies import Policy
from .learners import Learner, Standard

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


@dataclass(frozen=True)
class ServedLearner:
    """trained: the same model, to train here; base: its name on the server. loaded: adapters that the server
    was given, by name.
    """

    trained: Learner
    base: str
    server: Server
    loaded: dict[str, Path] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.trained.name}, answering as vllm:{self.base}"

    @property
    def standard(self) -> Standard:
        return self.trained.standard

    @property
    def varies(self) -> bool:
        return self.trained.varies

    def policy(self, adapter: Path | None, kind: Adapter) -> Policy:
        if adapter is None and kind.axes:
            raise SqlbergError(
                f"{kind.kind} is no LoRA, and a running server takes no other adapter: leave --served out"
            )
        return self.trained.policy(adapter, kind)

    def model(self, adapter: Path | None) -> BaseChatModel:
        """What answers with an adapter: it is given to the server, once it says there what it said after
        training. Raises `ModelError` where it does not, or the server cannot take it.
        """
        from ...models.references import load_chat_model

        name = self.base if adapter is None else self._given(adapter.resolve())
        return load_chat_model(f"vllm:{name}", base_url=self.server.base_url, api_key=self.server.api_key)

    def _given(self, adapter: Path) -> str:
        name = f"{self.base}-{digest(adapter, WEIGHTS)}"
        if name not in self.loaded:
            models = self.server.models()
            check_fit(adapter, models)
            if all(model.name != name for model in models):  # a run before this one may have given it
                self.server.load(name, adapter)
            self.loaded[name] = adapter
            parity(self.server, name, adapter)
        return name

    def take_back(self) -> None:
        """The server forgets the adapters of this run, if it is still there."""
        while self.loaded:
            with suppress(SqlbergError):
                self.server.unload(self.loaded.popitem()[0])

    def put_in_service(self, name: str, adapter: Path) -> str:
        """`vllm:NAME` answers with this adapter from now on; returns its version. Raises `ModelError`."""
        before = versions(self.server.models(), name)
        if before and before[-1].path == str(adapter.resolve()):
            return before[-1].name
        return activate(self.server, name, adapter.resolve())[0]


@contextmanager
def served(trained: Learner, base: str, base_url: str | None) -> Iterator[ServedLearner]:
    """The learner, answering on the server at an address while the block runs. Raises `SqlbergError` for a
    model that no server has, and where the server has none of this name.
    """
    from ...models.served import VLLM_ADDRESS

    if not trained.name.startswith("transformers:"):
        raise SqlbergError(
            "only a transformers: model is served: name one with --model, or leave --served out"
        )
    server = Server(base_url or VLLM_ADDRESS, os.environ.get("VLLM_API_KEY"))
    offered = [model.name for model in server.models() if not model.base]
    if base not in offered:
        raise SqlbergError(f"the server at {server.shown} serves {', '.join(offered)}; not {base!r}")
    learner = ServedLearner(trained, base, server)
    try:
        yield learner
    finally:
        learner.take_back()
