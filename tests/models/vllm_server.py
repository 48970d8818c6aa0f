"""Starts a real vLLM server on the CPU, on loopback, for the tests marked `server`."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType

READY_WITHIN = 600.0  # seconds; about 20 on an idle machine, minutes on a busy one


def find_vllm_python() -> str | None:
    """The Python that has vLLM: $SQLBERG_VLLM_PYTHON, else this one when it has it, else None."""
    named = os.environ.get("SQLBERG_VLLM_PYTHON")
    if named:
        return named
    return sys.executable if importlib.util.find_spec("vllm") else None


class VllmServer:
    """A server process that serves `model` as `base` while the `with` block runs."""

    def __init__(self, python: str, model: Path, *, context: int = 16_384) -> None:
        self._python, self._model, self._context = python, model, context
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        self.port = _free_port()
        self.ready_seconds = 0.0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> VllmServer:
        started = time.monotonic()
        # `vllm serve` asks for a distribution called vllm, which the CPU build is not; this module is what it
        # starts. A per-request seed is safe only when prompts are prefilled in one piece.
        self._process = subprocess.Popen(
            [self._python, "-m", "vllm.entrypoints.launchers.api_server.entry", *self._arguments()],
            env={**os.environ, **_ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            self._wait_until_ready(started + READY_WITHIN)
        except BaseException:
            self.stop()
            raise
        self.ready_seconds = time.monotonic() - started
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the server and the processes it started."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        self._log.close()

    def _arguments(self) -> list[str]:
        structured = '{"backend":"xgrammar","disable_any_whitespace":true}'
        return [
            *("--model", str(self._model), "--served-model-name", "base", "--dtype", "bfloat16"),
            "--enforce-eager",  # the CPU build cannot compile ahead of time with TORCHDYNAMO_DISABLE
            *("--host", "127.0.0.1", "--port", str(self.port)),
            *("--max-model-len", str(self._context), "--max-num-seqs", "8"),
            *("--no-enable-chunked-prefill", "--max-num-batched-tokens", str(self._context)),
            *("--enable-auto-tool-choice", "--tool-call-parser", "hermes"),
            *("--tool-strict-level", "parameter", "--structured-outputs-config", structured),
        ]

    def _wait_until_ready(self, until: float) -> None:
        while time.monotonic() < until:
            if self._process.poll() is not None:
                raise RuntimeError(f"the vLLM server stopped while starting:\n{self._last_lines()}")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.3)
        raise RuntimeError(
            f"the vLLM server was not ready within {READY_WITHIN:.0f} s:\n{self._last_lines()}"
        )

    def _last_lines(self) -> str:
        self._log.seek(0)
        return b"\n".join(self._log.read().splitlines()[-40:]).decode(errors="replace")


_ENVIRONMENT = {
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TORCHDYNAMO_DISABLE": "1",  # else the first log-probabilities take ten seconds
    "VLLM_CPU_KVCACHE_SPACE": "1",
}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
