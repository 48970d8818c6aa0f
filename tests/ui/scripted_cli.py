"""The `sqlberg` command with a scripted model, for tests that need a process of its own.

    SCRIPTED_SQL="SELECT 1" python scripted_cli.py ARGUMENTS...

The model answers every question by running that SQL once and then saying "Done."; with
SCRIPTED_SQL=sleep it takes a minute to say anything.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

from sqlberg.ui.cli import main

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "agents"))
scripted = importlib.import_module("scripted")


def load(reference: str, **options: Any) -> Any:
    def reply(messages: list[Any]) -> Any:
        if os.environ["SCRIPTED_SQL"] == "sleep":
            time.sleep(60)
        asked = messages[-1].type == "human"
        return scripted.sql(os.environ["SCRIPTED_SQL"]) if asked else scripted.words("Done.")

    return scripted.ScriptedModel(script=reply)


if __name__ == "__main__":
    with mock.patch("sqlberg.models.references.load_chat_model", load):
        main()
