"""Conversations of one browser: begun anew, found again, shared by a link that others may only read."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ...agents.conversation import new_thread_id
from ...errors import SqlbergError
from ...training.feedback.store import Asked
from .cards import Message, asked, kept_answer, remarked
from .looked_at import LookedAt, Updates
from .room import Room, person_of

NEWEST = 500
"""Questions of a person that are looked through for conversations."""
SHARED = "shared"
"""The word of a link's query."""
_REMEMBER = "thread => { sessionStorage.setItem('sqlberg-thread', thread); return thread; }"
_REMEMBERED = "() => [sessionStorage.getItem('sqlberg-thread') || '']"
_WHOLE_LINK = "link => link && new URL(link, location.href).href"


class Conversations:
    """Its components, built inside a `gr.Blocks`, and what a session holds: the thread, what was said so far
    (`talk`) and what is looked at (`seen`). chat, database: of the page, given to `wire`.
    """

    def __init__(self, room: Room) -> None:
        self.room = room
        self.thread, self.talk, self.seen = gr.State(""), gr.State([]), gr.State(LookedAt())
        # The thread once more, for the browser: a tab that loads anew, also after a restart, goes on.
        self.here = gr.Textbox(visible=False)
        self.new = gr.Button("New conversation", elem_id="new-conversation")
        self.earlier = gr.Dropdown([], label="Earlier conversations", elem_id="earlier")
        with gr.Accordion("Share", open=False, elem_id="share-part"):
            self.share = gr.Button("Make a link to read along", elem_id="share")
            self.link = gr.Textbox(
                label="Whoever may read this database opens it with", interactive=False, visible=False,
                buttons=["copy"], elem_id="link",
            )  # fmt: skip
            self.unshare = gr.Button("End the link", visible=False, elem_id="unshare")

    def wire(self, chat: gr.Chatbot, database: gr.Dropdown, show: Any, below: list[Any]) -> None:
        """show: what draws `below` of `seen`."""
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        self._chat, self._database = chat, database
        fresh = [self.thread, self.talk, chat, self.seen, self.here]
        linking = [self.link, self.unshare]
        for event in (self.new.click, database.input):
            event(self._fresh, [], [*fresh, *linking], **quiet).then(show, [self.seen], below, **quiet)
        self.earlier.input(self._reopened, [self.earlier], [*fresh, *linking, database], **quiet).then(
            show, [self.seen], below, **quiet
        )
        self.here.change(None, [self.here], [self.here], js=_REMEMBER, **quiet)
        self.share.click(self._shared, [self.thread], linking, **quiet).then(
            None, [self.link], [self.link], js=_WHOLE_LINK, **quiet
        )
        self.unshare.click(self._unshared, [self.thread], linking, **quiet)

    def load(self, blocks: gr.Blocks, show: Any, below: list[Any]) -> None:
        """What a page that is opened begins with: a shared conversation, the tab's own, or a new one."""
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        blocks.load(
            self._opened,
            [self.here],
            [self.thread, self.talk, self._chat, self.seen, self.here, self.earlier, self._database],
            js=_REMEMBERED,
            **quiet,
        ).then(show, [self.seen], below, **quiet)

    def of(self, request: gr.Request) -> Any:
        """The choices of earlier ones."""
        found = self.room.conversations(person_of(request), NEWEST)
        choices = [(f"{question[:60]} · {name}", thread) for thread, name, question in found]
        return gr.update(choices=choices, value=None)

    def _opened(self, here: str, request: gr.Request) -> Updates:
        updates = {self.earlier: self.of(request)}
        if link := dict(request.query_params).get(SHARED):
            return updates | self._read(str(link), person_of(request))
        return updates | (self._again(here, request) or {self.thread: new_thread_id()})

    def _read(self, link: str, person: str) -> Updates:
        """A conversation of somebody else, to read; what is asked below it is a new one."""
        begun = {self.thread: new_thread_id()}
        try:
            found = self.room.shared(link, person)
        except SqlbergError as error:
            return begun | {self._chat: [remarked(str(error))]}
        note = remarked("Shared with you to read. What you ask begins a conversation of your own.")
        return begun | {
            self._chat: [note, *_talk(found)],
            self.seen: LookedAt.of(found[-1], theirs=True),
            self._database: found[-1].db_id,
        }

    def _fresh(self) -> Updates:
        empty: list[Message] = []
        return self._unlinked() | {
            self.thread: new_thread_id(),
            self.talk: empty,
            self._chat: empty,
            self.seen: LookedAt(),
            self.here: "",
        }

    def _reopened(self, thread: str, request: gr.Request) -> Updates:
        return self._unlinked() | self._again(thread, request)

    def _again(self, thread: str, request: gr.Request) -> Updates:
        """One of this person's own; nothing if it is not."""
        found = self.room.conversation(thread, person_of(request))
        if not found:
            return {}
        talk = _talk(found)
        return {
            self.thread: thread,
            self.talk: talk,
            self._chat: talk,
            self.seen: LookedAt.of(found[-1]),
            self.here: thread,
            self._database: found[-1].db_id,
        }

    def _shared(self, thread: str, request: gr.Request) -> Updates:
        person = person_of(request)
        if not self.room.store.asked(person=person, thread=thread, most=1):
            raise gr.Error("Ask something first: there is nothing to read yet.", print_exception=False)
        link = f"?{SHARED}={self.room.store.share(thread, person=person)}"
        return {self.link: gr.update(value=link, visible=True), self.unshare: gr.update(visible=True)}

    def _unshared(self, thread: str, request: gr.Request) -> Updates:
        self.room.store.unshare(thread, person=person_of(request))
        return self._unlinked()

    def _unlinked(self) -> Updates:
        return {self.link: gr.update(value="", visible=False), self.unshare: gr.update(visible=False)}


def _talk(found: list[Asked]) -> list[Message]:
    return [message for one in found for message in (asked(one.question), kept_answer(one))]
