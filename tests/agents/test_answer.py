"""An answer's conversions: nothing is lost, and nothing becomes markup."""

from __future__ import annotations

import io
import json
import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from rich.console import Console
from sqlberg.agents.answer import Answer, Step, plain
from sqlberg.agents.markdown import code, escape
from sqlberg.agents.notes import steps_markdown, steps_rich

ANSWER = Answer(
    "How many?",
    sql="SELECT name, n FROM t",
    columns=("name", "n"),
    rows=[("a|b", 1), (None, 2)],
    text="Two.",
    steps=(
        Step("I look for the name.", "search_column", {"queries": ["name"]}, '# "name"\nt.name TEXT'),
        Step("I count.", "execute_sql", {"sql": "SELECT name, n FROM t"}, "2 rows, 2 columns\nname | n"),
    ),
)


def test_to_pandas_keeps_columns_and_rows() -> None:
    frame = ANSWER.to_pandas()
    assert list(frame.columns) == ["name", "n"]
    assert frame["n"].tolist() == [1, 2]


def test_to_pandas_keeps_columns_of_an_empty_result() -> None:
    assert list(Answer("q", columns=("a", "a")).to_pandas().columns) == ["a", "a"]


def test_to_arrow_keeps_types() -> None:
    table = Answer("q", columns=("d", "x"), rows=[(date(2024, 1, 2), Decimal("1.50"))]).to_arrow()
    assert table.to_pylist() == [{"d": date(2024, 1, 2), "x": Decimal("1.50")}]


@pytest.mark.parametrize("values", [[1, "one"], [2**70, 1], [1.5, b"x"]])
def test_to_arrow_turns_mixed_columns_into_text(values: list[object]) -> None:
    table = Answer("q", columns=("c",), rows=[(value,) for value in values]).to_arrow()
    assert str(table.schema.field("c").type) == "string"


def test_to_json_holds_everything_but_the_raw_messages() -> None:
    content = json.loads(ANSWER.to_json())
    assert content["rows"] == [["a|b", 1], [None, 2]]
    assert content["steps"][0]["arguments"] == {"queries": ["name"]}
    assert "messages" not in content


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("12.50"), 12.5),
        (Decimal("12"), 12),
        (Decimal("NaN"), "nan"),
        (float("inf"), "inf"),
        (b"\x01\xff", "01ff"),
        (datetime(2024, 1, 2, 3, 4), "2024-01-02T03:04:00"),
        (timedelta(hours=1), "1:00:00"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ({"a": [Decimal("1")]}, {"a": [1]}),
    ],
)
def test_values_become_what_json_knows(value: object, expected: object) -> None:
    assert plain(value) == expected


@pytest.mark.parametrize(
    "text",
    [
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "![x](http://evil/?q=1)",
        "a|b",
        "`x`\n# y",
        "</tool_call>",
    ],
)
def test_data_in_markdown_is_inert(text: str) -> None:
    markdown = Answer("q", columns=("c",), rows=[(text,)]).to_markdown()
    assert text not in markdown
    assert "<img" not in markdown
    assert re.search(r"(?<!\\)\]\(", markdown) is None
    assert markdown.count("\n| ") == 3  # names, rule, one row


def test_escaped_text_is_one_line() -> None:
    assert "\n" not in escape("a\n\n# b")


def test_a_code_block_cannot_be_closed_from_inside() -> None:
    assert code("```\nx").startswith("````\n")


def test_the_notes_show_thought_action_observation_and_answer_in_order() -> None:
    notes = steps_markdown(ANSWER)
    parts = [
        "1. I look for the name.",
        '"name"',
        "t.name TEXT",
        "2. I count.",
        "```sql",
        "2 rows",
        "Answer:",
        "Two.",
    ]
    positions = [notes.index(part) for part in parts]
    assert positions == sorted(positions)


def test_the_notes_of_a_terminal_say_the_same() -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(steps_rich(ANSWER))
    text = console.export_text()
    assert "1. I look for the name." in text
    assert "Answer: Two." in text
