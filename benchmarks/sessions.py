"""Fifty people on the page at once: nothing mixes, nothing leaks, and the first step is seen soon.

    python benchmarks/sessions.py [--quick]

A server of `sqlberg chat` in a process of its own, over as many databases as there are sessions, each with a
word that no other has. Every session does what a browser does: it loads the page, holds the connection by
which the server knows that it is there, sends the chain of events that the page names for a question about
its own database, reads the stream of each, and stops every third question halfway. The model is scripted
and takes 0.2 s for each of its turns. After two questions all leave, and others come. Counted: answers with
a word of another session, stops that came when the answer was there already, seconds from asking to the
first card, and the server's memory each time that all have left (what they saw is forgotten after 2 s here,
and otherwise after ten minutes). Before anybody came there is less: agents are made and libraries loaded by
the first questions. Writes results/sessions.json; ends with one JSON object. `ok`: nothing mixed, nothing
lost, p95 of the first step at most 2 s, memory after the last visit within 10 % of that after the first.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import re
import socket
import sqlite3
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from parts.plan_model import PlanModel
from sqlberg.ui.web.cards import HEADINGS

RESULTS = Path(__file__).parent / "results" / "sessions.json"
SESSIONS, VISITS, QUESTIONS = 50, 8, 2
GRACE = 2.0
TURN_SECONDS = 0.2
SOON, GROWTH = 2.0, 0.10
_WORD = re.compile(r"only-\d+-word")


class SlowPlanModel(PlanModel):
    """The scripted model, as slow as a served one."""

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        time.sleep(TURN_SECONDS)
        return super()._generate(*args, **kwargs)


def plan(question: str) -> list[tuple[str, dict[str, Any]]]:
    """Eight turns: six searches, the statement, the answer."""
    searches = [("search_column", {"queries": [f"{question} {number}"]}) for number in range(6)]
    return [*searches, ("execute_sql", {"sql": "SELECT word FROM thing"})]


def serve(folder: Path, databases: list[str], port: int) -> None:
    """The server's process."""
    from sqlberg.tools.limits import Limits
    from sqlberg.training.feedback.store import Store
    from sqlberg.ui.web.app import launch
    from sqlberg.ui.web.room import Room, named

    room = Room(
        named(databases),
        SlowPlanModel(plan=plan),
        "scripted",
        Store(folder / "feedback.sqlite"),
        memory=folder / "conversations",
        embedder="none",
        limits=Limits(seconds=10),
    )
    for name in room.names:
        _ = room.database(name).catalog
    launch(room, port=port, grace=GRACE, block=False)
    threading.Event().wait()


@dataclass
class Seen:
    """What came of one question."""

    first_step: float
    words: set[str]
    stop: bool
    ended_early: bool = False
    answered: bool = False


class Session:
    """One browser: it asks by the chain of events that the page names, and stops by its button."""

    def __init__(self, address: str, number: int) -> None:
        self.number, self.hash, self._ended = number, uuid.uuid4().hex[:11], 0
        self.client = httpx.Client(base_url=address, timeout=60)
        self.client.get("/")
        config = self.client.get("/config").json()
        ids = {one["props"].get("elem_id"): one["id"] for one in config["components"]}
        by_click = {
            name: next(n for n in config["dependencies"] if [ids[name], "click"] in n["targets"])
            for name in ("ask", "stop")
        }
        self._stop_event, self._chain = by_click["stop"], [by_click["ask"]]
        self._here = self.client.stream("GET", f"/gradio_api/heartbeat/{self.hash}")
        self._here.__enter__()
        while then := [n for n in config["dependencies"] if n["trigger_after"] == self._chain[-1]["id"]]:
            self._chain.append(then[0])

    def ask(self, stop: bool) -> Seen:
        """Ask about the session's own database; stop: after the first step."""
        seen, began = Seen(float("nan"), set(), stop), time.perf_counter()
        begin, answer, *rest = self._chain
        self._predict(begin, f"Which word is in thing {self.number}?", None, None)
        for told in self._stream(answer, [None, f"db{self.number}", None, None]):
            text = json.dumps(told)
            seen.words |= set(_WORD.findall(text))
            if np.isnan(seen.first_step) and '"metadata"' in text and '"title"' in text:
                seen.first_step = time.perf_counter() - began
                if stop:
                    self._predict(self._stop_event)
            if told["msg"] == "process_completed":
                ended = text.count(HEADINGS["partial"])  # of the whole conversation
                seen.ended_early, self._ended = ended > self._ended, ended
                seen.answered = bool(told["success"]) and not seen.ended_early and bool(seen.words)
        for event in (one for one in rest if one["backend_fn"]):
            for told in self._stream(event, [None] * len(event["inputs"])):
                seen.words |= set(_WORD.findall(json.dumps(told)))
        return seen

    def leave(self) -> None:
        """Close the page."""
        self._here.__exit__(None, None, None)
        self.client.close()

    def _stream(self, event: dict[str, Any], data: list[Any]) -> Iterator[dict[str, Any]]:
        """What the server tells of an event, to the end of the stream: who goes before is taken for gone."""
        body = {"data": data, "fn_index": event["id"], "session_hash": self.hash}
        self.client.post("/gradio_api/queue/join", json=body).raise_for_status()
        with self.client.stream(
            "GET", "/gradio_api/queue/data", params={"session_hash": self.hash}
        ) as events:
            for line in events.iter_lines():
                if line.startswith("data:"):
                    told = json.loads(line.removeprefix("data:"))
                    yield told
                    if told["msg"] == "close_stream":
                        break

    def _predict(self, event: dict[str, Any], *data: Any) -> None:
        body = {"data": list(data), "fn_index": event["id"], "session_hash": self.hash}
        self.client.post("/gradio_api/run/predict", json=body).raise_for_status()


def measure(sessions: int, visits: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as opened:
        folder = Path(place)
        databases = [str(_database(folder / f"db{number}.sqlite", number)) for number in range(sessions)]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = multiprocessing.get_context("spawn").Process(target=serve, args=(folder, databases, port))
        server.start()
        opened.callback(server.kill)
        address = f"http://127.0.0.1:{port}"
        _wait_for(address)
        process = psutil.Process(server.pid)
        cold, memory, seen = process.memory_info().rss / 1e6, [], []
        with ThreadPoolExecutor(sessions) as pool:
            for visit in range(visits):
                people = list(pool.map(lambda number: Session(address, number), range(sessions)))
                for question in range(QUESTIONS):
                    stopping = [(one.number + QUESTIONS * visit + question) % 3 == 0 for one in people]
                    seen += zip(people, pool.map(Session.ask, people, stopping), strict=True)
                for one in people:
                    one.leave()
                time.sleep(3 * GRACE)
                memory.append(process.memory_info().rss / 1e6)
                print(f"visit {visit + 1}: {memory[-1]:.0f} MB", file=sys.stderr, flush=True)
        mixed = sum(bool(one.words - {f"only-{who.number}-word"}) for who, one in seen)
        lost = sum(not one.stop and not one.answered for _, one in seen)
        unstopped = sum(one.stop and not one.ended_early for _, one in seen)
        soon = float(np.nanpercentile([one.first_step for _, one in seen], 95))
        growth = memory[-1] / memory[0] - 1
        return {
            "benchmark": "sessions",
            "sessions": sessions,
            "questions": len(seen),
            "mixed": mixed,
            "lost": lost,
            "stopped": sum(one.stop for _, one in seen),
            "stopped_too_late": unstopped,
            "first_step_p50": round(float(np.nanmedian([one.first_step for _, one in seen])), 2),
            "first_step_p95": round(soon, 2),
            "memory_mb_before_anybody": round(cold, 1),
            "memory_mb": [round(one, 1) for one in memory],
            "memory_growth": round(growth, 3),
            "ok": not (mixed or lost) and soon <= SOON and abs(growth) <= GROWTH,
        }


def _database(file: Path, number: int) -> Path:
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE thing (word TEXT)")
        connection.execute("INSERT INTO thing VALUES (?)", (f"only-{number}-word",))
        connection.commit()
    return file


def _wait_for(address: str) -> None:
    for _ in range(600):
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{address}/config").status_code == 200:
                return
        time.sleep(0.5)
    raise SystemExit("the server did not start")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="5 sessions, two visits, results not written")
    quick = parser.parse_args().quick
    figures = measure(5, 2) if quick else measure(SESSIONS, VISITS)
    if not quick:
        RESULTS.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(figures))
    return 0 if figures["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
