"""Work runs in another thread that can be left behind, and threads are used again."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest
from sqlberg.agents.deadline import Cancelled, OutOfTime, beside, run_until


def test_work_that_hangs_is_left_at_the_deadline_and_told_to_stop() -> None:
    stops: list[threading.Event] = []

    def hang(stop: threading.Event) -> None:
        stops.append(stop)
        stop.wait(10)

    started = time.monotonic()
    with pytest.raises(OutOfTime):
        run_until(hang, seconds=0.1, cancel=threading.Event())
    assert time.monotonic() - started < 1
    assert stops[0].is_set()


def test_work_is_left_when_the_caller_cancels() -> None:
    cancel = threading.Event()
    threading.Timer(0.1, cancel.set).start()
    with pytest.raises(Cancelled):
        run_until(lambda stop: stop.wait(10), seconds=10, cancel=cancel)


def test_an_exception_of_the_work_is_the_callers() -> None:
    with pytest.raises(ZeroDivisionError):
        run_until(lambda stop: 1 / 0, seconds=1, cancel=threading.Event())


def test_one_piece_of_work_after_another_runs_in_the_same_thread() -> None:
    idents = {
        run_until(lambda _: threading.get_ident(), seconds=5, cancel=threading.Event()) for _ in range(5)
    }
    assert len(idents) == 1
    assert threading.get_ident() not in idents


def test_work_at_the_same_time_runs_in_threads_of_its_own() -> None:
    both = threading.Barrier(2, timeout=5)
    other = beside(lambda _: both.wait())
    run_until(lambda _: both.wait(), seconds=5, cancel=threading.Event())
    assert other() in (0, 1)


def test_an_exception_beside_is_raised_where_the_value_is_asked_for() -> None:
    outcome = beside(lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        outcome()


def run(code: str) -> subprocess.CompletedProcess[str]:
    begin = "import threading, os, sys, time\nfrom sqlberg.agents.deadline import run_until, OutOfTime\n"
    return subprocess.run([sys.executable, "-c", begin + code], capture_output=True, text=True, timeout=30)


def test_a_forked_process_works_with_threads_of_its_own() -> None:
    ended = run(
        "ask = lambda: run_until(lambda stop: 7, seconds=5, cancel=threading.Event())\n"
        "ask()\n"
        "child = os.fork()\n"
        "if child == 0: os._exit(ask())\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    assert ended.returncode == 7, ended.stderr


def test_work_under_way_is_told_to_stop_when_the_process_ends() -> None:
    ended = run(
        "def work(stop):\n"
        "    time.sleep(0.5)\n"  # left behind before it looks
        "    while not stop.is_set(): time.sleep(0.01)\n"
        "    print('stopped', flush=True)\n"
        "try: run_until(work, seconds=0.1, cancel=threading.Event())\n"
        "except OutOfTime: pass"
    )
    assert ended.stdout == "stopped\n"
    assert ended.returncode == 0
