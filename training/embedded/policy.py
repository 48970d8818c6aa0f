"""The embedded model as a policy: what it decided in a dialogue, and the log-probability of that.

Its moves are fixed but for four: which words to search again, which to look up as values, which SQL to run,
and to refuse (`models/embedded/turns.py`). A response is scored by these: each is read back from the messages
as the sketch that says the same (`sketching.py`), and scored at the situation in which it was taken. Of
several queries the last counts: those before it failed, and the next best came up by itself. SQL that a
person corrected is scored alike, if sketches have words for it.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import SqlbergError
from ...models.adapters.allocation import folded
from ...models.adapters.folders import Stored, digest, put_tensors, tensors_of, write_adapter
from ...models.adapters.kinds import Adapter, config_of
from ...models.embedded.adapter import stored_for
from ...models.embedded.follow_up import in_context
from ...models.embedded.items import PAD, START, Item, Token
from ...models.embedded.probes import probe
from ...models.embedded.prompt import WORD, Prompt
from ...models.embedded.reading import Situation, read_dialogue
from ...models.embedded.tensors import PromptTensors, padded, prompt_tensors
from ...models.embedded.turns import REFUSAL
from ...models.embedded.weights import SHIPPED, load_weights
from ..policies import Asked, Reference
from ..preferences import Message
from .augmentation import Pools
from .fitting import ADAPTED
from .sketching import Sketcher, Unsketchable
from .targets import Unreadable, resolve, spans_of
from .variants import variant

if TYPE_CHECKING:
    from torch import Tensor

NO_WORDS = "the embedded model has no words for this response: {}"
Decision = tuple[Situation, tuple[Token, ...]]


@dataclass(frozen=True)
class EncodedSketches:
    """prompts: those that responses were decided at, each once. decisions: of each response, the number of
    the prompt and the output ids written there.
    """

    prompts: tuple[Prompt, ...]
    decisions: tuple[tuple[tuple[int, tuple[int, ...]], ...], ...]

    @property
    def length(self) -> int:
        return sum(len(prompt.pieces) for prompt in self.prompts) + sum(self.own_tokens)

    @property
    def own_tokens(self) -> list[int]:
        return [sum(len(ids) for _, ids in response) for response in self.decisions]

    @property
    def key(self) -> str:
        content = repr(([prompt.key for prompt in self.prompts], self.decisions))
        return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class SketchBatch:
    """prompts: [prompts]; of each decision the number of its prompt and of its response, [decisions]; outputs
    from <start> and targets (-100: padding), [decisions, steps]. responses: how many there are.
    """

    prompts: PromptTensors
    prompt: Tensor
    response: Tensor
    outputs: Tensor
    targets: Tensor
    responses: int

    def to(self, device: str) -> SketchBatch:
        names = ("prompts", "prompt", "response", "outputs", "targets")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


class EmbeddedPolicy:
    """The embedded model with an adapter.

    base: the folder of its weights. adapter: one to go on from; without, a new one of this kind. Raises
    `ModelError` for an adapter of other weights.
    """

    def __init__(
        self, base: Path = SHIPPED, adapter: Path | None = None, kind: Adapter | None = None
    ) -> None:
        self.base = base
        network, self.writer = load_weights(base)
        self.network = copy.deepcopy(network)  # the loaded one answers questions
        stored = stored_for(base, adapter) if adapter else None
        self.kind = stored.adapter if stored else kind or Adapter()
        config = config_of(self.kind, ADAPTED)  # says so where peft is not installed
        from peft import inject_adapter_in_model

        inject_adapter_in_model(config, self.network)
        if stored:
            put_tensors(self.network, stored.tensors)

    def encode(
        self,
        prompt: Sequence[Message],
        responses: Sequence[Sequence[Message]],
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> EncodedSketches:
        try:
            responded = [decisions_of(prompt, response) for response in responses]
        except Unsketchable as error:
            raise SqlbergError(NO_WORDS.format(error)) from None
        if not all(responded):
            raise SqlbergError("the embedded model decided nothing in this response")
        try:
            return self._encoded(responded)
        except Unreadable as error:
            raise SqlbergError(NO_WORDS.format(error)) from None

    def vary(self, lessons: Sequence[Asked], copies: int, seed: int) -> list[list[EncodedSketches]]:
        responded = [[decisions_of(one.prompt, said) for said in one.responses] for one in lessons]
        situations = [seen for row in responded for decisions in row for seen, _ in decisions]
        pools = replace(Pools.collect(situations), questions=())
        return [
            [
                row
                for copy in range(copies)
                if (row := self._varied(decided, pools, random.Random(f"{seed} {number} {copy}")))
            ]
            for number, decided in enumerate(responded)
        ]

    def _varied(
        self, decided: Sequence[Sequence[Decision]], pools: Pools, rng: random.Random
    ) -> EncodedSketches | None:
        """A copy in other words; None where three tries give none that can be written."""
        for _ in range(3):
            with contextlib.suppress(Unreadable):
                if changed := variant(decided, pools, rng):
                    return self._encoded(changed)
        return None

    def _encoded(self, responded: Sequence[Sequence[Decision]]) -> EncodedSketches:
        """Raises `Unreadable`."""
        prompts: dict[Any, tuple[int, Prompt]] = {}
        found = []
        for decided in responded:
            decisions = []
            for situation, target in decided:
                read = self.writer.write(situation)
                number, read = prompts.setdefault(read.key, (len(prompts), read))
                decisions.append((number, tuple(resolve(target, read))))
            found.append(tuple(decisions))
        return EncodedSketches(tuple(read for _, read in prompts.values()), tuple(found))

    def collate(self, rows: Sequence[EncodedSketches]) -> SketchBatch:
        import torch

        prompts: list[Prompt] = []
        prompt, response, ids = [], [], []
        responses = 0
        for row in rows:
            for decisions in row.decisions:
                for number, written in decisions:
                    prompt.append(len(prompts) + number)
                    response.append(responses)
                    ids.append(written)
                responses += 1
            prompts += row.prompts
        return SketchBatch(
            prompt_tensors(prompts),
            torch.tensor(prompt),
            torch.tensor(response),
            padded([[START, *written[:-1]] for written in ids], PAD),
            padded(ids, -100),
            responses,
        )

    def logprobs(self, batch: SketchBatch) -> Tensor:
        import torch

        memory = batch.prompts.read(self.network).rows(batch.prompt)
        scores = self.network.write(memory, batch.outputs).float().log_softmax(-1)
        own = scores.gather(-1, batch.targets.clamp(min=0)[..., None])[..., 0]
        own = own.where(batch.targets >= 0, 0.0).sum(-1)
        return torch.zeros(batch.responses, device=own.device).index_add(0, batch.response, own)

    @contextlib.contextmanager
    def as_reference(self, kind: Reference) -> Iterator[None]:
        from peft.tuners.tuners_utils import BaseTunerLayer

        layers = [module for module in self.network.modules() if isinstance(module, BaseTunerLayer)]
        training = self.network.training
        self.network.eval()
        for layer in layers:
            layer.enable_adapters(kind != "base")
        try:
            yield
        finally:
            self.network.train(training)
            for layer in layers:
                layer.enable_adapters(True)

    def fingerprint(self, kind: Reference) -> str:
        content = hashlib.blake2b(digest(self.base).encode(), digest_size=8)
        if kind == "start":
            content.update(repr(self.kind).encode())
        for name, tensor in tensors_of(self.network).items() if kind == "start" else ():
            content.update(name.encode() + tensor.float().cpu().numpy().tobytes())
        return content.hexdigest()

    def save(self, folder: Path, *, write: bool = True) -> None:
        if write:
            probes = probe(self.network, self.writer)
            adapter, tensors = folded(self.kind, tensors_of(self.network))
            write_adapter(folder, Stored(adapter, ADAPTED, tensors, digest(self.base), probes))


def decisions_of(prompt: Sequence[Message], response: Sequence[Message]) -> list[Decision]:
    """What the embedded model decided in a response, each with the situation it was decided in.

    Raises `Unsketchable` for SQL that sketches have no words for.
    """
    messages = [message.wired() for message in (*prompt, *response)]
    decisions: list[Decision] = []
    for place in range(len(prompt), len(messages)):
        if messages[place]["role"] != "assistant":
            continue
        situation = in_context(read_dialogue(messages[:place]))
        calls = response[place - len(prompt)].tool_calls
        decided = _decided(situation, calls[0].function.name, calls[0].function.arguments) if calls else ()
        if not calls and messages[place]["content"].startswith(REFUSAL):
            decided = _worded("refuse", situation, _quoted(messages[place]["content"]))
        if decided and decided[0] == "execute":
            decisions = [one for one in decisions if one[1][0] != "execute"]
        if decided:
            decisions.append((situation, decided))
    return decisions


def _decided(situation: Situation, tool: str, arguments: Mapping[str, Any]) -> tuple[Token, ...]:
    """The sketch behind a call; () where the call was no decision."""
    if tool == "search_column" and situation.called("search_column"):
        return _worded("search", situation, arguments.get("queries", ()))
    if tool == "search_value":
        return _worded("lookup", situation, arguments.get("values", ()))
    if tool != "execute_sql":
        return ()
    schema: dict[str, list[str]] = {table.name: [] for table in situation.tables}
    for column in situation.columns:
        schema.setdefault(column.table, []).append(column.name)
    sketcher = Sketcher(schema, situation.joins, situation.dialect)
    return "execute", *sketcher.sketch(str(arguments.get("sql", "")))


def _worded(turn: str, situation: Situation, texts: str | Sequence[str]) -> tuple[Token, ...]:
    """`turn first last , first last end`: the words of the question that these texts are."""
    words = WORD.findall(situation.question)
    texts = [texts] if isinstance(texts, str) else texts
    pairs: list[Token] = []
    for first, last in spans_of([str(text) for text in texts], words):
        pairs += [",", Item("word", words[first], index=first), Item("word", words[last], index=last)]
    return (turn, *pairs[1:], "end") if pairs or turn == "refuse" else ()


def _quoted(text: str) -> list[str]:
    """What a refusal names."""
    return text.split('"')[1::2]
