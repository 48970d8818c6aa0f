"""How likely aligned models find a response, for PoFT (arXiv 2412.12865, eq. 5; losses.py).

Each model reads the chosen response with its own tokenizer and template; its score is the mean
log-probability of one of its own tokens, so that tokenizers of different grain compare. Kept on disk by
content and by the model, and computed one model after the other: only one is in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from ..errors import SqlbergError
from ..models.references import in_process
from .dividing import processes
from .preferences import Lesson
from .reference import reference_logprobs

if TYPE_CHECKING:
    from .policies import Policy, Reference


def aligned_scores(
    models: Sequence[str],
    lessons: Sequence[Lesson],
    folder: Path,
    advance: Callable[[int], None] = lambda done: None,
) -> list[float | None]:
    """The score of what each lesson wants said, averaged over the models that have words for it; None where
    none has.

    models: references as `policy_of` takes them. folder: where what was computed lies. Raises `SqlbergError`.
    """
    accelerator = processes()
    found: list[list[float]] = [[] for _ in lessons]
    for model in models:
        policy, kind = policy_of(model)
        policy.network.to(accelerator.device)
        rows = {}
        for number, lesson in enumerate(lessons):
            try:
                rows[number] = policy.encode(lesson.prompt, lesson.responses[:1], lesson.tools)
            except SqlbergError:
                advance(1)  # another model may read it
        logprobs = reference_logprobs(
            policy, list(rows.values()), kind, folder, accelerator, half=True, advance=advance
        )
        for number, row in rows.items():
            found[number].append(logprobs[row.key][0] / max(1, row.own_tokens[0]))
    return [fmean(scores) if scores else None for scores in found]


def policy_of(reference: str) -> tuple[Policy, Reference]:
    """A model to score by (`models.references.in_process`), and as what: with its adapter or without."""
    kind, name, adapter = in_process(reference)
    scored: Reference = "start" if adapter else "base"
    if kind == "embedded":
        from .embedded.policy import EmbeddedPolicy

        return EmbeddedPolicy(adapter=adapter), scored
    from ..models.loading import load_network
    from .policies import CausalPolicy

    network, tokenizer = load_network(name, adapter=adapter)
    return CausalPolicy(network, tokenizer), scored
