"""`sqlberg evaluate`: answer a folder of questions, score the answers, go on after any interruption."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import data_table, err, out, plain_text, print_json, progress_bar
from .options import BaseUrlOption, EmbedderOption, JsonOption, ModelOption, finite

if TYPE_CHECKING:
    from ..training.evaluation.answering import Setup
    from ..training.evaluation.dataset import Dataset
    from ..training.evaluation.records import Record, RunFolder
    from ..training.evaluation.runner import Answering

_SHOWN_BAD_LINES = 5
_TOLD_EVERY = 50  # questions, where there is no terminal for a bar


def evaluate(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="Holds questions.jsonl and databases/<db_id>.sqlite or .duckdb."
        ),
    ],
    model: ModelOption = "embedded",
    base_url: BaseUrlOption = None,
    split: Annotated[str | None, typer.Option(help="Only questions of this split, such as dev.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most this many questions.")] = None,
    offset: Annotated[int, typer.Option(min=0, help="Leave out this many questions first.")] = 0,
    candidates: Annotated[int, typer.Option(min=1, help="Dialogues per question, voted by result.")] = 1,
    temperature: Annotated[
        float, typer.Option(min=0.0, callback=finite, help="Of the candidates after the first.")
    ] = 0.7,
    seed: Annotated[int, typer.Option(help="Of the sampling, so that a run can be repeated.")] = 0,
    timeout: Annotated[float, typer.Option(min=1.0, callback=finite, help="Seconds per question.")] = 120.0,
    rounds: Annotated[int, typer.Option(min=1, help="Model calls per dialogue.")] = 12,
    concurrency: Annotated[int, typer.Option("--concurrency", "-j", min=1, help="Questions at once.")] = 2,
    embedder: EmbedderOption = "embedded",
    abstain_below: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Least confidence of an answer (default: the model's own)."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Run folder; by default under runs/evaluate, named after the settings."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Score a model on questions with gold SQL.

    Every finished question is on disk at once: after Ctrl-C, a crash or kill -9 the same command goes on
    where it stopped, and asks again what could not be asked, for example while a server was away. The run
    folder holds results.jsonl, settings.json and summary.json.

    Examples:

      sqlberg evaluate spider --split dev

      sqlberg evaluate spider --split dev --limit 100 --model vllm:qwen --base-url http://127.0.0.1:8000/v1 -j
      16

      sqlberg evaluate my_questions --json > summary.json
    """
    from ..training.evaluation.answering import Setup, answering, settings_of
    from ..training.evaluation.dataset import load_dataset
    from ..training.evaluation.records import RunFolder
    from ..training.evaluation.report import failures, summarise, tables
    from ..training.journal import fingerprint

    dataset = load_dataset(folder, split=split, limit=limit, offset=offset)
    _tell_bad_lines(dataset)
    setup = Setup(
        model, base_url, candidates, temperature, seed, timeout, rounds, concurrency, embedder, abstain_below
    )
    settings = settings_of(setup, dataset)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{folder.resolve().name}-{split or 'all'}-{model}")[-80:]
    path = output or Path("runs") / "evaluate" / f"{name}-{fingerprint(settings)}"
    with RunFolder(path, settings) as run_folder:
        records = _run(dataset, answering(setup), run_folder, setup)
        summary = summarise(records, settings=settings)
        run_folder.write_summary(summary)
    if as_json:
        print_json(summary)
    else:
        console = out()
        for table in tables(summary):
            figures = [False] + [True] * (len(table.headings) - 1)
            console.print(data_table(table.headings, table.rows, title=table.title, right=figures))
            console.print()
        console.print(plain_text(f"Results: {path}"))
    for failure in failures(records):
        err().print(plain_text(failure))


def _run(dataset: Dataset, answer: Answering, folder: RunFolder, setup: Setup) -> list[Record]:
    """Run with a bar that shows the execution accuracy so far."""
    from ..training.evaluation.answering import opening
    from ..training.evaluation.comparators import HEADLINE
    from ..training.evaluation.runner import run

    there = [folder.records[q.id] for q in dataset.questions if q.id in folder.records]
    known = [record for record in there if record.status != "failed"]
    right, done = sum(record.scores[HEADLINE] == 1 for record in known), len(known)
    console = err()
    with progress_bar("Questions") as bar:
        task = bar.add_task("", total=len(dataset.questions), completed=done, note=_note(right, done))

        def finished(record: Record) -> None:
            nonlocal right, done
            right, done = right + (record.scores[HEADLINE] == 1), done + 1
            bar.update(task, completed=done, note=_note(right, done))
            if bar.disable and done % _TOLD_EVERY == 0:
                console.print(
                    plain_text(f"{done} of {len(dataset.questions)} questions, {_note(right, done)}")
                )

        return run(
            dataset,
            answer,
            folder,
            open_database=opening(setup, dataset),
            concurrency=setup.concurrency,
            finished=finished,
            again=True,
        )


def _tell_bad_lines(dataset: Dataset) -> None:
    console = err()
    for bad in dataset.bad_lines[:_SHOWN_BAD_LINES]:
        console.print(plain_text(f"line {bad.number} set aside: {bad.reason}"))
    if len(dataset.bad_lines) > _SHOWN_BAD_LINES:
        console.print(plain_text(f"{len(dataset.bad_lines)} lines were set aside in all"))


def _note(right: int, done: int) -> str:
    return f"EX {100 * right / done:.1f} %" if done else ""
