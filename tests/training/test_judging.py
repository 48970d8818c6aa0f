"""Judging: candidates run and told right from wrong, and the loss that ranks them."""

from __future__ import annotations

import copy
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from sqlberg.models.embedded.confidence import log_probability
from sqlberg.models.embedded.items import KEYWORD_IDS, START
from sqlberg.models.embedded.prompt import PromptWriter
from sqlberg.models.embedded.tensors import padded, prompt_tensors
from sqlberg.models.embedded.weights import SHIPPED, load_weights, load_writer
from sqlberg.tools.database import Database, open_database
from sqlberg.training.embedded.augmentation import Pools, Rates
from sqlberg.training.embedded.judged import Judged, JudgedStream, read_judged, write_judged
from sqlberg.training.embedded.objectives import ranking_loss
from sqlberg.training.embedded.targets import resolve
from sqlberg.training.embedded.trajectories import write_trajectories

QUESTIONS = [
    ("How many singers are there?", "SELECT count(*) FROM singer"),
    ("What are the names of the singers?", "SELECT name FROM singer"),
    ("What is the average age of the singers?", "SELECT avg(age) FROM singer"),
]


@pytest.fixture
def singers(tmp_path: Path) -> Iterator[Database]:
    file = tmp_path / "singers.sqlite"
    with sqlite3.connect(file) as connection:
        connection.executescript(
            """CREATE TABLE singer (id INTEGER PRIMARY KEY, name TEXT, age INTEGER);
            INSERT INTO singer VALUES (1, 'Joe Sharp', 52), (2, 'Rose White', 41), (3, 'Tribal King', 25);"""
        )
    connection.close()
    with open_database(file) as database:
        yield database


@pytest.fixture
def judged(singers: Database, tmp_path: Path) -> list[Judged]:
    rows = [{"id": str(n), "db_id": "s", "question": q, "sql": s} for n, (q, s) in enumerate(QUESTIONS)]
    write_trajectories(singers, rows, tmp_path / "t.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert write_judged(singers, lines, SHIPPED, tmp_path / "judged.jsonl") == 3
    return list(read_judged([tmp_path / "judged.jsonl"]))


@pytest.fixture(scope="module")
def writer() -> PromptWriter:
    return load_writer(SHIPPED)


def test_candidates_are_right_when_they_give_the_golds_rows(judged: list[Judged]):
    for one in judged:
        verdicts = [right for _, right in one.candidates]
        assert any(verdicts)
        assert not all(verdicts)
    [first, *_] = judged
    by_text = {
        " ".join(str(getattr(t, "text", t)) for t in tokens): right for tokens, right in first.candidates
    }
    assert any(right for text, right in by_text.items() if "count *" in text)


def test_names_are_changed_alike_in_all_candidates(judged: list[Judged], writer: PromptWriter):
    pools = Pools(["branch", "river", "engine", "cloud"], ["x"])
    rates = Rates(rename=1.0, word=1.0, take=0.0)
    stream = JudgedStream(judged, writer, pools, rates=rates, rows=4, seed=1)
    batch, again = stream[5], stream[5]
    assert batch.outputs.equal(again.outputs)
    assert batch.right.equal(again.right)
    assert int(batch.row.max()) == 3
    ends = batch.outputs.gather(1, batch.lengths[:, None] - 1)
    assert set(ends.flatten().tolist()) == {KEYWORD_IDS["end"]}


def test_an_untrained_verdict_takes_the_sketchs_probability(judged: list[Judged], writer: PromptWriter):
    shipped, _ = load_weights(SHIPPED)
    network = copy.deepcopy(shipped)
    for parameter in network.verdict.parameters():
        parameter.zero_()
    prompt = writer.write(judged[0].situation)
    sketches = [resolve(tokens, prompt) for tokens, _ in judged[0].candidates[:3]]
    outputs = padded([[START, *ids] for ids in sketches], 0)
    lengths = torch.tensor([len(ids) + 1 for ids in sketches])
    with torch.inference_mode():
        memory = prompt_tensors([prompt]).read(network).rows(torch.zeros(3, dtype=torch.long))
        odds, summed = network.judge(memory, outputs, lengths)
        logprobs = network.write(memory, outputs[:, :-1]).log_softmax(-1)
    for row, ids in enumerate(sketches):
        total = sum(float(logprobs[row, place, token]) for place, token in enumerate(ids))
        assert log_probability(float(odds[row])) == pytest.approx(total, abs=1e-3)
        assert float(summed[row]) == pytest.approx(total, abs=1e-3)


def test_the_ranking_loss_wants_the_right_ones_on_top():
    row, right = torch.tensor([0, 0, 0, 1, 1]), torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0])
    good = ranking_loss(torch.tensor([5.0, 0.0, 0.0, 0.0, 0.0]), right, row)
    bad = ranking_loss(torch.tensor([0.0, 5.0, 0.0, 0.0, 0.0]), right, row)
    assert float(good) < 0.1 < 4 < float(bad)
    assert float(ranking_loss(torch.zeros(2), torch.ones(2), torch.zeros(2, dtype=torch.long))) == 0.0
