"""Several people on one page: nobody comes in without a password, and nobody sees another's questions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlberg.training.feedback.store import Store

from ..addresses import served
from .conftest import Visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def closed(shop: Path, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a page that asks for a password."""
    from sqlberg.models.references import load_chat_model
    from sqlberg.ui.web.people import add_person, read_people
    from sqlberg.ui.web.room import Room, named

    folder = tmp_path_factory.mktemp("closed")
    for name in ("ada", "bo"):
        add_person(folder / "people.toml", name, f"{name}'s secret")
    store = Store(folder / "feedback.sqlite")
    room = Room(named([str(shop)]), load_chat_model("embedded"), "embedded", store)
    with served(room, people=read_people(folder / "people.toml")) as address:
        yield address


def enter(browser: Browser, address: str, name: str, password: str) -> Visit:
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.goto(address)
    page.fill("input[type=text], textarea", name)
    page.fill("input[type=password]", password)
    page.click("button")
    page.wait_for_selector("#question textarea")
    return Visit(page, address)


def test_two_people_see_their_own_conversations_alone(browser: Browser, closed: str) -> None:
    ada, bo = (enter(browser, closed, name, f"{name}'s secret") for name in ("ada", "bo"))
    ada.ask("How many customers are from Chile?")
    bo.ask("What is the total price?")
    for visit, own, other in ((ada, "Chile", "total price"), (bo, "total price", "Chile")):
        visit.page.reload()
        visit.page.wait_for_selector("#examples label")
        visit.page.click("#earlier input")
        offered = visit.page.inner_text("#earlier")
        assert own in offered
        assert other not in offered
        visit.page.context.close()


def test_nobody_comes_in_without_the_password(browser: Browser, closed: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(closed)
    page.fill("input[type=text], textarea", "ada")
    page.fill("input[type=password]", "guessed")
    page.click("button")
    page.wait_for_timeout(1_500)
    assert page.query_selector("#question textarea") is None
    told = page.request.get(f"{closed}config")
    assert told.status == 401
    context.close()
