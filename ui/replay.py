"""`sqlberg replay`: does a saved answer still hold?"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..tools.limits import counted
from .answer_view import sql_text
from .console import data_table, out, plain_text, print_json
from .exits import Exit
from .options import DatabaseArgument, JsonOption, PolicyOption, read_policy, tell_idle_patterns

if TYPE_CHECKING:
    from ..agents.replay import Replay


def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `sqlberg ask --save FILE` wrote.")],
    database: DatabaseArgument,
    policy: PolicyOption = None,
    rows: Annotated[int, typer.Option(min=0, help="Rows to print of today's result.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Check a saved answer against the database as it is now: schema, SQL, result, evidence. Asks no model.

    Exit code 0 when everything still holds, 3 when something changed.

    Examples:

      sqlberg ask sample "How many orders were paid by card?" --save cards.json

      sqlberg replay cards.json sample
    """
    from ..agents.replay import load
    from ..agents.replay import replay as check
    from ..tools.database import open_database

    load(file)  # a bad file is told before a database is opened
    with open_database(database, policy=read_policy(policy), progress=sys.stderr.isatty()) as opened:
        tell_idle_patterns(opened)
        outcome = check(file, opened)
    if as_json:
        print_json(_as_json(outcome))
    else:
        _print(outcome, rows)
    if not outcome.ok:
        raise typer.Exit(Exit.HELD_BACK)


def _print(outcome: Replay, rows: int) -> None:
    console = out()
    console.print(plain_text(outcome.saved.question, "bold"))
    console.print(sql_text(console, outcome.saved.sql))
    for one in outcome.checks:
        mark, style = ("holds", "green") if one.ok else ("changed", "bold red")
        console.print(plain_text(f"{mark:8}", style).append(plain_text(one.detail)))
    result = outcome.result
    if result is not None and rows:
        console.print(data_table(result.columns, result.rows[:rows]))
        if len(result.rows) > rows:
            count = counted(len(result.rows), result.cuts)
            console.print(plain_text(f"first {rows} of {count} rows shown", "dim"))


def _as_json(outcome: Replay) -> dict[str, object]:
    from ..agents.answer import plain

    result = outcome.result
    return {
        "ok": outcome.ok,
        "question": outcome.saved.question,
        "sql": outcome.saved.sql,
        "checks": [dataclasses.asdict(one) for one in outcome.checks],
        "columns": None if result is None else list(result.columns),
        "rows": None if result is None else plain(result.rows),
    }
