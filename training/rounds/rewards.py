"""What models find of responses: their log-probability, and the implicit reward log(pi / pi_SFT)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import SqlbergError
from ...models.references import in_process
from ..policies import Encoded, Policy
from ..trainer import Settings
from .candidates import Sampled
from .learners import learner_of
from .learning import Learning, logprobs
from .plan import Progress


@dataclass(frozen=True)
class Scored:
    """logprob: log pi of a response; reward: log(pi / pi_SFT), where pi is another than pi_SFT (SPA, arXiv
    2406.04412, eq. 8, without beta).
    """

    logprob: float
    reward: float | None = None


def scored_responses(
    policy: Policy,
    sampled: Sequence[Sampled],
    settings: Settings,
    about: Learning,
    progress: Progress,
    tools: Sequence[dict[str, Any]] = (),
    *,
    adapted: bool = True,
) -> dict[str, Scored]:
    """Every response that the policy can read, by its id.

    policy: pi with its adapter; without it, pi_SFT. adapted: it was trained, so that the two are different.
    """
    rows: dict[str, Encoded] = {}
    for row in sampled:
        for response in row.responses:
            try:
                rows[response.id] = policy.encode(row.prompt, [response.messages], tools)
            except SqlbergError:
                continue  # nothing is known of it; other evidence may still decide
    progress.stage("log-probabilities", (1 + adapted) * len(rows))
    wanted = list(rows.values())
    base = logprobs(policy, wanted, "base", about, settings, progress)
    if not adapted:
        return {name: Scored(base[row.key][0]) for name, row in rows.items()}
    start = logprobs(policy, wanted, "start", about, settings, progress)
    return {
        name: Scored(start[row.key][0], start[row.key][0] - base[row.key][0]) for name, row in rows.items()
    }


def scored_by(
    reference: str, sampled: Sequence[Sampled], folder: Path, progress: Progress
) -> dict[str, Scored]:
    """The same by a model's reference, MODEL[+ADAPTER]; what was computed is kept in `folder`."""
    kind, name, adapter = in_process(reference)
    policy = learner_of(f"{kind}:{name}" if name else kind).policy(adapter, rank=1)
    about = Learning(folder / "references")
    return scored_responses(policy, sampled, Settings(), about, progress, adapted=adapter is not None)
