"""The exact follower against the general solver that the paper uses, and on a million pairs.

    python benchmarks/follower.py [--quick]

Side by side in one run, medians of several: the worst case for 1 000 pairs by sorting (training/follower.py),
by the published program over all of them, and by that in groups of 100 pairs as its authors do it (their
value is that of a weaker adversary); both programs by HiGHS. Then a million pairs by sorting. Writes
results/follower.json (not with --quick: fewer repeats); ends by printing one JSON object; `ok`: the values
are equal to 1e-6, and a million pairs take at most a second.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sqlberg.training.follower import Floats, margin_tangents, support_of, worst_case

BENCHMARKS = Path(__file__).resolve().parent
sys.path.append(str(BENCHMARKS.parent / "tests" / "training"))
from published_program import program  # noqa: E402  # pyright: ignore[reportMissingImports]

PAIRS, GROUP, MANY = 1_000, 100, 1_000_000
EPSILON = 0.01


def measure(repeats: int) -> dict[str, Any]:
    """Values and seconds."""
    gaps = np.random.default_rng(0).normal(0.5, 1.5, PAIRS)
    support = support_of(gaps)
    surrogate = margin_tangents(*support)

    def sorted_() -> float:
        return worst_case(gaps, surrogate, EPSILON, support).value

    def whole() -> float:
        return program(gaps, surrogate, EPSILON, support)

    def grouped() -> float:
        parts = gaps.reshape(-1, GROUP)
        return float(np.mean([program(part, surrogate, EPSILON, support) for part in parts]))

    ways = {"sorting": sorted_, "program": whole, "program_in_groups": grouped}
    values = {name: way() for name, way in ways.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            seconds[name].append(_timed(way))
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    many = np.random.default_rng(1).normal(0.5, 1.5, MANY)
    million = statistics.median(_timed(lambda: _solve(many)) for _ in range(repeats))
    return {
        "benchmark": "follower",
        "pairs": PAIRS,
        "values": {name: round(value, 9) for name, value in values.items()},
        "seconds": {name: float(f"{value:.3g}") for name, value in medians.items()},
        "times_as_fast_as_program": round(medians["program"] / medians["sorting"]),
        "times_as_fast_as_groups": round(medians["program_in_groups"] / medians["sorting"]),
        "million_pairs_seconds": round(million, 3),
        "ok": abs(values["sorting"] - values["program"]) < 1e-6 and million <= 1.0,
    }


def _solve(gaps: Floats) -> float:
    support = support_of(gaps)
    return worst_case(gaps, margin_tangents(*support), EPSILON, support).value


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="once each, results not written")
    given = parser.parse_args()
    figures = measure(1 if given.quick else 7)
    if not given.quick:
        (BENCHMARKS / "results" / "follower.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures))
    return 0 if figures["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
