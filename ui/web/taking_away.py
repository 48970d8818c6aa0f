"""A result to take away as a file, made when it is asked for and handed to the browser: none stays here."""

from __future__ import annotations

import base64
import json
from typing import Any

import gradio as gr

from ...errors import SqlbergError
from .downloads import FORMATS
from .looked_at import LookedAt, Updates, told

ANSWER = "answer"
_SAVE = """handed => {
    if (!handed) return;
    const { name, content } = JSON.parse(handed);
    const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([bytes]));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}"""


class TakingAway:
    """Its buttons, built inside a `gr.Blocks`. seen: the session's `LookedAt`; note: for what went wrong."""

    def __init__(self, seen: gr.State, note: gr.HTML) -> None:
        self._seen, self._note = seen, note
        with gr.Row():
            self._buttons = {
                name: gr.Button(
                    "Answer file" if name == ANSWER else name.upper(),
                    elem_id=f"download-{name}",
                    min_width=90,
                )
                for name in (*FORMATS, ANSWER)
            }
        self._handed = gr.Textbox(visible=False)

    def wire(self) -> None:
        """What happens on a click."""
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        for name, button in self._buttons.items():
            button.click(self._making(name), [self._seen], [self._handed, self._note], **quiet).then(
                None, [self._handed], [], js=_SAVE, **quiet
            )

    def _making(self, name: str) -> Any:
        def make(seen: LookedAt) -> Updates:
            try:
                file, content = _file(name, seen)
            except SqlbergError as error:
                return {self._handed: "", self._note: told(str(error), good=False)}
            content = base64.b64encode(content).decode()
            return {self._handed: json.dumps({"name": file, "content": content}), self._note: ""}

        return make


def _file(name: str, seen: LookedAt) -> tuple[str, bytes]:
    """Name and content. Raises `SqlbergError`: there is nothing, or it cannot be written so."""
    if name == ANSWER:
        if seen.kept is None:
            raise SqlbergError("There is no answer yet.")
        return "answer.json", json.dumps(seen.kept.answer, ensure_ascii=False).encode()
    if seen.result is None:
        raise SqlbergError("There is no result to take away.")
    return f"result.{name}", FORMATS[name](seen.result)
