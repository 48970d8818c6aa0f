"""The chat model in this process, over tiny models made by the tests (tiny.py)."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage
from sqlberg.models.errors import ModelError, UnknownModel, UnsupportedOption
from sqlberg.models.loading import load_network
from sqlberg.models.references import load_chat_model
from sqlberg.models.transformers_chat import TransformersChatModel

from .tiny import ANSWER, CALL, GREETING, LIST, SYSTEM, THOUGHT, asked, execute_sql, observed

QUESTIONS = [
    "How many singers are there?",
    "Hello",
    "Which stadium has the most concerts, and in which year?",
]


class Forwards:
    """Counts the forward passes of a model while the `with` block runs, with the rows of each."""

    def __init__(self, model: TransformersChatModel) -> None:
        self._network = model.network
        self.rows: list[int] = []

    def __enter__(self) -> Forwards:
        self._hook = self._network.register_forward_pre_hook(
            lambda _, __, inputs: self.rows.append(len(inputs["input_ids"])), with_kwargs=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._hook.remove()


def joined(chunks: Any) -> AIMessageChunk:
    first, *rest = list(chunks)
    for chunk in rest:
        first = first + chunk
    return first


def logprobs(message: AIMessage) -> list[float]:
    return [token["logprob"] for token in message.response_metadata["logprobs"]["content"]]


# --- replies and their numbers ---


def test_a_dialogue_runs_from_question_over_tool_call_to_answer(taught: TransformersChatModel) -> None:
    agent = taught.bind_tools([execute_sql])
    call = agent.invoke(asked())
    assert (call.content, call.response_metadata["finish_reason"]) == (THOUGHT, "tool_calls")
    assert [(made["name"], made["args"]) for made in call.tool_calls] == [(CALL["name"], CALL["args"])]
    answer = agent.invoke(observed(call.tool_calls[0]["id"] or ""))
    assert (answer.content, answer.tool_calls) == (ANSWER, [])
    assert answer.response_metadata["finish_reason"] == "stop"


def test_every_generated_token_has_the_log_probability_of_a_plain_forward_pass(
    babbling: TransformersChatModel,
) -> None:
    message = babbling.invoke("Hello", temperature=1.5, top_k=50, seed=1)
    prompt = babbling.tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hello"}], add_generation_prompt=True, return_dict=False
    )
    # Draw once more, now with the ids in sight: the same seed gives the same tokens.
    from sqlberg.models.generation import Decoding, Sampling

    sampling = Sampling(temperature=1.5, top_k=50, seed=1)
    decoding = Decoding(babbling.network, [prompt], sampling, pad=0, lock=threading.Lock())
    ids = [decoding.advance()[0].token for _ in logprobs(message)]
    with torch.inference_mode():
        logits = babbling.network(input_ids=torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 : -1]
    expected = torch.log_softmax(logits.float(), dim=-1).gather(1, torch.tensor(ids)[:, None])[:, 0]
    assert logprobs(message) == pytest.approx(expected.tolist(), abs=1e-4)


def test_greedy_decoding_gives_the_tokens_of_transformers_own_generate(
    babbling: TransformersChatModel,
) -> None:
    inputs = babbling.tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hello"}], add_generation_prompt=True, return_tensors="pt"
    )
    output = babbling.network.generate(**inputs, max_new_tokens=24, do_sample=False)
    expected = babbling.tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    assert babbling.invoke("Hello").content == expected


def test_usage_counts_the_prompt_and_every_token_with_a_log_probability(
    taught: TransformersChatModel,
) -> None:
    message = taught.invoke("Hello")
    prompt = taught.tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hello"}], add_generation_prompt=True, return_dict=False
    )
    assert message.usage_metadata is not None
    assert message.usage_metadata["input_tokens"] == len(prompt)
    assert message.usage_metadata["output_tokens"] == len(logprobs(message))
    assert message.response_metadata["logprobs"]["content"][-1]["token"] == "<|im_end|>"


# --- streaming ---


def test_streamed_chunks_join_to_the_invoked_message(taught: TransformersChatModel) -> None:
    agent = taught.bind_tools([execute_sql])
    for conversation in (asked(), observed()):
        whole, streamed = agent.invoke(conversation), joined(agent.stream(conversation))
        assert (streamed.content, streamed.tool_calls) == (whole.content, whole.tool_calls)
        assert streamed.usage_metadata == whole.usage_metadata
        assert logprobs(streamed) == logprobs(whole)
        assert streamed.response_metadata["finish_reason"] == whole.response_metadata["finish_reason"]


def test_words_stream_as_they_come_and_tags_never_show(taught: TransformersChatModel) -> None:
    pieces = [str(chunk.content) for chunk in taught.bind_tools([execute_sql]).stream(asked())]
    assert sum(bool(piece) for piece in pieces) > 3
    assert "".join(pieces) == THOUGHT


def test_a_stream_that_is_given_up_stops_the_model(babbling: TransformersChatModel) -> None:
    with Forwards(babbling) as forwards:
        stream = babbling.stream("Hello", max_tokens=500)
        next(stream)
        stream.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert len(forwards.rows) < 10


def test_a_stream_can_be_left_while_a_tool_call_is_being_written(babbling: TransformersChatModel) -> None:
    forced = babbling.bind_tools([execute_sql], tool_choice="execute_sql")
    with Forwards(babbling) as forwards:
        for taken, _ in enumerate(forced.stream("Hello", max_tokens=500)):
            if taken == 3:
                break
    assert len(forwards.rows) < 10


# --- sampling ---


def test_a_seed_repeats_a_sampled_reply_and_another_seed_changes_it(babbling: TransformersChatModel) -> None:
    replies = [babbling.invoke("Hello", temperature=1.0, seed=seed).content for seed in (7, 7, 8)]
    assert replies[0] == replies[1] != replies[2]


def test_threads_sampling_at_once_draw_what_each_draws_alone(babbling: TransformersChatModel) -> None:
    def ask(seed: int) -> Any:
        return babbling.invoke(QUESTIONS[seed % 3], temperature=1.0, seed=seed).content

    alone = [ask(seed) for seed in range(6)]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(ask, range(6))) == alone


def test_top_k_one_and_a_tiny_top_p_are_greedy_at_any_temperature(babbling: TransformersChatModel) -> None:
    greedy = babbling.invoke("Hello").content
    assert babbling.invoke("Hello", temperature=2.0, top_k=1, seed=1).content == greedy
    assert babbling.invoke("Hello", temperature=2.0, top_p=1e-6, seed=1).content == greedy


# --- batches ---


def test_several_conversations_share_one_forward_pass_per_token(babbling: TransformersChatModel) -> None:
    alone = [babbling.invoke(question).content for question in QUESTIONS]
    with Forwards(babbling) as forwards:
        result = babbling.generate([[HumanMessage(question)] for question in QUESTIONS])
    assert [one[0].text for one in result.generations] == alone
    assert set(forwards.rows) == {len(QUESTIONS)}


def test_batch_after_bind_tools_is_one_padded_batch_too(taught: TransformersChatModel) -> None:
    agent = taught.bind_tools([execute_sql])
    with Forwards(taught) as forwards:
        call, answer = agent.batch([asked(), observed()])
    assert (call.content, answer.content, set(forwards.rows)) == (THOUGHT, ANSWER, {2})


def test_equal_prompts_of_one_batch_are_sampled_differently_and_repeatably(
    babbling: TransformersChatModel,
) -> None:
    small = babbling.model_copy(update={"batch_size": 2})
    first, second = (
        [message.content for message in model.batch(["Hello"] * 4, temperature=1.0, seed=5)]
        for model in (small, small)
    )
    assert first == second
    assert len(set(first)) == 4
    assert first[0] == babbling.invoke("Hello", temperature=1.0, seed=5).content


# --- the end of a reply ---


def test_a_reply_ends_at_max_tokens(babbling: TransformersChatModel) -> None:
    message = babbling.invoke("Hello", max_tokens=5)
    assert (len(logprobs(message)), message.response_metadata["finish_reason"]) == (5, "length")


def test_a_stop_string_is_cut_off_and_never_streamed(taught: TransformersChatModel) -> None:
    expected = GREETING.partition("how are")[0]
    assert taught.invoke("Hello", stop=["how are"]).content == expected
    assert joined(taught.stream("Hello", stop=["how are"])).content == expected


def test_time_that_runs_out_ends_the_reply_as_it_is(babbling: TransformersChatModel) -> None:
    message = babbling.invoke("Hello", timeout=1e-6, max_tokens=500)
    assert (message.content, message.response_metadata["finish_reason"]) == ("", "timeout")


def test_a_cancelled_reply_ends_as_it_is(babbling: TransformersChatModel) -> None:
    cancel = threading.Event()
    chunks = []
    for chunk in babbling.stream("Hello", max_tokens=500, cancel=cancel):
        chunks.append(chunk)
        cancel.set()
    assert joined(chunks).response_metadata["finish_reason"] == "cancelled"
    assert len(logprobs(joined(chunks))) < 20


def test_a_cancelled_task_stops_the_model(babbling: TransformersChatModel) -> None:
    async def give_up() -> int:
        with Forwards(babbling) as forwards:
            task = asyncio.create_task(babbling.ainvoke("Hello", max_tokens=1500))
            while len(forwards.rows) < 3:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.sleep(0.2)
            seen = len(forwards.rows)
            await asyncio.sleep(0.2)
            return len(forwards.rows) - seen

    assert asyncio.run(give_up()) == 0


# --- tool choice ---


def test_a_forced_call_names_the_tool_and_what_is_cut_off_is_invalid(babbling: TransformersChatModel) -> None:
    forced = babbling.bind_tools([execute_sql], tool_choice="execute_sql")
    for message in (forced.invoke("Hello"), joined(forced.stream("Hello"))):
        assert not message.tool_calls
        assert [call["name"] for call in message.invalid_tool_calls] == ["execute_sql"]
    assert "cut off" in str(forced.invoke("Hello").invalid_tool_calls[0]["error"])


def test_a_forced_call_of_a_model_that_knows_how_is_read(taught: TransformersChatModel) -> None:
    for choice in ("execute_sql", "any"):
        forced = taught.bind_tools([execute_sql], tool_choice=choice)
        (call,) = forced.invoke([SYSTEM, LIST]).tool_calls
        assert (call["name"], call["args"]) == ("execute_sql", {"sql": "SELECT Name FROM singer"})


def test_tool_choice_none_hides_the_tools(taught: TransformersChatModel) -> None:
    hidden, plain = taught.bind_tools([execute_sql], tool_choice="none"), taught
    assert hidden.invoke("Hello").usage_metadata == plain.invoke("Hello").usage_metadata


# --- refusals ---


@pytest.mark.parametrize(
    "options",
    [{"best_of": 3}, {"temperature": -1}, {"max_tokens": 0}, {"tool_choice": "drop_table"}, {"seed": "x"}],
)
def test_an_option_it_cannot_follow_is_refused_by_name(
    babbling: TransformersChatModel, options: dict[str, Any]
) -> None:
    with pytest.raises(UnsupportedOption, match=next(iter(options))):
        babbling.invoke("Hello", **options)


def test_a_conversation_longer_than_the_model_reads_is_refused_in_one_line(
    babbling: TransformersChatModel,
) -> None:
    with pytest.raises(ModelError, match=r"^the conversation is \d+ tokens long .* reads at most 2048"):
        babbling.invoke("Hello " * 2048)


def test_a_picture_is_refused(babbling: TransformersChatModel) -> None:
    picture = HumanMessage([{"type": "image", "url": "http://127.0.0.1/x.png"}])
    with pytest.raises(UnsupportedOption, match="text only"):
        babbling.invoke([picture])


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (None, "no chat template"),
        ("{% for m in messages %}{{ m.content }}{% endfor %}", "knows no tools"),
        ("{{ tools }}{{ raise_exception('no system message here') }}", "no system message here"),
    ],
)
def test_a_template_that_cannot_do_it_is_named(
    babbling: TransformersChatModel, template: str | None, message: str
) -> None:
    import copy

    tokenizer = copy.deepcopy(babbling.tokenizer)
    tokenizer.chat_template = template
    model = babbling.model_copy(update={"tokenizer": tokenizer})
    with pytest.raises(ModelError, match=message):
        model.bind_tools([execute_sql]).invoke([SystemMessage("Be brief."), HumanMessage("Hello")])


# --- loading ---


def test_the_weights_are_bfloat16_unless_told_otherwise(random_model: Path) -> None:
    assert load_network(str(random_model), device="cpu")[0].dtype == torch.bfloat16
    assert load_network(str(random_model), device="cpu", dtype="float32")[0].dtype == torch.float32


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "float16", "device": "cpu"}, "use bfloat16 or float32"),
        ({"dtype": "int8"}, "dtype 'int8' is unknown"),
        ({"device": "cuda:99"}, "device 'cuda:99' cannot be used here"),
    ],
)
def test_an_impossible_dtype_or_device_is_refused(
    random_model: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UnsupportedOption, match=message):
        load_network(str(random_model), **options)


def test_a_folder_without_a_model_and_an_unknown_name_are_one_line_errors(tmp_path: Path) -> None:
    for name, message in (
        (str(tmp_path), "no model in"),
        ("no-such/model-anywhere", "no model 'no-such/model"),
    ):
        with pytest.raises(UnknownModel, match=message) as caught:
            load_network(name)
        assert "\n" not in str(caught.value)


def test_an_adapter_changes_the_model_and_a_missing_one_is_named(random_model: Path, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft", reason="adapters need peft (pip install 'sqlberg[train]')")
    network, _ = load_network(str(random_model), device="cpu")
    adapted = peft.get_peft_model(
        network, peft.LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False)
    )
    adapted.save_pretrained(tmp_path / "adapter")
    reference = f"transformers:{random_model}"
    plain = load_chat_model(reference, max_tokens=8, device="cpu")
    with_adapter = load_chat_model(f"{reference}+{tmp_path / 'adapter'}", max_tokens=8, device="cpu")
    assert logprobs(plain.invoke("Hello")) != logprobs(with_adapter.invoke("Hello"))
    with pytest.raises(UnknownModel, match="no adapter in"):
        load_chat_model(f"{reference}+{tmp_path / 'nothing'}")
