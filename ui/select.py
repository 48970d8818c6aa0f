"""`sqlberg select`: which questions a person should label next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..tools.references import name_of
from .console import data_table, err, out, plain_text, print_json, progress_bar
from .learning_options import MOST_SEED, QuestionsOption, SelectorName, SourceArgument
from .options import EmbedderOption, JsonOption, PolicyOption, read_policy
from .running import tell_bad_lines

SHOWN = 20


def select(
    database: SourceArgument,
    questions: QuestionsOption = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="Questions to choose.")] = 100,
    by: Annotated[SelectorName, typer.Option(help="What makes a question worth a label.")] = "vapal",
    model: Annotated[
        str,
        typer.Option("--model", "-m", help="Whose doubt counts: embedded[+ADAPTER] or transformers:NAME."),
    ] = "embedded",
    output: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where the chosen questions are written, JSONL.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--run", help="Where views are kept (default: runs/select/NAME).")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Of all that is drawn.")] = 0,
    embedder: EmbedderOption = "embedded",
    policy: PolicyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Choose the questions whose labels would teach the model most.

    Reads each question as the model does before its first decision; no label is needed, and no SQL is run.
    Stopped at any point, the same command goes on.

    Examples:

      sqlberg select shop.duckdb --questions asked.jsonl -n 50 --out to_label.jsonl

      sqlberg select spider -n 1000 --by badge --out to_label.jsonl
    """
    from ..training.active.choosing import choose
    from ..training.active.readers import reader_of
    from ..training.rounds.sources import source_of
    from ..training.rows import write_rows

    place = folder or Path("runs") / "select" / name_of(database)
    source = source_of(
        database,
        place,
        questions=questions,
        policy=read_policy(policy),
        embedder=embedder,
        seed=seed,
    )
    tell_bad_lines(source.set_aside)
    with progress_bar("Questions") as bar:
        task = bar.add_task("", total=len(source.questions), note="")
        chosen = choose(
            source.questions,
            count,
            by,
            place,
            reader=lambda: reader_of(model),
            open_database=source.open_database,
            seed=seed,
            about=source.about,
            advance=lambda done: bar.advance(task, done),
        )
    rows = [one.model_dump(exclude={"sql", "sql_duckdb", "difficulty", "split"}) for one in chosen]
    if output is not None:
        write_rows(output, rows)
    if as_json:
        print_json(rows)
        return
    console = out()
    shown = [(one.id, one.db_id, one.question) for one in chosen[:SHOWN]]
    console.print(data_table(("id", "database", "question"), shown, title=f"{len(chosen)} to label"))
    if len(chosen) > SHOWN and output is None:
        err().print(plain_text(f"{len(chosen) - SHOWN} more: give --out FILE to have them all"))
    if output is not None:
        console.print(plain_text(f"Written to {output}"))
