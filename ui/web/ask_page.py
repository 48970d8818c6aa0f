"""Ask: the conversation, each step as it happens, and below it the answer to check, correct and take away."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import gradio as gr

from ...agents.conversation import new_thread_id
from ...errors import SqlbergError
from ...training.feedback.store import Asked
from .answer_panel import AnswerPanel
from .cards import Cards, Message, asked, failed
from .conversations import Conversations
from .looked_at import LookedAt, Updates
from .room import Room, person_of
from .teaching import Teaching

_BUSY = "(...given) => { document.body.classList.add('busy'); return given; }"
_FREE = "() => document.body.classList.remove('busy')"


class AskPage:
    """The page's components, built inside a `gr.Blocks`, and what happens on them.

    A question is three events: `_begin` takes it in, `_ask` streams the steps, `_end` shows the answer,
    whatever happened; between them the browser knows by itself that it is busy (`looks.CSS`). The streaming
    one changes the chat alone: Gradio builds every other output of an event anew with each step, which fifty
    people at once would wait for.
    """

    def __init__(self, room: Room) -> None:
        self.room = room
        self._running: dict[str, threading.Event] = {}
        self._asking = gr.State("")
        with gr.Row():
            with gr.Column(scale=1, min_width=240, elem_id="side"):
                self.database = gr.Dropdown(
                    room.names, value=room.names[0], label="Database", elem_id="database"
                )
                self.kept = Conversations(room)
                self.examples = gr.Radio([], label="Questions to begin with", elem_id="examples")
            with gr.Column(scale=4, min_width=320):
                self._build_conversation()
                self.panel = AnswerPanel(room, self.kept.seen)
                self.teaching = Teaching(room, self.panel)
        self._below = [*self.panel.parts, *self.teaching.parts]
        self._wire()

    def _build_conversation(self) -> None:
        self.chat = gr.Chatbot(
            label="Conversation", height="50vh", elem_id="chat", buttons=[], latex_delimiters=[],
            placeholder="Ask the database something in plain words.", layout="panel",
            feedback_options=None, allow_file_downloads=False, show_label=False,
        )  # fmt: skip
        with gr.Row(equal_height=True):
            self.question = gr.Textbox(
                label="Question", placeholder="Which store has the most employees?", max_lines=4,
                scale=6, autofocus=True, elem_id="question", max_length=8_000,
            )  # fmt: skip
            self.ask = gr.Button("Ask", variant="primary", min_width=90, elem_id="ask")
            self.stop = gr.Button("Stop", variant="stop", min_width=90, elem_id="stop")

    def _wire(self) -> None:
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        kept = self.kept
        for begin in (self.ask.click, self.question.submit):
            begin(
                self._begin,
                [self.question, kept.thread, kept.talk],
                [self._asking, kept.thread, self.chat, self.question],
                queue=False,
                js=_BUSY,
                **quiet,
            ).success(
                self._ask,
                [self._asking, self.database, kept.thread, kept.talk],
                [self.chat, kept.talk, kept.seen],
                concurrency_limit=None,
                **quiet,
            ).then(
                self._end,
                [kept.seen, kept.thread],
                [kept.earlier, kept.here, *self._below],
                **quiet,
            ).then(None, [], [], js=_FREE, **quiet)
        self.stop.click(self.leave, [], [], queue=False, **quiet)
        self.database.change(self._examples, [self.database], [self.examples], **quiet)
        self.examples.input(lambda chosen: chosen, [self.examples], [self.question], queue=False, **quiet)
        kept.wire(self.chat, self.database, self._show, self._below)
        self.panel.wire()
        self.teaching.wire()

    def load(self, blocks: gr.Blocks) -> None:
        """What a page that is opened begins with."""
        self.kept.load(blocks, self._show, self._below)
        blocks.load(
            self._examples,
            [self.database],
            [self.examples],
            api_visibility="private",
            show_progress="hidden",
        )
        blocks.unload(self._left)

    def _left(self, request: gr.Request) -> None:
        self.leave(request)
        self._running.pop(str(request.session_hash), None)

    def leave(self, request: gr.Request) -> None:
        """Nothing goes on for this session: the model and the query stop."""
        if cancel := self._running.get(str(request.session_hash)):
            cancel.set()

    def _begin(self, question: str, thread: str, talk: list[Message], request: gr.Request) -> Updates:
        session = str(request.session_hash)
        if session in self._running:
            raise gr.Error("One question at a time: stop this one first.", print_exception=False)
        self._running[session] = threading.Event()
        return {
            self._asking: question,
            self.kept.thread: thread or new_thread_id(),
            self.chat: [*talk, asked(question)],
            self.question: "",
        }

    def _ask(
        self, question: str, name: str, thread: str, talk: list[Message], request: gr.Request
    ) -> Iterator[Updates]:
        session = str(request.session_hash)
        cancel = self._running.setdefault(session, threading.Event())
        cards, kept, trouble = Cards(question), None, []
        try:
            for event in self.room.ask(
                name, question, person=person_of(request), thread=thread, cancel=cancel
            ):
                if isinstance(event, Asked):
                    kept = event
                else:
                    cards.add(event)
                    if event.kind != "token":
                        yield {self.chat: [*talk, *cards.messages()]}
        except SqlbergError as error:
            trouble = [failed(str(error))]
        finally:
            self._running.pop(session, None)
        now = [*talk, *cards.messages(), *trouble]
        yield {self.chat: now, self.kept.talk: now, self.kept.seen: LookedAt.of(kept)}

    def _end(self, seen: LookedAt, thread: str, request: gr.Request) -> Updates:
        self._running.pop(str(request.session_hash), None)
        return self._show(seen) | {self.kept.earlier: self.kept.of(request), self.kept.here: thread}

    def _show(self, seen: LookedAt) -> Updates:
        return self.panel.show(seen) | self.teaching.show(seen)

    def _examples(self, name: str, request: gr.Request) -> Any:
        return gr.update(choices=self.room.examples(name, person_of(request)), value=None)
