"""How sure the embedded model is of a sketch, as a probability of being right.

The sketch's log-probability ranks well and is no probability: the network is sure of what it has misread. A
curve of two numbers, fitted on questions over databases outside of training (training/embedded/confidence.py)
and kept in the weights' config, turns one into the other.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Confidence:
    """1 / (1 + (x / half) ** power), x being minus the sketch's log-probability: one half at x = `half`.

    The same as a logistic regression on log x (Platt 1999, with a logarithm).
    """

    half: float
    power: float

    def of(self, logprob: float) -> float:
        """0 to 1."""
        return 1 / (1 + (max(0.0, -logprob) / self.half) ** self.power)


@cache
def load_confidence(folder: Path) -> Confidence | None:
    """The curve of these weights, None where none was fitted."""
    try:
        found = json.loads((folder / "config.json").read_text()).get("confidence")
        return Confidence(**found) if found else None
    except (OSError, ValueError, TypeError):
        return None


def save_confidence(curve: Confidence, folder: Path) -> None:
    """Keep the curve beside the weights it was fitted for."""
    path = folder / "config.json"
    config = json.loads(path.read_text()) | {"confidence": asdict(curve)}
    path.write_text(json.dumps(config, indent=1) + "\n")
    load_confidence.cache_clear()
