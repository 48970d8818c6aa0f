"""The server is killed at its work: what was acknowledged is there, the page comes back, the run goes on."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlberg.models.adapters.kinds import Adapter
from sqlberg.models.in_use import put_to_use
from sqlberg.training.feedback.store import Store

from ..addresses import free_port
from .conftest import Visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest.importorskip("peft", reason="training needs the train extra")
pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]


class Server:
    """`sqlberg chat` on one port, over and over."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}/"
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "sqlberg", "chat", "--folder", str(self.folder)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port)], stdout=log, stderr=log, start_new_session=True
            )
        for _ in range(240):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(self.address, timeout=5).close()
                return
            assert self.process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.25)
        raise AssertionError("the server did not start")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def server(tmp_path: Path, browser: Browser) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.kill()
    for pid in tmp_path.glob("improve/*/pid"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(int(pid.read_text()), signal.SIGKILL)


def come_back(server: Server, page: Page) -> None:
    """Start the server again; the page loads itself anew."""
    page.evaluate("window.before = true")
    server.start()
    page.wait_for_function("window.before === undefined")
    page.wait_for_selector("#examples label")


def test_a_killed_server_loses_no_word_and_the_page_goes_on(browser: Browser, server: Server) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(60_000)
    visit = Visit(page, server.address)
    visit.ask("How many suppliers are there?")
    threading.Timer(2.5, server.kill).start()
    acknowledged = []
    for number in range(100):  # the box is emptied when what was in it is kept
        page.fill("#words textarea, #words input", f"remark {number}")
        page.click("#comment")
        try:
            page.wait_for_function(
                "document.querySelector('#words textarea, #words input').value === ''", timeout=4_000
            )
        except Exception:
            break
        acknowledged.append(f"remark {number}")
    server.process.wait(timeout=10)
    kept = [one.words for one in Store(server.folder / "feedback.sqlite").said()]
    assert acknowledged
    assert kept[: len(acknowledged)] == acknowledged
    assert len(kept) <= len(acknowledged) + 1  # the last may have been kept, and not acknowledged
    come_back(server, page)
    page.wait_for_function("document.querySelector('#chat')?.innerText.includes('How many suppliers')")
    page.wait_for_selector("#facts .facts")
    visit.ask("How many customers are there?")
    page.wait_for_function("document.querySelector('#chat').innerText.includes('How many customers')")
    page.close()


def test_a_run_outlives_the_killed_server_and_is_found_again(browser: Browser, server: Server) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(60_000)
    Visit(page, server.address)
    page.click("role=tab[name='Improve']")
    page.fill("#run-name textarea, #run-name input", "outlives")
    page.click("text=How it learns")
    page.fill("#run-rounds input[type=number]", "1")
    page.fill("#run-made-up input[type=number]", "20")
    page.keyboard.press("Tab")
    page.click("#run-start")
    working = "document.querySelector('#run-state')?.innerText.includes('outlives is {}working')"
    page.wait_for_function(working.format(""))
    run = int((server.folder / "improve" / "outlives" / "pid").read_text())
    server.kill()
    os.kill(run, 0)  # it lives
    come_back(server, page)
    page.click("role=tab[name='Improve']")
    page.wait_for_function(working.format(""))
    page.click("#run-stop")
    page.wait_for_function(working.format("not "))
    page.click("#run-go-on")
    page.wait_for_function(working.format(""))
    page.wait_for_function(working.format("not "), timeout=300_000)
    assert (server.folder / "improve" / "outlives" / "report.json").exists()
    page.close()


def test_the_adapter_that_was_chosen_answers_after_a_restart(browser: Browser, server: Server) -> None:
    from sqlberg.training.embedded.policy import EmbeddedPolicy

    run = server.folder / "improve" / "chosen"
    EmbeddedPolicy(kind=Adapter(rank=2)).save(run / "round-1" / "train" / "adapter")
    (run / "command.json").write_text("[]")
    put_to_use(run, None)
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(60_000)
    visit = Visit(page, server.address)
    page.click("role=tab[name='Improve']")
    page.click("#run-adapter input")
    page.click("role=option[name='round-1']")
    page.click("#run-use")
    page.wait_for_function("document.querySelector('#run-note').innerText.includes('answers from the next')")
    server.kill()
    come_back(server, page)
    assert "round-1/train/adapter answers, as chosen on the page" in (server.folder / "log").read_text()
    visit.ask("How many customers are there?")
    assert "round-1" in page.inner_text("#facts")
    page.click("role=tab[name='Improve']")
    page.click("#run-back")
    page.wait_for_function("document.querySelector('#run-note').innerText.includes('without an adapter')")
    server.kill()
    come_back(server, page)
    visit.ask("How many customers are there?")
    assert "round-1" not in page.inner_text("#facts")
    page.close()
