"""How long it takes to choose which questions people should label: the whole command, as a user runs it.

    python benchmarks/selecting.py [--quick] [--data FOLDER] [--by vapal]

`sqlberg select` picks 1 000 of Spider's train questions in a new run folder; what databases keep (catalogs
and indexes) is there from a first question to each, as for people who ask. Writes results/selecting.json
(not with --quick: five databases, ten questions); ends by printing one JSON object; `ok`: at most five
minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from parts.run_folders import BENCHMARKS, DATA
from sqlberg.agents.opening import open_database
from sqlberg.training.evaluation.dataset import load_dataset

LONGEST = 300.0
COUNT = 1000


def measure(data: Path, selector: str, quick: bool) -> dict[str, Any]:
    questions = load_dataset(data, split="train").questions
    names = list(dict.fromkeys(question.db_id for question in questions))[: 5 if quick else None]
    asked = [question for question in questions if question.db_id in names]
    count = 10 if quick else COUNT
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            with open_database(data / "databases" / f"{name}.sqlite", embedder="embedded") as database:
                _ = database.columns
        file = Path(folder) / "questions.jsonl"
        rows = ({"id": one.id, "db_id": one.db_id, "question": one.question} for one in asked)
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        command = ["select", str(data), "--questions", str(file), "-n", str(count), "--by", selector]
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "sqlberg", *command, "--run", str(Path(folder) / "run"), "--json"],
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"sqlberg select failed: {done.stderr[-2000:]}")
    chosen = json.loads(done.stdout)
    return {
        "benchmark": "selecting",
        "selector": selector,
        "questions": len(asked),
        "databases": len(names),
        "chosen": len({row["id"] for row in chosen}),
        "cores": os.cpu_count(),
        "seconds": round(seconds, 1),
        "ok": seconds <= LONGEST and len(chosen) == count,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="five databases, results not written")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with questions.jsonl and databases/")
    parser.add_argument("--by", default="vapal", help="the selector")
    given = parser.parse_args()
    figures = measure(given.data, given.by, given.quick)
    if not given.quick:
        text = json.dumps(figures, indent=2) + "\n"
        (BENCHMARKS / "results" / "selecting.json").write_text(text, encoding="utf-8")
    print(json.dumps(figures))
    return 0 if figures["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
