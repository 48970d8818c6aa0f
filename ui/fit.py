"""`sqlberg fit`: fit the embedded model to one database, and keep the result only if it answers better."""

from __future__ import annotations

import sys
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import SqlbergError
from ..tools.references import name_of
from .console import data_table, err, out, plain_text, print_json
from .options import DatabaseArgument, JsonOption, PolicyOption, finite, read_policy
from .running import tell_bad_lines

if TYPE_CHECKING:
    from ..training.embedded.fitting import Fitted
    from ..training.evaluation.dataset import Question
    from ..training.evaluation.gate import Measured


def fit(
    database: DatabaseArgument,
    questions: Annotated[
        Path | None,
        typer.Option(
            "--questions",
            "-q",
            help="JSONL of questions with sql that people asked: to measure by, not to train on.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--out", "-o", help="Run folder (default: runs/fit/NAME).")
    ] = None,
    count: Annotated[
        int, typer.Option("--count", "-n", min=50, help="Questions to make up and learn.")
    ] = 2000,
    checked: Annotated[int, typer.Option(min=10, help="Further ones to measure by.")] = 100,
    minutes: Annotated[float, typer.Option(min=0.1, callback=finite, help="Of training.")] = 12.0,
    workers: Annotated[int, typer.Option(min=1, help="Processes that train side by side.")] = 2,
    rank: Annotated[int, typer.Option(min=1, max=256, help="Of the LoRA adapter.")] = 16,
    seed: Annotated[int, typer.Option(help="Of the questions and the training.")] = 0,
    policy: PolicyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fit the embedded model to a database: make up questions, train an adapter, measure before and after.

    About 20 minutes on two cores. Stopped at any point, the same command goes on. The adapter is kept apart
    from the model: `--model embedded+FOLDER/adapter` uses it, and leaving that out is the way back.

    Examples:

      sqlberg fit shop.duckdb

      sqlberg fit shop.duckdb --questions asked.jsonl --minutes 30 --out runs/shop

      sqlberg ask shop.duckdb "..." --model embedded+runs/fit/shop/adapter
    """
    if find_spec("peft") is None:
        raise SqlbergError("fitting needs the train extra: pip install 'sqlberg[train]'")
    from ..agents.opening import open_database
    from ..training.embedded.fitting import Plan
    from ..training.embedded.fitting import fit as run_fit

    allowed = read_policy(policy)
    people = _people(questions) if questions else []
    folder = output or Path("runs") / "fit" / name_of(database)
    plan = Plan(count, checked, minutes, workers, rank, seed=seed)
    console = err()
    fitted = run_fit(
        lambda: open_database(database, policy=allowed, progress=sys.stderr.isatty()),
        folder,
        plan,
        people=people,
        tell=lambda text: console.print(plain_text(f"{text} …")),
    )
    if as_json:
        print_json(asdict(fitted) | {"adapter": str(fitted.adapter)})
    else:
        _show(fitted)


def _show(fitted: Fitted) -> None:
    rows = [_line("synthetic, not trained on", fitted.synthetic)]
    if fitted.people:
        rows.append(_line("people's questions", fitted.people))
    headings = ("questions", "number", "right before, %", "right after, %", "gained", "lost")
    console = out()
    title = f"Trained on {fitted.trained_on} synthetic questions"
    console.print(data_table(headings, rows, title=title, right=[False] + [True] * 5))
    if fitted.kept:
        console.print(plain_text(f"Kept: {fitted.reason}. Use it with --model embedded+{fitted.adapter}"))
    else:
        console.print(plain_text(f"Not kept: {fitted.reason}. Go on with the model as it is."))


def _line(name: str, measured: Measured) -> tuple[str, ...]:
    share = 100 / max(1, measured.questions)
    figures = (f"{share * measured.before:.1f}", f"{share * measured.after:.1f}")
    return (name, str(measured.questions), *figures, str(measured.gained), str(measured.lost))


def _people(file: Path) -> list[Question]:
    """Questions with SQL; lines that are none are told. Raises `SqlbergError` where all are."""
    from ..training.evaluation.dataset import read_questions

    read = read_questions(file, db_id="database")
    tell_bad_lines((file.name, bad) for bad in read.bad)
    if not read.rows:
        raise SqlbergError(f"{file} holds no valid question: give JSON with question and sql")
    return list(read.rows)
