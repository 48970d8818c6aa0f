"""Questions that are judged on the Label tab: what a key says, and whose the answers are."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from sqlberg.errors import SqlbergError
from sqlberg.models.references import load_chat_model
from sqlberg.training.evaluation.dataset import Question
from sqlberg.training.feedback.store import Asked, Said, Store
from sqlberg.ui.web.label_page import SKIP, VERDICTS, LabelPage, _said
from sqlberg.ui.web.labelling import Labelling, Task
from sqlberg.ui.web.room import Room, named
from sqlberg.ui.web.what_was_asked import WhatWasAsked

NEITHER = VERDICTS.index("Neither (4)")


@pytest.fixture
def room(shop: Path, tmp_path: Path) -> Iterator[Room]:
    store = Store(tmp_path / "feedback.sqlite")
    room = Room(named([str(shop)]), load_chat_model("embedded"), "embedded", store, embedder="none")
    yield room
    room.close()


def test_neither_answer_is_a_verdict_of_its_own(room: Room):
    kept = room.store.keep(Asked(db_id="shop", question="How many?", sql="SELECT 1", others=("SELECT 2",)))
    said = _said(NEITHER, Task(kept, ({"sql": "SELECT 1"}, {"sql": "SELECT 2"})), "ada")
    assert said is not None
    room.store.say(said)
    (again,) = room.store.said(kept.id)
    assert (again.verdict, again.person, again.better) == ("neither", "ada", "")
    with gr.Blocks():
        shown = WhatWasAsked(room)
    (row,) = shown.look("shop", "ada")[shown.failures]["data"]
    assert row[-1] == "neither of the answers shown is right"


def test_who_takes_an_answer_back_disagrees_with_nobody(room: Room, tmp_path: Path):
    labelling = Labelling(room, tmp_path / "views")
    for id, person, text in (("1", "ada", "How many orders?"), ("2", "bo", "how many  orders?")):
        room.store.keep(Asked(id=id, db_id="shop", question=text, person=person, sql=f"SELECT '{person}'"))
        room.store.say(Said(asked=id, person=person, verdict="up"))
    told = labelling.disagreements("shop", "ada")
    assert [one[1:] for one in told] == [("ada", "SELECT 'ada'"), ("bo", "SELECT 'bo'")]
    room.store.say(Said(asked="2", person="bo", verdict="neither"))
    assert labelling.disagreements("shop", "ada") == []


def test_a_question_that_cannot_be_asked_can_be_skipped(
    room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with gr.Blocks():
        page = LabelPage(Labelling(room, tmp_path / "views"))

    def failing(question: Question, person: str) -> Task:
        raise SqlbergError("the question is too long")

    monkeypatch.setattr(page.labelling, "task", failing)
    queue = [Question(id=text, db_id="shop", question=text, sql=None) for text in ("one", "two")]
    request: Any = SimpleNamespace(username="ada")
    told = page._next(queue, 0, request)
    assert "too long" in told[page.progress]
    assert [told[key]["visible"] for key in page.verdicts] == [False, False, False, False, True]
    assert page._judging(NEITHER)(queue, 0, None, request) == {}
    assert page._judging(SKIP)(queue, 0, None, request)[page.at] == 1


def test_a_question_judged_over_one_database_is_asked_over_another(
    room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("sklearn", reason="active learning needs the train extra")
    for name in ("shop", "other"):
        room.store.keep(Asked(id=name, db_id=name, question="How many?", person="ada", sql="SELECT 1"))
    labelling = Labelling(room, tmp_path / "views")
    room.store.say(Said(asked="other", person="ada", verdict="up"))
    assert [one.question for one in labelling.queue("shop", "ada", "random", 5)] == ["How many?"]
    room.store.say(Said(asked="shop", person="ada", verdict="up"))
    with pytest.raises(SqlbergError, match="no question left"):
        labelling.queue("shop", "ada", "random", 5)


def ask(room: Room, question: str, person: str, thread: str) -> Asked:
    *_, kept = room.ask("shop", question, person=person, thread=thread, cancel=threading.Event())
    assert isinstance(kept, Asked)
    return kept


def said_to_the_model(kept: Asked) -> str:
    return "\n".join(message.content for message in kept.prompt if message.role == "user")


def test_what_was_asked_to_be_judged_is_no_conversation(room: Room, tmp_path: Path):
    labelling = Labelling(room, tmp_path / "views")
    question = Question(id="1", db_id="shop", question="How many orders are there?", sql=None)
    kept = [labelling.task(question, person).kept for person in ("ada", "ada", "bo")]
    kept.append(room.store.keep(kept[0].model_copy(update={"id": "old", "thread": "label"})))
    assert len({one.thread for one in kept}) == 4
    for one in kept:
        assert room.conversation(one.thread, one.person) == []
    assert room.conversations("ada", 9) == []
    talked = ask(room, "How many customers are there?", "ada", "one")
    assert [one[0] for one in room.conversations("ada", 9)] == [talked.thread] == ["one"]


def test_what_one_person_said_never_reaches_the_model_for_another(room: Room):
    ask(room, "How many customers are from Chile?", "ada", "same")
    assert "Chile" not in said_to_the_model(ask(room, "How many orders are there?", "bo", "same"))
    assert "Chile" in said_to_the_model(ask(room, "And from Norway?", "ada", "same"))


def test_a_conversation_of_an_earlier_version_goes_on_for_its_person_alone(room: Room):
    earlier = "How many customers are from Chile?"
    room.keep("shop", room.agent("shop").ask(earlier, thread_id="old"), person="ada", thread="old")
    assert earlier in said_to_the_model(ask(room, "And from Norway?", "ada", "old"))
    assert earlier not in said_to_the_model(ask(room, "And from Norway?", "bo", "old"))
