"""The page as a whole: its tabs, and the server that gives it out.

Loopback unless told otherwise, nothing shared, no request to another host.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import fastapi
import gradio as gr
from gradio.events import api
from starlette.middleware import Middleware

from ...errors import SqlbergError
from .ask_page import AskPage
from .forgetting import GRACE_SECONDS, forget_the_gone, keep_nothing_freed
from .improve_page import ImprovePage
from .label_page import KEYS, LabelPage
from .labelling import Labelling
from .look_page import LookPage
from .looks import CSS, NAMES, theme
from .people import People
from .room import Room, person_of
from .runs import Runs
from .visitors import Visitors


def page(room: Room, runs: Runs | None = None) -> gr.Blocks:
    """All tabs over one room. runs: of the pages that label and improve, which else are not there."""
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    uploads = (3600, 24 * 3600)  # seconds between looks, and until they go
    with gr.Blocks(title="sqlberg", analytics_enabled=False, fill_width=True, delete_cache=uploads) as blocks:
        gr.Markdown("# sqlberg", elem_id="title")
        with gr.Tabs():
            with gr.Tab("Ask", id="ask") as ask:
                asking = AskPage(room)
            with gr.Tab("Look around", id="look") as look:
                looking = LookPage(room)
            # As it is whenever somebody comes to see.
            look.select(looking.look, [looking.database], looking.parts, **quiet)
            if runs is not None:
                with gr.Tab("Label", id="label") as label:
                    LabelPage(Labelling(room, runs.folder.parent / "views"))
                with gr.Tab("Improve", id="improve") as improve:
                    improving = ImprovePage(room, runs)
                improving.watch(improve, [ask, look, label])
                blocks.load(improving.opened, [], improving.at_first, **quiet)
        asking.load(blocks)
        api(_asking(room), api_name="ask")
    return blocks


def launch(
    room: Room,
    *,
    runs: Runs | None = None,
    host: str = "127.0.0.1",
    port: int = 7860,
    people: People | None = None,
    header: str | None = None,
    grace: float = GRACE_SECONDS,
    block: bool = True,
) -> tuple[gr.Blocks, str]:
    """Give the page out; returns it with its address. people: who may come in; header: in which a reverse
    proxy names who does, instead. grace: seconds that who has left is remembered. block: until Ctrl-C.
    """
    blocks = page(room, runs)
    blocks.queue(max_size=512, default_concurrency_limit=32)
    _, address, _ = blocks.launch(
        server_name=host,
        server_port=port,
        share=False,
        auth=people.know if people and header is None else None,
        auth_dependency=named_by(header) if header else None,
        quiet=True,
        prevent_thread_lock=True,
        max_threads=256,
        show_error=False,
        theme=theme(),
        css=CSS,
        head=KEYS + NAMES,
        footer_links=[],
        ssr_mode=False,
        app_kwargs={"middleware": [Middleware(Visitors)]},
        enable_monitoring=False,
        run_history=False,
        state_session_capacity=1000,
    )
    keep_nothing_freed()
    forget_the_gone(blocks, grace)
    if block:
        blocks.block_thread()
    return blocks, address


def _asking(room: Room) -> Callable[..., dict[str, Any]]:
    """What programs may call."""

    def ask(question: str, database: str, request: gr.Request) -> dict[str, Any]:
        """Ask a question in plain language; the answer as JSON: status, sql, columns, rows, text, confidence,
        steps, and what else `sqlberg ask --json` tells. database: one of those that the page offers.
        """
        try:
            kept = room.answer(database, question, person=person_of(request))
        except SqlbergError as error:
            raise gr.Error(str(error), print_exception=False) from None
        return kept.answer

    return ask


def named_by(header: str) -> Callable[[fastapi.Request], str | None]:
    """Who comes in by a header of a reverse proxy; nobody without it."""

    def person(request: fastapi.Request) -> str | None:
        return request.headers.get(header) or None

    return person
