"""The command line of the benchmarks that ask Spider's questions in run folders, where they resume."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).resolve().parent.parent
DATA = BENCHMARKS.parent.parent / "shared" / "data" / "spider"


def options(doc: str | None, *, quick: str, output: str, seeds: int = 0) -> argparse.ArgumentParser:
    """--quick, --data, --output and, where there are several, --seeds; `doc` is the benchmark's own, `quick`
    says what a quick run does.
    """
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help=f"{quick}, results not written")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with questions.jsonl and databases/")
    parser.add_argument("--output", type=Path, default=Path(output), help="where a full run resumes")
    if seeds:
        parser.add_argument("--seeds", type=int, nargs="+", default=list(range(seeds)))
    return parser


def finish(given: argparse.Namespace, measure: Callable[[Path], dict[str, Any]], results: str) -> int:
    """Measure in the run folder (a quick run: in one that is thrown away), keep the figures in
    results/`results`, print them, and return the exit code.
    """
    if given.quick:
        with tempfile.TemporaryDirectory() as folder:
            figures = measure(Path(folder))
    else:
        figures = measure(given.output)
        text = json.dumps(figures, indent=2, ensure_ascii=False)
        (BENCHMARKS / "results" / results).write_text(text + "\n", encoding="utf-8")
    print(json.dumps(figures, ensure_ascii=False))
    return 0 if figures["ok"] else 1
