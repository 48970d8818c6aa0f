"""Look around: tables, columns, their figures, how they join, and what people know of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from ...errors import SqlbergError
from ...tools.cells import plain
from ...tools.notes import Notes, join_text
from ...tools.schema import Catalog, Column
from .er_picture import er_picture
from .looked_at import Updates, frame, told
from .room import Room, person_of
from .what_was_asked import WhatWasAsked


class LookPage:
    """Its components, built inside a `gr.Blocks`."""

    def __init__(self, room: Room) -> None:
        self.room = room
        with gr.Row(equal_height=True):
            self.database = gr.Dropdown(
                room.names, value=room.names[0], label="Database", elem_id="look-database"
            )
            self.search = gr.Textbox(
                label="Search columns, by name or meaning", elem_id="look-search", scale=3
            )
        self.columns = gr.Dataframe(
            interactive=False,
            label="Columns",
            max_height=420,
            wrap=True,
            elem_id="look-columns",
            datatype="str",
        )
        with gr.Accordion("Picture", open=True):
            self.picture = gr.HTML(elem_id="look-picture")
        with gr.Accordion("What people know", open=True):
            self._build_notes()
        self.asked = WhatWasAsked(room)
        self._wire()

    def _build_notes(self) -> None:
        with gr.Row(equal_height=True):
            self.place = gr.Dropdown([], label="Table or column", elem_id="note-place", scale=2)
            self.text = gr.Textbox(label="What it holds", elem_id="note-text", scale=4, max_length=400)
            self.describe = gr.Button("Describe", elem_id="note-describe", min_width=90)
        with gr.Row(equal_height=True):
            self.term = gr.Textbox(label="Term", elem_id="note-term", scale=2, max_length=80)
            self.meaning = gr.Textbox(
                label="What it means here, in words or SQL", elem_id="note-meaning", scale=4, max_length=400
            )
            self.explain = gr.Button("Explain", elem_id="note-explain", min_width=90)
        with gr.Row(equal_height=True):
            self.join = gr.Dropdown([], label="Inferred join", elem_id="note-join", scale=4)
            self.confirm = gr.Button("It holds", elem_id="note-confirm", min_width=90)
            self.reject = gr.Button("It does not", elem_id="note-reject", min_width=90)
        self.known = gr.Dataframe(
            interactive=False, label="Known", wrap=True, elem_id="look-known", datatype="str"
        )
        self.note = gr.HTML(elem_id="look-note")

    @property
    def parts(self) -> list[Any]:
        shown = [self.columns, self.picture, self.place, self.join, self.known, self.note]
        return [*shown, *self.asked.parts]

    def _wire(self) -> None:
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        self.database.input(self.look, [self.database], self.parts, **quiet)
        self.search.submit(self._found, [self.database, self.search], [self.columns, self.note], **quiet)
        changed = [*self.parts, self.text, self.term, self.meaning]
        self.describe.click(self._describe, [self.database, self.place, self.text], changed, **quiet)
        self.explain.click(self._explain, [self.database, self.term, self.meaning], changed, **quiet)
        for button, holds in ((self.confirm, True), (self.reject, False)):
            button.click(self._joining(holds), [self.database, self.join], changed, **quiet)

    def look(self, name: str, request: gr.Request) -> Updates:
        """All there is to see of a database, as it is now."""
        try:
            catalog = self.room.database(name, person_of(request)).catalog
            notes = self.room.notes_of(name)
        except SqlbergError as error:
            return {self.note: told(str(error), good=False)}
        places = [table.name for table in catalog.tables]
        places += [f"{column.table}.{column.name}" for column in catalog.columns()]
        inferred = [join_text(join) for join in catalog.joins if join.origin == "inferred"]
        rejected = [join for join in notes.rejected if _seen(join, catalog)]
        return {
            self.columns: _columns(list(catalog.columns()), catalog),
            self.picture: er_picture(catalog),
            self.place: gr.update(choices=places, value=None),
            self.join: gr.update(choices=sorted({*inferred, *rejected}), value=None),
            self.known: known_notes(notes, catalog),
            self.note: "",
        } | self.asked.look(name, person_of(request))

    def _found(self, name: str, words: str, request: gr.Request) -> Updates:
        try:
            database = self.room.database(name, person_of(request))
            found = list(database.catalog.columns())
            if words.strip():
                found = [hit.column for hit in database.columns.search(words, top_k=20)]
        except SqlbergError as error:
            return {self.note: told(str(error), good=False)}
        return {self.columns: _columns(found, database.catalog), self.note: ""}

    def _describe(self, name: str, place: str | None, text: str, request: gr.Request) -> Updates:
        if not place:
            return {self.note: told("Choose a table or a column first.", good=False)}
        part = "columns" if "." in place else "tables"

        def described(notes: Notes) -> Notes:
            return notes.model_copy(update={part: _with(getattr(notes, part), place, text)})

        return self._kept(name, described, request)

    def _explain(self, name: str, term: str, meaning: str, request: gr.Request) -> Updates:
        if not term.strip():
            return {self.note: told("Write the term first.", good=False)}

        def explained(notes: Notes) -> Notes:
            return notes.model_copy(update={"terms": _with(notes.terms, term.strip(), meaning)})

        return self._kept(name, explained, request)

    def _joining(self, holds: bool) -> Any:
        def keep(name: str, join: str | None, request: gr.Request) -> Updates:
            if not join:
                return {self.note: told("Choose a join first.", good=False)}

            def joined(notes: Notes) -> Notes:
                sure, gone = (
                    tuple(one for one in part if one != join) for part in (notes.confirmed, notes.rejected)
                )
                changed = {
                    "confirmed": (*sure, join) if holds else sure,
                    "rejected": gone if holds else (*gone, join),
                }
                return notes.model_copy(update=changed)

            return self._kept(name, joined, request)

        return keep

    def _kept(self, name: str, change: Callable[[Notes], Notes], request: gr.Request) -> Updates:
        if not self.room.managed_by(person_of(request)):
            return {self.note: told("Only those who manage this server may do that.", good=False)}
        try:
            self.room.note(name, change)
        except SqlbergError as error:
            return {self.note: told(str(error), good=False)}
        cleared = dict.fromkeys((self.text, self.term, self.meaning), "")
        return self.look(name, request) | cleared | {self.note: told("Known from now on.")}


def _columns(columns: list[Column], catalog: Catalog) -> dict[str, Any]:
    rows = []
    for column in columns:
        figures = column.statistics
        table = catalog.table(column.table)
        key = "key" if table and column.name in table.primary_key else ""
        samples = ", ".join(plain(value)[:40] for value in figures.samples[:5])
        span = "" if figures.minimum is None else f"{plain(figures.minimum)} to {plain(figures.maximum)}"
        empty = f"{100 * figures.null_share:.0f} %" if figures.null_share else ""
        distinct = "" if figures.distinct is None else str(figures.distinct)
        rows.append(
            [column.table, column.name, column.type, key, distinct, empty, span or samples, column.comment]
        )
    heads = ["table", "column", "type", "", "distinct", "empty", "values", "description"]
    return frame(heads, rows)


def known_notes(notes: Notes, catalog: Catalog) -> dict[str, Any]:
    """The notes, but for those about what this person may not see."""
    rows = [
        *(["description", place, text] for place, text in (notes.tables | notes.columns).items()),
        *(["join holds", join, ""] for join in notes.confirmed),
        *(["join does not hold", join, ""] for join in notes.rejected),
    ]
    terms = [["term", term, meaning] for term, meaning in catalog.terms.items()]
    return frame(["what", "of", "known"], [*(row for row in rows if _seen(row[1], catalog)), *terms])


def _seen(places: str, catalog: Catalog) -> bool:
    """Whether the catalog holds each table and column that a note names: `orders`, `orders.price`,
    `orders.customer_id = customers.id`.
    """
    for place in places.replace(" and ", " = ").split(" = "):
        name, _, column = place.partition(".")
        table = catalog.table(name)
        if table is None or (column and table.column(column) is None):
            return False
    return True


def _with(kept: dict[str, str], name: str, text: str) -> dict[str, str]:
    """With a text, or without the entry where the text is empty."""
    rest = {one: told for one, told in kept.items() if one != name}
    return rest | ({name: text.strip()} if text.strip() else {})
