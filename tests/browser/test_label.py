"""Label with the keyboard alone: what is judged is kept, and the queue moves on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlberg.training.feedback.lessons import lessons
from sqlberg.training.feedback.store import Store

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
ASKED = (
    "How many customers are from Chile?",
    "Show the names of customers with their prices.",
    "What is the total price of each country?",
    "Who paid most?",
    "Which customers have no orders?",
)


def test_a_queue_is_judged_by_keys(visit: Any, store: Store, tmp_path: Path) -> None:
    file = tmp_path / "asked.jsonl"
    file.write_text("\n".join(json.dumps({"question": text}) for text in ASKED))
    page = visit.page
    page.click("role=tab[name='Label']")
    page.click("#label-database input")
    page.click("role=option[name='shop']")
    page.click("text=Questions of a file instead")
    page.set_input_files("#label-file input[type=file]", str(file))
    page.wait_for_selector("#label-file >> text=asked.jsonl")
    before = len(store.said())
    page.click("#label-begin")
    page.wait_for_selector("#label-question h3", timeout=60_000)
    seen = []
    page.click("#label-progress")  # nothing is being written
    for number, key in enumerate("12345", start=1):
        page.wait_for_function(
            f"document.querySelector('#label-progress').innerText.includes('{number} of 5')", timeout=60_000
        )
        seen.append(page.inner_text("#label-question h3"))
        offered = page.query_selector(f"button#label-key-{key}")
        page.keyboard.press(key if offered and offered.is_visible() else "4")
    page.wait_for_function("document.querySelector('#label-progress').innerText.includes('All 5 are done')")
    assert sorted(seen) == sorted(ASKED)
    said = store.said()[before:]
    assert 4 <= len(said) <= 5  # the skipped one, if it could be skipped, says nothing
    judged = {one.asked for one in said if one.verdict == "preferred"}
    assert judged
    assert {one.id for one in lessons(store.asked(db_id="shop"), said)} >= judged
    page.click("#label-begin")  # what this person has judged is not asked again
    page.wait_for_timeout(4_000)
    assert "1 of 1" in page.inner_text("#label-progress") or "no question left" in page.inner_text(
        "#label-progress"
    )
