"""Which adapter answers on a page, chosen there: kept beside its runs, for the server to go on with it when
it starts again.

    {"embedded": "first/round-2/train/adapter"}

By what the server was given as `--model`, since a choice among adapters of one model says nothing of
another's. Paths are relative to the folder of the runs, so that it may be moved; "" is the model without an
adapter.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from ...errors import SqlbergError
from ...training.journal import write_json

ANSWERING = "answering.json"


@dataclass(frozen=True)
class Choice:
    """folder: of the runs. given: `--model` of the server."""

    folder: Path
    given: str

    @property
    def learner(self) -> str:
        """The model that is improved here: what was given, without its adapter."""
        return self.given.partition("+")[0]

    def model(self, adapter: Path | None) -> str:
        """The reference of the learner with an adapter."""
        return f"{self.learner}+{adapter}" if adapter else self.learner

    def keep(self, adapter: Path | None) -> None:
        """From now on this answers (None: the learner as it is), also after a restart."""
        told = os.path.relpath(adapter, self.folder) if adapter else ""
        try:
            known = self._known()
        except SqlbergError:
            known = {}  # damaged: this choice begins it anew
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / ANSWERING, {**known, self.given: told})

    def answering(self) -> str:
        """The reference of what answers: as chosen, else as given. Raises `SqlbergError`: damaged."""
        told = self._known().get(self.given)
        if told is None:
            return self.given
        return self.model(self.folder / told if told else None)

    def _known(self) -> dict[str, str]:
        file = self.folder / ANSWERING
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            return {str(given): str(adapter) for given, adapter in found.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError) as error:
            raise SqlbergError(f"{file} is damaged: choose again on the page, or remove it") from error
