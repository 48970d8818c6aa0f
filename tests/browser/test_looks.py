"""On a phone no tab is wider than the screen, and all can be worked by the keyboard and read aloud."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from .conftest import Visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
TABS = ("Ask", "Look around", "Label", "Improve")
NAMELESS = """() => [...document.querySelectorAll('button, input, textarea, select, [role=button]')]
    .filter(one => one.offsetParent !== null)
    .filter(one => !(one.getAttribute('aria-label') || one.getAttribute('aria-labelledby') || one.title
        || one.innerText?.trim() || one.labels?.length || one.placeholder))
    .map(one => one.outerHTML.slice(0, 200))"""


@pytest.fixture
def phone(browser: Browser, address: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    visit = Visit(context.new_page(), address)
    visit.ask("How many customers are there in each country?")
    yield visit.page
    context.close()


def test_no_tab_is_wider_than_a_phone(phone: Page) -> None:
    for tab in TABS:
        choose(phone, tab)
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390, tab


def test_whatever_can_be_pressed_or_filled_has_a_name(phone: Page) -> None:
    for tab in TABS:
        choose(phone, tab)
        assert phone.evaluate(NAMELESS) == [], tab


def test_a_question_is_asked_without_a_mouse(phone: Page) -> None:
    page = phone
    page.focus("#question textarea")
    page.keyboard.type("How many suppliers are there?")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('#chat').innerText.includes('How many suppliers')")
    page.wait_for_selector("#teaching")
    page.focus("#good")
    page.keyboard.press("Enter")
    page.wait_for_selector("#thanks .good")


def choose(page: Page, tab: str) -> None:
    """A narrow page keeps some tabs behind a button."""
    if page.is_visible(f"role=tab[name='{tab}']"):
        page.click(f"role=tab[name='{tab}']")
    else:
        page.click(".overflow-menu button")
        page.click(f".overflow-dropdown button:has-text('{tab}')")
    page.wait_for_timeout(700)
