"""How many GPUs a number of questions a day takes, from stated assumptions: an estimate before a purchase.

A question reads `prompt` new tokens (what prefix caching saves is left out) and writes `written`. Reading
is bound by arithmetic, 2 operations a parameter and token; writing by memory, as each step reads the weights
once and each dialogue's keys and values. A copy of the model lies on as many GPUs as it needs to fit beside
the dialogues at work. Copies are added until the busiest hour takes no more than the share `filled` of them.

All of it are assumptions, none a measurement: `sqlberg sizing` prints them beside what follows from them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import UnsupportedOption

GIB = 2**30


@dataclass(frozen=True)
class Gpu:
    """memory: GiB; bandwidth: GB a second; arithmetic: dense bfloat16 TFLOP a second (published peaks);
    price: dollars an hour, as rented.
    """

    name: str
    memory: float
    bandwidth: float
    arithmetic: float
    price: float


@dataclass(frozen=True)
class Model:
    """parameters: billions; kv: bytes of keys and values a token, 2 x layers x heads x size x 2."""

    name: str
    parameters: float
    kv: int

    @classmethod
    def shaped(cls, name: str, parameters: float, layers: int, heads: int, size: int) -> Model:
        """heads: of keys and values; size: of one."""
        return cls(name, parameters, 2 * layers * heads * size * 2)


@dataclass(frozen=True)
class Load:
    """questions: a day; candidates: dialogues each. prompt, written: tokens of a dialogue; busiest: the share
    of a day's questions that its busiest hour has.
    """

    questions: int
    candidates: int = 1
    prompt: int = 3000
    written: int = 500
    busiest: float = 0.2

    @property
    def a_second(self) -> float:
        """Dialogues, in the busiest hour."""
        return self.questions * self.candidates * self.busiest / 3600


@dataclass(frozen=True)
class Serving:
    """bytes: of a parameter (2: bfloat16, 1: fp8). reading, writing: shares of a GPU's arithmetic and
    bandwidth that are reached; seats: dialogues that a copy writes at a time; filled: the share of a copy's
    time that may be taken; kept: the share of memory for weights, keys and values.
    """

    bytes: float = 2.0
    reading: float = 0.4
    writing: float = 0.6
    seats: int = 32
    filled: float = 0.7
    kept: float = 0.85


@dataclass(frozen=True)
class Sized:
    """tensor: GPUs of a copy; copies; read, written: tokens a second of a copy that does nothing else;
    seconds: of a question in a copy with its seats taken; monthly: dollars, of 730 hours; each: dollars a
    question. taken: the share of the copies that the busiest hour takes.
    """

    gpu: str
    model: str
    questions: int
    tensor: int
    copies: int
    read: float
    written: float
    seconds: float
    taken: float
    monthly: float
    each: float

    @property
    def gpus(self) -> int:
        return self.tensor * self.copies


GPUS = {
    "l40s": Gpu("L40S", 48, 864, 362, 1.0),
    "a100": Gpu("A100 80 GB", 80, 2039, 312, 1.6),
    "h100": Gpu("H100 80 GB", 80, 3350, 989, 2.6),
    "h200": Gpu("H200", 141, 4800, 989, 3.4),
}
MODELS = {
    "7B": Model.shaped("7B", 7.6, layers=28, heads=4, size=128),
    "32B": Model.shaped("32B", 32.8, layers=64, heads=8, size=128),
    "70B": Model.shaped("70B", 70.6, layers=80, heads=8, size=128),
}
"""Shaped as Qwen2.5's of 7 and 32 billion and Llama 3's of 70."""
QUESTIONS = (10, 1_000, 100_000)


def sized(gpu: Gpu, model: Model, load: Load, serving: Serving | None = None) -> Sized:
    """Raises `UnsupportedOption` where eight GPUs cannot hold one copy."""
    serving = serving or Serving()
    weights = model.parameters * 1e9 * serving.bytes
    dialogues = serving.seats * model.kv * (load.prompt + load.written)
    room = gpu.memory * GIB * serving.kept
    tensor = next((count for count in (1, 2, 4, 8) if weights + dialogues <= count * room), None)
    if tensor is None:
        raise UnsupportedOption(
            f"eight {gpu.name} have no room for {model.name} with {serving.seats} dialogues"
        )
    read = tensor * gpu.arithmetic * 1e12 * serving.reading / (2 * model.parameters * 1e9)
    step = (weights + dialogues) / (tensor * gpu.bandwidth * 1e9 * serving.writing)
    written = serving.seats / step
    busy = load.prompt / read + load.written / written  # of a copy's time, a dialogue
    copies = max(1, math.ceil(load.a_second * busy / serving.filled))
    monthly = tensor * copies * gpu.price * 730
    return Sized(
        gpu.name, model.name, load.questions, tensor, copies, read, written,
        seconds=load.prompt / read + load.written * step,
        taken=load.a_second * busy / copies,
        monthly=monthly,
        each=monthly / (load.questions * 30.4),
    )  # fmt: skip
