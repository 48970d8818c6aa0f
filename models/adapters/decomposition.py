"""Weights as magnitudes and directions: DoRA and BoRA, in about the work of LoRA.

    V  = W0 + s B A
    H  = m_out ⊙ V / ‖V‖ per output           (all of DoRA, arXiv 2402.09353, equation 5)
    W' = m_in ⊙ H / ‖H‖ per input             (BoRA, arXiv 2412.06441)

so that W' = d_out ⊙ V ⊙ d_in, with one factor per output and one per input. With the magnitudes that
`magnitudes` gives, and B = 0, both are 1 and W' is W0.

Reconstruction: that one axis is normalised after the other, which first, and whether gradients pass through
the norms follow an independent implementation of BoRA, not the paper's text, which was not at hand; both are
options (`kinds.Adapter`).

W' is built for a layer's pass and let go, which costs as much as a few dozen tokens; scaling every token's
inputs and outputs by the factors instead is more work from a few hundred tokens on (measured). With norms
that count as constants (as DoRA's section 4.3 proposes) no gradient of W' is needed either: as y is W' x and
W' is linear in its factors, theirs are sums of what is at hand,

    ∂L/∂m_out = Σ ∂L/∂y ⊙ y / m_out,    ∂L/∂m_in = Σ ∂L/∂x ⊙ x / m_in,

and those of A and B are LoRA's, scaled. Shapes: W0 [out, in], A [r, in], B [out, r], magnitudes [out], [in].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .kinds import Axis

OTHER = {"out": 1, "in": 0}
"""The dimension of a weight that a norm per output, or per input, runs over."""
TINY = torch.finfo(torch.float32).tiny


def magnitudes(weight: Tensor, axes: Sequence[Axis]) -> dict[Axis, Tensor]:
    """Those at which W' is W0: its norms."""
    return {axis: torch.linalg.vector_norm(weight.float(), dim=OTHER[axis]) for axis in axes}


def composed(
    weight: Tensor, down: Tensor, up: Tensor, scale: float, magnitude: Mapping[Axis, Tensor]
) -> tuple[Tensor, dict[Axis, Tensor]]:
    """W' in float32, and the factors. weight: W0; down: A; up: B; magnitude: by axis, in the order in which
    they are normalised; with none, W' is W0 + s B A.
    """
    factors: dict[Axis, Tensor] = {}
    with torch.autocast(weight.device.type, enabled=False):
        changed = torch.addmm(weight.float(), up.float(), down.float(), alpha=scale)
        for axis, size in magnitude.items():
            # A row of zeros keeps its magnitude of zero.
            norm = torch.linalg.vector_norm(changed, dim=OTHER[axis]).clamp(min=TINY)
            factors[axis] = size.float() / norm
            changed = _times(changed, factors[axis], axis)
    return changed, factors


def linear(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    down: Tensor,
    up: Tensor,
    scale: float,
    magnitude: Mapping[Axis, Tensor],
    *,
    detach: bool = True,
) -> Tensor:
    """W' x + bias. detach: norms count as constants in the gradient; else it is exact, and dearer."""
    device = x.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
    if detach:
        axes = tuple(magnitude)
        return _Detached.apply(x.to(dtype), weight, bias, down, up, scale, axes, *magnitude.values())  # pyright: ignore
    changed, _ = composed(weight, down, up, scale, magnitude)
    return F.linear(x.to(dtype), changed.to(dtype), None if bias is None else bias.to(dtype))


class _Detached(torch.autograd.Function):
    """W' x + bias with norms as constants: see above."""

    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        down: Tensor,
        up: Tensor,
        scale: float,
        axes: tuple[Axis, ...],
        *sizes: Tensor,
    ) -> Tensor:
        changed, factors = composed(weight, down, up, scale, dict(zip(axes, sizes, strict=True)))
        y = F.linear(x, changed.to(x.dtype), None if bias is None else bias.to(x.dtype))
        ctx.scale, ctx.axes = scale, axes
        ctx.save_for_backward(x, weight, bias, down, up, y, *sizes, *factors.values())
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, weight, bias, down, up, y, *rest = ctx.saved_tensors
        axes: tuple[Axis, ...] = ctx.axes
        sizes = dict(zip(axes, rest, strict=False))
        factors = dict(zip(axes, rest[len(axes) :], strict=True))
        dtype, shape = x.dtype, x.shape
        with torch.autocast(x.device.type, enabled=False):
            changed = torch.addmm(weight.float(), up.float(), down.float(), alpha=ctx.scale)
            down, up = down.float(), ctx.scale * up.float()
            for axis, factor in factors.items():
                changed = _times(changed, factor, axis)
            if "in" in factors:
                down = _times(down, factors["in"], "in")
            if "out" in factors:
                up = _times(up, factors["out"], "out")
                y = y if bias is None else y - bias.to(dtype)
            gradient, x, y = (each.to(dtype).flatten(0, -2) for each in (gradient, x, y))
            to_input = gradient @ changed.to(dtype)
            to_down = ((gradient @ up.to(dtype)).T @ x).float()
            to_up = (gradient.T @ (x @ down.to(dtype).T)).float() * ctx.scale
            if "in" in factors:
                to_down = _times(to_down, factors["in"], "in")
            if "out" in factors:
                to_up = _times(to_up, factors["out"], "out")
            ends = {"out": (gradient, y), "in": (to_input, x)}
            to_sizes = [_per_magnitude(*ends[axis], sizes[axis]) for axis in axes]
        return to_input.view(shape), None, None, to_down, to_up, None, None, *to_sizes


def _per_magnitude(gradient: Tensor, end: Tensor, size: Tensor) -> Tensor:
    """∂L/∂m, from one end of the layer; a magnitude of zero stays."""
    total = (gradient * end).sum(0, dtype=torch.float32)
    return torch.where(size == 0, 0.0, total / size)


def _times(matrix: Tensor, factor: Tensor, axis: Axis) -> Tensor:
    return matrix * (factor[:, None] if axis == "out" else factor)
