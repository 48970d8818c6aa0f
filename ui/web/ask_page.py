"""Ask: the conversation, each step as it happens, and below it the answer to check, correct and take away."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from typing import Any

import gradio as gr

from ...errors import SqlbergError
from ...training.feedback.store import Asked
from .answer_panel import AnswerPanel
from .cards import Cards, Message, asked, failed, kept_answer
from .looked_at import LookedAt, Updates
from .room import Room, person_of
from .teaching import Teaching

NEWEST = 500
"""Questions of a person that are looked through for conversations."""


class AskPage:
    """The page's components, built inside a `gr.Blocks`, and what happens on them."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self._running: dict[str, threading.Event] = {}
        self.seen, self.thread, self.talk = gr.State(LookedAt()), gr.State(""), gr.State([])
        with gr.Row():
            with gr.Column(scale=1, min_width=240, elem_id="side"):
                self.database = gr.Dropdown(
                    room.names, value=room.names[0], label="Database", elem_id="database"
                )
                self.new = gr.Button("New conversation", elem_id="new-conversation")
                self.earlier = gr.Dropdown([], label="Earlier conversations", elem_id="earlier")
                self.examples = gr.Radio([], label="Questions to begin with", elem_id="examples")
            with gr.Column(scale=4, min_width=320):
                self._build_conversation()
                self.panel = AnswerPanel(room, self.seen)
                self.teaching = Teaching(room, self.panel)
        self._wire()

    def _build_conversation(self) -> None:
        self.chat = gr.Chatbot(
            label="Conversation", height="50vh", elem_id="chat", buttons=[], latex_delimiters=[],
            placeholder="Ask the database something in plain words.", layout="panel",
            feedback_options=None, allow_file_downloads=False, show_label=False,
        )  # fmt: skip
        with gr.Row(equal_height=True):
            self.question = gr.Textbox(
                label="Question", placeholder="How many customers came back last year?", max_lines=4,
                scale=6, autofocus=True, elem_id="question", max_length=8_000,
            )  # fmt: skip
            self.ask = gr.Button("Ask", variant="primary", min_width=90, elem_id="ask")
            self.stop = gr.Button("Stop", variant="stop", min_width=90, elem_id="stop", visible=False)

    def _wire(self) -> None:
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        below = [*self.panel.parts, *self.teaching.parts]
        fresh = [self.thread, self.talk, self.chat, self.seen]
        for begin in (self.ask.click, self.question.submit):
            begin(
                self._ask,
                [self.question, self.database, self.thread, self.talk],
                [
                    self.chat,
                    self.talk,
                    self.question,
                    self.ask,
                    self.stop,
                    self.seen,
                    self.thread,
                    self.panel.whole,
                ],
                concurrency_limit=None,
                **quiet,
            ).then(self._show, [self.seen], below, **quiet).then(
                self._conversations, [], [self.earlier], **quiet
            )
        self.stop.click(self.leave, [], [], queue=False, **quiet)
        self.new.click(self._fresh, [], fresh, **quiet).then(self._show, [self.seen], below, **quiet)
        self.database.change(self._examples, [self.database], [self.examples], **quiet)
        self.database.input(self._fresh, [], fresh, **quiet).then(self._show, [self.seen], below, **quiet)
        self.examples.input(lambda chosen: chosen, [self.examples], [self.question], queue=False, **quiet)
        self.earlier.input(self._reopen, [self.earlier], [*fresh, self.database], **quiet).then(
            self._show, [self.seen], below, **quiet
        )
        self.panel.wire()
        self.teaching.wire()

    def opened(self, request: gr.Request) -> Updates:
        """What a new session begins with."""
        return {
            self.thread: secrets.token_urlsafe(16),
            self.earlier: self._conversations(request),
            self.examples: self._examples(self.room.names[0], request),
        }

    @property
    def at_first(self) -> list[Any]:
        return [self.thread, self.earlier, self.examples]

    def leave(self, request: gr.Request) -> None:
        """Nothing goes on for this session: the model and the query stop."""
        if cancel := self._running.get(str(request.session_hash)):
            cancel.set()

    def _ask(
        self, question: str, name: str, thread: str, talk: list[Message], request: gr.Request
    ) -> Iterator[Updates]:
        session, thread = str(request.session_hash), thread or secrets.token_urlsafe(16)
        cancel = self._running[session] = threading.Event()
        cards, kept, trouble = Cards(question), None, []
        busy = {self.ask: gr.update(visible=False), self.stop: gr.update(visible=True)}
        yield busy | {
            self.chat: [*talk, asked(question)],
            self.question: "",
            self.thread: thread,
            self.panel.whole: gr.update(visible=False),
        }
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
        yield {
            self.chat: now,
            self.talk: now,
            self.seen: LookedAt.of(kept),
            self.ask: gr.update(visible=True),
            self.stop: gr.update(visible=False),
        }

    def _show(self, seen: LookedAt) -> Updates:
        return self.panel.show(seen) | self.teaching.show(seen)

    def _fresh(self) -> Updates:
        empty: list[Message] = []
        return {
            self.thread: secrets.token_urlsafe(16),
            self.talk: empty,
            self.chat: empty,
            self.seen: LookedAt(),
        }

    def _conversations(self, request: gr.Request) -> Any:
        threads: dict[str, Asked] = {}
        for one in self.room.store.asked(person=person_of(request), most=NEWEST):
            if one.db_id in self.room.databases:
                threads[one.thread] = one  # in the end, the first question of each
        choices = [(f"{one.question[:60]} · {one.db_id}", thread) for thread, one in threads.items()]
        return gr.update(choices=choices, value=None)

    def _reopen(self, thread: str, request: gr.Request) -> Updates:
        found = self.room.store.asked(person=person_of(request), thread=thread)[::-1]
        if not found:
            return {}
        talk = [message for one in found for message in (asked(one.question), kept_answer(one))]
        return {
            self.thread: thread,
            self.talk: talk,
            self.chat: talk,
            self.seen: LookedAt.of(found[-1]),
            self.database: found[-1].db_id,
        }

    def _examples(self, name: str, request: gr.Request) -> Any:
        return gr.update(choices=self.room.examples(name, person_of(request)), value=None)
