"""`sqlberg candidates`: several different answers to each of many questions, to be annotated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..tools.references import name_of
from .console import out, plain_text, print_json, progress_bar
from .learning_options import (
    AddressOption,
    EngineOption,
    GpusOption,
    QuestionsOption,
    SourceArgument,
    WorkersOption,
    cluster_of,
)
from .options import BaseUrlOption, EmbedderOption, JsonOption, ModelOption, PolicyOption, finite, read_policy
from .running import shown, tell_bad_lines


def candidates(
    database: SourceArgument,
    questions: QuestionsOption = None,
    model: ModelOption = "embedded",
    base_url: BaseUrlOption = None,
    count: Annotated[int, typer.Option("--count", "-n", min=2, max=16, help="Answers to each.")] = 4,
    temperature: Annotated[
        float, typer.Option(min=0.0, callback=finite, help="Of the answers after the first.")
    ] = 0.7,
    seed: Annotated[int, typer.Option(help="Of the sampling.")] = 0,
    concurrency: Annotated[int, typer.Option("--concurrency", "-j", min=1, help="Questions at once.")] = 2,
    output: Annotated[
        Path | None, typer.Option("--out", "-o", help="Run folder (default: runs/candidates/NAME).")
    ] = None,
    engine: EngineOption = "threads",
    workers: WorkersOption = None,
    gpus: GpusOption = None,
    ray_address: AddressOption = None,
    embedder: EmbedderOption = "embedded",
    policy: PolicyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer every question several times and keep the answers that differ, with their whole dialogues.

    The first stage of `sqlberg improve`, by itself. Every finished question is on disk at once: the same
    command goes on where it stopped.

    Examples:

      sqlberg candidates shop.duckdb --questions asked.jsonl --out runs/asked

      sqlberg candidates spider --model vllm:qwen --base-url http://127.0.0.1:8000/v1 -n 8 -j 16

      sqlberg candidates spider --model transformers:qwen --engine ray --workers 8 --gpus 1 --ray-address auto
    """
    from ..models.references import ToLoad, loaded
    from ..models.weight_files import weights_digest
    from ..training.rounds.candidates import CANDIDATES, sample_candidates
    from ..training.rounds.sources import source_of

    cluster = cluster_of(engine, workers, gpus, ray_address, concurrency)
    folder = output or Path("runs") / "candidates" / name_of(database)
    source = source_of(
        database, folder, questions=questions, policy=read_policy(policy), embedder=embedder, seed=seed
    )
    tell_bad_lines(source.set_aside)
    named = ToLoad(model, base_url)
    with progress_bar("{task.description}") as bar:
        progress = shown(bar)
        progress.stage("candidates", len(source.questions))
        rows = sample_candidates(
            source.questions,
            folder,
            agent_options={
                "model": named if cluster else loaded(named),
                "candidates": count,
                "temperature": temperature,
                "seed": seed,
            },
            open_database=source.open_database,
            settings={
                **source.about,
                "model": model,
                "weights": weights_digest(model),
                "candidates": count,
                "temperature": temperature,
                "seed": seed,
            },
            concurrency=concurrency,
            cluster=cluster,
            again=True,
            finished=lambda row: progress.advance(1),
        )
    told = {
        "questions": len(rows),
        "answers": sum(len(row.responses) for row in rows),
        "several": sum(len(row.responses) > 1 for row in rows),
        "failed": sum(bool(row.error) for row in rows),
        "file": str(folder / CANDIDATES),
    }
    if as_json:
        print_json(told)
        return
    out().print(
        plain_text(
            f"{told['answers']} different answers to {told['questions']} questions; {told['several']} have "
            f"more than one, {told['failed']} failed. In {told['file']}"
        )
    )
