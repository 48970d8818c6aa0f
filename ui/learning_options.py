"""Options of the commands that learn, with their help texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..models.adapters.kinds import Adapter
from .options import finite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..training.cluster import Cluster
    from ..training.rounds.learners import Learner
    from ..training.trainer import Settings

# The registries that these name are not imported here: `--help` stays light.
MethodName = Literal["ssapo", "ssapo-published", "dpo", "ipo", "spa", "epa", "sft", "poft"]
AnnotatorName = Literal["implicit", "execution", "judge", "combined"]
ReferenceName = Literal["base", "start"]
KindName = Literal["lora", "rslora", "dora", "bora", "adalora"]
EngineName = Literal["threads", "ray"]
SelectorName = Literal["vapal", "vapal-centres", "badge", "alps", "entropy", "farthest", "random"]

MOST_SEED = 2**32 - 1
"""What scikit-learn and torch both take."""

SourceArgument = Annotated[
    str,
    typer.Argument(metavar="DATABASE", help="A database, or a folder with questions.jsonl and databases/."),
]
QuestionsOption = Annotated[
    Path | None,
    typer.Option("--questions", "-q", help="JSONL or Parquet of questions; without it, some are made up."),
]
SeedsOption = Annotated[
    Path | None,
    typer.Option(
        "--seed-preferences",
        "-p",
        help="Preferences of people: JSONL, Parquet, or a store of `sqlberg chat` (.sqlite).",
    ),
]
AnnotatorOption = Annotated[
    AnnotatorName, typer.Option(case_sensitive=False, help="Who says which answer is better.")
]
JudgeOption = Annotated[
    str | None,
    typer.Option(help="Model that judges, for judge and combined (see `sqlberg models`)."),
]
LearnerOption = Annotated[
    str, typer.Option("--model", "-m", help="What learns: embedded, or transformers:NAME_OR_PATH.")
]
MethodOption = Annotated[MethodName, typer.Option(case_sensitive=False, help="What training minimises.")]
BetaOption = Annotated[float, typer.Option(min=1e-4, callback=finite, help="Tie to the reference.")]
EpsilonOption = Annotated[
    float, typer.Option(min=0.0, callback=finite, help="What the follower of ssapo may move (0: none).")
]
ReferenceOption = Annotated[
    ReferenceName,
    typer.Option(help="What margins are measured against: base (the model) or start (as training begins)."),
]
AlignedOption = Annotated[
    list[str] | None,
    typer.Option("--aligned", help="Model whose scores poft weighs by; may be given several times."),
]
SftOption = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        callback=finite,
        help="Weight of imitating what is chosen, beside preferences (default: 10 for embedded, else 0).",
    ),
]
RateOption = Annotated[
    float | None,
    typer.Option(min=1e-8, callback=finite, help="Learning rate (default: 1e-3 for embedded, else 5e-5)."),
]
BatchOption = Annotated[int, typer.Option(min=1, help="Pairs of a step.")]
CopiesOption = Annotated[
    int,
    typer.Option(
        min=0, max=16, help="Copies of each pair with other names and values, learned too (embedded only)."
    ),
]
KindOption = Annotated[
    KindName | None, typer.Option(case_sensitive=False, help="Of a new adapter (default: lora).")
]
RankOption = Annotated[int | None, typer.Option(min=1, max=256, help="Of a new adapter (default: 16).")]
MaskOption = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        max=0.9,
        callback=finite,
        help="Share that LoRA Dropout masks of a new adapter (default: 0).",
    ),
]
DrawsOption = Annotated[int, typer.Option(min=1, max=32, help="Masks that each step is averaged over.")]

EngineOption = Annotated[
    EngineName,
    typer.Option(
        case_sensitive=False,
        help="Who does the work: threads of this process, or the workers of a ray cluster.",
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(min=1, help="Of ray: processes (default: 2); each does --concurrency questions at once."),
]
GpusOption = Annotated[
    float | None,
    typer.Option(min=0.0, callback=finite, help="Of ray: GPUs of each worker (default: 0)."),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        "--ray-address",
        envvar="RAY_ADDRESS",
        help="Of ray: a running cluster, `auto` for this machine's (default: one of its own, here).",
    ),
]


def cluster_of(
    engine: EngineName, workers: int | None, gpus: float | None, address: str | None, concurrency: int
) -> Cluster | None:
    """The cluster that these options ask for. Raises `SqlbergError` for options that need another engine."""
    from ..errors import SqlbergError
    from ..training.cluster import Cluster

    if engine == "ray":
        return Cluster(workers or 2, concurrency, gpus or 0.0, address)
    if workers is not None or gpus is not None:
        raise SqlbergError("--workers and --gpus are of the ray engine: add --engine ray")
    return None


def aligned_of(aligned: Sequence[str] | None, method: str) -> tuple[str, ...]:
    """The models whose scores the method weighs by. Raises `SqlbergError` where it weighs by none."""
    from ..errors import SqlbergError
    from ..training.losses import NEEDS_ALIGNED

    if aligned and method not in NEEDS_ALIGNED:
        raise SqlbergError(f"--aligned is of {', '.join(sorted(NEEDS_ALIGNED))}: leave it out of {method}")
    return tuple(aligned or ())


def settings_of(
    learner: Learner, method: str, rate: float | None, sft: float | None, **told: Any
) -> Settings:
    """Of a training, where the learner's standard holds for what is not told. told: other fields."""
    from ..training.losses import IMITATING
    from ..training.trainer import Settings

    standard = learner.standard
    beside = 0.0 if method in IMITATING else standard.sft
    return Settings(
        objective=method,
        rate=standard.rate if rate is None else rate,
        sft=beside if sft is None else sft,
        **told,
    )


def new_adapter(kind: KindName | None, rank: int | None, mask: float | None) -> Adapter:
    """How a new adapter is made by these options."""
    told = {"kind": kind, "rank": rank, "mask": mask}
    return Adapter(**{name: value for name, value in told.items() if value is not None})  # pyright: ignore
