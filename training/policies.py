"""What can be trained on preferences: a network that gives whole responses their log-probabilities.

The trainer knows a policy only by this protocol; there is one for causal language models of transformers
(below) and one for the embedded model (`embedded/policy.py`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ..errors import SqlbergError
from ..models.adapters import causal
from .logprobs import check_reads_trees, response_logprobs
from .preferences import Message, Messages
from .tokens import turns_of
from .trees import Tree, TreeBatch, batch_of, tree_of

if TYPE_CHECKING:
    from torch import Tensor

Reference = Literal["start", "base"]
"""What a policy is compared with: itself as training begins, or the model without any adapter."""


class Encoded(Protocol):
    """Responses to one prompt, as the policy reads them. length: tokens to compute, for batches of like
    length; own_tokens: of each response, those that the policy wrote; key: equal for equal content alone.
    """

    @property
    def length(self) -> int: ...

    @property
    def own_tokens(self) -> Sequence[int]: ...

    @property
    def key(self) -> str: ...


@dataclass(frozen=True)
class Asked:
    """A prompt and the responses to learn from."""

    prompt: Messages
    responses: Sequence[Messages]


class Policy(Protocol):
    """A network and how it reads responses."""

    @property
    def network(self) -> Any:
        """A module; its parameters that want a gradient are what is trained."""
        ...

    def encode(
        self,
        prompt: Sequence[Message],
        responses: Sequence[Sequence[Message]],
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> Encoded:
        """Responses to one prompt. Raises `SqlbergError` where the policy cannot read one."""
        ...

    def vary(self, lessons: Sequence[Asked], copies: int, seed: int) -> Sequence[Sequence[Encoded]]:
        """Up to so many copies of each lesson in other words. Raises `SqlbergError` where the policy knows
        none.
        """
        ...

    def collate(self, rows: Sequence[Any]) -> Any:
        """A batch; it moves to a device by `to`."""
        ...

    def logprobs(self, batch: Any) -> Tensor:
        """The log-probability of each response, in the order of the batch, summed over its own tokens."""
        ...

    def as_reference(self, kind: Reference) -> contextlib.AbstractContextManager[None]:
        """The network as the reference is, while the block runs."""
        ...

    def fingerprint(self, kind: Reference) -> str:
        """Of the weights that the reference has now, and of what its adapter makes of them."""
        ...

    def save(self, folder: Path, *, write: bool = True) -> None:
        """Write the adapter. All processes of a run call it, and one of them writes."""
        ...


@dataclass(frozen=True)
class EncodedTree:
    """Responses as a tree of tokens."""

    tree: Tree

    @property
    def length(self) -> int:
        return len(self.tree)

    @property
    def own_tokens(self) -> list[int]:
        return [len(nodes) for nodes in self.tree.own]

    @property
    def key(self) -> str:
        content = [self.tree.tokens, self.tree.parents, self.tree.own]
        return hashlib.blake2b(json.dumps(content).encode(), digest_size=16).hexdigest()


class CausalPolicy:
    """A causal language model of transformers with an adapter (`models/adapters/kinds.py`), on its own chat
    template, whose arguments these are. Raises `SqlbergError` for an architecture that reads no trees.
    """

    def __init__(self, network: Any, tokenizer: Any, arguments: Mapping[str, Any] | None = None) -> None:
        check_reads_trees(network)
        self.network, self.tokenizer, self.arguments = network, tokenizer, arguments

    def encode(
        self,
        prompt: Sequence[Message],
        responses: Sequence[Sequence[Message]],
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> EncodedTree:
        turns = [
            turns_of(self.tokenizer, prompt, response, tools=tools, arguments=self.arguments)
            for response in responses
        ]
        return EncodedTree(tree_of(turns))

    def vary(self, lessons: Sequence[Asked], copies: int, seed: int) -> Sequence[Sequence[EncodedTree]]:
        raise SqlbergError("a causal language model has no copies of a lesson in other words: ask for none")

    def collate(self, rows: Sequence[EncodedTree]) -> TreeBatch:
        return batch_of([row.tree for row in rows], pad=self.tokenizer.pad_token_id or 0)

    def logprobs(self, batch: TreeBatch) -> Tensor:
        return response_logprobs(self.network, batch)

    @contextlib.contextmanager
    def as_reference(self, kind: Reference) -> Iterator[None]:
        training = self.network.training
        self.network.eval()
        off = self.network.disable_adapter() if kind == "base" and self._adapted else contextlib.nullcontext()
        try:
            with off:
                yield
        finally:
            self.network.train(training)

    def fingerprint(self, kind: Reference) -> str:
        content = hashlib.blake2b(causal.weights_of(self.network).encode(), digest_size=8)
        if kind == "start" and self._adapted:
            content.update(repr(causal.adapter_of(self.network)).encode())
        for name, parameter in self.network.named_parameters() if kind == "start" else ():
            if parameter.requires_grad or ".lora_" in name:
                values = parameter.detach().float().cpu().numpy()
                content.update(name.encode() + values.tobytes())
        return content.hexdigest()

    def save(self, folder: Path, *, write: bool = True) -> None:
        causal.save(self.network, self.tokenizer, folder, write=write)

    @property
    def _adapted(self) -> bool:
        return hasattr(self.network, "disable_adapter")
