"""The implicit reward of a response: log(pi / pi_SFT), what training has made of the model so far."""

from __future__ import annotations

from collections.abc import Sequence
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


def implicit_rewards(
    policy: Policy,
    sampled: Sequence[Sampled],
    settings: Settings,
    about: Learning,
    progress: Progress,
    tools: Sequence[dict[str, Any]] = (),
) -> dict[str, float]:
    """Of every response that the policy can read, by its id (SPA, arXiv 2406.04412, eq. 8, without beta).

    policy: pi with its adapter; without it, pi_SFT.
    """
    rows: dict[str, Encoded] = {}
    for row in sampled:
        for response in row.responses:
            try:
                rows[response.id] = policy.encode(row.prompt, [response.messages], tools)
            except SqlbergError:
                continue  # it has no reward; other evidence may still decide
    progress.stage("rewards", 2 * len(rows))
    wanted = list(rows.values())
    start, base = (logprobs(policy, wanted, kind, about, settings, progress) for kind in ("start", "base"))
    return {name: start[row.key][0] - base[row.key][0] for name, row in rows.items()}


def rewards_by(
    reference: str, sampled: Sequence[Sampled], folder: Path, progress: Progress
) -> dict[str, float]:
    """The same for a model by its reference, MODEL+ADAPTER; what was computed is kept in `folder`.

    Raises `SqlbergError` where it has no adapter: then it is pi_SFT itself.
    """
    kind, name, adapter = in_process(reference)
    if adapter is None:
        raise SqlbergError(f"{reference} has no adapter, so it has no reward: name MODEL+ADAPTER")
    policy = learner_of(f"{kind}:{name}" if name else kind).policy(adapter, rank=1)
    return implicit_rewards(policy, sampled, Settings(), Learning(folder / "references"), progress)
