"""Which adapter answers on a page is known to the server that starts again."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlberg.errors import SqlbergError
from sqlberg.ui.web.choice import ANSWERING, Choice


def test_what_was_chosen_answers_after_a_restart(tmp_path: Path):
    assert Choice(tmp_path / "improve", "embedded").answering() == "embedded"
    adapter = tmp_path / "improve" / "first" / "round-1" / "train" / "adapter"
    Choice(tmp_path / "improve", "embedded").keep(adapter)
    assert Choice(tmp_path / "improve", "embedded").answering() == f"embedded+{adapter}"
    (tmp_path / "improve").rename(tmp_path / "moved")
    moved = Choice(tmp_path / "moved", "embedded")
    assert moved.answering() == f"embedded+{tmp_path / 'moved' / 'first' / 'round-1' / 'train' / 'adapter'}"
    moved.keep(None)
    assert moved.answering() == "embedded"


def test_a_choice_is_of_the_model_that_the_server_was_given(tmp_path: Path):
    Choice(tmp_path, "embedded").keep(tmp_path / "a")
    given = Choice(tmp_path, "embedded+other")
    assert given.answering() == "embedded+other"
    given.keep(None)
    assert given.answering() == "embedded"
    assert Choice(tmp_path, "embedded").answering() == f"embedded+{tmp_path / 'a'}"


@pytest.mark.parametrize("content", ["", "[1]", '"embedded"', "\xff"])
def test_a_damaged_choice_is_told_and_chosen_anew(tmp_path: Path, content: str):
    (tmp_path / ANSWERING).write_bytes(content.encode("latin-1"))
    choice = Choice(tmp_path, "embedded")
    with pytest.raises(SqlbergError, match="is damaged: choose again on the page, or remove it"):
        choice.answering()
    choice.keep(tmp_path / "a")
    assert choice.answering() == f"embedded+{tmp_path / 'a'}"
