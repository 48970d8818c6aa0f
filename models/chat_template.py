"""Writes a LangChain conversation and the tools on offer as the prompt text of a tokenizer's chat template.

Covered: system, human, AI (with tool calls) and tool messages whose content is text; tools of every kind that
LangChain converts to OpenAI's JSON schema. Not covered: images, audio, files. Control tokens inside the
messages are not escaped here: the tools neutralise them in observations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from .errors import ModelError, UnsupportedOption, one_line
from .tool_calls import OPENING


def render(
    tokenizer: Any,
    messages: Sequence[BaseMessage],
    *,
    tools: Sequence[Mapping[str, Any]] = (),
    arguments: Mapping[str, Any] | None = None,
) -> str:
    """The prompt up to and including the assistant's turn marker.

    `tools` are in OpenAI's format; `arguments` go to the template (for instance `enable_thinking=False`).
    Raises UnsupportedOption when the tokenizer has no chat template, or one that knows no tools.
    """
    rows = [as_row(message) for message in messages]
    return render_rows(tokenizer, rows, tools=tools, arguments=arguments)


def render_rows(
    tokenizer: Any,
    rows: Sequence[Mapping[str, Any]],
    *,
    tools: Sequence[Mapping[str, Any]] = (),
    arguments: Mapping[str, Any] | None = None,
    to_go_on: bool = True,
) -> str:
    """The same from messages as templates take them. to_go_on: with the assistant's turn marker."""
    template = _template(tokenizer, with_tools=bool(tools))
    if tools and "tools" not in template:
        raise UnsupportedOption(
            "this model's chat template knows no tools: choose a model trained for tool calling"
        )
    try:
        return tokenizer.apply_chat_template(
            [dict(row) for row in rows],
            tools=[dict(tool) for tool in tools] or None,
            add_generation_prompt=to_go_on,
            tokenize=False,
            **(arguments or {}),
        )
    except ModelError:
        raise
    except Exception as error:  # A template is a program of the model's author and may raise anything.
        raise ModelError(
            f"the model's chat template does not accept this conversation: {one_line(error)}"
        ) from error


def forced_start(tokenizer: Any, tool_names: Sequence[str], choice: str) -> str:
    """The text a reply must start with so that it calls a tool: the tool named `choice`, or any of them.

    Only the name is forced; the arguments are the model's own and may be malformed, as with OpenAI's servers.
    """
    if OPENING not in _template(tokenizer, with_tools=True):
        raise UnsupportedOption(
            f'tool_choice={choice!r} needs a chat template with {OPENING} calls; use tool_choice="auto"'
        )
    only = choice if choice in tool_names else tool_names[0] if len(tool_names) == 1 else None
    # Both starts end where tokenizers split words anyway: a trailing blank would be a token that the model
    # never learned to go on from.
    start = f'{OPENING}\n{{"name": "'
    return start if only is None else f'{start}{only}", "arguments":'


def _template(tokenizer: Any, *, with_tools: bool) -> str:
    try:
        return tokenizer.get_chat_template(tools=[{}] if with_tools else None)
    except ValueError:
        raise UnsupportedOption(
            "this model's tokenizer has no chat template: choose an instruction-tuned (chat) model"
        ) from None


def as_row(message: BaseMessage) -> dict[str, Any]:
    """A message as chat templates take it."""
    content = _text(message)
    if isinstance(message, SystemMessage):
        return {"role": "system", "content": content}
    if isinstance(message, HumanMessage):
        return {"role": "user", "content": content}
    if isinstance(message, ToolMessage):
        return {
            "role": "tool",
            "name": message.name or "",
            "tool_call_id": message.tool_call_id,
            "content": content,
        }
    if isinstance(message, AIMessage):
        # What could not be read as a call was still said: its raw text goes back as it was written.
        content += "".join(call["args"] or "" for call in message.invalid_tool_calls)
        written: dict[str, Any] = {"role": "assistant", "content": content}
        if thinking := message.additional_kwargs.get("reasoning_content"):
            written["reasoning_content"] = thinking
        if message.tool_calls:
            written["tool_calls"] = [
                # Arguments stay an object: templates serialise them themselves.
                {
                    "type": "function",
                    "id": call["id"],
                    "function": {"name": call["name"], "arguments": call["args"]},
                }
                for call in message.tool_calls
            ]
        return written
    raise UnsupportedOption(
        f"a chat template takes no {type(message).__name__}: use system, human, AI or tool"
    )


def _text(message: BaseMessage) -> str:
    if isinstance(message.content, str):
        return message.content
    parts: list[str] = []
    for block in message.content:
        kind = "text" if isinstance(block, str) else block.get("type")
        if kind == "text":
            parts.append(block if isinstance(block, str) else block["text"])
        elif kind not in ("tool_call", "tool_use"):  # said again in the message's tool_calls
            raise UnsupportedOption(f"a model in process takes text only, not content of type {kind!r}")
    return "".join(parts)
