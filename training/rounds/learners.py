"""Who learns in an improvement run: a model that answers with an adapter, and the policy that trains it."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ...errors import SqlbergError
from ...models.adapters.folders import digest
from ...models.adapters.kinds import Adapter, attach
from ...models.embedded.weights import SHIPPED
from ...models.errors import MissingExtra
from ..policies import CausalPolicy, Policy

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


@dataclass(frozen=True)
class Standard:
    """How a model is trained unless something else is asked for: of `Settings`, its rate, and its sft where
    preferences are learned.
    """

    rate: float
    sft: float


class Learner(Protocol):
    """A base model whose adapters are trained and answer."""

    @property
    def name(self) -> str:
        """Of the base, for settings and reports."""
        ...

    @property
    def standard(self) -> Standard: ...

    @property
    def varies(self) -> bool:
        """Whether it knows copies of a lesson in other words."""
        ...

    def policy(self, adapter: Path | None, kind: Adapter) -> Policy:
        """What is trained: on from an adapter, or with a new one of this kind."""
        ...

    def model(self, adapter: Path | None) -> BaseChatModel:
        """What answers with an adapter, or without any."""
        ...


@dataclass(frozen=True)
class EmbeddedLearner:
    """The embedded model."""

    base: Path = SHIPPED

    @property
    def name(self) -> str:
        return f"embedded {digest(self.base)}"

    @property
    def standard(self) -> Standard:
        return Standard(rate=1e-3, sft=10.0)  # benchmarks/self_annotation.py, on train questions

    @property
    def varies(self) -> bool:
        return True

    def policy(self, adapter: Path | None, kind: Adapter) -> Policy:
        from ..embedded.policy import EmbeddedPolicy

        return EmbeddedPolicy(self.base, adapter, kind)

    def model(self, adapter: Path | None) -> BaseChatModel:
        from ...models.embedded.chat_model import EmbeddedChatModel

        return EmbeddedChatModel(folder=self.base, adapter=adapter)


@dataclass(frozen=True)
class TransformersLearner:
    """A causal language model of transformers, by folder or name. options: of `load_network`."""

    source: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"transformers:{self.source}"

    @property
    def standard(self) -> Standard:
        return Standard(rate=5e-5, sft=0.0)

    @property
    def varies(self) -> bool:
        return False

    def policy(self, adapter: Path | None, kind: Adapter) -> Policy:
        from ...models.adapters.causal import restore
        from ...models.loading import load_network

        network, tokenizer = load_network(self.source, **self.options)
        if adapter is None:
            network = attach(network, kind)
        else:
            network = restore(network, tokenizer, adapter, trainable=True)
        return CausalPolicy(network, tokenizer)

    def model(self, adapter: Path | None) -> BaseChatModel:
        from ...models.transformers_chat import TransformersChatModel

        return TransformersChatModel.load(self.source, adapter=adapter, **self.options)


def learner_of(reference: str) -> Learner:
    """The learner of a model reference: `embedded` or `transformers:NAME_OR_PATH`. Raises `SqlbergError`,
    also where nothing can be trained for want of peft.
    """
    if find_spec("peft") is None:
        raise MissingExtra("adapters need the train extra: pip install 'sqlberg[train]'")
    if reference == "embedded":
        return EmbeddedLearner()
    if reference.startswith("transformers:") and reference != "transformers:":
        return TransformersLearner(reference.removeprefix("transformers:"))
    raise SqlbergError(f"{reference!r} cannot be trained here: give embedded or transformers:NAME_OR_PATH")
