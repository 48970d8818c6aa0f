"""`sqlberg inspect`: the catalog as the policy lets it be seen, its joins, and what the model sees first."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import SqlbergError
from .console import data_table, out, plain_text, print_json, visible
from .options import DatabaseArgument, JsonOption, PolicyOption, read_policy, tell_idle_patterns

if TYPE_CHECKING:
    from rich.console import Console

    from ..tools.schema import Catalog, Column, Join, Table

_SAMPLES = 5


def inspect(
    database: DatabaseArgument,
    table: Annotated[
        list[str] | None, typer.Option("--table", "-t", help="Show the columns of this table (repeatable).")
    ] = None,
    columns: Annotated[bool, typer.Option("--columns", help="Show the columns of every table.")] = False,
    prompt: Annotated[bool, typer.Option("--prompt", help="Show the model's whole system prompt.")] = False,
    policy: PolicyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show tables, columns, keys, statistics and joins, declared and inferred, and what the model will see.

    Examples:

      sqlberg inspect sample

      sqlberg inspect shop.duckdb --table orders --table customers

      sqlberg inspect warehouse.duckdb#marts

      sqlberg inspect data/ --json
    """
    from ..agents.prompts import database_section, system_prompt
    from ..tools.database import open_database

    with open_database(database, policy=read_policy(policy), progress=sys.stderr.isatty()) as opened:
        tell_idle_patterns(opened)
        catalog = opened.catalog
        others = opened.other_schemas()
    chosen = [_find(catalog, name) for name in table or ()]
    if as_json and prompt:
        print_json({"prompt": system_prompt(catalog)})
        return
    if as_json:
        print_json(_as_json(catalog, chosen or list(catalog.tables)))
        return
    console = out()
    if prompt:
        console.print(plain_text(system_prompt(catalog), lines=True))
        return
    for one in chosen or (catalog.tables if columns else ()):
        console.print(_columns_of(one))
        console.print()
    if not chosen:
        _print_overview(console, catalog)
        console.print(plain_text("What the model sees first (it finds columns with search_column):", "bold"))
        console.print(plain_text(database_section(catalog), lines=True))
        if others:
            file = database.rpartition("#")[0] or database
            told = f"\nNot read: what lies in {', '.join(others)}. Open it as {file}#{others[0]}."
            console.print(plain_text(told))


def _find(catalog: Catalog, name: str) -> Table:
    from ..tools.names import find_table

    try:
        return find_table(catalog, name)
    except SqlbergError as error:
        raise SqlbergError(f"--table {name}: {error}") from error


def _print_overview(console: Console, catalog: Catalog) -> None:
    tables = [
        (table.name, table.rows, len(table.columns), ", ".join(table.primary_key), table.comment)
        for table in catalog.tables
    ]
    title = f"{catalog.name} ({catalog.dialect}), {len(tables)} tables"
    console.print(data_table(("table", "rows", "columns", "key", "comment"), tables, title=title))
    console.print()
    if catalog.joins:
        joins = [(*_sides(join), join.origin, round(join.confidence, 2)) for join in catalog.joins]
        console.print(
            data_table(("from", "to", "origin", "confidence"), joins, title="Joins", cell_width=100)
        )
        console.print()


def _columns_of(table: Table) -> Any:
    rows = [
        (
            column.name,
            column.type,
            "key" if column.name in table.primary_key else "",
            f"{column.statistics.null_share:.0%}",
            column.statistics.distinct,
            _values(column),
            column.comment,
        )
        for column in table.columns
    ]
    count = "rows not counted" if table.rows is None else f"{table.rows} rows"
    headings = ("column", "type", "key", "null", "distinct", "values", "comment")
    return data_table(headings, rows, title=f"{table.name}, {count}", cell_width=80)


def _values(column: Column) -> str:
    """The range of numbers and dates, or the most frequent values."""
    from ..tools.cells import literal, plain, shorten

    statistics = column.statistics
    if statistics.minimum is not None and column.kind in ("number", "date"):
        return f"{plain(statistics.minimum)} to {plain(statistics.maximum)}"
    shown = [shorten(literal(value), 30) for value in statistics.samples[:_SAMPLES]]
    whole = statistics.samples_complete and len(statistics.samples) <= _SAMPLES
    return ", ".join(shown if whole or not shown else [*shown, "…"])


def _sides(join: Join) -> tuple[str, str]:
    def side(table: str, names: tuple[str, ...]) -> str:
        return ", ".join(f"{table}.{name}" for name in names)

    return side(join.table, join.columns), side(join.ref_table, join.ref_columns)


def _as_json(catalog: Catalog, tables: list[Table]) -> dict[str, Any]:
    import dataclasses

    from ..agents.answer import plain
    from ..agents.prompts import database_section

    names = {table.name for table in tables}
    return {
        "name": visible(catalog.name),
        "dialect": catalog.dialect,
        "fingerprint": catalog.fingerprint,
        "tables": [plain(dataclasses.asdict(table)) for table in tables],
        "joins": [
            plain(dataclasses.asdict(join))
            for join in catalog.joins
            if join.table in names and join.ref_table in names
        ],
        "model_sees": database_section(catalog),
    }
