"""Start a run, watch it, answer with what it made, and go back: on the page, with the real model."""

from __future__ import annotations

from typing import Any

import pytest
from sqlberg.training.feedback.store import Said, Store

pytest.importorskip("peft", reason="training needs the train extra")
pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]


def test_a_run_is_started_and_watched_and_its_adapter_answers(visit: Any, store: Store) -> None:
    page = visit.page
    visit.ask("How many customers are there?")  # over the sample database: it says nothing of the shop
    store.say(Said(asked=store.asked(db_id="sample")[0].id, verdict="corrected", better="SELECT 1"))
    page.click("role=tab[name='Improve']")
    page.fill("#run-name textarea, #run-name input", "browser test")
    page.click("#run-database input")
    page.click("role=option[name='shop']")
    page.click("text=How it learns")
    page.fill("#run-rounds input[type=number]", "1")
    page.keyboard.press("Tab")
    page.click("#run-start")
    page.wait_for_selector("#run-note .good")
    page.wait_for_function(
        "document.querySelector('#run-state').innerText.includes('is working')", timeout=30_000
    )
    page.click("#run-start")
    page.wait_for_selector("#run-note .bad")
    assert "already" in page.inner_text("#run-note")
    page.wait_for_function(
        "document.querySelector('#run-state').innerText.includes('is not working')", timeout=300_000
    )
    page.wait_for_selector("#run-curves svg")
    page.click("text=Compare on held-out questions")
    for side, name in (("before", "base"), ("after", "round-1")):
        page.click(f"#run-{side} input")
        page.click(f"role=option[name='{name}']")
    page.click("#run-compare")
    page.wait_for_function("document.querySelector('#run-changed').innerText.includes('round-1')")
    page.click("#run-adapter input")
    page.click("role=option[name='round-1']")
    page.click("#run-use")
    page.wait_for_function(
        "document.querySelector('#run-note').innerText.includes('answers from the next question on')"
    )
    page.click("role=tab[name='Ask']")
    visit.ask("How many customers are there?")
    assert "browser test" in page.inner_text("#facts")
    page.click("role=tab[name='Improve']")
    page.click("#run-back")
    page.wait_for_function(
        "document.querySelector('#run-note').innerText.includes('the model without an adapter')"
    )
    assert not visit.complaints
