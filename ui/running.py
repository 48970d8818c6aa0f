"""What the commands of a run share: its bars, the files it is given, what is told of bad lines."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .console import err, plain_text

if TYPE_CHECKING:
    from ..training.preferences import Lesson, Preference
    from ..training.rounds.plan import Progress
    from ..training.rows import BadLine
    from ..training.trainer import Step

SHOWN_BAD_LINES = 5


def tell_bad_lines(set_aside: Iterable[tuple[str, BadLine]]) -> None:
    """The first of them, and how many there are; set_aside: each with its file's name."""
    console = err()
    told = list(set_aside)
    for name, bad in told[:SHOWN_BAD_LINES]:
        console.print(plain_text(f"{name} line {bad.number} set aside: {bad.reason}"))
    if len(told) > SHOWN_BAD_LINES:
        console.print(plain_text(f"{len(told)} lines were set aside in all"))


def read_preference_file(file: Path | None) -> tuple[Preference, ...]:
    """The preferences of a file, its bad lines told. Raises `SqlbergError`."""
    from ..training.formats import read_preferences

    if file is None:
        return ()
    read = read_preferences(file)
    tell_bad_lines((file.name, bad) for bad in read.bad)
    return read.rows


def read_lesson_file(file: Path) -> tuple[Lesson, ...]:
    """The preferences or trajectories of a file, its bad lines told. Raises `SqlbergError`."""
    from ..training.formats import read_lessons

    read = read_lessons(file)
    tell_bad_lines((file.name, bad) for bad in read.bad)
    return read.rows


def shown(bar: Any) -> Progress:
    """A bar for each stage, as the run comes to it; where there is no terminal, a line."""
    from ..training.rounds.plan import Progress

    console = err()

    class Shown(Progress):
        task: Any = None
        tokens: int = 0
        began: float = 0.0

        def stage(self, name: str, items: int) -> None:
            title = name if self.round is None else f"round {self.round}: {name}"
            self.tokens, self.began = 0, time.monotonic()
            self.task = bar.add_task(title, total=max(1, items), note="")
            if bar.disable:
                console.print(plain_text(f"{title} ({items})"))

        def advance(self, items: int) -> None:
            bar.advance(self.task, items)

        def step(self, step: Step) -> None:
            self.tokens += step.tokens
            speed = self.tokens / max(1e-9, time.monotonic() - self.began)
            note = (
                f"loss {step.loss:.3f}, chosen {step.chosen:.2f}, rejected {step.rejected:.2f}, "
                f"margin {step.margin:+.2f}, right {100 * step.accuracy:.0f} %, {speed:,.0f} tokens/s"
            )
            bar.update(self.task, completed=step.step, total=step.steps, note=note)

    return Shown()


def judge_of(reference: str | None) -> Any:
    """The chat model that judges, if one is named."""
    if reference is None:
        return None
    from ..models.references import load_chat_model

    return load_chat_model(reference)
