"""Who may come in to the page, and what they may read."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from sqlberg.errors import SqlbergError
from sqlberg.models.references import load_chat_model
from sqlberg.tools.database import open_database
from sqlberg.tools.notes import Notes
from sqlberg.tools.policy import AccessPolicy
from sqlberg.training.feedback.store import Asked, Logged, Said, Store
from sqlberg.ui.cli import app
from sqlberg.ui.web.labelling import Labelling
from sqlberg.ui.web.look_page import known_notes
from sqlberg.ui.web.people import add_person, matches, read_people
from sqlberg.ui.web.room import Room, named
from sqlberg.ui.web.what_was_asked import WhatWasAsked
from typer.testing import CliRunner


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "people.toml"
    add_person(file, "ada", "secret")
    add_person(file, 'b"o', "pa$$word")
    return file


def test_people_are_known_by_their_passwords(file: Path):
    people = read_people(file)
    assert people.know("ada", "secret")
    assert people.know('b"o', "pa$$word")
    assert not any(people.know(*told) for told in (("ada", "Secret"), ("ada", ""), ("cy", ""), ("", "")))
    assert "secret" not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


def test_a_new_password_replaces_the_old_and_keeps_the_rest(file: Path):
    file.write_text(file.read_text() + '[cy]\npolicy = "p.toml"\n')
    (file.parent / "p.toml").write_text('hide_tables = ["orders"]\n')
    add_person(file, "cy", "first")
    add_person(file, "cy", "second")
    people = read_people(file)
    assert (people.know("cy", "first"), people.know("cy", "second")) == (False, True)
    assert people.policies["cy"].hide_tables == ("orders",)


@pytest.mark.parametrize("name", ["Åsa 😀", "del\x7f", 'tab\tline\nquote"', "\\u0041", "a\x85b"])
def test_a_name_of_any_letters_can_come_in(file: Path, name: str):
    add_person(file, name, "pass 😀")
    add_person(file, "cy", "other")
    people = read_people(file)
    assert people.know(name, "pass 😀")
    assert people.know("ada", "secret")


def test_what_is_no_text_leaves_the_file_as_it_was(file: Path):
    before = file.read_bytes()
    for name, password in (("bad \udcff", "x"), ("cy", "bad \udcff")):
        with pytest.raises(SqlbergError, match="stays as it was"):
            add_person(file, name, password)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ada", "is no TOML"),
        ("[ada]\npasswort = 'x'", "ada|passwort"),
        ("[ada]\npolicy = 'none.toml'", "cannot be read"),
    ],
)
def test_what_is_wrong_with_the_file_is_one_sentence(tmp_path: Path, text: str, reason: str):
    file = tmp_path / "people.toml"
    file.write_text(text)
    with pytest.raises(SqlbergError, match=reason):
        read_people(file)


def test_a_hash_that_is_none_matches_nothing():
    assert not any(matches("x", kept) for kept in ("", "x", "scrypt$zz$00", "plain$00$x"))


def test_each_reads_what_their_policy_lets_them(shop: Path, file: Path, tmp_path: Path):
    (file.parent / "p.toml").write_text('hide_tables = ["orders"]\n')
    file.write_text(file.read_text() + '[cy]\npolicy = "p.toml"\n')
    policies = read_people(file).policies
    store = Store(tmp_path / "feedback.sqlite")
    room = Room(named([str(shop)]), load_chat_model("embedded"), "embedded", store, policies=policies)
    try:
        assert room.run("shop", "SELECT count(*) FROM orders", person="ada").rows == [(3,)]
        with pytest.raises(SqlbergError, match="orders"):
            room.run("shop", "SELECT count(*) FROM orders", person="cy")
        assert room.agent("shop", "ada") is room.agent("shop", "bo")
        assert room.agent("shop", "cy") is not room.agent("shop", "ada")
    finally:
        room.close()
    assert [(one.person, one.outcome == "ran") for one in store.logged()] == [("cy", False), ("ada", True)]


def test_a_shared_conversation_is_read_by_those_alone_who_may_read_its_data(
    shop: Path, file: Path, tmp_path: Path
):
    (file.parent / "p.toml").write_text('hide_tables = ["orders"]\n')
    file.write_text(file.read_text() + '[cy]\npolicy = "p.toml"\n')
    store = Store(tmp_path / "feedback.sqlite")
    room = Room(
        named([str(shop)]), load_chat_model("embedded"), "e", store, policies=read_people(file).policies
    )
    store.keep(Asked(db_id="shop", question="How many orders are there?", person="ada", thread="one"))
    link = store.share("one", person="ada")
    assert [one.question for one in room.shared(link, "bo")] == ["How many orders are there?"]
    with pytest.raises(SqlbergError, match="other data than you"):
        room.shared(link, "cy")
    with pytest.raises(SqlbergError, match="no such conversation"):
        room.shared("guessed", "bo")


def test_what_was_read_by_an_earlier_policy_is_not_shown_again(shop: Path, tmp_path: Path):
    store = Store(tmp_path / "feedback.sqlite")
    model = load_chat_model("embedded")

    def room(**options: Any) -> Room:
        return Room(named([str(shop)]), model, "e", store, memory=tmp_path / "m", embedder="none", **options)

    before = room()
    question = "How many orders are there?"
    list(before.ask("shop", question, person="cy", thread="one", cancel=threading.Event()))
    assert [one[0] for one in before.conversations("cy", 9)] == ["one"]
    assert [one.question for one in before.conversation("one", "cy")] == [question]
    link = store.share("one", person="cy")
    before.close()
    after = room(policies={"cy": AccessPolicy(hide_tables=("orders",))})
    assert after.conversations("cy", 9) == after.conversation("one", "cy") == []
    with pytest.raises(SqlbergError, match="other data than you"):
        after.shared(link, "cy")
    assert len(after.shared(link, "ada")) == 1
    *_, kept = after.ask("shop", "And of Chile?", person="cy", thread="one", cancel=threading.Event())
    assert isinstance(kept, Asked)
    assert not any(question in message.content for message in kept.prompt)  # the agent forgot it, too
    after.close()


def test_those_manage_who_are_said_to(file: Path):
    assert read_people(file).managers == frozenset()
    file.write_text(file.read_text() + "[cy]\nmanages = true\n")
    add_person(file, "cy", "new")
    assert read_people(file).managers == {"cy"}


def test_a_page_for_other_machines_needs_people(tmp_path: Path):
    told = CliRunner().invoke(app, ["chat", "--host", "0.0.0.0", "--folder", str(tmp_path)])
    assert told.exit_code == 1
    assert "give --people or --person-header" in " ".join(told.stderr.split())


def test_each_database_of_the_page_is_looked_for_before_it_opens(tmp_path: Path):
    gone = tmp_path / "gone.csv"
    told = CliRunner().invoke(app, ["chat", "sample", str(gone), "--folder", str(tmp_path)])
    assert (told.exit_code, "there is no file or folder" in " ".join(told.stderr.split())) == (1, True)


def test_a_person_is_added_by_the_command(tmp_path: Path):
    file = tmp_path / "people.toml"
    added = CliRunner().invoke(app, ["chat", "--people", str(file), "--add-person", "dee"], input="pw\npw\n")
    assert added.exit_code == 0, added.output
    assert read_people(file).know("dee", "pw")


def test_people_judge_their_own_questions_unless_they_manage(shop: Path, tmp_path: Path):
    store = Store(tmp_path / "feedback.sqlite")
    model = load_chat_model("embedded")
    room = Room(named([str(shop)]), model, "embedded", store, embedder="none", managers=frozenset({"ada"}))
    labelling = Labelling(room, tmp_path / "views")
    try:
        for person in ("ada", "bo"):
            store.keep(Asked(db_id="shop", question=f"What does {person} ask?", person=person))
        seen = {name: labelling.queue("shop", name, "random", 9) for name in ("ada", "bo")}
        assert len(seen["ada"]) == 2
        assert [one.question for one in seen["bo"]] == ["What does bo ask?"]
        assert labelling.disagreements("shop", "bo") == []
    finally:
        room.close()


def test_a_lead_sees_what_all_asked_and_others_their_own(shop: Path, tmp_path: Path):
    store = Store(tmp_path / "feedback.sqlite")
    model = load_chat_model("embedded")
    room = Room(named([str(shop)]), model, "embedded", store, embedder="none", managers=frozenset({"ada"}))
    for person in ("ada", "bo"):
        kept = store.keep(Asked(db_id="shop", question=f"What does {person} ask?", person=person))
        store.log(
            Logged(person=person, db_id="shop", event="ask", question=kept.question, outcome="answered")
        )
        store.say(Said(asked=kept.id, person=person, verdict="down", words="that is not it"))
    store.log(Logged(person="bo", db_id="other", event="run", sql="SELECT 1"))
    with gr.Blocks():
        shown = WhatWasAsked(room)
    for person, seen in (("ada", {"ada", "bo"}), ("bo", {"bo"})):
        tables = shown.look("shop", person)
        assert {row[0] for row in tables[shown.failures]["data"]} == seen
        assert {row[1] for row in tables[shown.log]["data"]} == seen
        assert tables[shown.failures]["data"][0][-1] == "that is not it"


def test_notes_about_what_is_hidden_are_not_shown(shop: Path):
    notes = Notes(
        columns={"orders.price": "the takings", "customer.name": "who"},
        rejected=("orders.id = customer.id",),
        terms={"regular": "has more than 9 orders", "local": "customer.country = 'Chile'"},
    )
    with (
        open_database(shop, policy=AccessPolicy(hide_tables=("orders",))) as hidden,
        open_database(shop) as whole,
    ):
        hidden.notes = whole.notes = notes
        assert [row[1] for row in known_notes(notes, hidden.catalog)["data"]] == ["customer.name", "local"]
        assert len(known_notes(notes, whole.catalog)["data"]) == 5
