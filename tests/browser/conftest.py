"""A real page in a real browser: started only where `SQLBERG_BROWSER` names a Chromium (.ci/run does)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlberg.training.feedback.store import Store

from ..addresses import served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    executable = os.environ.get("SQLBERG_BROWSER")
    if not executable:
        pytest.skip("no browser: set SQLBERG_BROWSER to a Chromium (.ci/run does)")
    playwright = pytest.importorskip("playwright.sync_api", reason="browser tests need playwright")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """What the page keeps."""
    return Store(tmp_path_factory.mktemp("chat") / "feedback.sqlite")


@pytest.fixture(scope="session")
def address(store: Store, shop: Path, browser: Browser) -> Iterator[str]:
    """Of a page over the sample database and a shop, with the embedded model."""
    from sqlberg.models.references import load_chat_model
    from sqlberg.ui.web.room import Room, named
    from sqlberg.ui.web.runs import Runs

    notes = store.path.parent / "notes"
    room = Room(named(["sample", str(shop)]), load_chat_model("embedded"), "embedded", store, notes=notes)
    with served(room, runs=Runs(store.path.parent / "improve")) as address:
        yield address


class Visit:
    """A page that was opened, and what it asked for from where."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.hosts: set[str] = set()
        self.complaints: list[str] = []
        page.on("request", lambda request: self.hosts.add(request.url.split("/")[2]))
        page.on("console", self._hear)
        page.goto(address)
        page.wait_for_selector("#question textarea")
        page.wait_for_selector("#examples label")

    def _hear(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self.complaints.append(said.text)

    def ask(self, question: str) -> None:
        """Ask and wait for the answer."""
        self.page.fill("#question textarea", question)
        self.page.click("#ask")
        self.page.wait_for_selector("#facts .facts", timeout=60_000)
        self.page.wait_for_selector("#ask", timeout=60_000)


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Any]:
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(30_000)
    yield Visit(page, address)
    page.close()
