"""The stages of a run as a job of a real Ray cluster of two workers, one of which is killed."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlberg.agents.annotation.annotators import annotator
from sqlberg.errors import SqlbergError
from sqlberg.models.references import ToLoad
from sqlberg.training.cluster import Cluster, carry_out
from sqlberg.training.evaluation.dataset import Question
from sqlberg.training.journal import Journal
from sqlberg.training.rounds.annotations import annotate_all
from sqlberg.training.rounds.candidates import CANDIDATES, Sampled, sample_candidates
from sqlberg.training.rounds.sources import Opener

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]
ray = pytest.importorskip("ray", reason="working on a cluster needs the ray extra")

ASKED = ("How many customers are from Chile?", "Show the names of all customers.", "What is the total price?")
QUESTIONS = [Question(id=f"q{n}", db_id="shop", question=ASKED[n % 3], sql=None) for n in range(8)]


@dataclass(frozen=True)
class Noting:
    """Work that notes in a folder who does it. deadly: an item that ends workers; broken: why none begins."""

    folder: Path
    seconds: float = 0.0
    deadly: str = ""
    broken: str = ""

    def begun(self) -> Noting:
        if self.broken:
            raise SqlbergError(self.broken)
        return self

    def __call__(self, item: Question, database: Any, stop: threading.Event) -> Sampled:
        (self.folder / f"{item.id}-{os.getpid()}-{time.monotonic_ns()}").touch()
        if item.id == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self.seconds)
        return Sampled(id=item.id, db_id=item.db_id, question=item.question)

    def failed(self, item: Question, error: str) -> Sampled:
        return Sampled(id=item.id, db_id=item.db_id, question=item.question, error=error)


def noted(folder: Path) -> list[tuple[str, int]]:
    return [(item, int(process)) for item, process, _ in (file.name.split("-") for file in folder.iterdir())]


def done(work: Noting, folder: Path, shop: Path, cluster: Cluster) -> list[Sampled]:
    with Journal(folder, {}, Sampled, CANDIDATES) as journal:
        return carry_out(
            QUESTIONS,
            work,
            journal,
            open_database=Opener(str(shop), embedder="none"),
            concurrency=1,
            cluster=cluster,
            finished=lambda row: None,
            failure=lambda row: row.error,
        )


@pytest.fixture(scope="module")
def running() -> Iterator[Cluster]:
    """A cluster that this process is in touch with already: begun once for several tests."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    options = {"include_dashboard": False, "_node_ip_address": "127.0.0.1", "log_to_driver": False}
    ray.init("local", num_cpus=2, **options)
    yield Cluster(workers=2)
    assert ray.is_initialized()
    ray.shutdown()


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    return folder


def test_a_worker_killed_midway_loses_nothing_and_repeats_nothing(shop: Path, notes: Path, tmp_path: Path):
    def kill_one() -> None:
        while len(noted(notes)) < 3:
            time.sleep(0.05)
        killed.append(noted(notes)[0][1])
        os.kill(killed[0], signal.SIGKILL)

    killed: list[int] = []
    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    rows = done(Noting(notes, seconds=0.5), tmp_path / "run", shop, Cluster(workers=2))
    killer.join(5)
    assert [row.id for row in rows] == [question.id for question in QUESTIONS]
    lines = [json.loads(line)["id"] for line in (tmp_path / "run" / CANDIDATES).read_text().splitlines()]
    assert sorted(lines) == [question.id for question in QUESTIONS]  # each once
    tries = Counter(item for item, _ in noted(notes))
    # What was finished is not done again: at most what the dead worker was at.
    assert sum(tries.values()) <= len(QUESTIONS) + 1
    assert len({process for _, process in noted(notes)}) >= 2
    assert not psutil.pid_exists(killed[0])


def test_a_cluster_that_is_not_there_is_told_at_once(shop: Path, notes: Path, tmp_path: Path):
    with pytest.raises(SqlbergError, match=r"no Ray cluster answers at 127\.0\.0\.1:1 "):
        done(Noting(notes), tmp_path / "run", shop, Cluster(address="127.0.0.1:1"))


def test_an_item_that_ends_its_workers_fails_and_the_others_are_done(
    shop: Path, notes: Path, tmp_path: Path, running: Cluster
):
    rows = done(Noting(notes, deadly="q2"), tmp_path / "run", shop, running)
    assert [row.id for row in rows if row.error] == ["q2"]
    assert "workers died over it" in rows[2].error
    assert Counter(item for item, _ in noted(notes))["q2"] == 3


def test_what_a_worker_cannot_begin_ends_the_run_with_its_words(
    shop: Path, notes: Path, tmp_path: Path, running: Cluster
):
    with pytest.raises(SqlbergError, match="no such model"):
        done(Noting(notes, broken="no such model"), tmp_path / "run", shop, running)


def test_workers_that_have_no_room_are_refused(shop: Path, notes: Path, tmp_path: Path, running: Cluster):
    with pytest.raises(SqlbergError, match="2 workers need 2 GPUs and the cluster has 0"):
        done(Noting(notes), tmp_path / "run", shop, replace(running, gpus=1))


def test_a_cluster_samples_and_annotates_what_threads_do(shop: Path, tmp_path: Path, running: Cluster):
    def run(folder: Path, cluster: Cluster | None) -> Any:
        opener = Opener(str(shop), embedder="none")
        rows = sample_candidates(
            QUESTIONS[:3],
            folder / "candidates",
            agent_options={"model": ToLoad("embedded"), "candidates": 3},
            open_database=opener,
            settings={},
            cluster=cluster,
        )
        annotated = annotate_all(
            rows, {}, annotator("execution"), folder, open_database=opener, settings={}, cluster=cluster
        )
        return [(row.id, [one.sql for one in row.responses]) for row in rows], annotated

    here, there = run(tmp_path / "here", None), run(tmp_path / "there", running)
    assert here == there
    assert any(row.verdict == "preferred" for row in there[1])
