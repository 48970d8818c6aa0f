"""Results of experiments that take a machine for hours: seed by seed, each in a file of its own.

A seed that is finished counts wherever it was made; one that was begun goes on only where its weights are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlberg.training.journal import write_json


class SeedResult:
    """What is known of a seed, in folder/seed-N.json.

    recipe: what all seeds must share; weights: what the seed was begun with. parts: by name.
    """

    def __init__(self, folder: Path, seed: int, recipe: Mapping[str, Any], weights: str) -> None:
        self.file = folder / f"seed-{seed}.json"
        self.about = {"recipe": json.loads(json.dumps(recipe)), "weights": weights}
        found = _read(self.file)
        mine = all(found.get(name) == value for name, value in self.about.items())
        self.parts: dict[str, Any] = found["parts"] if mine else {}

    def keep(self, name: str, part: Any) -> None:
        self.parts[name] = part
        self._write(finished=False)

    def finish(self) -> None:
        self._write(finished=True)

    def _write(self, finished: bool) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.file, {**self.about, "finished": finished, "parts": self.parts})


def over_seeds(
    output: Path,
    kept: Path,
    recipe: Mapping[str, Any],
    seeds: Sequence[int],
    one_seed: Callable[[Path, Path, int], None],
) -> dict[int, dict[str, Any]]:
    """The parts of every seed that is finished by this recipe, after making those of `seeds` that are not:
    each in a run folder of its own below `output`.
    """
    for seed in seeds:
        if seed not in finished(kept, recipe):
            one_seed(output / f"seed-{seed}", kept, seed)
    return finished(kept, recipe)


def finished(folder: Path, recipe: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    """The parts of every seed that is finished by this recipe."""
    results = {int(file.stem.removeprefix("seed-")): _read(file) for file in folder.glob("seed-*.json")}
    wanted = json.loads(json.dumps(recipe))
    return {
        seed: one["parts"]
        for seed, one in sorted(results.items())
        if one["finished"] and one["recipe"] == wanted
    }


def _read(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
