"""Label: question after question, two answers side by side, judged with one key each."""

from __future__ import annotations

from html import escape as html
from pathlib import Path
from typing import Any

import gradio as gr

from ...errors import SqlbergError
from ...training.evaluation.dataset import Question
from ...training.feedback.store import Said
from .labelling import SELECTOR_NAMES, Labelling, Task, shown
from .looked_at import Updates, frame, told
from .room import person_of

KEYS = """<script>
document.addEventListener("keydown", (event) => {
  const at = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName) || at.isContentEditable) return;
  const button = document.querySelector(`button#label-key-${CSS.escape(event.key)}`);
  if (button && button.offsetParent && !button.disabled) { event.preventDefault(); button.click(); }
});
</script>"""
"""A digit presses the button that bears it, unless something is being written."""
VERDICTS = ("A is right (1)", "B is right (2)", "Both are right (3)", "Neither (4)", "Skip (5)")
SKIP = 4


class LabelPage:
    """Its components, built inside a `gr.Blocks`."""

    def __init__(self, labelling: Labelling) -> None:
        self.labelling = labelling
        room = labelling.room
        self.queue, self.at, self.task = gr.State([]), gr.State(0), gr.State(None)
        with gr.Row(equal_height=True):
            self.database = gr.Dropdown(
                room.names, value=room.names[0], label="Database", elem_id="label-database"
            )
            self.selector = gr.Dropdown(
                list(SELECTOR_NAMES), value="vapal", label="Ranked by", elem_id="label-selector"
            )
            self.count = gr.Slider(5, 200, value=20, step=5, label="Questions")
            self.begin = gr.Button("Make a queue", variant="primary", elem_id="label-begin")
        with gr.Accordion("Questions of a file instead of those asked here", open=False):
            self.file = gr.File(
                label="JSONL with question", file_types=[".jsonl"], elem_id="label-file", height=140
            )
        self.progress = gr.HTML(elem_id="label-progress")
        with gr.Column(visible=False, elem_id="label-task") as self.whole:
            self.question = gr.HTML(elem_id="label-question")
            with gr.Row():
                self.sides = [self._side(name) for name in "AB"]
            with gr.Row():
                self.verdicts = [
                    gr.Button(text, elem_id=f"label-key-{number}", min_width=110)
                    for number, text in enumerate(VERDICTS, start=1)
                ]
        with gr.Accordion("Where people disagree", open=False):
            self.disagreements = gr.Dataframe(interactive=False, wrap=True, elem_id="label-disagreements")
        self._wire()

    def _side(self, name: str) -> tuple[Any, Any, Any]:
        with gr.Column(min_width=300, elem_id=f"label-{name.lower()}") as whole:
            table = gr.Dataframe(interactive=False, label=name, max_height=300, wrap=True)
            sql = gr.Code(language="sql", interactive=False, label=f"SQL of {name}", wrap_lines=True)
        return whole, table, sql

    def _wire(self) -> None:
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal"}
        state = [self.queue, self.at, self.task]
        below = [
            self.progress, self.whole, self.question, *(part for side in self.sides for part in side),
            *self.verdicts, self.disagreements,
        ]  # fmt: skip
        self.begin.click(
            self._begin,
            [self.database, self.selector, self.count, self.file],
            [*state, *below],
            concurrency_limit=2,
            **quiet,
        )
        for number, button in enumerate(self.verdicts):
            button.click(self._judging(number), state, [*state, *below], concurrency_limit=None, **quiet)

    def _begin(self, name: str, selector: str, count: int, file: str | None, request: gr.Request) -> Updates:
        try:
            queue = self.labelling.queue(
                name, person_of(request), selector, int(count), Path(file) if file else None
            )
        except SqlbergError as error:
            return {self.progress: told(str(error), good=False), self.whole: gr.update(visible=False)}
        return {self.queue: queue} | self._next(queue, 0, request)

    def _judging(self, verdict: int) -> Any:
        def judge(queue: list[Question], at: int, task: Task | None, request: gr.Request) -> Updates:
            if at >= len(queue) or (task is None and verdict != SKIP):
                return {}
            if task is not None and (said := _said(verdict, task, person_of(request))):
                try:
                    self.labelling.room.store.say(said)
                except SqlbergError as error:
                    return {self.progress: told(str(error), good=False)}
            return self._next(queue, at + 1, request)

        return judge

    def _next(self, queue: list[Question], at: int, request: gr.Request) -> Updates:
        """The question at this place of the queue, or the end of it."""
        name = queue[0].db_id
        apart = frame(["question", "person", "SQL"], self.labelling.disagreements(name, person_of(request)))
        if at >= len(queue):
            done = f"All {len(queue)} are done. Thank you: make another queue when you like."
            return {
                self.at: at, self.task: None, self.progress: told(done),
                self.whole: gr.update(visible=False), self.disagreements: apart,
            }  # fmt: skip
        try:
            task = self.labelling.task(queue[at], person_of(request))
        except SqlbergError as error:
            return {
                self.at: at, self.task: None, self.progress: told(str(error), good=False),
                self.whole: gr.update(visible=True),
                self.question: f"<h3>{html(queue[at].question)}</h3><p>It can only be skipped.</p>",
                **{whole: gr.update(visible=False) for whole, _, _ in self.sides},
                **{key: gr.update(visible=n == SKIP) for n, key in enumerate(self.verdicts)},
                self.disagreements: apart,
            }  # fmt: skip
        both = len(task.sides) > 1
        updates: Updates = {
            self.at: at,
            self.task: task,
            self.progress: _progress(at, len(queue)),
            self.whole: gr.update(visible=True),
            self.question: _question(task),
            self.disagreements: apart,
        }
        for number, (whole, table, sql) in enumerate(self.sides):
            one = task.sides[number] if number < len(task.sides) else None
            updates |= {whole: gr.update(visible=one is not None)}
            if one is not None:
                updates |= {table: frame(one["columns"], one["rows"]), sql: one["sql"]}
        for number, button in enumerate(self.verdicts):
            fits = both or number in (0, 3, 4)
            updates[button] = gr.update(visible=fits and (bool(task.sides) or number in (3, 4)))
        return updates


def _said(verdict: int, task: Task, person: str) -> Said | None:
    """What a key says; nothing for a question that is skipped."""
    about: dict[str, Any] = {"asked": task.kept.id, "person": person}
    if verdict == SKIP:
        return None
    if verdict == 3:
        return Said(**about, verdict="neither", words="neither of the answers shown is right")
    if verdict == 2:
        return Said(**about, verdict="comment", words="both answers shown are right")
    better = task.sides[verdict]["sql"]
    if len(task.sides) < 2:
        return Said(**about, verdict="up")
    return Said(**about, verdict="preferred", better=better, worse=task.sides[1 - verdict]["sql"])


def _progress(at: int, total: int) -> str:
    bar = f'<progress value="{at}" max="{total}" aria-label="questions judged"></progress>'
    return f'<p class="facts">{bar} {at + 1} of {total}</p>'


def _question(task: Task) -> str:
    lines = [f"<h3>{html(task.kept.question)}</h3>"]
    if len(task.sides) > 1:
        one, other = task.apart
        lines.append(f"<p>Only A uses: {html(shown(one))}. Only B uses: {html(shown(other))}.</p>")
    elif task.sides:
        lines.append("<p>All candidates give this one answer.</p>")
    else:
        lines.append(f"<p>No candidate ran: {html(str(task.kept.answer.get('reason') or ''))}</p>")
    return "".join(lines)
