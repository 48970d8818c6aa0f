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
from ..models.errors import MissingExtra
from .logprobs import response_logprobs
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
        """Of the weights that the reference has now."""
        ...

    def save(self, folder: Path) -> None:
        """Write the adapter."""
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
    """A causal language model of transformers with a PEFT adapter, on its own chat template.

    name: of the model, for the reference's fingerprint; arguments: of the template.
    """

    def __init__(
        self, network: Any, tokenizer: Any, name: str, arguments: Mapping[str, Any] | None = None
    ) -> None:
        self.network, self.tokenizer, self.name, self.arguments = network, tokenizer, name, arguments

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
        content = hashlib.blake2b(self.name.encode(), digest_size=8)
        for name, parameter in self.network.named_parameters():
            values = parameter.detach().flatten()
            if not parameter.requires_grad:  # a few values tell one model from another
                values = values[:: max(1, len(values) // 16)]
            elif kind == "base":
                continue
            content.update(name.encode() + values.float().cpu().numpy().tobytes())
        return content.hexdigest()

    def save(self, folder: Path) -> None:
        self.network.save_pretrained(folder, safe_serialization=True)

    @property
    def _adapted(self) -> bool:
        return hasattr(self.network, "disable_adapter")


def with_lora(network: Any, rank: int = 16, **options: Any) -> Any:
    """The network with a new LoRA adapter on all its linear layers; options: PEFT's (`use_dora=True`)."""
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError:
        raise MissingExtra("training needs the train extra: pip install 'sqlberg[train]'") from None
    told = {"r": rank, "lora_alpha": 2 * rank, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
    return get_peft_model(network, LoraConfig(**(told | options)))
