"""The embedded model's encoder as an embedder of short texts, for column search
(`tools.embedding.Embedder`).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from .adapter import digest
from .computing import compute
from .tensors import embed_tensors
from .weights import SHIPPED, load_weights

if TYPE_CHECKING:
    import numpy as np

_BATCH_CHARS = 2_000
_ADDED_CHARS = 5  # a text's beginning and end cost about as much as a word
_MOST_KEPT = 4_096
_KEPT_CHARS = 60


class EmbeddedEncoder:
    """Embeds with the same weights that write SQL; MiniLM's own embeddings are what they were held near.

    Thread-safe. Short texts are remembered: the searches of one question ask for the same phrases.
    """

    def __init__(self, folder: Path = SHIPPED) -> None:
        self.folder = folder
        self._kept: OrderedDict[str, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """Changes with the weights."""
        return f"embedded-{digest(self.folder)}"

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 [texts, 384], rows of unit length."""
        import numpy as np

        with self._lock:
            found = {text: self._kept[text] for text in texts if text in self._kept}
        new = list(dict.fromkeys(text for text in texts if text not in found))
        for batch in _batches(new):
            found |= zip(batch, self._computed(batch), strict=True)
        with self._lock:
            for text in texts:
                if len(text) <= _KEPT_CHARS:
                    self._kept[text] = found[text]
                    self._kept.move_to_end(text)
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return np.stack([found[text] for text in texts]) if texts else np.zeros((0, 384), np.float32)

    def _computed(self, texts: Sequence[str]) -> np.ndarray:
        network, writer = load_weights(self.folder)
        return compute(lambda: network.embed(*embed_tensors(writer, texts)).numpy())


@cache
def shipped_encoder() -> EmbeddedEncoder:
    """The one for the shipped weights, which all databases share."""
    return EmbeddedEncoder()


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts in their order, a bounded number of characters at a time."""
    batch: list[str] = []
    size = 0
    for text in texts:
        if batch and size + len(text) > _BATCH_CHARS:
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text) + _ADDED_CHARS
    if batch:
        yield batch
