"""How sure the embedded model is of a sketch, as a probability of being right.

The network judges its own sketches (`SketchNetwork.judge`); over databases it has not seen it is too sure of
itself. A curve of two numbers, fitted on questions over databases outside of training
(training/embedded/confidence.py) and kept in the weights' config, sets that right.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Confidence:
    """1 / (1 + (x / half) ** power), x = -log p of the probability p that the network gives: 0.5 at `half`.

    The same as a logistic regression on log x (Platt 1999, with a logarithm).
    """

    half: float
    power: float

    def of(self, logprob: float) -> float:
        """0 to 1, from log p."""
        return 1 / (1 + (max(0.0, -logprob) / self.half) ** self.power)


def log_probability(odds: float) -> float:
    """log p of log-odds."""
    return min(0.0, odds) - math.log1p(math.exp(-abs(odds)))


@cache
def load_confidence(folder: Path) -> Confidence | None:
    """The curve of these weights, None where none was fitted."""
    try:
        found = json.loads((folder / "config.json").read_text()).get("confidence")
        return Confidence(**found) if found else None
    except (OSError, ValueError, TypeError):
        return None


@cache
def load_threshold(folder: Path) -> float:
    """The confidence below which these weights would rather not answer; 0 where none was fitted."""
    try:
        return float(json.loads((folder / "config.json").read_text()).get("abstain_below", 0.0))
    except (OSError, ValueError, TypeError):
        return 0.0


def save_confidence(curve: Confidence, threshold: float, folder: Path) -> None:
    """Keep curve and threshold beside the weights they were fitted for."""
    path = folder / "config.json"
    config = json.loads(path.read_text()) | {"confidence": asdict(curve), "abstain_below": threshold}
    path.write_text(json.dumps(config, indent=1) + "\n")
    load_confidence.cache_clear()
    load_threshold.cache_clear()
