"""The answer to look at closely: result, chart, SQL to change and run again, files to take away."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gradio as gr

from ...errors import SqlbergError
from ...tools.limits import Result
from .charts import MARKS, Chart, fitting, kinds, spec
from .looked_at import LookedAt, Updates, datatypes, facts, frame, told
from .room import Room, person_of
from .taking_away import TakingAway

NO_CHART = "none"


class AnswerPanel:
    """Its components, built inside a `gr.Blocks`. seen: the session's `LookedAt`."""

    def __init__(self, room: Room, seen: gr.State) -> None:
        self.room, self.seen = room, seen
        with gr.Column(visible=False, elem_id="answer") as self.whole:
            self.facts = gr.HTML(elem_id="facts")
            self._build_choices()
            self.table = gr.Dataframe(
                interactive=False, label="Result", max_height=420, show_search="search", wrap=True,
                elem_id="table", buttons=["fullscreen"], datatype="str",
            )  # fmt: skip
            self._build_chart()
            with gr.Accordion("SQL", open=True, elem_id="sql-part"):
                self.sql = gr.Code(
                    language="sql",
                    label="SQL, to read and to change",
                    elem_id="sql",
                    wrap_lines=True,
                    lines=2,
                    max_lines=14,
                )
                self.run = gr.Button("Run this SQL", elem_id="run")
            self.note = gr.HTML(elem_id="note", render=False)
            self.taking_away = TakingAway(seen, self.note)
            self.note.render()

    def _build_choices(self) -> None:
        with gr.Row(visible=False, elem_id="choices") as self.choices:
            self.readings = []
            for number in (1, 2):
                with gr.Column(min_width=280):
                    table = gr.Dataframe(interactive=False, label=f"Reading {number}", max_height=200)
                    sql = gr.Code(language="sql", interactive=False, label="Its SQL")
                    choose = gr.Button(f"I mean this ({number})", elem_id=f"choose-{number}")
                    self.readings.append((table, sql, choose))

    def _build_chart(self) -> None:
        with gr.Accordion("Chart", open=True, elem_id="chart-part") as self.chart_part:
            with gr.Row():
                self.mark = gr.Dropdown([NO_CHART, *MARKS], label="Chart", elem_id="mark", min_width=120)
                self.axes = [
                    gr.Dropdown([], label=label, elem_id=label.lower(), min_width=120)
                    for label in ("Across", "Up", "Colour")
                ]
            self.plot = gr.Plot(label="Chart", elem_id="plot", show_label=False)

    @property
    def drawn(self) -> list[Any]:
        """What another result changes."""
        return [
            self.table, self.facts, self.chart_part, self.mark, *self.axes, self.plot
        ]  # fmt: skip

    @property
    def parts(self) -> list[Any]:
        """All that `show` may change."""
        readings = [part for reading in self.readings for part in reading[:2]]
        return [
            self.whole, self.choices, *readings, self.sql, self.note, *self.drawn
        ]  # fmt: skip

    def wire(self) -> None:
        """What happens on the panel."""
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        self.taking_away.wire()
        self.run.click(
            self._run, [self.sql, self.seen], [self.seen, self.note], concurrency_limit=None, **quiet
        ).then(self.draw, [self.seen], self.drawn, **quiet)
        for part in (self.mark, *self.axes):
            part.input(self._redraw, [self.seen, self.mark, *self.axes], [self.plot], **quiet)

    def show(self, seen: LookedAt) -> Updates:
        """All of it."""
        kept = seen.kept
        if kept is None:
            return {self.whole: gr.update(visible=False)}
        updates: Updates = {
            self.whole: gr.update(visible=True),
            self.choices: gr.update(visible=len(seen.rivals) == 2),
            self.sql: kept.sql,
            self.note: "",
        }
        nothing = {"columns": [], "rows": [], "sql": ""}
        for (table, sql, _), reading in zip(self.readings, seen.rivals or [nothing] * 2, strict=False):
            updates |= {table: frame(reading["columns"], reading["rows"]), sql: reading["sql"]}
        return updates | self.draw(seen)

    def draw(self, seen: LookedAt) -> Updates:
        """The result alone."""
        result, chart = seen.result, seen.chart
        if result is None:
            hidden = gr.update(visible=False)
            return {self.table: hidden, self.facts: facts(seen), self.chart_part: hidden}
        used = (chart.x, chart.y, chart.colour) if chart else (None, None, None)
        names = [NO_CHART, *result.columns]
        drawable = len(result.rows) > 1 and "number" in kinds(result)
        updates: Updates = {
            self.table: gr.update(
                value=frame(result.columns, result.rows), datatype=datatypes(result), visible=True
            ),
            self.facts: facts(seen),
            self.chart_part: gr.update(visible=drawable),
            self.mark: chart.mark if chart else NO_CHART,
            self.plot: _drawing(chart, result) if chart else None,
        }
        for axis, column in zip(self.axes, used, strict=True):
            value = NO_CHART if column is None else result.columns[column]
            updates[axis] = gr.update(choices=names, value=value)
        return updates

    def _redraw(self, seen: LookedAt, mark: Any, across: str, up: str, colour: str) -> Any:
        result = seen.result
        if result is None or mark == NO_CHART or NO_CHART in (across, up):
            return None
        x, y = (result.columns.index(name) for name in (across, up))
        tint = result.columns.index(colour) if colour in result.columns else None
        return _drawing(fitting(Chart(mark, x, y, tint), result), result)

    def _run(self, sql: str, seen: LookedAt, request: gr.Request) -> Updates:
        if seen.kept is None:
            return {}
        try:
            result = self.room.run(seen.kept.db_id, sql, person=person_of(request))
        except SqlbergError as error:
            return {self.note: told(str(error), good=False)}
        return {
            self.seen: seen.with_result(replace(result, sql=sql)),
            self.note: told("This SQL gives that."),
        }


def _drawing(chart: Chart, result: Result) -> Any:
    import altair

    return altair.Chart.from_dict(spec(chart, result))
