"""Improve: start a run, watch it, stop it and go on, compare its adapters, answer with one, go back."""

from __future__ import annotations

import shutil
from functools import partial
from html import escape as html
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gradio as gr

from ...errors import SqlbergError
from ...models.in_use import put_to_use, roll_back
from ...training.curves import curves
from ...training.feedback.lessons import lessons
from ...training.formats import write_preferences
from ...training.preferences import Preference
from ...training.rounds.report import overview
from ...training.rounds.sources import one_database
from .looked_at import Updates, frame, told
from .room import Room, person_of
from .runs import Runs, Seen

EVERY = 2.0
"""Seconds between looks at a run."""
METHODS = ["ssapo", "dpo", "spa", "epa", "ipo"]
ANNOTATORS = ["combined", "execution", "implicit"]


class ImprovePage:
    """Its components, built inside a `gr.Blocks`. Whoever comes may watch; those who manage the room start,
    stop and choose.
    """

    def __init__(self, room: Room, runs: Runs) -> None:
        self.room, self.runs = room, runs
        self.timer = gr.Timer(EVERY, active=False)  # only while somebody looks (`watch`)
        self._drawn: dict[str, tuple[Any, str]] = {}
        with gr.Row():
            with gr.Column(scale=1, min_width=260):
                self._build_start()
            with gr.Column(scale=4, min_width=320):
                self._build_watch()
        self._wire()

    def _build_start(self) -> None:
        room = self.room
        self.name = gr.Textbox(label="Name of a new run", value="first", elem_id="run-name")
        self.database = gr.Dropdown(room.names, value=room.names[0], label="Database", elem_id="run-database")
        self.questions = gr.File(
            label="Questions (JSONL)", file_types=[".jsonl"],
            elem_id="run-questions", height=170,
        )  # fmt: skip
        self.held_out = gr.File(
            label="Held out, with SQL (JSONL)",
            file_types=[".jsonl"],
            elem_id="run-held-out",
            height=170,
        )
        gr.Markdown("Without questions some are made up. Those held out decide whether an adapter is kept.")
        self.said = gr.Checkbox(True, label="Begin with what people said here", elem_id="run-said")
        with gr.Accordion("How it learns", open=False, elem_id="run-how"):
            self.method = gr.Dropdown(METHODS, value=METHODS[0], label="Objective", elem_id="run-method")
            self.annotator = gr.Dropdown(ANNOTATORS, value=ANNOTATORS[0], label="Annotator")
            self.rounds = gr.Slider(1, 6, value=2, step=1, label="Rounds", elem_id="run-rounds")
            self.made_up = gr.Slider(
                20, 1000, value=100, step=10, label="Questions to make up", elem_id="run-made-up"
            )
        self.start = gr.Button("Start", variant="primary", elem_id="run-start")
        self.note = gr.HTML(elem_id="run-note")

    def _build_watch(self) -> None:
        with gr.Row(equal_height=True):
            self.run = gr.Dropdown([], label="Run", elem_id="run", scale=3)
            self.go_on = gr.Button("Go on", elem_id="run-go-on", min_width=90)
            self.stop = gr.Button("Stop", variant="stop", elem_id="run-stop", min_width=90)
        self.state = gr.HTML(elem_id="run-state")
        self.curves = gr.HTML(elem_id="run-curves")
        self.table = gr.Dataframe(
            interactive=False,
            label="Rounds",
            elem_id="run-rounds-table",
            wrap=True,
            column_widths=[70, 92, 92, 74, 64, 84, 72, 66, 60, 260],  # the last says why, in words
        )
        with gr.Row(equal_height=True):
            self.adapter = gr.Dropdown([], label="Adapter", elem_id="run-adapter", scale=3)
            self.use = gr.Button("Answer with it", elem_id="run-use", min_width=120)
            self.back = gr.Button("Go back", elem_id="run-back", min_width=90)
        with gr.Accordion("Compare on held-out questions", open=False):
            with gr.Row(equal_height=True):
                self.before = gr.Dropdown([], label="Of", elem_id="run-before")
                self.after = gr.Dropdown([], label="And", elem_id="run-after")
                self.compare = gr.Button("Compare", elem_id="run-compare", min_width=90)
            self.changed = gr.Dataframe(
                interactive=False, label="Answered differently", wrap=True, elem_id="run-changed"
            )

    def watch(self, here: gr.Tab, elsewhere: list[gr.Tab]) -> None:
        """Look every few seconds while this tab is open, and not while another is."""
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
        here.select(lambda: gr.Timer(active=True), [], [self.timer], **quiet)
        for tab in elsewhere:
            tab.select(lambda: gr.Timer(active=False), [], [self.timer], **quiet)

    @property
    def at_first(self) -> list[Any]:
        return [self.run, *self._watched]

    @property
    def _watched(self) -> list[Any]:
        return [
            self.state, self.curves, self.table, self.adapter, self.before, self.after, self.go_on, self.stop
        ]  # fmt: skip

    def _wire(self) -> None:
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        given = [
            self.name, self.database, self.questions, self.held_out, self.said, self.method, self.annotator,
            self.rounds, self.made_up,
        ]  # fmt: skip
        self.start.click(self._start, given, [self.note, *self.at_first], **quiet)
        self.run.input(self._look, [self.run], self._watched, **quiet)
        self.timer.tick(self._look, [self.run], self._watched, **quiet)
        for button, act in ((self.go_on, self.runs.go_on), (self.stop, self.runs.stop)):
            button.click(self._acting(act), [self.run], [self.note, *self._watched], **quiet)
        self.use.click(self._use, [self.run, self.adapter], [self.note, self.state], **quiet)
        self.back.click(self._back, [self.run], [self.note, self.state], **quiet)
        self.compare.click(
            self._compare, [self.run, self.before, self.after], [self.changed, self.note], **quiet
        )

    def opened(self) -> Updates:
        """What a new session sees: the newest run."""
        names = self.runs.names()
        return self._chosen(names[0] if names else None)

    def _chosen(self, name: str | None) -> Updates:
        return {self.run: gr.update(choices=self.runs.names(), value=name)} | self._look(name)

    def _start(
        self,
        name: str,
        database: str,
        questions: str | None,
        held_out: str | None,
        said: bool,
        method: str,
        annotator: str,
        rounds: int,
        made_up: int,
        request: gr.Request,
    ) -> Updates:
        if refused := self._refused(request):
            return refused
        if database not in self.room.databases:
            return {self.note: told("Choose a database first.", good=False)}
        options = ["--model", self.runs.choice.learner, "--method", method, "--annotator", annotator]
        options += ["--rounds", str(rounds), "--made-up", str(made_up), "--embedder", self.room.embedder]
        give = partial(self._give, database, questions, held_out, said)
        try:
            self.runs.begin(name, self.room.databases[database], options, give)
        except (SqlbergError, OSError) as error:
            return {self.note: told(str(error), good=False)}
        return {self.note: told("It works, and goes on if you close the page.")} | self._chosen(name)

    def _refused(self, request: gr.Request) -> Updates:
        """What is told to those who may not; nothing to those who may."""
        if self.room.managed_by(person_of(request)):
            return {}
        return {self.note: told("Only those who manage this server may do that.", good=False)}

    def _seeds(self, database: str) -> list[Preference]:
        """What people said about a database, as far as it tells a better answer from a worse, and holds
        nothing that the run may not read.
        """
        store, rights = self.room.store, self.room.rights("")
        asked = [one for one in store.asked(db_id=database)[::-1] if rights in ("", one.rights)]
        found = lessons(asked, store.said())
        db_id = one_database(self.room.databases[database]) or database
        return [one.model_copy(update={"db_id": db_id}) for one in found if isinstance(one, Preference)]

    def _give(
        self, database: str, questions: str | None, held_out: str | None, said: bool, folder: Path
    ) -> list[str]:
        """Write what a run is given into its folder; returns the options that name it."""
        given: list[str] = []
        if self.room.policy is not None:  # a run reads no more than the page does
            policy = folder / "policy.json"
            policy.write_text(self.room.policy.model_dump_json(exclude_defaults=True), encoding="utf-8")
            given += ["--policy", str(policy)]
        for name, file in (("questions", questions), ("held-out", held_out)):
            if file:
                kept = folder / f"{name}{Path(file).suffix}"  # its ending tells its format
                given += [f"--{name}", str(shutil.copyfile(file, kept))]
        if said and (seeds := self._seeds(database)):
            given += ["--seed-preferences", str(write_preferences(folder / "said.jsonl", seeds))]
        return given

    def _acting(self, act: Any) -> Any:
        def acted(name: str | None, request: gr.Request) -> Updates:
            if refused := self._refused(request):
                return refused
            if name is None:
                return {self.note: told("Choose a run first.", good=False)}
            try:
                act(name)
            except (SqlbergError, OSError) as error:
                return {self.note: told(str(error), good=False)}
            return {self.note: ""} | self._look(name)

        return acted

    def _look(self, name: str | None) -> Updates:
        if name is None:
            return {self.state: '<p class="facts">No run yet: start one.</p>'}
        try:
            seen = self.runs.seen(name)
            adapters = self.runs.adapters(name)
            measured = self.runs.measured(name)
        except SqlbergError as error:
            return {self.state: told(str(error), good=False)}
        return {
            self.state: _state(seen, self.room.model_name),
            self.curves: self._pictures(seen),
            self.table: _rounds(seen),
            self.adapter: gr.update(choices=[(_named(path), path) for path in adapters]),
            self.before: gr.update(choices=measured),
            self.after: gr.update(choices=measured),
            self.go_on: gr.update(interactive=not seen.running),
            self.stop: gr.update(interactive=seen.running),
        }

    def _pictures(self, seen: Seen) -> str:
        """Curves of the training and what the rounds came to, drawn anew only when there is more to see."""
        if not find_spec("matplotlib"):
            return ""
        state = (len(seen.log), seen.log[-1:], len(seen.rounds))
        if self._drawn.get(seen.name, (None, ""))[0] != state:
            drawn = curves(seen.log) if seen.log else ""
            self._drawn[seen.name] = (state, drawn + overview(self.runs.place(seen.name)))
        return self._drawn[seen.name][1]

    def _use(self, name: str | None, adapter: str | None, request: gr.Request) -> Updates:
        if refused := self._refused(request):
            return refused
        if name is None or adapter not in self.runs.adapters(name):
            return {self.note: told("Choose a run and one of its adapters first.", good=False)}
        try:
            self._answer_with(Path(adapter))
            put_to_use(self.runs.place(name), Path(adapter))
        except (SqlbergError, OSError) as error:
            return {self.note: told(str(error), good=False)}
        return {self.note: told(f"{_named(adapter)} answers from the next question on.")} | self._again(name)

    def _back(self, name: str | None, request: gr.Request) -> Updates:
        if refused := self._refused(request):
            return refused
        if name is None:
            return {self.note: told("Choose a run first.", good=False)}
        try:
            before = roll_back(self.runs.place(name))
            self._answer_with(before)
        except (SqlbergError, OSError) as error:
            return {self.note: told(str(error), good=False)}
        what = _named(str(before)) if before else "the model without an adapter"
        return {self.note: told(f"Again {what} answers.")} | self._again(name)

    def _answer_with(self, adapter: Path | None) -> None:
        self.room.use(self.runs.choice.model(adapter))
        self.runs.choice.keep(adapter)

    def _again(self, name: str) -> Updates:
        return {self.state: _state(self.runs.seen(name), self.room.model_name)}

    def _compare(
        self, name: str | None, before: str | None, after: str | None, request: gr.Request
    ) -> Updates:
        if refused := self._refused(request):
            return refused
        if name is None or before is None or after is None:
            return {self.note: told("Choose a run and two of its adapters first.", good=False)}
        try:
            rows = self.runs.changed(name, before, after)
        except SqlbergError as error:
            return {self.note: told(str(error), good=False)}
        heads = ["question", "change", before, after]
        return {self.changed: frame(heads, [[row[head] for head in heads] for row in rows]), self.note: ""}


def _named(adapter: str) -> str:
    """`round-2`, of `.../round-2/train/adapter`."""
    return Path(adapter).parent.parent.name


def _state(seen: Seen, model: str) -> str:
    doing = "working" if seen.running else "not working"
    used = _named(seen.adapter) if seen.adapter else "the model as it was"
    lines = html("\n".join(seen.lines))
    return (
        f'<p class="facts"><strong>{html(seen.name)}</strong> is {doing} · in use in it: {html(used)} · '
        f"answering here: {html(model)}</p><pre>{lines}</pre>"
    )


def _rounds(seen: Seen) -> dict[str, Any]:
    heads = [
        "round",
        "questions",
        "preferred",
        "true, %",
        "pairs",
        "moved, %",
        "before",
        "after",
        "kept",
        "why",
    ]
    rows = []
    for one in seen.rounds:
        measured = one.get("measured") or {}
        true = round(100 * one["true"] / one["told_apart"], 1) if one.get("told_apart") else None
        rows.append(
            [
                one["number"], one["questions"], one["verdicts"].get("preferred", 0), true, one["pairs"],
                round(100 * one.get("moved", 0.0), 1), measured.get("before"), measured.get("after"),
                "yes" if one.get("kept") else "no", one.get("reason", ""),
            ]
        )  # fmt: skip
    return frame(heads, rows)
