"""`sqlberg train`: preferences (or dialogues to imitate) in, an adapter out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .console import out, plain_text, print_json, progress_bar
from .learning_options import (
    MOST_SEED,
    AlignedOption,
    BatchOption,
    BetaOption,
    CopiesOption,
    DrawsOption,
    EpsilonOption,
    KindOption,
    LearnerOption,
    MaskOption,
    MethodOption,
    RankOption,
    RateOption,
    ReferenceOption,
    SftOption,
    aligned_of,
    new_adapter,
    settings_of,
)
from .options import JsonOption
from .running import read_lesson_file, shown


def train(
    lessons: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Preferences, or messages to imitate (sft, poft): JSONL or Parquet, sqlberg's own, TRL's or "
            "OpenAI's format.",
        ),
    ],
    model: LearnerOption = "embedded",
    adapter: Annotated[
        Path | None, typer.Option(help="Go on from this adapter; without, a new one is made.")
    ] = None,
    method: MethodOption = "dpo",
    output: Annotated[
        Path | None, typer.Option("--out", "-o", help="Run folder (default: runs/train/NAME).")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Times that each pair is read.")] = 1,
    beta: BetaOption = 0.1,
    epsilon: EpsilonOption = 0.01,
    reference: ReferenceOption = "base",
    aligned: AlignedOption = None,
    sft: SftOption = None,
    rate: RateOption = None,
    batch: BatchOption = 32,
    copies: CopiesOption = 0,
    kind: KindOption = None,
    rank: RankOption = None,
    mask: MaskOption = None,
    draws: DrawsOption = 1,
    seed: Annotated[
        int, typer.Option(min=0, max=MOST_SEED, help="Of the order of the pairs and of a new adapter.")
    ] = 0,
    divide: Annotated[
        bool,
        typer.Option(
            "--divide",
            help="A part of each layer on each of several processes, for models too large for one.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Train an adapter on preferences, or on dialogues to imitate.

    The third stage of `sqlberg improve`, by itself. Stopped at any step, the same command goes on with the
    next one and gives the same losses. The run folder holds the adapter, log.jsonl and curves.svg. Started by
    `accelerate launch` or torchrun, the processes share the work.

    Examples:

      sqlberg train runs/candidates/shop/combined/preferences.jsonl

      sqlberg train pairs.parquet --model transformers:Qwen/Qwen3-4B --out runs/qwen

      sqlberg train more.jsonl --method ssapo --adapter runs/train/pairs/train/adapter

      sqlberg train pairs.jsonl --kind bora --mask 0.1 --draws 4

      sqlberg train pairs.jsonl --method poft --aligned transformers:A --aligned transformers:B

      accelerate launch -m sqlberg train pairs.jsonl --model transformers:Qwen/Qwen3-32B --divide
    """
    import torch

    from ..errors import SqlbergError
    from ..training.curves import draw_curves
    from ..training.dividing import divide_layers, processes
    from ..training.losses import Options
    from ..training.rounds.game import SPACES, Follower
    from ..training.rounds.learners import learner_of
    from ..training.rounds.learning import Learning, learn
    from ..training.rounds.plan import Progress
    from ..training.trainer import LOG

    if adapter and (kind, rank, mask) != (None, None, None):
        raise SqlbergError(f"{adapter} has its kind, rank and mask already: leave these options out")
    learner = learner_of(model)
    settings = settings_of(
        learner,
        method,
        rate,
        sft,
        options=Options(beta=beta),
        reference=reference,
        epochs=epochs,
        batch=batch,
        draws=draws,
        seed=seed,
    )
    given = read_lesson_file(lessons)
    folder = output or Path("runs") / "train" / lessons.stem
    torch.manual_seed(seed)
    policy = learner.policy(adapter, new_adapter(kind, rank, mask))
    if divide:
        divide_layers(policy.network)
    about = Learning(folder / "references", Follower(epsilon=epsilon), aligned_of(aligned, method), copies)
    writes = processes().is_main_process
    with progress_bar("{task.description}") as bar:
        learned = learn(policy, given, settings, folder, about, shown(bar) if writes else Progress())
    if not writes:
        return
    draw_curves(folder / "train" / LOG, folder / "curves.svg")
    told = {
        "adapter": str(learned.adapter),
        "pairs": learned.pairs,
        "unreadable": learned.unreadable,
        "moved": learned.moved,
    }
    if as_json:
        print_json(told)
        return
    console = out()
    if learned.unreadable:
        aside = folder / "set_aside.jsonl"
        console.print(plain_text(f"{learned.unreadable} of {learned.pairs} pairs set aside, see {aside}"))
    if method in SPACES and epsilon:
        console.print(plain_text(_played(learned.moved)))
    console.print(plain_text(f"Use it with --model {model}+{learned.adapter}"))


def _played(moved: float) -> str:
    """What the follower did."""
    if moved:
        return f"The follower moved {100 * moved:.1f} % of the pairs"
    return (
        "The follower could move nothing, so this was DPO: all pairs are alike to a new adapter (go on from "
        "one with --adapter, or use `sqlberg improve`)"
    )
