"""Models for the tests of `models/`: made once per session, in seconds, with nothing downloaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlberg.models.transformers_chat import TransformersChatModel

from .serving import supervisor
from .tiny import build_tiny_model, teach


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model with random weights."""
    return build_tiny_model(tmp_path_factory.mktemp("random-model"), spread=0.3)


@pytest.fixture(scope="session")
def taught_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model that knows the dialogues of tiny.LESSONS by heart."""
    return teach(build_tiny_model(tmp_path_factory.mktemp("taught-model"), context=16_384))


@pytest.fixture(scope="session")
def babbling(random_model: Path) -> TransformersChatModel:
    """The random model in float32, where equal means equal."""
    return TransformersChatModel.load(str(random_model), dtype="float32", device="cpu", max_tokens=24)


@pytest.fixture(scope="session")
def taught(taught_model: Path) -> TransformersChatModel:
    """The taught model in float32."""
    return TransformersChatModel.load(str(taught_model), dtype="float32", device="cpu", max_tokens=64)


@pytest.fixture(scope="session")
def base_url(taught_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running vLLM server on loopback that serves the taught model as `base`."""
    with supervisor(taught_model, tmp_path_factory.mktemp("server")) as server:
        yield server.engine.base_url
