"""Improvement runs as a page drives them: real processes that outlive whoever started them."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from sqlberg.errors import SqlbergError
from sqlberg.models.in_use import adapter_in_use
from sqlberg.ui.web.runs import PID, Runs, Seen

pytest.importorskip("peft", reason="training needs the train extra")
pytestmark = pytest.mark.slow
ASKED = ("How many customers are from Chile?", "Show the names of all customers.", "What is the total price?")


@pytest.fixture
def options(tmp_path: Path) -> list[str]:
    file = tmp_path / "asked.jsonl"
    file.write_text("\n".join(json.dumps({"question": text}) for text in ASKED))
    return ["-q", str(file), "--rounds", "1", "--annotator", "execution", "--embedder", "none", "--rank", "2"]


def until(runs: Runs, name: str, done, seconds: float = 90) -> Seen:
    deadline = time.monotonic() + seconds
    while not done(seen := runs.seen(name)):
        assert time.monotonic() < deadline, seen
        time.sleep(0.2)
    return seen


def test_a_run_is_started_watched_killed_and_goes_on(shop: Path, options: list[str], tmp_path: Path):
    runs = Runs(tmp_path / "runs")
    assert runs.names() == []
    runs.begin("first", str(shop), options)
    until(runs, "first", lambda seen: any("candidates" in line for line in seen.lines))
    with pytest.raises(SqlbergError, match="working already"):
        runs.go_on("first")
    os.killpg(int((tmp_path / "runs" / "first" / PID).read_text()), signal.SIGKILL)
    again = Runs(tmp_path / "runs")  # as a server that was started anew sees it
    until(again, "first", lambda seen: not seen.running)
    again.go_on("first")
    seen = until(again, "first", lambda seen: not seen.running)
    assert [one["number"] for one in seen.rounds] == [1]
    assert seen.log[-1]["step"] == len(seen.log)
    assert len(again.adapters("first")) == 1
    assert adapter_in_use(again.place("first")) is None
    assert again.measured("first") == []


def test_a_run_that_is_stopped_says_so(shop: Path, options: list[str], tmp_path: Path):
    runs = Runs(tmp_path / "runs")
    runs.begin("second", str(shop), options)
    until(runs, "second", lambda seen: seen.lines)
    runs.stop("second")
    assert not until(runs, "second", lambda seen: not seen.running).rounds
    with pytest.raises(SqlbergError, match="is not working"):
        runs.stop("second")


def test_names_cannot_leave_the_folder(shop: Path, tmp_path: Path):
    runs = Runs(tmp_path / "runs")
    for name in ("../up", "", "a/b", ".hidden", "a" * 99):
        with pytest.raises(SqlbergError, match="a run's name is of letters"):
            runs.begin(name, str(shop), [])
    with pytest.raises(SqlbergError, match="there is no run"):
        runs.seen("../../etc")
