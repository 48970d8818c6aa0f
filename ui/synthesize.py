"""`sqlberg synthesize`: questions with SQL over any database, for training and for trying things out."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import SqlbergError
from ..tools.references import name_of
from .console import err, out, plain_text, print_json, progress_bar
from .options import DatabaseArgument, JsonOption, PolicyOption, read_policy, tell_idle_patterns

if TYPE_CHECKING:
    from ..tools.database import Database
    from ..training.synthesis.generator import Synthetic


def synthesize(
    database: DatabaseArgument,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="Questions wanted.")] = 20,
    output: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="JSONL file to write; goes on where a stopped call left it."),
    ] = None,
    refuse: Annotated[
        int, typer.Option("--unanswerable", min=0, help="Questions besides that the database cannot answer.")
    ] = 0,
    follow: Annotated[
        int, typer.Option("--follow-ups", min=0, help="Questions besides that follow up on another.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Other seeds give other questions.")] = 0,
    policy: PolicyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make up questions over a database, each with SQL that was run and gives rows.

    The lines are those that `sqlberg evaluate` and the trainers read: id, db_id, question, sql (null where
    the database holds no answer, with what is missing; earlier: the question that a follow-up follows).

    Examples:

      sqlberg synthesize sample

      sqlberg synthesize shop.duckdb --count 2000 --unanswerable 200 --out shop.jsonl
    """
    from ..tools.database import open_database

    wanted = count + refuse + follow
    with (
        open_database(database, policy=read_policy(policy), progress=sys.stderr.isatty()) as opened,
        _told_of(output),
    ):
        tell_idle_patterns(opened)
        name = name_of(database)
        earlier = _earlier(output, f"{name}-{seed}-", opened) if output else []
        lines = _lines(opened, name, (count, refuse, follow), seed, earlier)
        if output is not None:
            new = _append(lines, output, wanted - len(earlier))
        else:
            new = list(lines) if as_json else _show(lines)
    if as_json:
        print_json([*earlier, *new])
    total = len(earlier) + len(new)
    if total < wanted:
        err().print(f"{total} questions: there is no more to ask in the words known here.")
    elif output is not None and not as_json:
        out().print(f"{total} questions in {output}")


def _lines(
    opened: Database, name: str, wanted: tuple[int, int, int], seed: int, earlier: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """The records that are still wanted: answerable, unanswerable, follow-ups."""
    from ..training.synthesis.follow_ups import follow_ups
    from ..training.synthesis.generator import Synthetic, synthesize
    from ..training.synthesis.unanswerable import unanswerable

    made = [
        Synthetic(line["question"], line["sql"], line["shape"], line["rows"], line["draw"])
        for line in earlier
        if "draw" in line
    ]
    for one in synthesize(opened, wanted[0], seed, made=made):
        yield _answerable(one, name, seed)
    known = {line["id"] for line in earlier}
    for number, one in enumerate(unanswerable(opened, wanted[1], seed)):
        line = {"id": f"{name}-{seed}-none-{number}", "db_id": name, "question": one.question, "sql": None}
        if line["id"] not in known:
            yield {**line, "missing": one.missing}
    for number, one in enumerate(follow_ups(opened, wanted[2], seed)):
        line = {
            "id": f"{name}-{seed}-after-{number}",
            "db_id": name,
            "question": one.question,
            "sql": one.sql,
        }
        if line["id"] not in known:
            yield {**line, "earlier": [one.first]}


def _answerable(one: Synthetic, name: str, seed: int) -> dict[str, Any]:
    return {
        "id": f"{name}-{seed}-{one.draw}",
        "db_id": name,
        "question": one.question,
        "sql": one.sql,
        "shape": one.shape,
        "rows": one.rows,
        "draw": one.draw,
    }


@contextmanager
def _told_of(output: Path | None) -> Iterator[None]:
    """A file that cannot be read or written ends the command in one line."""
    try:
        yield
    except OSError as error:
        if output is None:
            raise
        raise SqlbergError(
            f"cannot write {output}: {error.strerror or error}; make room or choose another place"
        ) from error


def _earlier(output: Path, prefix: str, opened: Database) -> list[dict[str, Any]]:
    """The records of a file that an earlier call left, half a line at its end cut off.

    Raises `SqlbergError` for a file of another database (of another name, or whose tables are not those of
    the records) or seed, or of another kind.
    """
    from ..tools.errors import NotPermitted, QueryRefused

    if not output.exists():
        return []
    content = output.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    found: list[dict[str, Any]] = []
    try:
        found = [json.loads(line) for line in whole.splitlines()]
        mine = all(line["id"].startswith(prefix) and {"question", "sql"} <= line.keys() for line in found)
        for line in found if mine else ():
            if line["sql"] is not None:
                opened.check(line["sql"])
    except (ValueError, KeyError, TypeError, AttributeError, QueryRefused, NotPermitted):
        mine = False
    if not mine:
        raise SqlbergError(f"{output} holds something else than questions of this database and seed")
    if len(whole) < len(content):
        os.truncate(output, len(whole))
    return found


def _append(lines: Iterator[dict[str, Any]], output: Path, total: int) -> list[dict[str, Any]]:
    """Write every record as soon as it is found; returns them."""
    written: list[dict[str, Any]] = []
    output.parent.mkdir(parents=True, exist_ok=True)
    with progress_bar("Questions") as progress, output.open("a", encoding="utf-8") as file:
        task = progress.add_task("Questions", total=max(total, 0))
        for line in lines:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            file.flush()
            written.append(line)
            progress.advance(task)
    return written


def _show(lines: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    """Print every record as soon as it is found; returns them."""
    console, shown = out(), []
    for line in lines:
        shown.append(line)
        asked = " ".join([*line.get("earlier", ()), line["question"]])
        console.print(plain_text(asked, "bold"))
        console.print(plain_text(f"  {line['sql'] or 'no answer: nothing about ' + line['missing']}"))
    return shown
