"""The network: MiniLM's six layers read the prompt in both directions and write a sketch that points into it.

One set of layers does both, as a prefix language model: prompt tokens attend to the whole prompt, output
tokens to the prompt and to the outputs before them. An output is a keyword or a pointer to an item of the
prompt; a pointer's embedding, as input and as target, is the mean of the item's final hidden states
(pointer networks, Vinyals et al., arXiv 1506.03134), so nothing is learned of any one name. Keywords and
pointers share one softmax.

A finished sketch is judged by the state after its last token and its log-probabilities (`judge`): how likely
it is to give the right rows.

The same layers, over a short text alone, give its embedding for column search (`embed`), kept near MiniLM's
own by distillation during training.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .items import KEYWORDS
from .prompt import KEYS, MATCHES, ROLES

KIND_IDS = {"word": 0, "table": 1, "column": 2, "value": 3}


@dataclass(frozen=True)
class Shape:
    """Sizes of the network; the defaults are all-MiniLM-L6-v2's."""

    vocabulary: int = 30522
    hidden: int = 384
    layers: int = 6
    heads: int = 12
    inner: int = 1536
    positions: int = 512
    outputs: int = 128


@dataclass
class Memory:
    """What writing needs of a read prompt.

    keys, values: per layer [batch, heads, tokens, size]; mask: [batch, tokens] True for real tokens;
    items: [batch, items, hidden]; item_mask: [batch, items]; item_kinds: [batch, items].
    """

    keys: list[Tensor]
    values: list[Tensor]
    mask: Tensor
    items: Tensor
    item_mask: Tensor
    item_kinds: Tensor

    def rows(self, chosen: Tensor) -> Memory:
        """These rows, repeats allowed."""
        return Memory(
            [keys[chosen] for keys in self.keys],
            [values[chosen] for values in self.values],
            self.mask[chosen],
            self.items[chosen],
            self.item_mask[chosen],
            self.item_kinds[chosen],
        )


class Layer(nn.Module):
    """One post-norm transformer layer, attending to a given past as well."""

    def __init__(self, shape: Shape, dropout: float) -> None:
        super().__init__()
        self.heads = shape.heads
        self.query = nn.Linear(shape.hidden, shape.hidden)
        self.key = nn.Linear(shape.hidden, shape.hidden)
        self.value = nn.Linear(shape.hidden, shape.hidden)
        self.output = nn.Linear(shape.hidden, shape.hidden)
        self.attention_norm = nn.LayerNorm(shape.hidden, eps=1e-12)
        self.expand = nn.Linear(shape.hidden, shape.inner)
        self.contract = nn.Linear(shape.inner, shape.hidden)
        self.norm = nn.LayerNorm(shape.hidden, eps=1e-12)
        self.dropout = nn.Dropout(dropout)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each [batch, heads, length, size]."""
        batch, length, hidden = x.shape
        shape = (batch, length, self.heads, hidden // self.heads)
        q, k, v = (f(x).view(shape).transpose(1, 2) for f in (self.query, self.key, self.value))
        return q, k, v

    def attend(self, x: Tensor, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        """The layer's output; `mask` is added to the attention scores (fp32: bf16 attention is slow
        backward).
        """
        with torch.autocast(x.device.type, enabled=False):
            mixed = F.scaled_dot_product_attention(q.float(), k.float(), v.float(), attn_mask=mask)
        mixed = mixed.transpose(1, 2).reshape(x.shape)
        x = self.attention_norm(x + self.dropout(self.output(mixed)))
        return self.norm(x + self.dropout(self.contract(F.gelu(self.expand(x)))))


class SketchNetwork(nn.Module):
    """Reads prompts, writes sketches, embeds short texts."""

    def __init__(self, shape: Shape | None = None, dropout: float = 0.1) -> None:
        super().__init__()
        self.shape = shape = shape or Shape()
        hidden = shape.hidden
        self.pieces = nn.Embedding(shape.vocabulary, hidden)
        self.positions = nn.Embedding(shape.positions, hidden)
        self.token_type = nn.Parameter(torch.zeros(hidden))
        self.roles = nn.Embedding(len(ROLES), hidden)
        self.matches = nn.Embedding(len(MATCHES), hidden)
        self.keys = nn.Embedding(len(KEYS), hidden)
        self.norm = nn.LayerNorm(hidden, eps=1e-12)
        self.dropout = nn.Dropout(dropout)
        self.stack = nn.ModuleList(Layer(shape, dropout) for _ in range(shape.layers))
        self.keywords = nn.Embedding(len(KEYWORDS), hidden)
        self.output_positions = nn.Embedding(shape.outputs, hidden)
        self.kinds = nn.Embedding(len(KIND_IDS), hidden)
        self.read_item = nn.Linear(hidden, hidden)
        self.target_item = nn.Linear(hidden, hidden)
        self.target_keyword = nn.Linear(hidden, len(KEYWORDS))
        self.query = nn.Linear(hidden, hidden)
        self.verdict = nn.Linear(hidden + 3, 1)
        for embedding in (self.roles, self.matches, self.keys, self.kinds, self.output_positions):
            nn.init.normal_(embedding.weight, std=0.01)
        for linear in (self.read_item, self.target_item, self.query):
            nn.init.eye_(linear.weight)
            nn.init.zeros_(linear.bias)
        for parameter in (self.kinds.weight, self.verdict.weight, self.verdict.bias):
            nn.init.zeros_(parameter)

    def enter(self, pieces: Tensor, marks: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """What the first layer reads, [batch, tokens, hidden]. marks: roles, matches and keys, each [batch,
        tokens].
        """
        x = self.pieces(pieces) + self.positions.weight[: pieces.shape[1]] + self.token_type
        x = x + self.roles(marks[0]) + self.matches(marks[1]) + self.keys(marks[2])
        return self.dropout(self.norm(x))

    def encode(
        self, x: Tensor, mask: Tensor, first: int = 0, end: int | None = None
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """The states after the layers from `first` up to `end`, and each one's keys and values."""
        bias = _bias(mask)[:, None, None, :]
        keys, values = [], []
        for layer in self.stack[first:end]:
            assert isinstance(layer, Layer)
            q, k, v = layer.project(x)
            keys.append(k)
            values.append(v)
            x = layer.attend(x, q, k, v, bias)
        return x, keys, values

    def embed(self, pieces: Tensor, places: Tensor, text_of: Tensor) -> Tensor:
        """Unit-length embeddings [texts, hidden] of short texts: the mean over their tokens.

        All are read as one row, in which each token sees its own text only: nothing is padded, and the
        weights pass through the processor once. Per token: its piece, its place in its text, its text's
        number.
        """
        x = self.pieces(pieces) + self.positions(places) + self.token_type
        x = self.dropout(self.norm(x))[None]
        bias = _bias(text_of[:, None] == text_of[None, :])[None, None]
        for layer in self.stack:
            assert isinstance(layer, Layer)
            x = layer.attend(x, *layer.project(x), bias)
        sums = torch.zeros(int(text_of[-1]) + 1, x.shape[-1], device=x.device)
        return F.normalize(sums.index_add(0, text_of, x[0].float()), dim=-1)

    def read(
        self,
        pieces: Tensor,
        mask: Tensor,
        marks: tuple[Tensor, Tensor, Tensor],
        spans: Tensor,
        item_kinds: Tensor,
        item_mask: Tensor,
    ) -> Memory:
        """Read prompts. spans: [batch, items, 2] first token and end of each item."""
        x, keys, values = self.encode(self.enter(pieces, marks), mask)
        return Memory(keys, values, mask, self.pool(x, spans), item_mask, item_kinds)

    def pool(self, x: Tensor, spans: Tensor) -> Tensor:
        """What items read as, [batch, items, hidden]: the mean over their tokens."""
        place = torch.arange(x.shape[1], device=x.device)
        inside = (place >= spans[..., :1]) & (place < spans[..., 1:])
        weights = inside.float() / inside.sum(-1, keepdim=True).clamp(min=1)
        return torch.bmm(weights, x.float())

    def write(self, memory: Memory, outputs: Tensor) -> Tensor:
        """Scores [batch, steps, keywords + items] of what follows each of `outputs` [batch, steps].

        An output is a keyword, or `len(KEYWORDS)` + an item. `writing.py` does the same step by step.
        """
        return self.scores(memory, self.states(memory, outputs))

    def judge(self, memory: Memory, outputs: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Log-odds [rows] that each sketch is right, and its log-probability [rows].

        outputs: [rows, steps], <start> to "end" and padding; lengths: [rows], without the padding. The odds
        are those of the sketch's probability, and what the verdict adds to them: it is made of the state
        after "end", these odds, and the mean and the least of the tokens' log-probabilities, which are taken
        as they are: the verdict does not change what is written.
        """
        x = self.states(memory, outputs)
        scores = self.scores(memory, x[:, :-1]).log_softmax(-1)
        logprobs = scores.gather(-1, outputs[:, 1:, None])[..., 0]
        written = torch.arange(outputs.shape[1] - 1, device=x.device) < lengths[:, None] - 1
        logprobs = logprobs.where(written, 0.0)
        logprob, logprobs = logprobs.sum(-1), logprobs.detach()
        total = logprobs.sum(-1).clamp(max=-1e-6)
        odds = total - torch.log(-torch.expm1(total))
        figures = torch.stack([odds, total / (lengths - 1), logprobs.amin(-1)], -1)
        last = x[torch.arange(len(x), device=x.device), lengths - 1]
        return odds + self.verdict(torch.cat([last.float(), figures], -1))[:, 0], logprob

    def states(self, memory: Memory, outputs: Tensor) -> Tensor:
        """Hidden states [batch, steps, hidden] after each of `outputs`."""
        x = self._output_inputs(memory, outputs)
        steps = outputs.shape[1]
        bias = _bias(memory.mask)[:, None, None, :].expand(-1, 1, steps, -1)
        ahead = torch.ones(steps, steps, dtype=torch.bool, device=x.device).tril()
        bias = torch.cat([bias, _bias(ahead).expand(len(x), 1, -1, -1)], dim=-1)
        for number, layer in enumerate(self.stack):
            assert isinstance(layer, Layer)
            q, k, v = layer.project(x)
            keys = torch.cat([memory.keys[number], k], dim=2)
            x = layer.attend(x, q, keys, torch.cat([memory.values[number], v], dim=2), bias)
        return x

    def _output_inputs(self, memory: Memory, outputs: Tensor) -> Tensor:
        count = len(KEYWORDS)
        keyword = self.keywords(outputs.clamp(max=count - 1))
        index = (outputs - count).clamp(min=0)
        items = self.read_item(memory.items) + self.kinds(memory.item_kinds)
        pointed = torch.gather(items, 1, index.unsqueeze(-1).expand(-1, -1, items.shape[-1]))
        x = torch.where((outputs >= count).unsqueeze(-1), pointed.to(keyword.dtype), keyword)
        steps = torch.arange(outputs.shape[1], device=outputs.device)
        return self.dropout(self.norm(x + self.output_positions(steps)))

    def scores(self, memory: Memory, x: Tensor) -> Tensor:
        """Keyword scores beside pointer scores, scaled alike."""
        scale = self.shape.hidden**-0.5
        items = self.target_item(memory.items) + self.kinds(memory.item_kinds)
        pointers = torch.bmm(self.query(x).float(), items.float().transpose(1, 2)) * scale
        pointers = pointers.masked_fill(~memory.item_mask[:, None, :], float("-inf"))
        return torch.cat([self.target_keyword(x).float(), pointers], dim=-1)


def _bias(mask: Tensor) -> Tensor:
    """0 where `mask` is True, a large negative number elsewhere."""
    return torch.zeros(mask.shape, device=mask.device).masked_fill(~mask, -1e9)
