"""Take the pictures of the page anew: each tab in light, in dark and as wide as a phone.

    SQLBERG_BROWSER=/usr/bin/chromium python docs/pictures.py

A page over the sample database with the embedded model; a person asks, corrects an answer, labels, and lets a
small run improve the model (about two minutes). Writes docs/pictures/.
"""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from sqlberg.models.references import load_chat_model
from sqlberg.training.feedback.store import Store
from sqlberg.ui.web.app import launch
from sqlberg.ui.web.room import Room, named
from sqlberg.ui.web.runs import Runs

FOLDER = Path(__file__).parent / "pictures"
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "has_touch": True},
}
COLOURS = 256
"""Of a picture as it is kept."""


def ask(page: Page) -> None:
    page.fill("#question textarea", "How many customers are there in each country?")
    page.click("#ask")
    page.wait_for_selector("#plot .vega-embed canvas, #plot .vega-embed > svg")
    page.wait_for_selector("#ask")


def label(page: Page) -> None:
    tab(page, "Label")
    page.click("#label-begin")
    page.wait_for_selector("#label-question h3")


def improve(page: Page) -> None:
    tab(page, "Improve")
    page.wait_for_selector("#run-curves svg")


def look(page: Page) -> None:
    tab(page, "Look around")
    page.wait_for_selector("#look-picture svg")


TABS: dict[str, Callable[[Page], None]] = {"ask": ask, "look": look, "label": label, "improve": improve}


def prepare(page: Page) -> None:
    """Questions to label, something said, and a run that was made."""
    for question in ("How many suppliers are there?", "Which products cost more than 50?", "Who paid most?"):
        page.fill("#question textarea", question)
        page.click("#ask")
        page.wait_for_selector("#teaching")
        page.wait_for_selector("#ask")
    page.click("#good")
    page.wait_for_selector("#thanks .good")
    tab(page, "Improve")
    page.click("text=How it learns")
    page.fill("#run-made-up input[type=number]", "20")
    page.keyboard.press("Tab")
    page.click("#run-start")
    page.wait_for_function("document.querySelector('#run-state').innerText.includes('is working')")
    page.wait_for_function(
        "document.querySelector('#run-state').innerText.includes('is not working')", timeout=600_000
    )


def tab(page: Page, name: str) -> None:
    """Choose a tab, which a narrow page may keep behind a button."""
    if page.is_visible(f"role=tab[name='{name}']"):
        page.click(f"role=tab[name='{name}']")
    else:
        page.click(".overflow-menu button")
        page.click(f".overflow-dropdown button:has-text('{name}')")


def take(browser: Browser, address: str) -> None:
    for look_name, look_of in LOOKS.items():
        context = browser.new_context(**look_of, reduced_motion="reduce")
        for name, show in TABS.items():
            page = context.new_page()
            page.goto(address)
            page.wait_for_selector("#examples label")
            show(page)
            page.wait_for_timeout(1_500)
            shot = Image.open(BytesIO(page.screenshot(full_page=True))).convert("RGB")
            shot.quantize(COLOURS).save(FOLDER / f"{name}-{look_name}.png", optimize=True)
            page.close()
        context.close()


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place, sync_playwright() as driver:
        folder = Path(place)
        store = Store(folder / "feedback.sqlite")
        room = Room(named(["sample"]), load_chat_model("embedded"), "embedded", store, notes=folder / "notes")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        _, address = launch(room, runs=Runs(folder / "improve"), port=port, block=False)
        browser = driver.chromium.launch(executable_path=os.environ["SQLBERG_BROWSER"], args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(address)
        page.wait_for_selector("#examples label")
        prepare(page)
        page.close()
        take(browser, address)
        browser.close()


if __name__ == "__main__":
    main()
