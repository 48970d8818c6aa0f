"""What people know of a database, as the page keeps it: of many at once, and where it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from sqlberg.models.references import load_chat_model
from sqlberg.tools.notes import read_notes
from sqlberg.training.feedback.store import Store
from sqlberg.ui.web.look_page import LookPage
from sqlberg.ui.web.room import Room, named

ADA: Any = SimpleNamespace(username="ada")


@pytest.fixture
def page(shop: Path, tmp_path: Path) -> Iterator[LookPage]:
    store = Store(tmp_path / "feedback.sqlite")
    model = load_chat_model("embedded")
    room = Room(named([str(shop)]), model, "embedded", store, notes=tmp_path / "notes", embedder="none")
    with gr.Blocks():
        yield LookPage(room)
    room.close()


def test_what_two_managers_say_at_once_is_all_kept(page: LookPage, tmp_path: Path):
    def say(number: int) -> str:
        if number % 2:
            return page._describe("shop", f"orders.column_{number}", "told", ADA)[page.note]
        return page._explain("shop", f"term {number}", "told", ADA)[page.note]

    with ThreadPoolExecutor(8) as pool:
        lines = list(pool.map(say, range(40)))
    assert {"Known from now on" in line for line in lines} == {True}
    notes = read_notes(tmp_path / "notes" / "shop.json")
    assert (len(notes.terms), len(notes.columns)) == (20, 20)
    assert [file.name for file in (tmp_path / "notes").iterdir()] == ["shop.json"]


@pytest.mark.parametrize("damaged", [b"{", b"\xff\xfe", b'{"terms": 1}'])
def test_damaged_notes_are_one_line_and_stay_as_they_are(page: LookPage, tmp_path: Path, damaged: bytes):
    file = tmp_path / "notes" / "shop.json"
    file.parent.mkdir()
    file.write_bytes(damaged)
    for told in (
        page.look("shop", ADA),
        page._found("shop", "price", ADA),
        page._describe("shop", "orders", "what was bought", ADA),
        page._explain("shop", "takings", "price", ADA),
        page._joining(True)("shop", "orders.id = customer.id", ADA),
    ):
        assert "shop.json" in told[page.note]
    assert file.read_bytes() == damaged


def test_what_is_no_text_is_told_and_changes_nothing(page: LookPage, tmp_path: Path):
    page._explain("shop", "takings", "price", ADA)
    assert "not all of it is text" in page._explain("shop", "odd", "bad \ud83d", ADA)[page.note]
    assert set(page.room.notes_of("shop").terms) == {"takings"}
    assert [file.name for file in (tmp_path / "notes").iterdir()] == ["shop.json"]
