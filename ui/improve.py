"""`sqlberg improve`: from a few preferences of people and many open questions to a better adapter."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import data_table, err, out, plain_text, print_json, progress_bar
from .options import EmbedderOption, JsonOption, PolicyOption, finite, read_policy

if TYPE_CHECKING:
    from ..training.rounds.plan import Improved, Progress
    from ..training.rounds.sources import Source
    from ..training.trainer import Step


def improve(
    database: Annotated[
        str,
        typer.Argument(
            metavar="DATABASE", help="A database, or a folder with questions.jsonl and databases/."
        ),
    ],
    questions: Annotated[
        Path | None,
        typer.Option("--questions", "-q", help="JSONL of questions; without it, some are made up."),
    ] = None,
    seed_preferences: Annotated[
        Path | None,
        typer.Option("--seed-preferences", "-p", help="Preferences of people: JSONL or Parquet."),
    ] = None,
    held_out: Annotated[
        Path | None,
        typer.Option("--held-out", help="JSONL of questions with sql that decide which adapter is used."),
    ] = None,
    model: Annotated[
        str, typer.Option("--model", "-m", help="embedded, or transformers:NAME_OR_PATH.")
    ] = "embedded",
    output: Annotated[
        Path | None, typer.Option("--out", "-o", help="Run folder (default: runs/improve/NAME).")
    ] = None,
    method: Annotated[str, typer.Option(help="ssapo, ssapo-published, dpo, ipo, spa, epa or sft.")] = "ssapo",
    annotator: Annotated[
        str, typer.Option(help="Who annotates: implicit, execution, judge or combined.")
    ] = "combined",
    judge: Annotated[
        str | None, typer.Option(help="Model that judges, for judge and combined (see `sqlberg models`).")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Of annotating and training.")] = 3,
    candidates: Annotated[int, typer.Option(min=2, max=16, help="Answers to each question.")] = 4,
    made_up: Annotated[int, typer.Option(min=10, help="Questions to make up where none are given.")] = 500,
    epsilon: Annotated[
        float, typer.Option(min=0.0, callback=finite, help="What the follower may move (0: none).")
    ] = 0.01,
    beta: Annotated[float, typer.Option(min=1e-4, callback=finite, help="Tie to the reference.")] = 0.1,
    reference: Annotated[
        str, typer.Option(help="What margins are measured against: base (the model) or start (the round).")
    ] = "base",
    cumulative: Annotated[
        bool, typer.Option(help="Train on the pairs of all rounds and the seed, or on the round's alone.")
    ] = True,
    rate: Annotated[float, typer.Option(min=1e-8, callback=finite, help="Learning rate.")] = 5e-5,
    sft: Annotated[
        float, typer.Option(min=0.0, callback=finite, help="Weight of imitating what is chosen.")
    ] = 0.0,
    batch: Annotated[int, typer.Option(min=1, help="Pairs of a step.")] = 32,
    rank: Annotated[int, typer.Option(min=1, max=256, help="Of the LoRA adapter.")] = 16,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.")] = 0,
    embedder: EmbedderOption = "embedded",
    policy: PolicyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Learn from preferences: annotate the model's own answers, train on them, keep what answers better.

    Stopped at any point, the same command goes on. An adapter is put to use only if it answers more held-out
    questions, beyond chance; leaving `+ADAPTER` out of the model's name is the way back.

    Examples:

      sqlberg improve shop.duckdb --questions asked.jsonl --seed-preferences thumbs.jsonl

      sqlberg improve shop.duckdb

      sqlberg improve spider --seed-preferences seed.jsonl --method dpo --annotator implicit --rounds 2
    """
    from ..agents.annotation.annotators import NAMES
    from ..errors import SqlbergError
    from ..training.formats import read_preferences
    from ..training.losses import OBJECTIVES, Options
    from ..training.rounds.game import Follower
    from ..training.rounds.improve import improve as run_improve
    from ..training.rounds.learners import learner_of
    from ..training.rounds.plan import Plan
    from ..training.rounds.sources import source_of
    from ..training.trainer import Settings

    if reference not in ("base", "start"):
        raise SqlbergError(f"--reference is base or start, not {reference!r}")
    if method not in OBJECTIVES:
        raise SqlbergError(f"there is no method {method!r}: choose one of {', '.join(OBJECTIVES)}")
    if annotator not in NAMES:
        raise SqlbergError(f"there is no annotator {annotator!r}: choose one of {', '.join(NAMES)}")
    if annotator == "judge" and judge is None:
        raise SqlbergError("the annotator judge needs a model: name one with --judge")
    folder = output or Path("runs") / "improve" / Path(database).stem
    learner = learner_of(model)
    seeds = ()
    console = err()
    if seed_preferences is not None:
        read = read_preferences(seed_preferences)
        seeds = read.rows
        for bad in read.bad:
            console.print(plain_text(f"{seed_preferences.name} line {bad.number} set aside: {bad.reason}"))
    source = source_of(
        database,
        folder,
        questions=questions,
        held_out=held_out,
        made_up=made_up,
        policy=read_policy(policy),
        embedder=embedder,
        seed=seed,
    )
    _tell_bad_lines(source)
    plan = Plan(
        method=method,
        annotator=annotator,
        rounds=rounds,
        candidates=candidates,
        reference=reference,
        cumulative=cumulative,
        follower=Follower(epsilon=epsilon),
        rank=rank,
        training=Settings(options=Options(beta=beta), rate=rate, sft=sft, batch=batch),
        seed=seed,
    )
    with progress_bar("{task.description}") as bar:
        improved = run_improve(
            learner,
            source.questions,
            seeds,
            folder,
            plan,
            open_database=source.open_database,
            held_out=source.held_out,
            judge=_judge(judge),
            progress=_shown(bar),
        )
    if as_json:
        print_json(asdict(improved))
    else:
        _show(improved, model)


def _judge(reference: str | None) -> Any:
    if reference is None:
        return None
    from ..models.references import load_chat_model

    return load_chat_model(reference)


def _shown(bar: Any) -> Progress:
    """A bar for each stage, as the run comes to it."""
    from ..training.rounds.plan import Progress

    class Shown(Progress):
        task: Any = None

        def stage(self, round: int, name: str, items: int) -> None:
            self.task = bar.add_task(f"round {round}: {name}", total=max(1, items), note="")

        def advance(self, items: int) -> None:
            bar.advance(self.task, items)

        def step(self, step: Step) -> None:
            note = f"loss {step.loss:.3f}, margin {step.margin:+.2f}, right {100 * step.accuracy:.0f} %"
            bar.update(self.task, advance=1, total=step.steps, note=note)

    return Shown()


def _tell_bad_lines(source: Source) -> None:
    console = err()
    for name, bad in source.set_aside:
        console.print(plain_text(f"{name} line {bad.number} set aside: {bad.reason}"))


def _show(improved: Improved, model: str) -> None:
    headings = ("round", "questions", "preferred", "pairs", "moved, %", "before", "after", "kept", "why")
    rows = []
    for one in improved.rounds:
        measured = one.measured
        figures = (str(measured.before), str(measured.after)) if measured else ("", "")
        rows.append(
            (
                str(one.number),
                str(one.questions),
                str(one.verdicts.get("preferred", 0)),
                str(one.pairs),
                f"{100 * one.moved:.1f}",
                *figures,
                "yes" if one.kept else "no",
                one.reason,
            )
        )
    console = out()
    console.print(data_table(headings, rows, title="Rounds", right=[True] * 7 + [False] * 2))
    if improved.adapter is None:
        console.print(plain_text("No adapter answers better beyond chance: go on with the model as it is."))
    else:
        console.print(plain_text(f"In use: --model {model}+{improved.adapter}"))
