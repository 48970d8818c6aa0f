"""How vLLM is started: one description, from which the command line and the environment follow.

Defaults are those that the agents want: prefix caching (their prompts begin alike), tool calls parsed as the
model writes them, structured outputs, adapters per request and changed at run time, the loopback interface.
On a CPU what does not work there is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UnknownModel, UnsupportedOption

ENTRY = "vllm.entrypoints.launchers.api_server.entry"
"""What `vllm serve` starts; the CPU's builds have no distribution by that name, which the script asks for."""
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""Those that vLLM sets room aside for."""
PARSERS = {
    "cohere2": "cohere_command",
    "deepseek_v3": "deepseek_v3",
    "gemma3": "pythonic",
    "gpt_oss": "openai",
    "granite": "granite",
    "llama": "llama3_json",
    "llama4": "llama4_pythonic",
    "mistral": "mistral",
    "mistral3": "mistral",
    "phi3": "phi4_mini_json",
    "qwen2": "hermes",
    "qwen3": "hermes",
    "qwen3_moe": "hermes",
}
"""How models write tool calls, by the `model_type` of their config."""
ROOM = ":lora-rank-"
"""Between the model's name and the rank that the server has room for: another name of the model, as vLLM
tells it nowhere else.
"""
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Engine:
    """What is served, and by how much of the machine.

    model: a folder or a hub name; name: under which it answers. context: tokens of a dialogue at most (None:
    the model's own). seats: requests in work at a time; memory: the share of a GPU's that is taken. rank,
    at_once: of adapters, at most. parser: of tool calls (None: by the model's type). tensor, pipeline: GPUs
    that a model is divided among, by parts of layers or by layers; data: copies of it. ray: on the machines
    of a running Ray cluster. extra: further options of vLLM's, as they are.
    """

    model: str
    name: str
    host: str = "127.0.0.1"
    port: int = 8000
    dtype: str = "bfloat16"
    context: int | None = None
    seats: int = 64
    memory: float = 0.9
    rank: int = 64
    at_once: int = 4
    parser: str | None = None
    tensor: int = 1
    pipeline: int = 1
    data: int = 1
    ray: bool = False
    cpu: bool = False
    extra: tuple[str, ...] = ()

    @property
    def base_url(self) -> str:
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self.port}/v1"


def command(engine: Engine, python: str, adapters: Mapping[str, Path]) -> list[str]:
    """The arguments of the server's process. adapters: LoRA folders by name. Raises `ModelError`."""
    room = room_for(engine.rank)
    told = [python, "-m", ENTRY, "--model", engine.model]
    told += ["--served-model-name", engine.name, f"{engine.name}{ROOM}{room}"]
    told += ["--host", engine.host, "--port", str(engine.port), "--dtype", engine.dtype]
    told += ["--max-num-seqs", str(engine.seats)]
    context = engine.context or (_own_context(engine.model) if engine.cpu else None)
    if context:
        told += ["--max-model-len", str(context)]
    told += ["--enable-prefix-caching", "--enable-auto-tool-choice", "--tool-strict-level", "parameter"]
    told += ["--tool-call-parser", engine.parser or _parser_of(engine.model)]
    structured = {"backend": "xgrammar", "disable_any_whitespace": True}
    told += ["--structured-outputs-config", json.dumps(structured)]
    told += ["--enable-lora", "--max-lora-rank", str(room), "--max-loras", str(engine.at_once)]
    told += ["--max-cpu-loras", str(2 * engine.at_once)]
    if adapters:
        modules = [json.dumps({"name": name, "path": str(path)}) for name, path in adapters.items()]
        told += ["--lora-modules", *modules]
    if engine.cpu:
        # A seed of a request's own is safe there only where prompts are read in one piece, and nothing can be
        # compiled ahead of time.
        told += ["--no-enable-chunked-prefill", "--max-num-batched-tokens", str(context), "--enforce-eager"]
    else:
        told += ["--gpu-memory-utilization", str(engine.memory)]
    for option, count in (
        ("--tensor-parallel-size", engine.tensor),
        ("--pipeline-parallel-size", engine.pipeline),
        ("--data-parallel-size", engine.data),
    ):
        if count > 1:
            told += [option, str(count)]
    if engine.ray:
        told += ["--distributed-executor-backend", "ray"]
    return [*told, *engine.extra]


def environment(engine: Engine, api_key: str | None) -> dict[str, str]:
    """What is set for the server's process. The key stands here: everyone sees a command line."""
    told = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True"}
    if Path(engine.model).is_dir():
        told |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    if engine.cpu:
        # Compiling would take ten seconds of the first request that wants log-probabilities.
        told |= {"TORCHDYNAMO_DISABLE": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
    return told | ({"VLLM_API_KEY": api_key} if api_key else {})


def rank_told(name: str) -> int | None:
    """The rank that a model's second name tells."""
    _, found, rank = name.rpartition(ROOM)
    return int(rank) if found and rank.isdigit() else None


def room_for(rank: int) -> int:
    """The rank that vLLM sets room aside for. Raises `UnsupportedOption`."""
    for room in RANKS:
        if rank <= room:
            return room
    raise UnsupportedOption(f"vLLM serves adapters of rank {RANKS[-1]} at most, not {rank}")


def check_open(host: str, api_key: str | None) -> None:
    """Raises `UnsupportedOption` where others could load adapters of theirs."""
    if host not in LOOPBACK and not api_key:
        raise UnsupportedOption(
            f"whoever reaches {host} could change what is served: set a key in VLLM_API_KEY, or stay on "
            "127.0.0.1"
        )


def _parser_of(model: str) -> str:
    kind = str(_config(model).get("model_type"))
    if kind not in PARSERS:
        raise UnsupportedOption(
            f"it is not known here how a model of type {kind} writes tool calls: name vLLM's parser with "
            f"--tool-parser ({', '.join(sorted(set(PARSERS.values())))}, …)"
        )
    return PARSERS[kind]


def _own_context(model: str) -> int:
    return int(_config(model).get("max_position_embeddings", 4096))


def _config(model: str) -> Mapping[str, Any]:
    if Path(model).is_dir():
        try:
            return dict(json.loads((Path(model) / "config.json").read_text(encoding="utf-8")).items())
        except (OSError, ValueError, AttributeError):
            raise UnknownModel(
                f"no model in {model}: a folder with a config.json and safetensors is needed"
            ) from None
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(model, trust_remote_code=False).to_dict()
    except (OSError, ValueError):
        raise UnknownModel(f"no model {model!r}: it is no folder here, and could not be fetched") from None
