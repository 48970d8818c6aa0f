"""Processes that work side by side."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

PARENT = """
import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from tests.training.test_workers import sleeping
from sqlberg.training.embedded.workers import in_processes

if __name__ == "__main__":
    in_processes([partial(sleeping, Path(sys.argv[2]))], "Sleeping", 1)
"""


def sleeping(place: Path) -> tuple[int, int]:
    """A job that does not end, and says by which process it is done."""
    (place / "partial").write_text(str(os.getpid()))
    (place / "partial").rename(place / "worker")
    time.sleep(600)
    return 0, 0


def within(seconds: float, found: Callable[[], Any]) -> Any:
    """What is found, as soon as it is something."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if value := found():
            return value
        time.sleep(0.1)
    return None


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script, told = tmp_path / "parent.py", tmp_path / "worker"
    script.write_text(PARENT)
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, script, root, tmp_path], stdout=subprocess.DEVNULL) as parent:
        worker = within(90, lambda: told.exists() and int(told.read_text()))
        parent.kill()
    assert worker
    assert within(20, lambda: not psutil.pid_exists(worker))
