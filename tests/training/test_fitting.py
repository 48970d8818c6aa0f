"""Fitting to a database: the adapter, the gate, and a whole small run that is stopped and gone on with."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from sqlberg.agents.opening import open_database
from sqlberg.errors import SqlbergError
from sqlberg.models.adapters.folders import ORIGIN, WEIGHTS, Stored, digest, write_adapter
from sqlberg.models.adapters.kinds import Adapter
from sqlberg.models.embedded.adapter import merged
from sqlberg.models.embedded.weights import SHIPPED, load_weights
from sqlberg.models.errors import ModelError
from sqlberg.models.references import load_chat_model
from sqlberg.training.embedded.fitting import Plan, fit
from sqlberg.training.evaluation.dataset import Question
from sqlberg.training.evaluation.gate import Measured, gate


def small_adapter(folder: Path) -> Path:
    generator = torch.Generator().manual_seed(1)
    tensors = {
        "query.lora_A.weight": torch.randn(2, 384, generator=generator),
        "query.lora_B.weight": torch.randn(384, 2, generator=generator),
    }
    write_adapter(folder, Stored(Adapter(rank=2, alpha=4), ("query",), tensors, digest(SHIPPED)))
    return folder


def test_an_adapter_is_merged_as_its_formula_says(tmp_path: Path):
    adapter = small_adapter(tmp_path / "a")
    plain, adapted = load_weights()[0], load_weights(SHIPPED, adapter)[0]
    generator = torch.Generator().manual_seed(1)
    down, up = torch.randn(2, 384, generator=generator), torch.randn(384, 2, generator=generator)
    assert torch.allclose(adapted.query.weight, plain.query.weight + 2.0 * up @ down, atol=1e-5)
    assert adapted.read_item.weight.equal(plain.read_item.weight)


def test_an_adapter_of_other_weights_is_refused(tmp_path: Path):
    adapter = small_adapter(tmp_path / "a")
    (adapter / ORIGIN).write_text('{"base": "another"}')
    with pytest.raises(ModelError, match="made for other weights"):
        merged({}, adapter, SHIPPED)


def test_a_folder_that_is_no_adapter_is_refused_before_any_question(tmp_path: Path):
    with pytest.raises(ModelError, match="sqlberg fit"):
        load_chat_model(f"embedded+{tmp_path}")


def test_the_gate_asks_for_more_than_chance():
    def measured(gained: int, lost: int) -> Measured:
        return Measured(100, 50, 50 + gained - lost, gained, lost)

    assert gate(measured(12, 2), None)[0]
    assert not gate(measured(4, 2), None)[0]
    assert not gate(measured(0, 0), None)[0]
    assert not gate(measured(20, 0), measured(1, 3))[0]
    assert gate(measured(3, 1), measured(9, 1))[0]
    assert measured(10, 0).chance == pytest.approx(2**-10)


def test_a_fit_leaves_an_adapter_and_a_report_and_can_be_gone_on_with(tmp_path: Path):
    pytest.importorskip("peft", reason="fitting needs the train extra")
    file = tmp_path / "shop.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, kind TEXT, price REAL)")
        rows = [(n, f"Item {n}", ["toy", "tool", "book"][n % 3], 2.5 * n) for n in range(30)]
        connection.executemany("INSERT INTO item VALUES (?, ?, ?, ?)", rows)
    connection.close()

    def reopen():
        return open_database(file, cache_dir=tmp_path / "cache", embedder="none")

    asked = [Question(db_id="x", question="How many items are there?", sql="SELECT count(*) FROM item")]
    plan = Plan(questions=40, checked=6, minutes=0.05, workers=1, rank=4, rows=4)
    stages: list[str] = []
    fitted = fit(reopen, tmp_path / "run", plan, people=asked, tell=stages.append)
    assert fitted.synthetic.questions == 5
    assert fitted.people is not None
    assert fitted.people.questions == 1
    assert len(stages) == 5
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["kept"] == fitted.kept
    made = (tmp_path / "run" / "taught.jsonl").stat().st_mtime_ns
    assert fit(reopen, tmp_path / "run", plan, people=asked) == fitted
    assert (tmp_path / "run" / "taught.jsonl").stat().st_mtime_ns == made
    others = [Question(db_id="x", question="How many kinds?", sql="SELECT count(DISTINCT kind) FROM item")]
    with pytest.raises(SqlbergError, match="questions"):
        fit(reopen, tmp_path / "run", plan, people=others)
    answer = load_chat_model(f"embedded+{fitted.adapter}")
    assert answer.adapter == fitted.adapter  # type: ignore[attr-defined]
    other = {name: 50 * tensor for name, tensor in load_file(fitted.adapter / WEIGHTS).items()}
    save_file(other, fitted.adapter / WEIGHTS)
    load_weights.cache_clear()
    with pytest.raises(ModelError, match="does not say what it said"):
        load_weights(SHIPPED, fitted.adapter)


def test_a_database_that_has_nothing_to_ask_is_one_clear_error(tmp_path: Path):
    file = tmp_path / "empty.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price REAL)")
    connection.close()
    with pytest.raises(SqlbergError, match=r"are its tables empty\?"):
        fit(lambda: open_database(file, embedder="none"), tmp_path / "run", Plan(questions=40, checked=6))


def test_peft_itself_loads_the_adapter_to_the_same_weights(tmp_path: Path):
    peft = pytest.importorskip("peft", reason="fitting needs the train extra")
    adapter = small_adapter(tmp_path / "a")
    load_weights.cache_clear()
    base = load_weights()[0]
    adapted = peft.PeftModel.from_pretrained(base, str(adapter)).merge_and_unload()
    load_weights.cache_clear()
    assert torch.allclose(adapted.query.weight, load_weights(SHIPPED, adapter)[0].query.weight, atol=1e-5)
