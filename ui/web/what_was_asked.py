"""What was asked and run, and what went wrong: one's own; those who manage see everybody's."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ...training.feedback.store import Asked, Said
from .looked_at import Updates, frame
from .room import Room

FAILURES, LOGGED = 200, 200
"""Questions looked through for those that went wrong; rows of the log that are shown."""
OBJECTIONS = ("down", "corrected", "neither")
"""The verdicts that an answer is wrong."""


class WhatWasAsked:
    """Its two tables, built inside a `gr.Blocks`."""

    def __init__(self, room: Room) -> None:
        self.room = room
        tables = {"failures": "Questions that went wrong", "log": "What was asked and run"}
        self.failures, self.log = (self._table(f"look-{name}", told) for name, told in tables.items())

    @staticmethod
    def _table(name: str, told: str) -> gr.Dataframe:
        with gr.Accordion(told, open=False, elem_id=f"{name}-part"):
            return gr.Dataframe(
                interactive=False, wrap=True, elem_id=name, datatype="str", label=told, show_label=False,
                show_search="search", max_height=420,
            )  # fmt: skip

    @property
    def parts(self) -> list[Any]:
        return [self.failures, self.log]

    def look(self, name: str, person: str) -> Updates:
        """Both, of a database, as far as this person may see."""
        store, whose = self.room.store, self.room.may_see(person)
        wrong = []
        for one in store.asked(db_id=name, person=whose, most=FAILURES):
            objections = [said for said in store.said(one.id) if said.verdict in OBJECTIONS]
            if one.status != "answered" or objections:
                wrong.append([one.person, one.question, one.status, one.sql, _why(one, objections)])
        logged = [
            [one.at[:19].replace("T", " "), one.person, one.question, one.sql, one.rows, one.outcome]
            for one in store.logged(db_id=name, person=whose, most=LOGGED)
        ]
        return {
            self.failures: frame(["who", "question", "status", "SQL", "why"], wrong),
            self.log: frame(["when (UTC)", "who", "question", "SQL", "rows", "outcome"], logged),
        }


def _why(asked: Asked, objections: list[Said]) -> str:
    told = [said.words or (said.better and f"better: {said.better}") or "wrong" for said in objections]
    return "; ".join(told) or str(asked.answer.get("reason", ""))
