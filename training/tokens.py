"""Trajectories as tokens, by the model's own chat template: what the policy read, and what it wrote.

A trajectory is one turn for each message of the assistant. A turn's context is rendered and tokenised as it
is when the model is asked (the dialogue so far and the marker of the assistant's turn), its own tokens apart
from it, as they are generated: so the mask is exact, whatever the template does with turns that are past.
Own are the tokens to the end of the turn, its closing token included; observations, questions and markers
are not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..models.chat_template import render_rows
from ..models.errors import ModelError
from .preferences import Message


@dataclass(frozen=True)
class Turn:
    """Token ids: context, all that the policy read; own, what it wrote then."""

    context: tuple[int, ...]
    own: tuple[int, ...]


def turns_of(
    tokenizer: Any,
    prompt: Sequence[Message],
    response: Sequence[Message],
    *,
    tools: Sequence[Mapping[str, Any]] = (),
    arguments: Mapping[str, Any] | None = None,
) -> list[Turn]:
    """The turns of a response. tools: on offer, in OpenAI's format; arguments: of the template.

    Raises `ModelError` where the template cannot render the dialogue, or writes the assistant's message as no
    continuation of what came before it.
    """
    rows = [message.plain() for message in (*prompt, *response)]
    turns = []
    for place in range(len(prompt), len(rows)):
        if rows[place]["role"] != "assistant":
            continue
        context = render_rows(tokenizer, rows[:place], tools=tools, arguments=arguments)
        whole = render_rows(tokenizer, rows[: place + 1], tools=tools, arguments=arguments, to_go_on=False)
        if not whole.startswith(context):
            raise ModelError(
                "the chat template writes an assistant's message elsewhere than it asks for one, so the "
                "policy's tokens cannot be told apart: train with another template"
            )
        own = _ids(tokenizer, whole[len(context) :])
        turns.append(Turn(tuple(_ids(tokenizer, context)), tuple(own[: _end(own, tokenizer.eos_token_id)])))
    return turns


def _ids(tokenizer: Any, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def _end(own: Sequence[int], eos: int | None) -> int:
    """How many of the tokens the policy writes: to the closing token, where there is one."""
    return own.index(eos) + 1 if eos in own else len(own)
