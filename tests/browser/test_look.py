"""Look around, describe a column, explain a term: and the tools go by it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlberg.training.feedback.store import Store

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def test_what_is_described_is_found_and_told_to_the_model(visit: Any, store: Store) -> None:
    page = visit.page
    page.click("role=tab[name='Look around']")
    page.wait_for_selector("#look-picture svg")
    assert "customers" in page.inner_text("#look-picture")
    page.click("#look-database input")
    page.click("role=option[name='shop']")
    page.wait_for_function("document.querySelector('#look-columns').innerText.includes('customer')")
    page.click("#note-place input")
    page.click("role=option[name='orders.price']")
    page.fill("#note-text textarea, #note-text input", "the takings, in euros")
    page.click("#note-describe")
    page.wait_for_function("document.querySelector('#look-note').innerText.includes('Known from now on')")
    page.wait_for_function("document.querySelector('#look-known').innerText.includes('takings')")
    page.fill("#note-term textarea, #note-term input", "big spender")
    page.fill("#note-meaning textarea, #note-meaning input", "orders.price above 10")
    page.click("#note-explain")
    page.wait_for_function("document.querySelector('#look-known').innerText.includes('big spender')")
    page.fill("#look-search textarea, #look-search input", "takings")
    page.keyboard.press("Enter")
    page.wait_for_function(
        "(told => told.indexOf('price') < told.indexOf('country'))"
        "(document.querySelector('#look-columns').innerText)"
    )
    page.reload()  # another day
    page.wait_for_selector("#examples label")
    page.click("role=tab[name='Ask']")
    page.click("#database input")
    page.click("role=option[name='shop']")
    visit.ask("What are the takings of each country?")
    # The description is part of what the model is told of the column.
    seen = [message.content for message in store.asked(db_id="shop")[0].response if message.role == "tool"]
    assert any("the takings, in euros" in text for text in seen)
    assert not visit.complaints


def test_what_was_asked_and_what_went_wrong_is_seen(visit: Any) -> None:
    visit.ask("How many products are there?")
    page = visit.page
    page.click("#bad")
    page.wait_for_selector("#thanks .good")
    page.click("role=tab[name='Look around']")
    for part in ("failures", "log"):
        page.click(f"#look-{part}-part button")
        page.wait_for_function(
            f"document.querySelector('#look-{part}')?.innerText.includes('How many products are there?')"
        )
    assert not visit.complaints
