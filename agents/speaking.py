"""Asks the chat model for one reply, so that the reply can be stopped while it is being written.

The model is streamed where it can stream: closing the stream stops generation in process and, over HTTP,
closes the connection, at which a server stops generating. A model that cannot stream is asked in one piece.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_core.runnables import Runnable

Speaker = Runnable[LanguageModelInput, AIMessage]


def ask_model(
    speaker: Speaker,
    messages: Sequence[BaseMessage],
    *,
    sampling: Mapping[str, Any],
    stop: threading.Event,
    tell: Callable[[str], None],
) -> AIMessage:
    """One reply. `tell` gets each piece of its words; once `stop` is set, generation ends and what there is
    returns.
    """
    pieces: list[AIMessage] = []
    for piece in speaker.stream(list(messages), **sampling):
        pieces.append(piece)
        if stop.is_set():
            break  # leaving the loop closes the stream
        if isinstance(piece, AIMessageChunk) and (text := str(piece.text)):
            tell(text)
    chunks = [piece for piece in pieces if isinstance(piece, AIMessageChunk)]
    if not chunks:
        return pieces[-1] if pieces else AIMessage("")
    return add_ai_message_chunks(chunks[0], *chunks[1:]) if len(chunks) > 1 else chunks[0]


def sampling_options(
    model: BaseChatModel, *, candidate: int, candidates: int, temperature: float, seed: int
) -> dict[str, Any]:
    """Call options that make candidate 0 greedy and each further one a sample of its own, repeatable by its
    seed.

    Only options that the model knows (as a field, or as a parameter of its generation) are given to it. One
    that knows `candidate`, of `candidates`, can give better than samples: its best replies in their order.
    """
    wanted: dict[str, Any] = {"candidate": candidate, "candidates": candidates, "temperature": 0.0}
    if candidate > 0:
        wanted |= {"temperature": temperature, "seed": seed + candidate}
    known = set(type(model).model_fields)
    for method in (type(model)._generate, type(model)._stream):
        known.update(inspect.signature(method).parameters)
    return {name: value for name, value in wanted.items() if name in known}
