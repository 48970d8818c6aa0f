"""What a run is given lies with that run alone, and what fails is told on the page."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from sqlberg.models.references import load_chat_model
from sqlberg.tools.policy import AccessPolicy
from sqlberg.training.feedback.store import Asked, Said, Store
from sqlberg.ui.web.improve_page import ImprovePage
from sqlberg.ui.web.room import Room, named
from sqlberg.ui.web.runs import COMMAND, Runs


@pytest.fixture
def page(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImprovePage:
    monkeypatch.setattr(Runs, "go_on", lambda *_: None)  # no process
    store = Store(tmp_path / "feedback.sqlite")
    policy = AccessPolicy(hide_tables=("orders",))
    room = Room(named([str(shop)]), load_chat_model("embedded"), "embedded", store, policy=policy)
    with gr.Blocks():
        return ImprovePage(room, Runs(tmp_path / "runs"))


def uploaded(folder: Path, text: str) -> str:
    folder.mkdir()
    file = folder / "asked.jsonl"
    file.write_text(text)
    return str(file)


def started(page: ImprovePage, name: str, questions: str | None, held_out: str | None = None) -> str:
    """What the page says of it."""
    request: Any = SimpleNamespace(username="ada")
    told = page._start(name, "shop", questions, held_out, True, "ssapo", "execution", 1, 20, request)
    return told[page.note]


def given(page: ImprovePage, name: str, option: str) -> str:
    """The text of the file that a run has for an option."""
    command = json.loads((page.runs.folder / name / COMMAND).read_text())
    return Path(command[command.index(option) + 1]).read_text()


def test_a_taken_name_is_refused_before_the_files_of_its_run_are_touched(page: ImprovePage, tmp_path: Path):
    one, other = (uploaded(tmp_path / text, text) for text in ("one", "other"))
    assert "It works" in started(page, "first", one)
    page.room.policy = AccessPolicy()
    assert "there is a run" in started(page, "first", other)
    assert given(page, "first", "--questions") == "one"
    assert "orders" in given(page, "first", "--policy")


def test_a_run_learns_from_nothing_that_it_may_not_read(page: ImprovePage):
    messages = {"prompt": ({"role": "user", "content": "How many?"},)}
    for rights, sql in (("", "SELECT 1"), (page.room.rights(""), "SELECT 2")):
        kept = page.room.store.keep(
            Asked.model_validate(
                {"db_id": "shop", "question": sql, "sql": sql, "others": (sql, "SELECT 0"), "rights": rights}
                | messages
            )
        )
        page.room.store.say(Said(asked=kept.id, person="ada", verdict="up"))
    assert "It works" in started(page, "first", None)
    said = given(page, "first", "--seed-preferences")
    assert "SELECT 2" in said
    assert "SELECT 1" not in said


def test_runs_and_options_share_no_file(page: ImprovePage, tmp_path: Path):
    one, other = (uploaded(tmp_path / text, text) for text in ("one", "other"))
    assert "It works" in started(page, "a b", one, other)
    assert "It works" in started(page, "a_b", other)
    assert [given(page, "a b", option) for option in ("--questions", "--held-out")] == ["one", "other"]
    assert given(page, "a_b", "--questions") == "other"


def test_what_cannot_be_kept_is_told_and_leaves_the_name_free(page: ImprovePage, tmp_path: Path):
    assert "a run&#x27;s name is of letters" in started(page, "a" * 300, None)
    assert "No such file" in started(page, "first", str(tmp_path / "gone.jsonl"))
    assert page.runs.names() == []
    assert "It works" in started(page, "first", uploaded(tmp_path / "one", "one"))
