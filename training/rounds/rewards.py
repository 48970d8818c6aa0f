"""What models find of responses: their log-probability, and the implicit reward log(pi / pi_SFT)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import SqlbergError
from ...models.adapters.kinds import Adapter
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
    *,
    adapted: bool = True,
) -> dict[str, Scored]:
    """Every response that the policy can read, by its id.

    policy: pi with its adapter; without it, pi_SFT. adapted: it was trained, so that the two are different.
    """
    rows = [(names, read) for row in sampled for names, read in _encoded(policy, row)]
    wanted = [read for _, read in rows]
    progress.stage("log-probabilities", (1 + adapted) * len(wanted))
    base = logprobs(policy, wanted, "base", about, settings, progress)
    start = logprobs(policy, wanted, "start", about, settings, progress) if adapted else base
    found: dict[str, Scored] = {}
    for names, read in rows:
        for name, now, before in zip(names, start[read.key], base[read.key], strict=True):
            found[name] = Scored(now, now - before if adapted else None)
    return found


def _encoded(policy: Policy, row: Sampled) -> Iterator[tuple[list[str], Encoded]]:
    """The responses to a question by their ids, together: what they share is computed once. Those that the
    policy has no words for are left out: other evidence may still decide.
    """
    if not row.responses:
        return
    with contextlib.suppress(SqlbergError):
        together = policy.encode(row.prompt, [one.messages for one in row.responses], row.tools)
        yield [one.id for one in row.responses], together
        return
    for response in row.responses:
        with contextlib.suppress(SqlbergError):
            yield [response.id], policy.encode(row.prompt, [response.messages], row.tools)


def scored_by(
    reference: str, sampled: Sequence[Sampled], folder: Path, progress: Progress
) -> dict[str, Scored]:
    """The same by a model's reference, MODEL[+ADAPTER]; what was computed is kept in `folder`."""
    kind, name, adapter = in_process(reference)
    policy = learner_of(f"{kind}:{name}" if name else kind).policy(adapter, Adapter())
    about = Learning(folder / "references")
    return scored_responses(policy, sampled, Settings(), about, progress, adapted=adapter is not None)
