"""`sqlberg annotate`: the annotator agent over candidates: which answer is better, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import SqlbergError
from .console import out, plain_text, print_error, print_json, progress_bar
from .learning_options import (
    AddressOption,
    AnnotatorOption,
    EngineOption,
    GpusOption,
    JudgeOption,
    SeedsOption,
    SourceArgument,
    WorkersOption,
    cluster_of,
)
from .options import BaseUrlOption, EmbedderOption, JsonOption, PolicyOption, read_policy
from .running import check_judge, judge_of, read_preference_file, shown, tell_bad_lines

PREFERENCES = "preferences.jsonl"


def annotate(
    database: SourceArgument,
    candidates: Annotated[
        Path, typer.Argument(metavar="CANDIDATES", help="The run folder of `sqlberg candidates`.")
    ],
    annotator: AnnotatorOption = "combined",
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="The model that answered, MODEL[+ADAPTER]: how likely it finds each answer counts, and with "
            "an adapter the implicit reward, against the model without it.",
        ),
    ] = None,
    judge: JudgeOption = None,
    base_url: BaseUrlOption = None,
    seed_preferences: SeedsOption = None,
    concurrency: Annotated[int, typer.Option("--concurrency", "-j", min=1, help="Questions at once.")] = 2,
    output: Annotated[
        Path | None, typer.Option("--out", "-o", help="Run folder (default: CANDIDATES/ANNOTATOR).")
    ] = None,
    engine: EngineOption = "threads",
    workers: WorkersOption = None,
    gpus: GpusOption = None,
    ray_address: AddressOption = None,
    embedder: EmbedderOption = "embedded",
    policy: PolicyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say which of the candidates is better, with probability and reasons, a tie, or an abstention.

    The second stage of `sqlberg improve`, by itself. annotations.jsonl is for people to read,
    preferences.jsonl for `sqlberg train`. The same command goes on where it stopped.

    Examples:

      sqlberg annotate shop.duckdb runs/candidates/shop

      sqlberg annotate shop.duckdb runs/candidates/shop --annotator judge --judge vllm:qwen

      sqlberg annotate spider runs/candidates/spider --engine ray --workers 16 --ray-address auto
    """
    from ..agents.annotation.annotators import annotator as annotator_named
    from ..models.references import in_process, loaded
    from ..models.weight_files import weights_digest
    from ..training.formats import write_preferences
    from ..training.rounds.annotations import (
        ANNOTATIONS,
        annotate_all,
        combined_weights,
        fingerprint_of,
        preferences_of,
    )
    from ..training.rounds.candidates import CANDIDATES, Sampled
    from ..training.rounds.rewards import scored_by
    from ..training.rounds.sources import Opener, identity, one_database
    from ..training.rows import read_rows

    check_judge(annotator, judge)
    if seed_preferences and annotator != "combined":
        raise SqlbergError(
            f"seed preferences are what the combined annotator is fitted to, and {annotator} is not fitted: "
            "leave one of them out"
        )
    if annotator == "implicit" and (model is None or in_process(model)[2] is None):
        raise SqlbergError("the implicit annotator goes by what an adapter learned: name MODEL+ADAPTER")
    file = candidates / CANDIDATES if candidates.is_dir() else candidates
    read = read_rows(file, lambda row, _: Sampled.model_validate(row))
    tell_bad_lines((file.name, bad) for bad in read.bad)
    if not read.rows:
        raise SqlbergError(f"{file} holds no candidates: make some with `sqlberg candidates`")
    cluster = cluster_of(engine, workers, gpus, ray_address, concurrency)
    folder = output or file.parent / annotator
    judging = judge_of(judge, base_url)
    asked = loaded(judging) if judging and not cluster else judging
    allowed = read_policy(policy)
    open_database = Opener(database, allowed, embedder)
    seeds = read_preference_file(seed_preferences, one_database(database))
    with progress_bar("{task.description}") as bar:
        progress = shown(bar)
        scored = scored_by(model, read.rows, folder, progress) if model else {}
        weights = None
        if seeds and annotator == "combined":
            progress.stage("evidence", len(seeds))
            weights = combined_weights(seeds, open_database, folder, progress.advance)
        progress.stage("annotations", len(read.rows))
        annotated = annotate_all(
            read.rows,
            scored,
            annotator_named(annotator, weights),
            folder,
            open_database=open_database,
            settings={
                **identity(database, allowed),
                "annotator": annotator,
                "seed preferences": fingerprint_of(seeds) if weights else "",
                "model": model,
                "weights": weights_digest(model) if model else "",
                "judge": judge,
            },
            judge=asked,
            concurrency=concurrency,
            cluster=cluster,
            again=True,
            finished=lambda row: progress.advance(1),
        )
    preferences = preferences_of(read.rows, annotated)
    write_preferences(folder / PREFERENCES, preferences)
    failed = [row for row in annotated if row.error]
    told = {
        verdict: sum(row.verdict == verdict and not row.error for row in annotated)
        for verdict in ("preferred", "tie", "abstained")
    }
    if failed:
        print_error(
            f"{len(failed)} of {len(annotated)} questions failed, the first with: {failed[0].error}; "
            "the same command asks them again"
        )
    if as_json:
        print_json(
            {
                **told,
                "failed": len(failed),
                "annotations": str(folder / ANNOTATIONS),
                "file": str(folder / PREFERENCES),
            }
        )
        return
    out().print(
        plain_text(
            f"{told['preferred']} preferences, {told['tie']} ties, {told['abstained']} abstentions. "
            f"In {folder / PREFERENCES}"
        )
    )
