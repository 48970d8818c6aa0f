"""How soon the page is seen: first paint, and when a question can be typed.

    SQLBERG_BROWSER=/usr/bin/chromium python benchmarks/first_paint.py

`sqlberg chat` on the sample database, opened by Chromium on the same machine: once with an empty cache and
then again, each in five browsers of their own; medians. Writes results/first_paint.json; ends with one JSON
object. `ok`: the first paint comes within two seconds.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright
from sqlberg.models.references import load_chat_model
from sqlberg.training.feedback.store import Store
from sqlberg.ui.web.app import launch
from sqlberg.ui.web.room import Room, named

RESULTS = Path(__file__).parent / "results" / "first_paint.json"
TIMES, SOON = 5, 2.0
_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime / 1000"


def opened(page: Page, address: str) -> tuple[float, float]:
    """Seconds to the first paint, and until the question's box is there."""
    began = time.perf_counter()
    page.goto(address)
    page.wait_for_selector("#question textarea")
    ready = time.perf_counter() - began
    return page.evaluate(_PAINT), ready


def measure(browser: Browser, address: str) -> dict[str, list[tuple[float, float]]]:
    seen: dict[str, list[tuple[float, float]]] = {"empty_cache": [], "again": []}
    for _ in range(TIMES):
        context = browser.new_context()
        for cache in seen:
            page = context.new_page()
            seen[cache].append(opened(page, address))
            page.close()
        context.close()
    return seen


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        room = Room(
            named(["sample"]), load_chat_model("embedded"), "embedded", Store(Path(folder) / "f.sqlite")
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        _, address = launch(room, port=port, block=False)
        browser = driver.chromium.launch(executable_path=os.environ["SQLBERG_BROWSER"], args=["--no-sandbox"])
        seen = measure(browser, address)
        browser.close()
    figures = {
        "benchmark": "first_paint",
        **{
            f"{what}_{cache}": round(statistics.median(one[place] for one in times), 2)
            for cache, times in seen.items()
            for place, what in enumerate(("first_paint", "ready"))
        },
    }
    figures["ok"] = figures["first_paint_empty_cache"] <= SOON
    RESULTS.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(figures))
    return 0 if figures["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
