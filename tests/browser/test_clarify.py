"""A question that can be read in two ways: both results are shown, one click says which, and it teaches."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from langchain_core.messages import AIMessage, BaseMessage
from sqlberg.training.feedback.lessons import lessons
from sqlberg.training.feedback.store import Store
from sqlberg.training.preferences import Preference

from ..addresses import served
from ..agents.scripted import ScriptedModel, sql, words
from .conftest import Visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.timeout(200)]
READINGS = ("SELECT name FROM customer WHERE id = 1", "SELECT count(*) FROM orders")


@pytest.fixture
def undecided(shop: Path, browser: Browser, tmp_path: Path) -> Iterator[tuple[str, Store]]:
    """A page whose model reads each question in two ways."""
    from sqlberg.ui.web.room import Room, named

    readings = itertools.cycle(READINGS)

    def reply(messages: list[BaseMessage]) -> AIMessage:
        return words("That is it.") if messages[-1].type == "tool" else sql(next(readings))

    store = Store(tmp_path / "feedback.sqlite")
    room = Room(
        named([str(shop)]), ScriptedModel(script=reply), "undecided", store, options={"candidates": 2}
    )
    with served(room) as address:
        yield address, store


def test_of_two_readings_one_is_chosen_by_a_click(browser: Browser, undecided: tuple[str, Store]) -> None:
    address, store = undecided
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(30_000)
    Visit(page, address).ask("Which is the best?")
    page.wait_for_selector("#choose-2")
    assert "Please choose." in page.inner_text("#chat")
    (asked,) = store.asked()
    assert asked.status == "clarify"
    shown = page.inner_text("#choices")
    for reading in asked.answer["readings"]:
        assert str(reading["rows"][0][0]) in shown
    page.click("#choose-2")
    page.wait_for_selector("#thanks .good")
    page.wait_for_selector("#choices", state="hidden")
    chosen = asked.answer["readings"][1]
    page.wait_for_function(
        "wanted => document.querySelector('#table').innerText.includes(wanted)", arg=str(chosen["rows"][0][0])
    )
    (said,) = store.said()
    assert (said.verdict, said.better) == ("preferred", chosen["sql"])
    (lesson,) = lessons(store.asked(), store.said())
    assert isinstance(lesson, Preference)
    page.close()
