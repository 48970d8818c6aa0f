"""Thumbs, corrections and choices: what a person says of the answer they look at."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ...errors import SqlbergError
from ...training.feedback.store import Said, Verdict
from .answer_panel import AnswerPanel
from .looked_at import LookedAt, Updates, told
from .room import Room, person_of

THANKS = "Kept. The model will learn from it."


class Teaching:
    """Its components, built inside a `gr.Blocks`, beside the panel of the answer."""

    def __init__(self, room: Room, panel: AnswerPanel) -> None:
        self.room, self.panel = room, panel
        with gr.Row(equal_height=True, elem_id="teaching", visible=False) as self.whole:
            self.good = gr.Button("👍 Right", elem_id="good", min_width=90)
            self.bad = gr.Button("👎 Wrong", elem_id="bad", min_width=90)
            self.right = gr.Button("The SQL above is right", elem_id="teach", min_width=120)
            self.words = gr.Textbox(label="Why, or anything else", elem_id="words", scale=4, max_length=2_000)
            self.comment = gr.Button("Say this", elem_id="comment", min_width=90)
        self.thanks = gr.HTML(elem_id="thanks")

    @property
    def parts(self) -> list[Any]:
        return [self.whole, self.words, self.thanks]

    def show(self, seen: LookedAt) -> Updates:
        own = seen.kept is not None and not seen.theirs
        return {self.whole: gr.update(visible=own), self.words: "", self.thanks: ""}

    def wire(self) -> None:
        """What happens here, and on the panel's two readings."""
        seen = self.panel.seen
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        verdicts: list[tuple[gr.Button, Verdict]] = [
            (self.good, "up"), (self.bad, "down"), (self.comment, "comment")
        ]  # fmt: skip
        for button, verdict in verdicts:
            button.click(self._saying(verdict), [seen, self.words], [self.thanks, self.words], **quiet)
        self.right.click(
            self._corrected, [seen, self.panel.sql, self.words], [self.thanks, self.words], **quiet
        )
        for number, (_, _, choose) in enumerate(self.panel.readings):
            choose.click(
                self._choosing(number),
                [seen],
                [seen, self.thanks, self.words, self.panel.choices, self.panel.sql],
                **quiet,
            ).then(self.panel.draw, [seen], self.panel.drawn, **quiet)

    def _saying(self, verdict: Verdict) -> Any:
        def say(seen: LookedAt, words: str, request: gr.Request) -> Updates:
            if verdict == "comment" and not words.strip():
                return self._refused("Write what you want to say first.")
            return self._keep(seen, request, verdict=verdict, words=words.strip())

        return say

    def _corrected(self, seen: LookedAt, sql: str, words: str, request: gr.Request) -> Updates:
        if seen.kept is None or not sql.strip():
            return self._refused("There is no SQL to learn from.")
        if sql.strip() == seen.kept.sql.strip():
            return self._keep(seen, request, verdict="up", words=words.strip())
        try:
            self.room.run(seen.kept.db_id, sql, person=person_of(request))
        except SqlbergError as error:
            return self._refused(f"Only SQL that runs is learned from: {error}")
        return self._keep(seen, request, verdict="corrected", better=sql.strip(), words=words.strip())

    def _choosing(self, number: int) -> Any:
        def choose(seen: LookedAt, request: gr.Request) -> Updates:
            if len(seen.rivals) < 2:
                return {}
            one, other = seen.rivals[number], seen.rivals[1 - number]
            kept = self._keep(seen, request, verdict="preferred", better=one["sql"], worse=other["sql"])
            return kept | {
                self.panel.seen: seen.showing(one["columns"], one["rows"], one["sql"]),
                self.panel.choices: gr.update(visible=False),
                self.panel.sql: one["sql"],
            }

        return choose

    def _keep(self, seen: LookedAt, request: gr.Request, **said: Any) -> Updates:
        if seen.kept is None or seen.theirs:
            return self._refused("There is no answer of yours to speak of yet.")
        try:
            self.room.store.say(Said(asked=seen.kept.id, person=person_of(request), **said))
        except SqlbergError as error:
            return self._refused(str(error))
        return {self.thanks: told(THANKS), self.words: ""}

    def _refused(self, why: str) -> Updates:
        return {self.thanks: told(why, good=False)}
