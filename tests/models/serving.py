"""A real vLLM server on the CPU, on loopback, for the tests marked `server`, as `sqlberg serve` starts it."""

from __future__ import annotations

import importlib.util
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sqlberg.models.serving.engine import Engine
from sqlberg.models.serving.supervisor import Supervisor

from ..addresses import free_port


def supervisor(model: Path, place: Path, **options: object) -> Supervisor:
    """Of a server for this model; skips where there is no vLLM. place: for its log."""
    python = os.environ.get("SQLBERG_VLLM_PYTHON") or (
        sys.executable if importlib.util.find_spec("vllm") else None
    )
    if python is None:
        pytest.skip("vLLM is not installed: set SQLBERG_VLLM_PYTHON to a Python that has it (.ci/run does)")
    engine = Engine(str(model), "base", port=free_port(), seats=16, rank=8, cpu=True)
    return Supervisor(replace(engine, **options), python, place / "server.log", tell=print)  # pyright: ignore
