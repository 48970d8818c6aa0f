"""Landlock: a process that gave up its rights can read, and change nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sqlberg.tools.landlock import forbid_changes

_SCRIPT = """
import os, socket, sys
from sqlberg.tools.landlock import forbid_changes
folder = sys.argv[1]
if not forbid_changes():
    sys.exit(77)
try:
    {attempt}
except PermissionError:
    sys.exit(0)
sys.exit(1)
"""


def _after_giving_up(attempt: str, folder: Path) -> int:
    done = subprocess.run([sys.executable, "-c", _SCRIPT.format(attempt=attempt), str(folder)], check=False)
    if done.returncode == 77:
        pytest.skip("this kernel has no Landlock")
    return done.returncode


@pytest.mark.parametrize(
    "attempt",
    [
        "open(folder + '/new.txt', 'w')",
        "open(folder + '/old.txt', 'a')",
        "os.truncate(folder + '/old.txt', 0)",
        "os.remove(folder + '/old.txt')",
        "os.rename(folder + '/old.txt', folder + '/other.txt')",
        "os.mkdir(folder + '/sub')",
        "os.symlink('/etc/passwd', folder + '/link')",
        "socket.create_connection(('127.0.0.1', 9), 5)",
    ],
)
def test_an_attempt_to_change_anything_is_denied(attempt: str, tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_text("old")
    assert _after_giving_up(attempt, tmp_path) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["old.txt"]
    assert (tmp_path / "old.txt").read_text() == "old"


def test_reading_goes_on(tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_text("old")
    assert _after_giving_up("assert open(folder + '/old.txt').read() == 'old'; sys.exit(3)", tmp_path) == 3


def test_other_systems_are_told_that_nothing_was_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert forbid_changes() is False
