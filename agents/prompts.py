"""The system prompt: rules and two worked exemplars (prompts/*.md), then the database, without any column.

After the Interactive-T2S prompt (arXiv 2408.11062, section 3): tables, primary keys, foreign keys and row
counts, and the model looks up the rest. Ordered for a server's prefix cache: the rules and exemplars are the
same for every question on every database, the database section for every question on one database, and the
conversation follows. Differs from the paper: actions are tool calls, never text; inferred joins are listed
and marked.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from ..tools.cells import identifier, neutralise, qualified
from ..tools.schema import Catalog, Join, Table

if TYPE_CHECKING:
    from ..tools.database import Database

# A longer database section is shortened to the tables that the question is about (a token is ~3 characters).
SECTION_CHARS = 9_000
COLUMNS_ASKED = 60
TABLES_LISTED = 60


@cache
def instructions() -> str:
    """Rules and exemplars, the same for every database."""
    folder = resources.files(__package__ or "sqlberg.agents") / "prompts"
    names = ("rules.md", "exemplar_join.md", "exemplar_value.md")
    return "\n\n".join((folder / name).read_text(encoding="utf-8").strip() for name in names)


def prompt_for(database: Database, question: str) -> str:
    """The system message for a question. Only of a very large database does it depend on the question.

    Then it lists the tables of the columns that the question seems to be about, and those they refer to.
    """
    catalog = database.catalog
    prompt = system_prompt(catalog)
    if len(prompt) - len(instructions()) <= SECTION_CHARS:
        return prompt
    tables = list(
        dict.fromkeys(hit.column.table for hit in database.columns.search(question, top_k=COLUMNS_ASKED))
    )
    near = [join.ref_table for join in catalog.joins if join.table in tables]
    return system_prompt(catalog, tables=list(dict.fromkeys([*tables, *near]))[:TABLES_LISTED])


def system_prompt(catalog: Catalog, *, tables: Collection[str] | None = None) -> str:
    """The whole system message: instructions, then the database section as its last part."""
    return f"{instructions()}\n\n{database_section(catalog, tables=tables)}"


def database_section(catalog: Catalog, *, tables: Collection[str] | None = None) -> str:
    """Tables with row counts and keys, then joins; one line each, in catalog order.

    tables: show only these (names in any case) and say how many are left out; None shows all.
    """
    shown = catalog.tables
    if tables is not None:
        wanted = {name.lower() for name in tables}
        shown = tuple(table for table in catalog.tables if table.name.lower() in wanted)
    lines = [f"Database {neutralise(catalog.name)} ({catalog.dialect})", "Tables:"]
    lines.extend(_table_line(table) for table in shown)
    if len(shown) < len(catalog.tables):
        left = len(catalog.tables) - len(shown)
        lines.append(f"({left} more tables are not listed; search_column finds their columns)")
    names = {table.name.lower() for table in shown}
    joins = [join for join in catalog.joins if {join.table.lower(), join.ref_table.lower()} <= names]
    if joins:
        lines.append("Joins:")
        lines.extend(_join_line(join) for join in joins)
    return "\n".join(lines)


def _table_line(table: Table) -> str:
    rows = "rows not counted" if table.rows is None else f"{table.rows} rows"
    line = f"{identifier(table.name)} ({'view, ' if table.is_view else ''}{rows})"
    if table.primary_key:
        line += " key " + ", ".join(identifier(name) for name in table.primary_key)
    return line


def _join_line(join: Join) -> str:
    left, right = _join_side(join.table, join.columns), _join_side(join.ref_table, join.ref_columns)
    return f"{left} -> {right}" + (" (inferred)" if join.origin == "inferred" else "")


def _join_side(table: str, columns: tuple[str, ...]) -> str:
    """`table.column`, or `table.(a, b)` for a composite key."""
    if len(columns) == 1:
        return qualified(table, columns[0])
    return f"{identifier(table)}.({', '.join(identifier(name) for name in columns)})"
