"""Fit the embedded model to one database: make up questions over it, train an adapter on them, keep it if it
answers better.

    made → taught → measured (before) → trained → measured (after) → gate

Every stage leaves files in the run folder; a second call with the same settings goes on where the first was
stopped. Questions that people asked, where some are given, are measured and never trained on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import SqlbergError
from ...models.adapters.folders import Stored, digest, tensors_of, write_adapter
from ...models.adapters.kinds import Adapter, config_of
from ...models.embedded.chat_model import EmbeddedChatModel
from ...models.embedded.network import SketchNetwork
from ...models.embedded.probes import probe
from ...models.embedded.weights import SHIPPED, load_weights
from ..evaluation.answering import answering_by
from ..evaluation.dataset import Dataset, Question, dataset_of
from ..evaluation.gate import Measured, compared, gate
from ..evaluation.records import Record, RunFolder
from ..evaluation.runner import run
from .augmentation import Pools, Rates
from .batches import BatchStream, examples_of_an_epoch, readable
from .objectives import Imitation
from .trainer import Settings, train
from .trajectories import read_examples, write_trajectories
from .workers import run_workers

if TYPE_CHECKING:
    from ...tools.database import Database

ADAPTED = (
    "query",
    "key",
    "value",
    "output",
    "expand",
    "contract",
    "read_item",
    "target_item",
    "target_keyword",
)
RATES = Rates(rename=0.0, revalue=0.3, drop=0.4, typo=0.15, take=0.05, elsewhere=0.0, widen=0.0)
"""Of augmentation: the names are the database's own and stay as they are."""


@dataclass(frozen=True)
class Plan:
    """How a fit is made.

    questions: synthetic ones to train on; checked: further ones to measure by. minutes: of training, in
    `workers` processes. rank, rate: of the LoRA adapter and its learning. share: how much of what it learned
    the adapter keeps: all of it costs answers to people's questions, half of it keeps the gain on synthetic
    ones and loses nothing there (interpolated weights, Wortsman et al., arXiv 2109.01903).
    """

    questions: int = 2000
    checked: int = 100
    minutes: float = 12.0
    workers: int = 2
    rank: int = 16
    rate: float = 1e-3
    share: float = 0.5
    rows: int = 16
    seed: int = 0


@dataclass(frozen=True)
class Fitted:
    """What came of a fit. kept: the gate let the adapter through; reason: why, or why not."""

    adapter: Path
    kept: bool
    reason: str
    synthetic: Measured
    people: Measured | None
    trained_on: int


def fit(
    reopen: Callable[[], Database],
    folder: Path,
    plan: Plan,
    *,
    people: Sequence[Question] = (),
    base: Path = SHIPPED,
    tell: Callable[[str], None] = lambda text: None,
) -> Fitted:
    """Fit the weights in `base` to a database; the adapter lies in `folder`/adapter.

    reopen: opens the database. people: questions with SQL that people asked, to measure by alone. tell: is
    told each stage. Raises `SqlbergError` when the folder was begun with other settings.
    """
    with reopen() as database:
        settings = {"plan": asdict(plan), "database": database.fingerprint, "base": digest(base)}
        with RunFolder(folder, settings):
            tell("Making up questions")
            rows = _made(database, folder / "made.json", plan)
            tell("Answering them with the tools, to learn from")
            if not (folder / "taught.jsonl").exists():
                write_trajectories(database, rows["taught"], folder / "taught.jsonl")
            examples = [example for _, example in read_examples([folder / "taught.jsonl"])]
            if examples_of_an_epoch(examples) < plan.rows:
                raise SqlbergError(
                    f"{database.name} gives only {len(examples)} decisions to learn from, and a step takes "
                    f"{plan.rows}: are its tables empty?"
                )
            synthetic = _dataset(database, rows["checked"])
            asked = _dataset(database, [question.model_dump() for question in people]) if people else None
            sets = {"synthetic": synthetic} | ({"people": asked} if asked else {})
            tell("Measuring the model as it is")
            before = {n: _measure(reopen, d, folder / f"before-{n}", base, None) for n, d in sets.items()}
            tell("Training")
            adapter = folder / "adapter"
            about = Settings(
                steps=100_000, minutes=plan.minutes, rows=plan.rows, rate=plan.rate, warmup=20, cooldown=0.5,
                plain_steps=0, seed=plan.seed,
            )  # fmt: skip
            work = partial(_train, folder, adapter, base, plan, about)
            if not (folder / "trained").exists():
                run_workers(work, plan.workers, folder / "training", about)
                (folder / "trained").touch()
            tell("Measuring the adapter")
            after = {n: _measure(reopen, d, folder / f"after-{n}", base, adapter) for n, d in sets.items()}
    measured = {name: compared(before[name], after[name]) for name in sets}
    kept, reason = gate(measured["synthetic"], measured.get("people"))
    trained_on = sum(1 for _ in (folder / "taught.jsonl").open(encoding="utf-8"))
    fitted = Fitted(adapter, kept, reason, measured["synthetic"], measured.get("people"), trained_on)
    report = asdict(fitted) | {"adapter": str(adapter), "settings": settings}
    (folder / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    return fitted


def _made(database: Database, file: Path, plan: Plan) -> dict[str, list[dict[str, Any]]]:
    """The questions to train on and those to measure by."""
    from ..synthesis.generator import synthesize
    from ..synthesis.unanswerable import unanswerable

    if file.exists():
        return json.loads(file.read_text(encoding="utf-8"))
    made = list(synthesize(database, plan.questions + plan.checked, plan.seed))
    # A small database may have less to ask: an eighth is measured by at the least.
    checked = min(plan.checked, max(1, len(made) // 8))
    refused = unanswerable(database, plan.questions // 20, plan.seed)
    taught = [_row(database, n, one.question, one.sql) for n, one in enumerate(made[checked:])]
    taught += [
        _row(database, n, one.question, None, one.missing) for n, one in enumerate(refused, start=len(taught))
    ]
    rows = {
        "taught": taught,
        "checked": [_row(database, n, one.question, one.sql) for n, one in enumerate(made[:checked])],
    }
    partial_file = file.with_suffix(".partial")
    partial_file.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    partial_file.rename(file)
    return rows


def _row(
    database: Database, number: int, question: str, sql: str | None, missing: str = ""
) -> dict[str, Any]:
    return {"id": str(number), "db_id": database.name, "question": question, "sql": sql, "missing": missing}


def _dataset(database: Database, rows: Sequence[dict[str, Any]]) -> Dataset:
    questions = [
        Question.model_validate(row | {"id": row.get("id") or str(n), "db_id": database.name})
        for n, row in enumerate(rows)
    ]
    return dataset_of(questions, lambda db_id: Path(f"{db_id}.{database.dialect}"))


def _measure(
    reopen: Callable[[], Database], dataset: Dataset, folder: Path, base: Path, adapter: Path | None
) -> list[Record]:
    """Every question answered through the graph; finished ones are kept in `folder`."""
    answer = answering_by(EmbeddedChatModel(folder=base, adapter=adapter))
    asked = [[question.question, question.sql] for question in dataset.questions]
    with RunFolder(folder, {"questions": asked}) as records:
        return run(dataset, answer, records, open_database=lambda _: reopen(), concurrency=2)


def _train(folder: Path, adapter: Path, base: Path, plan: Plan, settings: Settings, worker: int) -> None:
    whole = Adapter(rank=plan.rank)
    config = config_of(whole, ADAPTED)  # says so where peft is not installed
    from peft import inject_adapter_in_model
    from peft.tuners.lora import LoraLayer

    network, writer = load_weights(base)
    examples = list(readable((e for _, e in read_examples([folder / "taught.jsonl"])), writer))
    pools = replace(Pools.collect([example.situation for example in examples]), questions=())
    stream = BatchStream(
        examples, writer, pools, rates=RATES, rows=settings.rows, seed=settings.seed + worker
    )
    inject_adapter_in_model(config, network)
    kept = replace(whole, alpha=plan.share * whole.mean_alpha)

    def save(network: SketchNetwork, step: int) -> None:
        layers = [module for module in network.modules() if isinstance(module, LoraLayer)]
        for layer in layers:
            layer.scale_layer(plan.share)
        probes = probe(network, writer)  # of the part that is kept
        for layer in layers:
            layer.unscale_layer()
        write_adapter(adapter, Stored(kept, ADAPTED, tensors_of(network), digest(base), probes))

    train(
        network,
        Imitation(stream, stream, 0),
        save=save,
        folder=folder / "training",
        settings=settings,
        worker=worker,
        workers=plan.workers,
    )
