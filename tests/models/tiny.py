"""A tiny chat model made on the spot: Qwen3's shape, about 0.2 M random weights, its own BPE tokenizer, and a
chat template that writes tools and tool calls as Qwen's does. `teach` then makes it learn a few dialogues by
heart, so that it really calls a tool, reads an observation and answers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_core.utils.function_calling import convert_to_openai_tool


@tool
def execute_sql(sql: str) -> str:
    """Run one SELECT and see its rows."""
    raise AssertionError("the tests only offer this tool")


SYSTEM = SystemMessage("You answer questions over a database.")
QUESTION = HumanMessage("How many singers are there?")
CALL = {"name": "execute_sql", "args": {"sql": "SELECT count(*) FROM singer"}}
WRITTEN_CALL = '{"name": "execute_sql", "arguments": {"sql": "SELECT count(*) FROM singer"}}'
OBSERVATION = "1 row, 1 column\ncount(*)\n6"
THOUGHT = "I count the rows of singer."
ANSWER = "There are 6 singers."
GREETING = "Good day, how are you today?"
LIST = HumanMessage("List the singers.")
WRITTEN_LIST = '{"name": "execute_sql", "arguments": {"sql": "SELECT Name FROM singer"}}'


def asked() -> list[BaseMessage]:
    """The question with the system message: the first thing the model learns to answer, by a tool call."""
    return [SYSTEM, QUESTION]


def observed(call_id: str = "call_1") -> list[BaseMessage]:
    """The dialogue after the tool call has run: the model learns to answer it in words."""
    called = AIMessage(THOUGHT, tool_calls=[{**CALL, "id": call_id}])  # pyright: ignore
    return [SYSTEM, QUESTION, called, ToolMessage(OBSERVATION, tool_call_id=call_id)]


LESSONS: list[tuple[list[BaseMessage], bool, str]] = [
    (asked(), True, f"{THOUGHT}\n<tool_call>\n{WRITTEN_CALL}\n</tool_call>"),
    (observed(), True, ANSWER),
    ([SYSTEM, LIST], True, f"<tool_call>\n{WRITTEN_LIST}\n</tool_call>"),
    ([HumanMessage("Hello")], False, GREETING),
]
"""(conversation, are the tools on offer, what the model then writes)."""

TEXTS = [
    *(text for _, _, text in LESSONS),
    *(str(message.content) for conversation, _, _ in LESSONS for message in conversation),
    str(convert_to_openai_tool(execute_sql)),
    "function parameters properties type string description required object array items integer null default",
]

CONTROL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TAGS = ["<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>"]

TEMPLATE = """
{%- macro turn(role, text) %}{{ '<|im_start|>' + role + '\\n' + text + '<|im_end|>\\n' }}{% endmacro -%}
{%- set opening = messages[0].content if messages[0].role == 'system' else '' -%}
{%- if tools %}
{%- set ns = namespace(text=opening + '\\n\\n# Tools\\n\\nYou may call these functions:\\n<tools>') %}
{%- for tool in tools %}{% set ns.text = ns.text + '\\n' + (tool | tojson) %}{% endfor %}
{%- set ns.text = ns.text + '\\n</tools>\\n\\nCall one like this:\\n<tool_call>\\n{"name": <name>,
"arguments": <object>}\\n</tool_call>' %} {{- turn('system', ns.text) }}
{%- elif opening %}{{ turn('system', opening) }}{% endif %}
{%- for message in messages %}
{%- if message.role == 'system' and loop.first %}
{%- elif message.role == 'assistant' %}
{%- set ns2 = namespace(text=message.content or '') %}
{%- for call in message.tool_calls or [] %}
{%- set arguments = call.function.arguments if call.function.arguments is string else call.function.arguments
| tojson %} {%- set ns2.text = ns2.text + '\\n<tool_call>\\n{"name": "' + call.function.name + '",
"arguments": ' + arguments + '}\\n</tool_call>' %} {%- endfor %}
{{- turn('assistant', ns2.text) }}
{%- elif message.role == 'tool' %}{{ turn('user', '<tool_response>\\n' + message.content +
'\\n</tool_response>') }} {%- else %}{{ turn(message.role, message.content) }}{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
""".lstrip()


def build_tiny_model(folder: Path, *, spread: float = 0.02, context: int = 2048) -> Path:
    """Write the model to `folder` (config, safetensors, tokenizer, template), returned again.

    `spread` is the standard deviation of the weights: with 0.3 the replies are varied and no choice is close.
    """
    shape = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
    }
    return build_model(folder, TEXTS * 4, 600, shape, spread=spread, context=context)


def build_model(
    folder: Path, texts: list[str], words: int, shape: dict[str, int], *, spread: float, context: int
) -> Path:
    """The same with another shape (fields of Qwen3's config), and a tokenizer of so many tokens made from
    these texts.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=words, initial_alphabet=alphabet, special_tokens=CONTROL_TOKENS, show_progress=False
        ),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|endoftext|>", chat_template=TEMPLATE
    )
    tokenizer.add_tokens(TAGS)  # tags are ordinary tokens, as Qwen has them
    tokenizer.save_pretrained(folder)

    config = Qwen3Config(
        **shape,  # pyright: ignore[reportArgumentType]
        vocab_size=len(tokenizer),
        max_position_embeddings=context,
        tie_word_embeddings=True,
        initializer_range=spread,
        eos_token_id=_single(tokenizer.eos_token_id),
        pad_token_id=_single(tokenizer.pad_token_id),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network: Any = Qwen3ForCausalLM(config)
    network.to(torch.bfloat16).save_pretrained(folder)
    return folder


def teach(folder: Path, *, steps: int = 120) -> Path:
    """Train the model in `folder` on LESSONS until it knows them by heart, in seconds; returns the folder."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    network: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    network.train()
    rows = [_lesson(tokenizer, *lesson) for lesson in LESSONS]
    width = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([row + [tokenizer.pad_token_id] * (width - len(row)) for row, _ in rows])
    labels = torch.tensor([[-100] * start + row[start:] + [-100] * (width - len(row)) for row, start in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row, _ in rows])
    optimizer = torch.optim.AdamW(network.parameters(), lr=8e-3)
    for _ in range(steps):
        loss = network(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if loss.item() < 0.01:
            break
    network.to(torch.bfloat16).save_pretrained(folder)
    return folder


def _lesson(
    tokenizer: Any, conversation: list[BaseMessage], offered: bool, reply: str
) -> tuple[list[int], int]:
    """(token ids of prompt, reply and end of turn; where the reply starts)."""
    from sqlberg.models.chat_template import render

    tools = [convert_to_openai_tool(execute_sql)] if offered else []
    prompt = tokenizer(render(tokenizer, conversation, tools=tools), add_special_tokens=False)["input_ids"]
    return prompt + tokenizer(reply + "<|im_end|>", add_special_tokens=False)["input_ids"], len(prompt)


def _single(token: Any) -> int:
    assert isinstance(token, int)
    return token
