"""What the policy wrote, token by token, and its log-probability, over a tiny model made by the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from sqlberg.errors import SqlbergError
from sqlberg.models.errors import ModelError
from sqlberg.training import logprobs
from sqlberg.training.logprobs import check_reads_trees, response_logprobs
from sqlberg.training.preferences import Message
from sqlberg.training.tokens import Turn, turns_of
from sqlberg.training.trees import batch_of, tree_of
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BloomConfig,
    CohereConfig,
    Gemma2Config,
    Gemma3TextConfig,
    GraniteConfig,
    Lfm2Config,
    MambaConfig,
    MistralConfig,
    PretrainedConfig,
)

from ..models.tiny import TEMPLATE, build_tiny_model

# The tiny model's template, with marks around what the assistant writes: an independent word on the mask.
MARKED = TEMPLATE.replace(
    "{{- turn('assistant', ns2.text) }}",
    "{{- '<|im_start|>assistant\\n' }}"
    "{%- generation %}{{- ns2.text + '<|im_end|>' }}{%- endgeneration %}{{- '\\n' }}",
)
TOOL = {"type": "function", "function": {"name": "execute_sql", "parameters": {"type": "object"}}}


def said(content: str, sql: str = "") -> Message:
    calls = [{"id": "c", "function": {"name": "execute_sql", "arguments": {"sql": sql}}}] if sql else []
    return Message.model_validate({"role": "assistant", "content": content, "tool_calls": calls})


def seen(content: str) -> Message:
    return Message(role="tool", content=content, tool_call_id="c")


PROMPT = [Message(role="system", content="You answer."), Message(role="user", content="How many singers?")]
FIRST = [said("I count.", "SELECT count(*) FROM singer"), seen("6")]
CHOSEN = [*FIRST, said("There are 6 singers.")]
REJECTED = [*FIRST, said("I sum.", "SELECT sum(id) FROM singer"), seen("21"), said("There are 21.")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_model(tmp_path_factory.mktemp("tiny"), spread=0.3)


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    return AutoTokenizer.from_pretrained(folder)


@pytest.fixture
def model(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def turns(tokenizer: Any, response: list[Message]) -> list[Turn]:
    return turns_of(tokenizer, PROMPT, response, tools=[TOOL])


@pytest.mark.parametrize("response", [CHOSEN, REJECTED])
def test_the_policys_tokens_are_those_that_a_marked_template_marks(tokenizer: Any, response: list[Message]):
    told = tokenizer.apply_chat_template(
        [message.plain() for message in (*PROMPT, *response)],
        tools=[TOOL],
        chat_template=MARKED,
        return_dict=True,
        return_assistant_tokens_mask=True,
    )
    ids, own = told["input_ids"], set()
    for turn in turns(tokenizer, response):
        assert ids[: len(turn.context)] == list(turn.context)
        end = len(turn.context) + len(turn.own)
        assert ids[len(turn.context) : end] == list(turn.own)
        own |= set(range(len(turn.context), end))
    assert own == {place for place, marked in enumerate(told["assistant_masks"]) if marked}
    assert own


def test_a_template_that_rewrites_the_assistants_turn_is_refused(folder: Path):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = TEMPLATE.replace(
        "{{ '<|im_start|>assistant\\n' }}", "{{ '<|im_start|>bot\\n' }}"
    )
    with pytest.raises(ModelError, match="cannot be told apart"):
        turns(tokenizer, CHOSEN)


def plain_logprob(model: Any, turns: list[Turn]) -> torch.Tensor:
    """Each turn as a sequence of its own, through the model's own logits."""
    total = torch.zeros(())
    for turn in turns:
        ids = torch.tensor([[*turn.context, *turn.own]])
        logprobs = model(input_ids=ids).logits.log_softmax(-1)[0]
        places = range(len(turn.context) - 1, ids.shape[1] - 1)
        total = total + torch.stack([logprobs[p, ids[0, p + 1]] for p in places]).sum()
    return total


@pytest.mark.parametrize("chunk", [1, 2**24])
def test_log_probabilities_and_gradients_over_a_tree_are_those_of_plain_sequences(
    tokenizer: Any, model: Any, chunk: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(logprobs, "CHUNK", chunk)
    responses = [turns(tokenizer, CHOSEN), turns(tokenizer, REJECTED)]
    other = [turns_of(tokenizer, PROMPT[1:], [said("Six.")])]
    found = response_logprobs(model, batch_of([tree_of(responses), tree_of(other)]))
    expected = torch.stack([plain_logprob(model, one) for one in (*responses, *other)])
    assert torch.allclose(found, expected, atol=1e-4)
    weights = torch.tensor([1.0, -2.0, 0.5])
    parameters = list(model.parameters())
    mine = torch.autograd.grad(found @ weights, parameters)
    theirs = torch.autograd.grad(expected @ weights, parameters)
    for one, two in zip(mine, theirs, strict=True):
        assert torch.allclose(one, two, atol=1e-4 * float(two.abs().max() + 1))


SMALL = {
    "vocab_size": 99, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256, "head_dim": 8,
    "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
}  # fmt: skip


def small_model(config: type[PretrainedConfig], **options: Any) -> Any:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config(**SMALL, **options)).eval().float()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.15)
    return model


@pytest.mark.parametrize(
    ("config", "options"),
    [
        (MistralConfig, {"sliding_window": 8}),
        (Gemma2Config, {"sliding_window": 8, "query_pre_attn_scalar": 8}),
        (Gemma3TextConfig, {"sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]}),
        (GraniteConfig, {"logits_scaling": 8.0}),
        (CohereConfig, {"logit_scale": 0.0625}),
    ],
)
def test_windows_that_slide_and_scaled_logits_are_those_of_the_model_itself(
    config: type[PretrainedConfig], options: dict[str, Any]
):
    model = small_model(config, **options)
    check_reads_trees(model)
    ids = torch.randint(5, 99, (40,)).tolist()
    shared, ends = tuple(ids[:20]), (tuple(ids[20:32]), tuple(ids[32:]))
    responses = [[Turn(shared, own)] for own in ends]
    with torch.no_grad():
        found = response_logprobs(model, batch_of([tree_of(responses)]))
        expected = torch.stack([plain_logprob(model, one) for one in responses])
    assert torch.allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize(
    ("config", "options"),
    [(Lfm2Config, {"layer_types": ["conv", "full_attention"]}), (BloomConfig, {}), (MambaConfig, {})],
)
def test_models_that_would_mix_the_branches_of_a_tree_are_refused(
    config: type[PretrainedConfig], options: dict[str, Any]
):
    with pytest.raises(SqlbergError, match=f"{config.model_type} models cannot be trained here"):
        check_reads_trees(AutoModelForCausalLM.from_config(config(**SMALL, **options)))


def test_what_responses_share_is_in_the_tree_once(tokenizer: Any):
    chosen, rejected = turns(tokenizer, CHOSEN), turns(tokenizer, REJECTED)
    tree = tree_of([chosen, rejected])
    ends = [len(one[-1].context) + len(one[-1].own) for one in (chosen, rejected)]
    assert len(tree) < sum(ends) - len(chosen[0].context)
    assert [[tree.tokens[node] for node in own] for own in tree.own] == [
        [token for turn in one for token in turn.own] for one in (chosen, rejected)
    ]
