"""The embedded model's encoder as an embedder of short texts, for column search
(`tools.embedding.Embedder`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .tensors import embed_tensors
from .weights import SHIPPED, load_weights

if TYPE_CHECKING:
    import numpy as np

ROWS = 128


class EmbeddedEncoder:
    """Embeds with the same weights that write SQL; MiniLM's own embeddings are what they were held near."""

    def __init__(self, folder: Path = SHIPPED) -> None:
        self.folder = folder
        self.name = f"embedded-{(folder / 'model.safetensors').stat().st_size}"

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 [texts, 384], rows of unit length."""
        import numpy as np
        import torch

        network, writer = load_weights(self.folder)
        parts = []
        with torch.inference_mode():
            for start in range(0, len(texts), ROWS):
                pieces, mask = embed_tensors(writer, texts[start : start + ROWS])
                parts.append(network.embed(pieces, mask).numpy())
        return np.concatenate(parts) if parts else np.zeros((0, 384), np.float32)
