"""`sqlberg improve`: from a few preferences of people and many open questions to a better adapter."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..tools.references import name_of
from .console import data_table, out, plain_text, print_json, progress_bar
from .learning_options import (
    MOST_SEED,
    AlignedOption,
    AnnotatorOption,
    BatchOption,
    BetaOption,
    CopiesOption,
    DrawsOption,
    EpsilonOption,
    JudgeOption,
    KindOption,
    LearnerOption,
    MaskOption,
    MethodOption,
    QuestionsOption,
    RankOption,
    RateOption,
    ReferenceOption,
    SeedsOption,
    SftOption,
    SourceArgument,
    aligned_of,
    new_adapter,
    settings_of,
)
from .options import BaseUrlOption, EmbedderOption, JsonOption, PolicyOption, read_policy
from .running import check_judge, judge_of, read_preference_file, shown, tell_bad_lines

if TYPE_CHECKING:
    from ..training.rounds.plan import Improved


def improve(
    database: SourceArgument,
    questions: QuestionsOption = None,
    seed_preferences: SeedsOption = None,
    held_out: Annotated[
        Path | None,
        typer.Option("--held-out", help="Questions with sql that decide which adapter is used."),
    ] = None,
    model: LearnerOption = "embedded",
    served: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="A running server answers, where MODEL is NAME; training stays here."
        ),
    ] = None,
    put_in_service: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="With --served: vllm:NAME answers with what is in use in the end, if anything.",
        ),
    ] = None,
    base_url: BaseUrlOption = None,
    concurrency: Annotated[int, typer.Option("--concurrency", "-j", min=1, help="Questions at once.")] = 2,
    output: Annotated[
        Path | None, typer.Option("--out", "-o", help="Run folder (default: runs/improve/NAME).")
    ] = None,
    method: MethodOption = "ssapo",
    annotator: AnnotatorOption = "combined",
    judge: JudgeOption = None,
    rounds: Annotated[int, typer.Option(min=1, help="Of annotating and training.")] = 3,
    candidates: Annotated[int, typer.Option(min=2, max=16, help="Answers to each question.")] = 4,
    made_up: Annotated[int, typer.Option(min=10, help="Questions to make up where none are given.")] = 500,
    epsilon: EpsilonOption = 0.01,
    beta: BetaOption = 0.1,
    reference: ReferenceOption = "base",
    cumulative: Annotated[
        bool, typer.Option(help="Train on the pairs of all rounds and the seed, or on the round's alone.")
    ] = True,
    aligned: AlignedOption = None,
    rate: RateOption = None,
    sft: SftOption = None,
    batch: BatchOption = 32,
    copies: CopiesOption = 0,
    kind: KindOption = None,
    rank: RankOption = None,
    mask: MaskOption = None,
    draws: DrawsOption = 1,
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Of all that is drawn.")] = 0,
    embedder: EmbedderOption = "embedded",
    policy: PolicyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Learn from preferences: annotate the model's own answers, train on them, keep what answers better.

    Stopped at any point, the same command goes on. An adapter is put to use only if it answers more held-out
    questions, beyond chance: `--model MODEL+RUN` answers with what is in use in the run folder, and
    `sqlberg rollback RUN` takes it back. Each stage is a command, too: candidates, annotate, train, evaluate.

    Examples:

      sqlberg improve shop.duckdb --questions asked.jsonl --seed-preferences thumbs.jsonl

      sqlberg improve shop.duckdb

      sqlberg improve spider --seed-preferences seed.jsonl --method dpo --annotator implicit --rounds 2

      sqlberg improve spider --model transformers:Qwen/Qwen3-4B --served Qwen3-4B --put-in-service sales -j 32
    """
    from ..errors import SqlbergError
    from ..models.references import loaded
    from ..models.serving.in_service import checked_name
    from ..training.losses import Options
    from ..training.rounds.game import Follower
    from ..training.rounds.improve import improve as run_improve
    from ..training.rounds.learners import learner_of
    from ..training.rounds.plan import Plan
    from ..training.rounds.served import served as served_by
    from ..training.rounds.sources import one_database, source_of

    check_judge(annotator, judge)
    if put_in_service and served is None:
        raise SqlbergError("--put-in-service is of a running server: name its model with --served")
    if put_in_service:
        checked_name(put_in_service)  # now, and not when the rounds are over
    folder = output or Path("runs") / "improve" / name_of(database)
    learner = learner_of(model)
    seeds = read_preference_file(seed_preferences, one_database(database))
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
    tell_bad_lines(source.set_aside)
    plan = Plan(
        method=method,
        annotator=annotator,
        judge=judge or "",
        rounds=rounds,
        candidates=candidates,
        reference=reference,
        cumulative=cumulative,
        follower=Follower(epsilon=epsilon),
        aligned=aligned_of(aligned, method),
        copies=copies,
        adapter=new_adapter(kind, rank, mask),
        training=settings_of(
            learner, method, rate, sft, options=Options(beta=beta), batch=batch, draws=draws
        ),
        seed=seed,
        concurrency=concurrency,
    )
    # Beside a served model the address is that model's server: openai: is the provider then.
    elsewhere = served is not None and judge is not None and judge.startswith("openai:")
    judging = judge_of(judge, None if elsewhere else base_url)
    asked = loaded(judging) if judging else None
    answering = served_by(learner, served, base_url) if served else nullcontext()
    with answering as on_server, progress_bar("{task.description}") as bar:
        improved = run_improve(
            on_server or learner,
            source.questions,
            seeds,
            folder,
            plan,
            open_database=source.open_database,
            held_out=source.held_out,
            judge=asked,
            progress=shown(bar),
            about=source.about,
        )
        version = None
        if on_server and put_in_service and improved.adapter:
            version = on_server.put_in_service(put_in_service, improved.adapter)
    if as_json:
        print_json({**asdict(improved), "in service": version})
        return
    _show(improved, model, folder)
    if version:
        out().print(
            plain_text(f"In service: {version}. Back with: sqlberg adapters rollback {put_in_service}")
        )


def _show(improved: Improved, model: str, folder: Path) -> None:
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
        console.print(plain_text(f"In use: {improved.adapter}. Ask with --model {model}+{folder}"))
