"""How a model reads questions, for the views of active learning: from a dialogue to a `Look`.

A push is added where a question's tokens enter: before layer `ENTRY` of the embedded model (those below are
computed once), as input embeddings for causal models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ...agents.acting import tools_of, tools_on_offer
from ...agents.prompts import prompt_for
from ...models.adapters.folders import WEIGHTS, digest
from ...models.chat_template import render_rows
from ...models.embedded import turns
from ...models.embedded.follow_up import in_context
from ...models.embedded.items import KEYWORD_IDS, START
from ...models.embedded.network import KIND_IDS, Memory
from ...models.embedded.reading import read_dialogue
from ...models.embedded.tensors import prompt_tensors
from ...models.embedded.weights import SHIPPED, load_weights
from ...models.references import in_process
from ...models.weight_files import weights_digest
from ..logprobs import causal_of, logits_of
from .views import STEPS, Look, Written

if TYPE_CHECKING:
    from torch import Tensor

    from ...tools.database import Database

ENTRY = 3
Dialogue = list[dict[str, Any]]


class Reader(Protocol):
    """rows: how many dialogues it reads at a time. name: changes with the model. device: it computes on."""

    rows: int
    name: str
    device: str

    def opening(self, database: Database, question: str) -> Dialogue:
        """The dialogue at the model's first decision."""
        ...

    def look(self, dialogues: Sequence[Dialogue]) -> Look: ...


class EmbeddedReader:
    """The embedded model, at its first decision: the question and the columns found for it are before it."""

    rows = 32
    device = "cpu"

    def __init__(self, base: Path = SHIPPED, adapter: Path | None = None) -> None:
        self.network, self.writer = load_weights(base, adapter)
        self.name = f"embedded {digest(base)} {digest(adapter, WEIGHTS) if adapter else ''}".strip()

    def opening(self, database: Database, question: str) -> Dialogue:
        dialogue: Dialogue = [
            {"role": "system", "content": prompt_for(database, question)},
            {"role": "user", "content": question},
        ]
        turn = turns.search_columns(in_context(read_dialogue(dialogue)))
        [search] = [tool for tool in tools_of(database) if tool.name == turn.tool]
        call = {"id": "call_1", "type": "function", "function": {"name": turn.tool, "arguments": "{}"}}
        dialogue.append({"role": "assistant", "content": turn.thought, "tool_calls": [call]})
        found = str(search.invoke(turn.arguments))
        dialogue.append({"role": "tool", "tool_call_id": "call_1", "content": found})
        return dialogue

    def look(self, dialogues: Sequence[Dialogue]) -> Look:
        import torch

        network = self.network
        prompts = prompt_tensors(
            [self.writer.write(in_context(read_dialogue(dialogue))) for dialogue in dialogues]
        )
        words = (prompts.item_kinds == KIND_IDS["word"]) & prompts.item_mask
        place = torch.arange(prompts.pieces.shape[1])[None, None]
        inside = (place >= prompts.spans[..., :1]) & (place < prompts.spans[..., 1:])
        asked = (inside & words[..., None]).any(1).float()[..., None]
        with torch.no_grad():
            entered, keys, values = network.encode(
                network.enter(prompts.pieces, prompts.marks), prompts.mask, end=ENTRY
            )

        def read(x: Tensor) -> Memory:
            top, above, beside = network.encode(x, prompts.mask, first=ENTRY)
            return Memory(
                [*keys, *above],
                [*values, *beside],
                prompts.mask,
                network.pool(top, prompts.spans),
                prompts.item_mask,
                prompts.item_kinds,
            )

        with torch.no_grad():
            memory = read(entered)
            outputs = self._greedy(memory)
            states = network.states(memory, outputs)
            scores = network.scores(memory, states)
        chosen = outputs[:, 1:]
        logprobs = scores[:, :-1].log_softmax(-1).gather(-1, chosen[..., None])[..., 0]
        counted = (chosen != KEYWORD_IDS["end"]).cumprod(-1).bool()
        counted = torch.cat([torch.ones_like(counted[:, :1]), counted], -1)
        items = memory.items * words[..., None]

        def write(push: Tensor) -> Written:
            pushed = read(entered + push[:, None] * asked)
            return network.states(pushed, outputs), partial(network.scores, pushed)

        return Look(
            written=(states, partial(network.scores, memory)),
            write=write,
            steps=counted,
            width=network.shape.hidden,
            length=_mean(entered.float().norm(dim=-1), prompts.mask),
            state=items.sum(1) / words.sum(1, keepdim=True).clamp(min=1),
            surprisals=[
                row[: int(count) - 1].neg().tolist()
                for row, count in zip(logprobs, counted.sum(-1), strict=True)
            ],
        )

    def _greedy(self, memory: Any) -> Tensor:
        """<start>, "execute" and what the model finds likeliest after it, [batch, STEPS]."""
        import torch

        first = torch.tensor([[START, KEYWORD_IDS["execute"]]])
        outputs = first.expand(len(memory.items), -1)
        while outputs.shape[1] < STEPS:
            scores = self.network.write(memory, outputs)[:, -1]
            outputs = torch.cat([outputs, scores.argmax(-1, keepdim=True)], -1)
        return outputs


class CausalReader:
    """A causal language model of transformers on its chat template, before the first word of its answer."""

    rows = 1

    def __init__(self, network: Any, tokenizer: Any, name: str, tools: Sequence[Mapping[str, Any]]) -> None:
        self.network, self.tokenizer, self.name, self.tools = network, tokenizer, name, tools
        self.device = str(network.device)
        network.requires_grad_(False)

    def opening(self, database: Database, question: str) -> Dialogue:
        return [
            {"role": "system", "content": prompt_for(database, question)},
            {"role": "user", "content": question},
        ]

    def look(self, dialogues: Sequence[Dialogue]) -> Look:
        import torch

        [dialogue] = dialogues
        text = render_rows(self.tokenizer, dialogue, tools=self.tools)
        question = dialogue[-1]["content"].strip()
        start = text.rfind(question)
        encoded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        device = self.network.device
        prompt = torch.tensor([encoded["input_ids"]], device=device)
        inside = [start <= b and e <= start + len(question) and b < e for b, e in encoded["offset_mapping"]]
        asked = torch.tensor([inside], device=device).float()[..., None]
        with torch.no_grad():
            whole = self.network.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=STEPS,
                do_sample=False,
                pad_token_id=self.tokenizer.pad_token_id or self.tokenizer.eos_token_id,
            )
            causal = causal_of(self.network)
            embeddings = causal.get_input_embeddings()
            read = embeddings(whole)
            hidden = causal.get_decoder()(inputs_embeds=read, use_cache=False).last_hidden_state
            places = asked[0, 1:, 0].bool().nonzero()[:, 0]
            logprobs = logits_of(causal, hidden[0, places]).log_softmax(-1)
            surprisals = -logprobs.gather(-1, prompt[0, places + 1, None])[:, 0]
        steps = whole.shape[1] - prompt.shape[1]

        def write(push: Tensor) -> Written:
            pushes = torch.cat([push[:, None] * asked, push.new_zeros(1, steps, push.shape[-1])], 1)
            pushed = read + pushes.to(read.dtype)
            states = causal.get_decoder()(inputs_embeds=pushed, use_cache=False).last_hidden_state
            return states[:, -steps - 1 : -1].float(), scores

        def scores(states: Tensor) -> Tensor:
            return logits_of(causal, states.to(read.dtype))

        return Look(
            written=(hidden[:, -steps - 1 : -1].float(), scores),
            write=write,
            steps=torch.ones(1, steps, dtype=torch.bool, device=device),
            width=read.shape[-1],
            length=read.float().norm(dim=-1).mean(-1, keepdim=True),
            state=hidden[:, prompt.shape[1] - 1].float(),
            surprisals=[surprisals.tolist()],
        )


def reader_of(reference: str) -> Reader:
    """The reader of `embedded[+ADAPTER]` or `transformers:NAME_OR_PATH[+ADAPTER]`. Raises `SqlbergError`."""
    kind, name, adapter = in_process(reference)
    if kind == "embedded":
        return EmbeddedReader(adapter=adapter)
    from ...models.loading import load_network

    network, tokenizer = load_network(name, adapter=adapter)
    return CausalReader(network, tokenizer, f"{reference} {weights_digest(reference)}", tools_on_offer())


def _mean(values: Tensor, counted: Tensor) -> Tensor:
    """Of the values [batch, N] that count, [batch, 1]."""
    return (values * counted).sum(-1, keepdim=True) / counted.sum(-1, keepdim=True)
