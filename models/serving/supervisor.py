"""Keeps a server running: started, waited for, watched, and started again with the adapters it had.

    with Supervisor(engine, python, log) as supervisor:   # ready here, or a ModelError that says why not
        supervisor.watch()

The adapters it had are those that it listed a moment before it died, versions among them (`in_service.py`);
they are kept in a file as well, so that a supervisor that was killed itself goes on with them.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from ..errors import ModelError, one_line
from .client import Server
from .engine import Engine, check_open, command, environment, room_for
from .in_service import TRIAL, check_room, rank_of

READY_WITHIN = 1800.0
"""Seconds for large weights from a slow disk."""
TRIES, TRIED_WITHIN = 3, 600.0
"""Deaths within so many seconds after which it is not started again."""
_ERROR = re.compile(r"([A-Za-z_.]*(?:Error|Exception)): (.*)")
_FOLLOWS = ("Engine core initialization failed", "EngineCore encountered an issue", "See root cause")


class Supervisor:
    """One server process. python: that has vLLM; log: its output; adapters: LoRA folders by name, of the
    first start; tell: is told in one line what happens; stop: set from anywhere, ends it.
    """

    def __init__(
        self,
        engine: Engine,
        python: str,
        log: Path,
        *,
        api_key: str | None = None,
        adapters: dict[str, Path] | None = None,
        tell: Callable[[str], None] = lambda line: None,
        stop: threading.Event | None = None,
    ) -> None:
        self.engine, self.python, self.log, self.api_key, self.tell = engine, python, log, api_key, tell
        self.server = Server(engine.base_url, api_key)
        self.kept = log.with_suffix(".adapters.json")
        self.adapters = adapters or {}
        self.stopping = stop or threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None
        self._deaths: deque[float] = deque(maxlen=TRIES)

    def __enter__(self) -> Supervisor:
        check_open(self.engine.host, self.api_key)
        for path in self.adapters.values():
            check_room(path, rank_of(path), room_for(self.engine.rank))
        self.adapters = self._known() | self.adapters
        if self.server.healthy():
            raise ModelError(f"a server answers at {self.server.shown} already: choose another --port")
        try:
            self._start()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    @property
    def pid(self) -> int | None:
        """Of the server's process."""
        return self._process.pid if self._process else None

    def watch(self, every: float = 0.5) -> None:
        """Until told to stop: start it again when it dies. Raises `ModelError` where that does not help."""
        while not self.stopping.wait(every):
            if self._process and self._process.poll() is None:
                self._remember()
                continue
            self._deaths.append(time.monotonic())
            if len(self._deaths) == TRIES and self._deaths[-1] - self._deaths[0] < TRIED_WITHIN:
                raise ModelError(f"the server died {TRIES} times within minutes: {self._why()}")
            self.tell(f"the server died ({self._why()}); starting it again with {self._offered()}")
            self.end()
            try:
                self._start()
            except ModelError as error:  # such as memory that the dead one still holds: one more death
                self.tell(str(error))
                self.end()

    def end(self) -> None:
        """End the server and the processes it started."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(timeout=20)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)  # an engine outlives a server that was killed
            self._process.wait()
            self._process = None
        if self._output is not None:
            self._output.close()
            self._output = None

    def _start(self) -> None:
        """Start it and wait until it answers. Raises `ModelError` with the reason."""
        self.adapters = {name: path for name, path in self.adapters.items() if self._readable(name, path)}
        arguments = command(self.engine, self.python, self.adapters)
        try:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            self._output = self.log.open("ab" if self._deaths else "wb")
        except OSError as error:
            raise ModelError(f"cannot write to {self.log}: {error.strerror}; name another --log") from None
        began = time.monotonic()
        try:
            self._process = subprocess.Popen(
                arguments,
                env={**os.environ, **environment(self.engine, self.api_key)},
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise ModelError(f"{self.python} cannot be started: {error.strerror}") from None
        while not self.server.healthy():
            if self._process.poll() is not None:
                raise ModelError(f"the server stopped while starting: {self._why()} (more in {self.log})")
            if time.monotonic() - began > READY_WITHIN:
                raise ModelError(f"the server was not ready within {READY_WITHIN:.0f} s: see {self.log}")
            if self.stopping.wait(0.3):
                return
        self._remember()
        self.tell(f"ready after {time.monotonic() - began:.0f} s at {self.server.shown}: {self._offered()}")

    def _remember(self) -> None:
        """What adapters it has now."""
        with contextlib.suppress(ModelError, OSError):  # a full disk is no reason to end
            found = {one.name: Path(one.path) for one in self.server.models() if one.base}
            found = {name: path for name, path in found.items() if TRIAL not in name}
            if found != self.adapters or not self.kept.exists():
                self.adapters = found
                told = {"model": self.engine.model, "adapters": {name: str(p) for name, p in found.items()}}
                partial = self.kept.with_suffix(".partial")
                partial.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
                partial.replace(self.kept)

    def _known(self) -> dict[str, Path]:
        """What a supervisor before this one had of the same model."""
        try:
            told: Any = json.loads(self.kept.read_text(encoding="utf-8"))
            if told["model"] != self.engine.model:
                return {}
            return {str(name): Path(path) for name, path in told["adapters"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def _readable(self, name: str, path: Path) -> bool:
        """Whether an adapter can still be loaded; one that cannot would keep the server from starting."""
        try:
            check_room(path, rank_of(path), room_for(self.engine.rank))
        except ModelError as error:
            self.tell(f"{name} is left out: {error}")
            return False
        return True

    def _offered(self) -> str:
        return ", ".join([self.engine.name, *self.adapters])

    def _why(self) -> str:
        """The last error in its log that is not a consequence of another, in one line."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return "its log is gone"
        told = [line for line in lines[-400:] if not re.search(r"\bWARNING\b", line)]
        found = [match for line in told if (match := _ERROR.search(line))]
        found = [match for match in found if not any(text in match[2] for text in _FOLLOWS)]
        if found:
            kind, text = found[-1].groups()
            return one_line(RuntimeError(f"{kind.rpartition('.')[2]}: {text}"), self.api_key)
        code = self._process.returncode if self._process else None
        if code is None:
            return "it did not start"
        return f"exit code {code}" if code >= 0 else f"killed by signal {-code}"
