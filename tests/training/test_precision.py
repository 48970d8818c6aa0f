"""Where networks compute in bfloat16."""

from __future__ import annotations

import pytest
import torch
from sqlberg.training.precision import bfloat16_pays, computing


@pytest.mark.parametrize("tiles", [True, False])
def test_a_processor_computes_in_bfloat16_where_it_multiplies_tiles_of_it(
    monkeypatch: pytest.MonkeyPatch, tiles: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: tiles)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    square = torch.ones(2, 2)
    with computing("cpu", half=True):
        assert (square @ square).dtype == (torch.bfloat16 if tiles else torch.float32)
    with computing("cpu", half=False):
        assert (square @ square).dtype == torch.float32


def test_what_a_processor_does_not_tell_counts_as_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported")
    assert not bfloat16_pays("cpu")
    assert bfloat16_pays("cuda")
