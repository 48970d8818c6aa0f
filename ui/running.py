"""What the commands of a run share: its bars, the files it is given, what is told of bad lines."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SqlbergError
from .console import err, plain_text

if TYPE_CHECKING:
    from ..models.references import ToLoad
    from ..training.preferences import Lesson, Preference
    from ..training.rounds.plan import Progress
    from ..training.rows import BadLine
    from ..training.trainer import Step

SHOWN_BAD_LINES = 5
STORE = ".sqlite"
"""Of a store of `sqlberg chat`."""


def tell_bad_lines(set_aside: Iterable[tuple[str, BadLine]]) -> None:
    """The first of them, and how many there are; set_aside: each with its file's name."""
    console = err()
    told = list(set_aside)
    for name, bad in told[:SHOWN_BAD_LINES]:
        console.print(plain_text(f"{name} line {bad.number} set aside: {bad.reason}"))
    if len(told) > SHOWN_BAD_LINES:
        console.print(plain_text(f"{len(told)} lines were set aside in all"))


def read_preference_file(file: Path | None, db_id: str | None = None) -> tuple[Preference, ...]:
    """The preferences of a file, or of a store of what people said (those about one database, if it is
    named). Its bad lines are told. Raises `SqlbergError`.
    """
    from ..training.formats import read_preferences
    from ..training.preferences import Preference

    if file is None:
        return ()
    if file.suffix == STORE:
        told = [one for one in _said_in(file, db_id) if isinstance(one, Preference)]
        if not told:
            raise SqlbergError(
                f"{file} holds no preference{f' about {db_id}' if db_id else ''}: correct an answer, or "
                "choose between two readings, on the page of `sqlberg chat`"
            )
        return tuple(told)
    read = read_preferences(file)
    tell_bad_lines((file.name, bad) for bad in read.bad)
    return read.rows


def read_lesson_file(file: Path) -> tuple[Lesson, ...]:
    """The same with trajectories, too."""
    from ..training.formats import read_lessons

    if file.suffix == STORE:
        return tuple(_said_in(file, None))
    read = read_lessons(file)
    tell_bad_lines((file.name, bad) for bad in read.bad)
    return read.rows


def _said_in(file: Path, db_id: str | None) -> list[Lesson]:
    """What a store teaches, the oldest question first."""
    from ..training.feedback.lessons import lessons
    from ..training.feedback.store import Store

    if not file.is_file():
        raise SqlbergError(f"{file} is not there")
    store = Store(file, new=False)
    return lessons(store.asked(db_id=db_id)[::-1], store.said())


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


def check_judge(annotator: str, judge: str | None) -> None:
    """Raises `SqlbergError` where the annotator is a judge and none is named: it would find only ties."""
    if annotator == "judge" and judge is None:
        raise SqlbergError("the annotator judge needs a model: name one with --judge")


def judge_of(reference: str | None, base_url: str | None) -> ToLoad | None:
    """The model that judges, if one is named. base_url: of its server, if it has one: that address may be
    another model's, and a judge that runs here, or at its provider, has none.
    """
    from ..models.references import ToLoad

    if reference is None:
        return None
    return ToLoad(reference, base_url if reference.startswith(("vllm:", "openai:")) else None)
