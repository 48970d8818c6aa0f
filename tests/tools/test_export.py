"""Results as CSV, Markdown and JSON: nothing lost, nothing executable."""

from __future__ import annotations

import csv
import io
import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from sqlberg.tools.export import json_value, to_csv, to_json, to_markdown
from sqlberg.tools.limits import Cut, Result


def one(value: Any) -> Result:
    return Result(("c",), [(value,)])


def csv_cell(value: Any) -> str:
    return list(csv.reader(io.StringIO(to_csv(one(value)))))[1][0]


@pytest.mark.parametrize(
    "formula",
    [
        "=1+1",
        "+SUM(A1)",
        "-cmd|' /C calc'!A0",
        "@SUM(1)",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1",
        '=HYPERLINK("http://x","y")',
    ],
)
def test_a_formula_in_a_cell_becomes_text(formula: str):
    assert csv_cell(formula) == "'" + formula


def test_a_formula_in_a_column_name_becomes_text():
    assert to_csv(Result(("=1+1",), [])) == "'=1+1\r\n"


@pytest.mark.parametrize("number", [-5, -1.5, "-5", "+4.5e3", "-1,234.50", Decimal("-2.50")])
def test_a_negative_number_stays_a_number(number: Any):
    assert not csv_cell(number).startswith("'")


def test_null_and_the_empty_string_differ():
    assert to_csv(Result(("a", "b"), [(None, "")])) == 'a,b\r\n,""\r\n'


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), min_size=1, max_size=4))
def test_a_csv_reader_gets_every_text_back(row: list[str]):
    names = tuple(f"c{i}" for i in range(len(row)))
    read = list(csv.reader(io.StringIO(to_csv(Result(names, [tuple(row)])), newline="")))[1]
    assert [
        cell if cell == text else cell.removeprefix("'") for cell, text in zip(read, row, strict=True)
    ] == row


@pytest.mark.parametrize(
    "cell",
    [
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "![](http://evil.example/?q=1)",
        "a | b",
        "`code`",
        "**bold**",
        "&lt;script&gt;",
    ],
)
def test_markdown_cells_stay_plain_text(cell: str):
    html = MarkdownIt("gfm-like", {"linkify": False}).render(to_markdown(one(cell)))
    escaped = cell.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert f"<td>{escaped}</td>" in html


def test_a_line_break_does_not_break_the_markdown_table():
    assert len(to_markdown(one("a\nb")).splitlines()) == 3


def test_markdown_tells_the_cuts():
    assert "only the first 1 of 9 rows were read" in to_markdown(
        Result(("n",), [(1,)], cuts=(Cut("rows", 1, 9),))
    )


def test_json_keeps_columns_of_the_same_name():
    document = json.loads(to_json(Result(("a", "a"), [(1, 2)])))
    assert document == {"columns": ["a", "a"], "rows": [[1, 2]], "complete": True, "cuts": []}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), "nan"),
        (Decimal("10.50"), 10.5),
        (Decimal("0.1234567890123456789"), "0.1234567890123456789"),
        (Decimal("7"), 7),
        (date(2020, 1, 2), "2020-01-02"),
        (datetime(2020, 1, 2, 3), "2020-01-02 03:00:00"),
        (b"\x00\xff", "00ff"),
        ({"a": [Decimal("1.5"), None]}, {"a": [1.5, None]}),
    ],
)
def test_values_that_json_has_not_are_written_exactly(value: Any, expected: Any):
    assert json_value(value) == expected
