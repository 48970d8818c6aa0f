"""Who may come in to the page, and what they may read."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlberg.errors import SqlbergError
from sqlberg.models.references import load_chat_model
from sqlberg.training.feedback.store import Store
from sqlberg.ui.cli import app
from sqlberg.ui.web.people import add_person, matches, read_people
from sqlberg.ui.web.room import Room, named
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


def test_those_manage_who_are_said_to(file: Path):
    assert read_people(file).managers == frozenset()
    file.write_text(file.read_text() + "[cy]\nmanages = true\n")
    add_person(file, "cy", "new")
    assert read_people(file).managers == {"cy"}


def test_a_page_for_other_machines_needs_people(tmp_path: Path):
    told = CliRunner().invoke(app, ["chat", "--host", "0.0.0.0", "--folder", str(tmp_path)])
    assert told.exit_code == 1
    assert "give --people or --person-header" in " ".join(told.stderr.split())


def test_a_person_is_added_by_the_command(tmp_path: Path):
    file = tmp_path / "people.toml"
    added = CliRunner().invoke(app, ["chat", "--people", str(file), "--add-person", "dee"], input="pw\npw\n")
    assert added.exit_code == 0, added.output
    assert read_people(file).know("dee", "pw")
