"""Preferences: what is read from each format, what is set aside, and what is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlberg.errors import SqlbergError
from sqlberg.training.formats import (
    FORMATS,
    lesson_of,
    preference_of,
    read_lessons,
    read_preferences,
    to_sqlberg,
    write_preferences,
)
from sqlberg.training.preferences import Preference, Trajectory
from sqlberg.training.rows import write_rows

PROMPT = [{"role": "system", "content": "Database shop"}, {"role": "user", "content": "How many orders?"}]


def answer(sql: str, call: str = "c1") -> list[dict[str, Any]]:
    function = {"name": "execute_sql", "arguments": {"sql": sql}}
    return [
        {"role": "assistant", "content": "Count.", "tool_calls": [{"id": call, "function": function}]},
        {"role": "tool", "tool_call_id": call, "content": "1 row"},
        {"role": "assistant", "content": f"{sql} says it."},
    ]


GOOD, POOR = answer("SELECT count(*) FROM orders"), answer("SELECT sum(id) FROM orders")
TOOLS = [{"type": "function", "function": {"name": "execute_sql", "parameters": {"type": "object"}}}]
ROW = {"prompt": PROMPT, "chosen": GOOD, "rejected": POOR, "tools": TOOLS}


@pytest.fixture
def preference() -> Preference:
    about = {"id": "7", "db_id": "shop", "source": "execution", "probability": 0.8, "reasons": ["it ran"]}
    return preference_of(ROW | about)


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
@pytest.mark.parametrize("format", FORMATS)
def test_what_is_written_is_read_again(preference: Preference, format: str, ending: str, tmp_path: Path):
    file = write_preferences(tmp_path / f"p.{ending}", [preference, preference], format)
    [again, _] = read_preferences(file).rows
    assert (again.prompt, again.chosen, again.rejected) == (
        preference.prompt,
        preference.chosen,
        preference.rejected,
    )
    assert again.tools == preference.tools
    assert (again == preference) is (format == "sqlberg")


def test_arguments_are_an_object_for_trl_and_text_for_openai(preference: Preference):
    [trl, openai] = (FORMATS[name](preference) for name in ("trl", "openai"))
    assert trl["chosen"][0]["tool_calls"][0]["function"]["arguments"] == {
        "sql": "SELECT count(*) FROM orders"
    }
    call = openai["preferred_output"][0]["tool_calls"][0]
    assert json.loads(call["function"]["arguments"]) == {"sql": "SELECT count(*) FROM orders"}


def test_a_prompt_that_both_dialogues_begin_with_is_found():
    later = [*PROMPT, *GOOD, {"role": "user", "content": "And by country?"}]
    read = preference_of({"chosen": [*later, *GOOD], "rejected": [*later, *POOR]})
    assert read.question == "And by country?"
    assert len(read.prompt) == len(later)
    assert len(read.chosen) == 3


def test_plain_text_is_a_message():
    read = preference_of({"prompt": "How many?", "chosen": "Seven.", "rejected": "Eight."})
    assert (read.prompt[0].role, read.chosen[0].role, read.rejected[0].content) == (
        "user",
        "assistant",
        "Eight.",
    )


BAD = [
    ({"chosen": GOOD}, "chosen and rejected"),
    (ROW | {"rejected": GOOD}, "chosen and rejected say the same"),
    (ROW | {"rejected": answer("SELECT count(*) FROM orders", "c9")}, "say the same"),
    (ROW | {"prompt": []}, "prompt: a prompt ends with a question"),
    (ROW | {"chosen": GOOD[1:]}, "chosen: a response begins with the assistant"),
    (ROW | {"chosen": [*GOOD, *PROMPT]}, "chosen: a response holds no message of the system"),
    (ROW | {"chosen": [GOOD[0], GOOD[1] | {"tool_call_id": "x"}]}, "a call 'x' that was not made"),
    (ROW | {"probability": 0.2}, "probability"),
    (ROW | {"margin": "nan"}, "margin"),
    (ROW | {"chosen": [{"role": "robot", "content": "hi"}]}, "chosen.0.role"),
    (ROW | {"id": "\ud800"}, "half of a character"),
    ({"chosen": GOOD, "rejected": POOR}, "prompt: it is missing"),
    ({"preferred_output": GOOD, "non_preferred_output": POOR}, "input: an object with messages is missing"),
]


@pytest.mark.parametrize(("row", "reason"), BAD)
def test_each_kind_of_bad_row_is_set_aside_with_its_number(row: dict, reason: str, tmp_path: Path):
    file = tmp_path / "p.jsonl"
    file.write_text("\n".join([json.dumps(ROW), "", json.dumps(row), json.dumps(ROW)]))
    read = read_preferences(file)
    assert len(read.rows) == 2
    [bad] = read.bad
    assert bad.number == 3
    assert reason in bad.reason
    assert json.loads(bad.text) == row


@pytest.mark.parametrize(
    ("content", "reason"), [("", "it is empty"), ("{", "not JSON"), ("[1]", "not a JSON")]
)
def test_a_file_without_a_valid_preference_is_one_clear_error(content: str, reason: str, tmp_path: Path):
    (tmp_path / "p.jsonl").write_text(content)
    with pytest.raises(SqlbergError, match=reason):
        read_preferences(tmp_path / "p.jsonl")


def test_a_missing_or_foreign_file_is_one_clear_error(tmp_path: Path):
    with pytest.raises(SqlbergError, match="cannot read"):
        read_preferences(tmp_path / "none.jsonl")
    (tmp_path / "p.parquet").write_text("{}")
    with pytest.raises(SqlbergError, match="no Parquet file"):
        read_preferences(tmp_path / "p.parquet")
    with pytest.raises(SqlbergError, match="there is no format"):
        write_preferences(tmp_path / "p.jsonl", [], "csv")


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [*PROMPT, *GOOD], "tools": TOOLS, "id": "7"},
        {"prompt": PROMPT, "completion": GOOD, "tools": TOOLS, "id": "7"},
    ],
)
def test_dialogues_to_imitate_are_read_in_both_forms_and_again(row: dict[str, Any], tmp_path: Path):
    lesson = lesson_of(row)
    assert isinstance(lesson, Trajectory)
    assert (lesson.question, len(lesson.prompt), len(lesson.response)) == ("How many orders?", 2, 3)
    file = write_rows(tmp_path / "taught.parquet", [to_sqlberg(lesson), to_sqlberg(preference_of(ROW))])
    assert [type(one).__name__ for one in read_lessons(file).rows] == ["Trajectory", "Preference"]
    assert read_lessons(file).rows[0] == lesson


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"messages": "hello"}, "no list"),
        ({"messages": GOOD}, "no question"),
        ({"messages": PROMPT}, "begins with the assistant"),
        ({"prompt": [], "completion": GOOD}, "ends with a question"),
    ],
)
def test_what_is_no_dialogue_says_why(row: dict[str, Any], said: str):
    with pytest.raises(ValueError, match=said):
        lesson_of(row)
