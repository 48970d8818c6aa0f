"""Stop really stops: the model is cut off within a word, and the page is ready for the next question."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from langchain_core.messages import AIMessage
from sqlberg.training.feedback.store import Store

from ..addresses import served
from ..agents.scripted import StreamingModel
from .conftest import Visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.timeout(200)]
SLOW = " ".join(f"word{number}" for number in range(400))


@pytest.fixture
def model() -> StreamingModel:
    return StreamingModel(script=[AIMessage(SLOW)], pause=0.1)


@pytest.fixture
def slow(model: StreamingModel, shop: Path, browser: Browser, tmp_path: Path) -> Iterator[tuple[str, Store]]:
    from sqlberg.ui.web.room import Room, named

    store = Store(tmp_path / "feedback.sqlite")
    room = Room(named([str(shop)]), model, "slow", store)
    with served(room) as address:
        yield address, store


def test_stop_ends_the_model_and_frees_the_page(
    browser: Browser, model: StreamingModel, slow: tuple[str, Store]
) -> None:
    address, store = slow
    visit = Visit(browser.new_page(), address)
    page = visit.page
    page.fill("#question textarea", "How many customers are there?")
    page.click("#ask")
    page.wait_for_selector("#stop")
    time.sleep(1.5)
    page.click("#stop")
    page.wait_for_selector("#ask", timeout=5_000)
    said = len(model.said)
    assert 5 < said < 200
    time.sleep(1.0)
    assert len(model.said) <= said + 2
    assert store.asked()[0].status in ("partial", "failed")
    assert "Stopped before the end" in page.inner_text("#chat")
    page.close()


def test_leaving_the_page_stops_the_model(
    browser: Browser, model: StreamingModel, slow: tuple[str, Store]
) -> None:
    visit = Visit(browser.new_page(), slow[0])
    visit.page.fill("#question textarea", "How many customers are there?")
    visit.page.click("#ask")
    visit.page.wait_for_selector("#stop")
    time.sleep(1.0)
    visit.page.close()
    time.sleep(3.0)
    said = len(model.said)
    time.sleep(1.5)
    assert len(model.said) <= said + 1 < 200
