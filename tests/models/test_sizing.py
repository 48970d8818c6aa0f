"""Sizing: figures that follow from the assumptions."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from sqlberg.models.errors import UnsupportedOption
from sqlberg.models.serving.sizing import GPUS, MODELS, Gpu, Load, Model, Serving, sized
from sqlberg.ui.cli import app
from typer.testing import CliRunner

PLAIN = Gpu("plain", memory=100, bandwidth=1000, arithmetic=100, price=1.0)
SMALL = Model("small", parameters=10, kv=0)
EXACT = Serving(reading=0.5, writing=0.5, seats=10, filled=0.5, kept=1.0)


def test_reading_is_bound_by_arithmetic_and_writing_by_memory() -> None:
    found = sized(PLAIN, SMALL, Load(1000, prompt=2500, written=100), EXACT)
    assert found.read == pytest.approx(50e12 / 20e9)  # 2 500 tokens a second
    assert found.written == pytest.approx(10 * 500e9 / 20e9)  # ten at a time, 25 steps a second
    assert found.seconds == pytest.approx(1.0 + 100 / 25)
    assert (found.tensor, found.copies) == (1, 1)
    assert found.monthly == 730


def test_copies_are_added_until_the_busiest_hour_fits() -> None:
    load = Load(360_000, prompt=2500, written=250, busiest=0.1)  # ten a second, of two seconds each
    found = sized(PLAIN, SMALL, load, EXACT)
    assert found.copies == 40
    assert found.taken == pytest.approx(0.5)


def test_a_model_is_divided_among_as_many_gpus_as_it_needs() -> None:
    large = replace(SMALL, parameters=100)
    assert sized(PLAIN, large, Load(1), EXACT).tensor == 2
    assert sized(PLAIN, replace(large, kv=10**7), Load(1), EXACT).tensor == 8
    with pytest.raises(UnsupportedOption, match="no room"):
        sized(PLAIN, replace(SMALL, parameters=1000), Load(1), EXACT)


def test_the_command_tells_its_assumptions() -> None:
    told = json.loads(CliRunner().invoke(app, ["sizing", "--gpu", "l40s", "--json"]).stdout)
    assert told["assumed"]["gpu"]["name"] == GPUS["l40s"].name
    assert len(told["sizes"]) == 3 * len(MODELS)
    shown = CliRunner().invoke(app, ["sizing", "--questions", "500", "--price", "2"]).stdout
    assert "Assumed, not measured" in shown
    assert "2 $/h" in " ".join(shown.split())
