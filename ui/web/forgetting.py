"""Who has left is forgotten: Gradio keeps what a session saw until ten thousand others have come."""

from __future__ import annotations

import gc
import threading
import time
from datetime import datetime
from typing import Any

GRACE_SECONDS = 600.0
"""A browser whose connection broke finds its page as it was for so long."""


def forget_the_gone(blocks: Any, grace: float = GRACE_SECONDS) -> None:
    """From now until the server ends, drop the sessions that were closed and not used for `grace` seconds."""

    def sweep() -> None:
        while blocks.is_running:
            time.sleep(min(grace, 30.0))
            if gone(blocks.state_holder, grace):
                gc.collect()  # Gradio's sessions hold each other

    gc.collect()
    gc.freeze()  # what is loaded by now stays: collecting need not look through it
    threading.Thread(target=sweep, name="forgetting", daemon=True).start()


def gone(holder: Any, grace: float) -> list[str]:
    """Drop those sessions of a Gradio `StateHolder`; returns their names."""
    found = []
    for name, session in list(holder.session_data.items()):
        used = holder.time_last_used.get(name, datetime.min)
        if session.is_closed and (datetime.now() - used).total_seconds() >= grace:
            holder.session_data.pop(name, None)
            holder.time_last_used.pop(name, None)
            found.append(name)
    return found
