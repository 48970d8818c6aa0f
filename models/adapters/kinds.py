"""Which adapters there are, and how one is put onto a network.

    lora    W0 + s B A, s = alpha / r (Hu et al., arXiv 2106.09685)
    rslora  the same with s = alpha / sqrt(r) (Kalajdzievski, arXiv 2312.03732)
    dora    one magnitude per output (Liu et al., arXiv 2402.09353)
    bora    one magnitude per output and one per input (arXiv 2412.06441)
    adalora LoRA whose ranks are shared out among the layers in training (`allocation.py`); saved as lora

Each may be masked as LoRA Dropout does it (`masks.py`). Kinds that plain PEFT has and that are not masked are
PEFT's own layers, except DoRA, which ours computes with less work (`layer.py`) and stores alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from ..errors import MissingExtra, UnsupportedOption

if TYPE_CHECKING:
    from peft import LoraConfig

Kind = Literal["lora", "rslora", "dora", "bora", "adalora"]
KINDS: tuple[str, ...] = get_args(Kind)
Axis = Literal["out", "in"]
Order = Literal["out-in", "in-out"]


@dataclass(frozen=True)
class Adapter:
    """How an adapter is made.

    rank, alpha (2 rank, if None): of B A. mask: the share of A's columns and of B's rows that each draw
    leaves out. order: which axis BoRA normalises first; detach: whether its and DoRA's norms count as
    constants in the gradient. Raises `UnsupportedOption`.
    """

    kind: Kind = "lora"
    rank: int = 16
    alpha: float | None = None
    mask: float = 0.0
    order: Order = "out-in"
    detach: bool = True

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UnsupportedOption(f"there is no adapter {self.kind!r}: choose one of {', '.join(KINDS)}")
        if self.rank < 1:
            raise UnsupportedOption(f"an adapter's rank is at least 1, not {self.rank}")
        if not 0 <= self.mask < 1:
            raise UnsupportedOption(f"a mask leaves out a share from 0 to below 1, not {self.mask:g}")
        if self.order not in get_args(Order):
            raise UnsupportedOption(f"there is no order {self.order!r}: use {' or '.join(get_args(Order))}")

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Those with magnitudes, in the order in which they are normalised."""
        if self.kind == "bora":
            return ("out", "in") if self.order == "out-in" else ("in", "out")
        return ("out",) if self.kind == "dora" else ()

    @property
    def kept(self) -> float:
        """The share of B A's entries that a draw keeps, (1 - p)²."""
        return (1 - self.mask) ** 2

    @property
    def mean_alpha(self) -> float:
        """Alpha of the single pass that stands for the mean over all draws, E[masked B A] = (1 - p)² B A.

        It is what is written as `lora_alpha`: whoever reads a masked adapter as a plain one gets the mean.
        """
        alpha = 2 * self.rank if self.alpha is None else self.alpha
        return alpha * self.kept if self.mask else alpha

    @property
    def scale(self) -> float:
        """s of that single pass."""
        return self.mean_alpha / (math.sqrt(self.rank) if self.kind == "rslora" else self.rank)


def config_of(adapter: Adapter, targets: str | Sequence[str] = "all-linear", **options: Any) -> LoraConfig:
    """PEFT's configuration. targets: its `target_modules`; options: others of PEFT's."""
    try:
        from peft import LoraConfig
    except ImportError:
        raise MissingExtra("adapters need the train extra: pip install 'sqlberg[train]'") from None
    told = {
        "r": adapter.rank,
        "lora_alpha": adapter.mean_alpha,
        "use_rslora": adapter.kind == "rslora",
        "target_modules": targets if isinstance(targets, str) else list(targets),
    } | options
    if not adapter.axes and not adapter.mask and adapter.kind != "adalora":
        return LoraConfig(**told)
    from .layer import AdaptedConfig

    return AdaptedConfig(adapter=adapter, **told)


def attach(network: Any, adapter: Adapter, targets: str | Sequence[str] = "all-linear") -> Any:
    """The causal network (of transformers) with a new adapter on its linear layers."""
    from peft import get_peft_model

    return get_peft_model(network, config_of(adapter, targets, task_type="CAUSAL_LM"))
