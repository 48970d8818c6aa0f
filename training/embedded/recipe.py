"""The training of the embedded weights, in two parts. Resumable at every point.

    sqlberg train-embedded DATA FOLDER [--start WEIGHTS]

DATA is a folder in the format of `training.evaluation.dataset` (only its train split is read). FOLDER takes
what is prepared (`preparing.py`), the workers' checkpoints, `log.jsonl` and `weights/` of the first part
(imitation), and the same of the second (judging, `objectives.py`) in `judging/`; `averaged/` is the mean of
both, and of the weights it started from. A second call goes on where the first was stopped; on a machine that
holds only FOLDER it trains by what was prepared there.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from ...models.embedded.network import SketchNetwork
from ...models.embedded.weights import load_weights, load_writer, save_weights
from .augmentation import Pools, Rates
from .batches import BatchStream, Example
from .judged import JudgedStream, read_judged
from .objectives import Distillation, Imitation, Judging
from .preparing import distillation_texts, load_examples
from .start import from_minilm, minilm_folder
from .trainer import Settings, train
from .workers import run_workers

FIRST_KINDS = ("synthetic",)
SECOND_KINDS = ("synthetic", "follow_ups")
"""What is taught beside people's questions in the two parts."""
JUDGED_ROWS = 8
"""Questions in a batch of candidates."""
VERDICT_SHARE = 0.5
"""What is kept of a trained verdict: it knows the training databases and is too sure of it. On the databases
held out, half of it ranks best, if by little (first candidates right: 74.6 % without it, 75.2 with half of
it, 74.4 with all of it).
"""


_OWN = frozenset({"shape", "confidence", "abstain_below"})
"""Of a weights folder's config: what belongs to these weights and does not tell how they were made."""


def run_training(
    folder: Path,
    settings: Settings,
    workers: int,
    device: str,
    *,
    judging: bool = False,
    start: Path | None = None,
) -> Path:
    """Train with `workers` processes to the end, the first part or the second; returns the weights.

    start: trained weights that the first part goes on from, instead of MiniLM's.
    """
    place = folder / "judging" if judging else folder
    if _steps_done(place / "weights", judging) >= settings.steps:
        return place / "weights"
    work = partial(_judge if judging else partial(_imitate, start), folder, settings, workers, device)
    run_workers(work, workers, place, settings)
    return place / "weights"


def _imitation(
    folder: Path, settings: Settings, worker: int, device: str, kinds: Sequence[str]
) -> tuple[Imitation, Pools, dict[str, Any]]:
    """What imitation minimises, over people's questions and then these kinds of others too; what augmentation
    draws from; and the sizes of the data.
    """
    start = minilm_folder()
    writer = load_writer(start)
    people = load_examples(folder, settings.seed)
    others = {kind: load_examples(folder, settings.seed, kind) for kind in kinds}
    pools = Pools.collect([example.situation for example in people])

    def batches(of: Sequence[Example]) -> BatchStream:
        return BatchStream(of, writer, pools, rates=Rates(), rows=settings.rows, seed=settings.seed + worker)

    teacher = from_minilm(start, 0.0).to(device).eval().requires_grad_(False)
    distillation = Distillation(teacher, writer, distillation_texts(people))
    mixed = batches([*people, *(example for examples in others.values() for example in examples)])
    imitation = Imitation(batches(people), mixed, settings.plain_steps, distillation)
    sizes = {"examples": len(people), **{kind: len(examples) for kind, examples in others.items()}}
    return imitation, pools, sizes


def _imitate(
    start: Path | None, folder: Path, settings: Settings, workers: int, device: str, worker: int
) -> None:
    imitation, _, about = _imitation(folder, settings, worker, device, FIRST_KINDS)
    minilm = minilm_folder()
    network = load_weights(start)[0].requires_grad_(True) if start else from_minilm(minilm, settings.dropout)
    if start:
        about["start"] = _told(start)

    def save(network: SketchNetwork, step: int) -> None:
        told = {"step": step, "settings": asdict(settings), "workers": workers, **about}
        save_weights(network, minilm / "tokenizer.json", folder / "weights", **told)

    train(
        network.to(device),
        imitation,
        save=save,
        folder=folder,
        settings=settings,
        worker=worker,
        workers=workers,
        device=device,
    )


def _judge(folder: Path, settings: Settings, workers: int, device: str, worker: int) -> None:
    """The second part: from the weights of the first, with its own candidates. Lies in FOLDER/judging."""
    import torch

    imitation, pools, about = _imitation(folder, settings, worker, device, SECOND_KINDS)
    judged = list(read_judged(sorted((folder / "judged").glob("*.jsonl"))))
    network, writer = load_weights(folder / "weights")
    rates = replace(Rates(), take=0.0, elsewhere=0.0, widen=0.0)
    stream = JudgedStream(judged, writer, pools, rates=rates, rows=JUDGED_ROWS, seed=settings.seed + worker)
    first = _told(folder / "weights")

    def save(network: SketchNetwork, step: int) -> None:
        judging = {"step": step, "settings": asdict(settings), "judged": len(judged)}
        told = {**first, "judging": judging, "workers": workers, **about}
        tempered = copy.deepcopy(network)
        with torch.no_grad():
            for parameter in tempered.verdict.parameters():
                parameter.mul_(VERDICT_SHARE)
        save_weights(tempered, folder / "weights" / "tokenizer.json", folder / "judging" / "weights", **told)

    train(
        network.requires_grad_(True).to(device),
        Judging(imitation, stream),
        save=save,
        folder=folder / "judging",
        settings=settings,
        worker=worker,
        workers=workers,
        device=device,
    )


def average(weights: Sequence[Path], folder: Path) -> Path:
    """The mean of weights of one shape, the last of which tells how they were made; returns `folder`.

    Weights from different points of one training are each a little off in their own way; on the databases
    held out their mean answered more questions than any of them (Izmailov et al., arXiv 1803.05407).
    """
    networks = [load_weights(one)[0] for one in weights]
    mean = copy.deepcopy(networks[-1])
    states = [network.state_dict() for network in networks]
    mean.load_state_dict({name: sum(state[name] for state in states) / len(states) for name in states[0]})
    config = json.loads((weights[-1] / "config.json").read_text())
    told = {name: value for name, value in config.items() if name not in _OWN}
    of = [_told(one) for one in weights[:-1]]
    save_weights(mean, weights[-1] / "tokenizer.json", folder, **told, averaged_with=of)
    return folder


def _told(weights: Path) -> dict[str, Any]:
    """What the weights say of how they were made."""
    config = json.loads((weights / "config.json").read_text())
    return {
        name: config[name]
        for name in ("step", "settings", "start", "judging", "averaged_with")
        if name in config
    }


def _steps_done(weights: Path, judging: bool) -> int:
    if not (weights / "config.json").is_file():
        return 0
    told = _told(weights)
    return (told["judging"] if judging else told).get("step", 0)
