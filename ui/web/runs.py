"""Improvement runs that a page starts, watches and stops: each a process of its own, in a folder of its own.

A run outlives the server: it is `sqlberg improve` in a session of its own, which holds a lock on its folder
for as long as it lives, so that a server that comes back knows whether it still works. Stopped or killed, the
same command goes on where it was.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import SqlbergError
from ...models.in_use import adapter_in_use
from ...training.curves import rows_of
from ...training.evaluation.comparators import HEADLINE
from ...training.rows import read_rows
from ...training.trainer import LOG
from .choice import Choice

COMMAND, LOCK, CONSOLE, PID, GIVEN = "command.json", "running.lock", "console.log", "pid", "given"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,60}")
Row = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """A run as it is now. lines: the last that it said; rounds: of its report; log: of the training that is
    going on, or was last; adapter: in use in the run.
    """

    name: str
    running: bool
    lines: tuple[str, ...]
    rounds: tuple[Row, ...]
    log: tuple[Row, ...]
    adapter: str


class Runs:
    """The runs below a folder, of a server whose `--model` is `given`. Raises `SqlbergError` for what cannot
    be done.
    """

    def __init__(self, folder: Path, given: str = "embedded") -> None:
        self.folder, self.choice = folder, Choice(folder, given)

    def names(self) -> list[str]:
        """The newest first."""
        found = [place.parent for place in self.folder.glob(f"*/{COMMAND}")]
        return [place.name for place in sorted(found, key=lambda place: -place.stat().st_mtime)]

    def begin(
        self,
        name: str,
        database: str,
        options: Sequence[str],
        give: Callable[[Path], list[str]] | None = None,
    ) -> None:
        """Start `sqlberg improve` over a database as a run of this name. give: writes files for the run into
        a folder of the run's own and returns the options that name them; if it fails, the name is free again.
        """
        if not _NAME.fullmatch(name) or ".." in name:
            raise SqlbergError("a run's name is of letters, digits, spaces, dots, - and _")
        place = self.folder / name
        try:
            place.mkdir(parents=True)  # nobody else has the name from here on
        except FileExistsError:
            raise SqlbergError(
                f"there is a run {name!r} already: go on with it, or choose another name"
            ) from None
        try:
            (place / GIVEN).mkdir()
            given = give(place / GIVEN) if give else []
            told = ["improve", database, "--out", str(place), *options, *given]
            (place / COMMAND).write_text(json.dumps(told), encoding="utf-8")
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        self.go_on(name)

    def go_on(self, name: str) -> None:
        """Start the run's process, again or for the first time."""
        place = self._place(name)
        with (place / LOCK).open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise SqlbergError(f"the run {name!r} is working already") from None
            with (place / CONSOLE).open("ab") as console:
                process = subprocess.Popen(
                    [sys.executable, "-m", "sqlberg", *json.loads((place / COMMAND).read_text())],
                    stdin=subprocess.DEVNULL,
                    stdout=console,
                    stderr=console,
                    start_new_session=True,
                    pass_fds=(lock.fileno(),),  # the lock is held until the last who has it is gone
                )
        (place / PID).write_text(str(process.pid))

    def stop(self, name: str) -> None:
        """Interrupt the run; what it has finished stays, and it can go on."""
        place = self._place(name)
        if not self._running(place):
            raise SqlbergError(f"the run {name!r} is not working")
        os.killpg(int((place / PID).read_text()), signal.SIGINT)

    def seen(self, name: str) -> Seen:
        """The run as it is now."""
        place = self._place(name)
        try:
            rounds = json.loads((place / "report.json").read_text(encoding="utf-8"))["rounds"]
        except (OSError, ValueError, KeyError):
            rounds = []
        logs = sorted(place.glob(f"round-*/train/{LOG}"), key=lambda file: file.stat().st_mtime)
        try:
            adapter = str(adapter_in_use(place) or "")
        except SqlbergError:
            adapter = ""
        return Seen(
            name,
            self._running(place),
            tuple(_last_lines(place / CONSOLE)),
            tuple(rounds),
            tuple(rows_of(logs[-1])) if logs else (),
            adapter,
        )

    def measured(self, name: str) -> list[str]:
        """Which of its adapters answered the held-out questions: "base", "round-0", ..."""
        place = self._place(name) / "measured"
        return sorted(folder.name for folder in place.glob("*") if any(folder.glob("*.jsonl")))

    def changed(self, name: str, before: str, after: str) -> list[Row]:
        """The held-out questions that one of two adapters answers right and the other wrong."""
        one, other = (self._records(name, which) for which in (before, after))
        rows = []
        for key in sorted(one.keys() & other.keys()):
            right = [which[key]["scores"].get(HEADLINE, 0.0) >= 1 for which in (one, other)]
            if right[0] != right[1]:
                told = "gained" if right[1] else "lost"
                rows.append(
                    {"question": key, "change": told, before: one[key]["sql"], after: other[key]["sql"]}
                )
        return rows

    def adapters(self, name: str) -> list[str]:
        """Those that the run has trained, by their folders."""
        found = self._place(name).glob("round-*/train/adapter/adapter_config.json")
        return sorted(str(file.parent) for file in found)

    def place(self, name: str) -> Path:
        """Its folder."""
        return self._place(name)

    def _records(self, name: str, which: str) -> dict[str, Row]:
        if which not in self.measured(name):
            raise SqlbergError(f"{which} did not answer held-out questions in the run {name!r}")
        (file,) = (self._place(name) / "measured" / which).glob("*.jsonl")
        return {row["id"]: dict(row) for row in read_rows(file, lambda row, _: row).rows}

    def _place(self, name: str) -> Path:
        if name not in self.names():
            raise SqlbergError(f"there is no run {name!r} here")
        return self.folder / name

    def _running(self, place: Path) -> bool:
        with (place / LOCK).open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False


def _last_lines(file: Path, count: int = 8) -> list[str]:
    try:
        text = file.read_bytes()[-4_000:].decode("utf-8", "replace")
    except OSError:
        return []
    return [line for line in text.replace("\r", "\n").splitlines() if line.strip()][-count:]
