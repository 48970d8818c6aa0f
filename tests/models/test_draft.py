"""A reply in the making: characters split over tokens, runs of broken bytes, and where it ends."""

from __future__ import annotations

from typing import Any

from sqlberg.models.draft import Draft, Ending
from sqlberg.models.transformers_chat import TransformersChatModel

from .tiny import WRITTEN_CALL

CALL = f"<tool_call>\n{WRITTEN_CALL}\n</tool_call>"


def drafted(model: TransformersChatModel, text: str, **ending: Any) -> tuple[Draft, list[str]]:
    """The draft after it was given the tokens of `text` one by one, and the pieces it showed meanwhile."""
    draft = Draft(
        model.tokenizer,
        "prompt",
        1,
        Ending(frozenset({model.tokenizer.eos_token_id}), **ending),
        tool_names=("execute_sql",),
    )
    shown: list[str] = []
    for token in model.tokenizer(text, add_special_tokens=False)["input_ids"]:
        draft.add(token, -0.5)
        shown.append(str(draft.chunk().content))
        if draft.finish_reason is not None:
            break
    return draft, shown


def test_a_character_split_over_tokens_is_shown_whole(babbling: TransformersChatModel) -> None:
    assert len(babbling.tokenizer("Žižek 🎤", add_special_tokens=False)["input_ids"]) > 7
    _, shown = drafted(babbling, "Žižek 🎤 sings")
    assert "".join(shown) == "Žižek 🎤 sings"
    assert not any("\ufffd" in piece for piece in shown)


def test_bytes_that_are_no_character_do_not_hold_up_the_stream(babbling: TransformersChatModel) -> None:
    draft = Draft(babbling.tokenizer, "prompt", 1, Ending(frozenset()))
    (half,) = babbling.tokenizer("Ž", add_special_tokens=False)["input_ids"][:1]
    shown = 0
    for _ in range(12):
        draft.add(half, -0.5)
        shown += len(draft.chunk().content)
    assert shown >= 8


def test_the_reply_ends_behind_its_first_call_when_only_one_is_wanted(
    babbling: TransformersChatModel,
) -> None:
    both, _ = drafted(babbling, f"{CALL}\n{CALL}<|im_end|>")
    first, _ = drafted(babbling, f"{CALL}\n{CALL}<|im_end|>", first_call=True)
    assert [len(draft.message().tool_calls) for draft in (both, first)] == [2, 1]
    assert first.message().response_metadata["finish_reason"] == "tool_calls"


def test_thinking_that_the_template_opened_is_kept_apart(babbling: TransformersChatModel) -> None:
    import copy

    tokenizer = copy.deepcopy(babbling.tokenizer)
    tokenizer.chat_template = babbling.tokenizer.chat_template + "{{ '<think>\n' }}"
    message = babbling.model_copy(update={"tokenizer": tokenizer}).invoke("Hello", max_tokens=4)
    assert message.content == ""
    assert message.additional_kwargs["reasoning_content"]
