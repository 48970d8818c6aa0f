"""The system prompt: the database section is exactly the agreed text, and the whole stays short."""

from __future__ import annotations

import json
import re

from sqlberg.agents.prompts import database_section, instructions, prompt_for, system_prompt
from sqlberg.tools.database import Database, open_database
from sqlberg.tools.schema import Catalog, Column, Join, Table
from sqlberg.tools.toolbox import make_tools


def table(name: str, rows: int | None = 1, key: tuple[str, ...] = (), is_view: bool = False) -> Table:
    return Table(name, (Column(name, "a"),), primary_key=key, rows=rows, is_view=is_view)


CATALOG = Catalog(
    "concert_singer",
    "sqlite",
    (
        table("stadium", 9, ("Stadium_ID",)),
        table("singer in concert", 10, ("concert ID", "Singer_ID")),
        table("some_view", 3, is_view=True),
        table("big", None),
    ),
    (
        Join("big", ("Stadium_ID",), "stadium", ("Stadium_ID",)),
        Join("singer in concert", ("a", "b c"), "big", ("a", "b"), origin="inferred"),
    ),
)


def test_the_database_section_lists_tables_keys_and_joins_without_columns() -> None:
    assert database_section(CATALOG) == (
        "Database concert_singer (sqlite)\n"
        "Tables:\n"
        "stadium (9 rows) key Stadium_ID\n"
        '"singer in concert" (10 rows) key "concert ID", Singer_ID\n'
        "some_view (view, 3 rows)\n"
        "big (rows not counted)\n"
        "Joins:\n"
        "big.Stadium_ID -> stadium.Stadium_ID\n"
        '"singer in concert".(a, "b c") -> big.(a, b) (inferred)'
    )


def test_the_database_section_is_the_last_part_of_the_prompt() -> None:
    assert system_prompt(CATALOG).endswith(database_section(CATALOG))


def test_the_instructions_are_the_same_for_every_database(music: Database) -> None:
    assert prompt_for(music, "How many?").startswith(instructions())


def test_rules_and_exemplars_fit_their_share_of_the_token_budget() -> None:
    # 1 800 tokens; English with SQL has at least 3.6 characters per token in every common tokenizer.
    assert len(instructions()) <= 1800 * 3.6


def test_the_prompt_of_a_huge_database_is_cut_to_what_the_question_is_about(
    monkeypatch, music: Database
) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("sqlberg.agents.prompts.SECTION_CHARS", 10)
    prompt = prompt_for(music, "What are the names of the singers?")
    assert "\nsinger (4 rows)" in prompt


def test_tables_left_out_are_counted() -> None:
    assert "(3 more tables are not listed; search_column finds their columns)" in database_section(
        CATALOG, tables=["STADIUM"]
    )


def test_the_exemplars_show_what_the_sample_database_really_answers() -> None:
    with open_database("sample") as database:
        tools = {tool.name: tool for tool in make_tools(database)}
        calls = re.findall(r"^(\w+)\((.*)\)\n((?:(?!Thought|Answer).*\n)+)", instructions(), re.MULTILINE)
        assert len(calls) == 6
        for name, arguments, shown in calls:
            given = {
                key: json.loads(value) for key, value in re.findall(r"(\w+)=(\[.*?\]|\".*\"|\d+)", arguments)
            }
            assert set(shown.splitlines()) <= set(tools[name].invoke(given).splitlines())
