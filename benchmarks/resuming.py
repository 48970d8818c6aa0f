"""Does an improvement run that is killed at any moment end as one that was left alone?

    python benchmarks/resuming.py [--quick] [--times 20]

Runs `sqlberg improve` over the sample database once to the end, then again and again in fresh folders, each
time killed (SIGKILL, the whole process group) at a random moment of the whole run's time and started anew.
Compared are the final preferences, byte by byte, and that no file holds an item twice. Writes
results/resuming.json (not with --quick: three times); ends by printing one JSON object; `ok`: all were the
same.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sqlberg.agents.opening import open_database
from sqlberg.training.evaluation.dataset import Question
from sqlberg.training.formats import write_preferences
from sqlberg.training.preferences import Preference
from sqlberg.training.rounds.candidates import sample_candidates

RESULTS = Path(__file__).resolve().parent / "results" / "resuming.json"
ASKED = (
    "How many customers are there?",
    "Which city has the most customers?",
    "What is the average price of a product?",
    "List the names of all stores.",
    "How many orders were placed in 2024?",
    "Which product has the highest price?",
    "What are the names of the customers from Berlin?",
    "How many products are in each category?",
    "What is the total of all payments?",
    "Which employees work in the Berlin store?",
    "How many returns were there because the item was damaged?",
    "What is the cheapest product?",
)
OPTIONS = ("--rounds", "2", "--rank", "4", "--batch", "2", "--rate", "1e-3", "--method", "ssapo")


def measure(times: int, folder: Path) -> dict[str, Any]:
    """Kill and resume `times` runs."""
    questions, seeds = _given(folder)
    began = time.monotonic()
    _start(questions, seeds, folder / "whole").wait()
    whole_seconds = time.monotonic() - began
    expected = _preferences(folder / "whole")
    rng = random.Random(0)
    runs = []
    for number in range(times):
        place = folder / f"killed-{number}"
        moment = rng.uniform(0.0, whole_seconds)
        process = _start(questions, seeds, place)
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        stage = _stage(place)
        code = _start(questions, seeds, place).wait()
        run = {
            "killed_after": round(moment, 1),
            "at": stage,
            "resumed": code == 0,
            "same_preferences": _preferences(place) == expected,
            "twice": _twice(place),
        }
        runs.append(run)
        print(f"{number + 1} of {times}: {run}", file=sys.stderr, flush=True)
    return {
        "benchmark": "resuming",
        "whole_seconds": round(whole_seconds, 1),
        "preferences": sum(len(text.splitlines()) for text in expected.values()),
        "runs": runs,
        "ok": bool(expected)
        and all(run["resumed"] and run["same_preferences"] and not run["twice"] for run in runs),
    }


def _given(folder: Path) -> tuple[Path, Path]:
    """Files with the questions, and with what a person who likes second answers would say."""
    questions = folder / "asked.jsonl"
    rows = [{"id": f"q{n}", "question": text} for n, text in enumerate(ASKED)]
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = [Question(id=row["id"], db_id="sample", question=row["question"], sql=None) for row in rows[:4]]
    found = sample_candidates(
        asked,
        folder / "seeds",
        agent_options={"model": "embedded", "candidates": 4},
        open_database=lambda db_id: open_database(db_id),
        settings={},
    )
    pairs = [
        Preference(
            id=f"seed-{row.id}",
            db_id=row.db_id,
            prompt=row.prompt,
            chosen=row.responses[1].messages,
            rejected=row.responses[0].messages,
        )
        for row in found
        if len(row.responses) > 1
    ]
    return questions, write_preferences(folder / "seeds.jsonl", pairs)


def _start(questions: Path, seeds: Path, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "sqlberg", "improve", "sample", "-q", str(questions), "-p", str(seeds)]
    return subprocess.Popen(
        [*command, "-o", str(folder), *OPTIONS],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _preferences(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): file.read_text()
        for file in sorted(folder.glob("round-*/preferences.jsonl"))
    }


def _stage(folder: Path) -> str:
    """The file that was written last."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return str(max(files, key=lambda file: file.stat().st_mtime).relative_to(folder)) if files else ""


def _twice(folder: Path) -> list[str]:
    """Files that hold an item more than once."""
    found = []
    for name in ("candidates", "annotations", "preferences"):
        for file in sorted(folder.rglob(f"{name}.jsonl")):
            ids = [json.loads(line)["id"] for line in file.read_text().splitlines()]
            if len(set(ids)) < len(ids):
                found.append(str(file.relative_to(folder)))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="three times, results not written")
    parser.add_argument("--times", type=int, default=20, help="runs to kill")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(3 if given.quick else given.times, Path(folder))
    text = json.dumps(figures, indent=2)
    if not given.quick:
        RESULTS.write_text(text + "\n", encoding="utf-8")
    print(json.dumps(figures))
    return 0 if figures["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
