"""A reply while it is being generated: tokens in, text out, and at the end the finished message.

Covered: detokenising as tokens arrive (characters split over tokens wait for their last byte), stop strings,
the end of a reply, and what of an unfinished reply may be shown. Pure apart from the tokenizer's `decode`.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import ToolCallChunk, tool_call_chunk

from .tool_calls import CLOSING, Reply, parse_reply, speakable

_UNFINISHED_CHARACTER = "\ufffd"
_LONGEST_CHARACTER = 4  # bytes of UTF-8, so at most that many tokens; what is longer is no character


@dataclass(frozen=True)
class Ending:
    """What ends a reply: a token, a string (cut off with what follows), a length, or its first call."""

    tokens: frozenset[int]
    strings: tuple[str, ...] = ()
    max_tokens: int = 1024
    first_call: bool = False


class Draft:
    """One reply in the making. `finish_reason` is None until it has ended."""

    def __init__(
        self,
        tokenizer: Any,
        prompt: str,
        prompt_tokens: int,
        ending: Ending,
        *,
        tool_names: Collection[str] = (),
        start: str = "",
    ) -> None:
        """`start` is text the reply begins with that stands in the prompt already (a forced tool call)."""
        self._tokenizer, self._prompt, self._prompt_tokens = tokenizer, prompt, prompt_tokens
        self._ending, self._tool_names = ending, tool_names
        self._ids: list[int] = []
        self._logprobs: list[dict[str, Any]] = []
        self._decoded, self._read = 0, 0  # tokens whose text is in `_text`; tokens before the current window
        self._text = start
        self._shown = self._reported = 0
        self.finish_reason: str | None = None

    def add(self, token: int, logprob: float) -> None:
        """Take the next token; sets `finish_reason` when it ends the reply."""
        said = self._tokenizer.decode([token], skip_special_tokens=False)
        self._logprobs.append({"token": said, "logprob": logprob})
        if token in self._ending.tokens:
            self.end("stop")
            return
        self._ids.append(token)
        self._detokenize()
        if not self._cut_at_end() and len(self._logprobs) >= self._ending.max_tokens:
            self.end("length")

    def end(self, reason: str) -> None:
        """The reply ends here, for `reason`; what was held back of a character is shown as it is."""
        if self.finish_reason is None:
            self._detokenize(flush=True)
            self.finish_reason = reason
            self._cut_at_end()

    def message(self) -> AIMessage:
        """The finished reply as one message, with usage, log-probabilities and tool calls."""
        reply = self._reply()
        return AIMessage(
            content=reply.content,
            tool_calls=list(reply.tool_calls),
            invalid_tool_calls=list(reply.invalid_tool_calls),
            additional_kwargs={"reasoning_content": reply.thinking} if reply.thinking else {},
            response_metadata={
                "finish_reason": self._reason(reply),
                "logprobs": {"content": list(self._logprobs)},
            },
            usage_metadata=self._usage(),
        )

    def chunk(self) -> AIMessageChunk:
        """What is new since the last chunk; after the end the rest, with tool calls, reason and usage.

        While a tool call is being written the chunks hold no words, only log-probabilities: whoever reads the
        stream still gets a turn after every token and can leave.
        """
        reply = self._reply() if self.finish_reason is not None else None
        visible = reply.content if reply else self._visible()
        content, logprobs = visible[self._shown :], self._logprobs[self._reported :]
        self._shown, self._reported = len(visible), len(self._logprobs)
        metadata: dict[str, Any] = {"logprobs": {"content": logprobs}} if logprobs else {}
        if reply is None:
            return AIMessageChunk(content=content, response_metadata=metadata)
        return AIMessageChunk(
            content=content,
            tool_call_chunks=_call_chunks(reply),
            additional_kwargs={"reasoning_content": reply.thinking} if reply.thinking else {},
            response_metadata={**metadata, "finish_reason": self._reason(reply)},
            usage_metadata=self._usage(),
            chunk_position="last",
        )

    def _visible(self) -> str:
        text = speakable(self._text, with_tools=bool(self._tool_names))
        # A tail that may become a stop string waits until it is one or is not.
        waiting = [
            length
            for stop in self._ending.strings
            for length in range(1, min(len(stop), len(text) + 1))
            if stop.startswith(text[-length:])
        ]
        return text[: len(text) - max(waiting, default=0)]

    def _detokenize(self, *, flush: bool = False) -> None:
        # Only a short window of tokens is decoded each time: the tokens before it give the context that some
        # tokenizers need for spaces, and a text ending in U+FFFD is a character still waiting for bytes.
        before = self._decode(self._ids[self._read : self._decoded])
        after = self._decode(self._ids[self._read :])
        waiting = (
            after.endswith(_UNFINISHED_CHARACTER) and len(self._ids) - self._decoded < _LONGEST_CHARACTER
        )
        if len(after) > len(before) and (flush or not waiting):
            self._text += after[len(before) :]
            self._read, self._decoded = self._decoded, len(self._ids)

    def _decode(self, ids: list[int]) -> str:
        # Some tokenizers mark the tags of tool calls as special tokens: with tools on offer they are kept.
        return self._tokenizer.decode(ids, skip_special_tokens=not self._tool_names)

    def _cut_at_end(self) -> bool:
        """Cut the text at the first stop string, or behind the first call when only one is wanted."""
        found = [at for at in (self._text.find(stop) for stop in self._ending.strings) if at >= 0]
        if self._ending.first_call and self._tool_names and CLOSING in self._text:
            found.append(self._text.index(CLOSING) + len(CLOSING))
        if not found:
            return False
        self._text = self._text[: min(found)]
        self.finish_reason = self.finish_reason or "stop"
        return True

    def _reply(self) -> Reply:
        reply = parse_reply(self._text, tool_names=self._tool_names, salt=self._prompt)
        if self.finish_reason == "stop" or not reply.invalid_tool_calls:
            return reply
        for call in reply.invalid_tool_calls:
            call["error"] = f"the reply was cut off ({self.finish_reason}) after {len(self._logprobs)} tokens"
        return reply

    def _reason(self, reply: Reply) -> str:
        assert self.finish_reason is not None, "the reply has not ended"
        return "tool_calls" if reply.tool_calls and self.finish_reason == "stop" else self.finish_reason

    def _usage(self) -> UsageMetadata:
        written = len(self._logprobs)
        return UsageMetadata(
            input_tokens=self._prompt_tokens,
            output_tokens=written,
            total_tokens=self._prompt_tokens + written,
        )


def _call_chunks(reply: Reply) -> list[ToolCallChunk]:
    valid = [(call["name"], json.dumps(call["args"]), call["id"]) for call in reply.tool_calls]
    invalid = [(call["name"], call["args"], call["id"]) for call in reply.invalid_tool_calls]
    return [
        tool_call_chunk(name=name, args=arguments, id=identity, index=position)
        for position, (name, arguments, identity) in enumerate(valid + invalid)
    ]
