"""A server stays small: who has left is forgotten, and what is freed goes back to the system."""

from __future__ import annotations

import gc
import threading
import time
from datetime import datetime
from typing import Any

GRACE_SECONDS = 600.0
"""A browser whose connection broke finds its page as it was for so long."""


def forget_the_gone(blocks: Any, grace: float = GRACE_SECONDS) -> None:
    """From now until the server ends, drop the sessions that were closed and not used for `grace` seconds:
    Gradio keeps what a session saw until ten thousand others have come.
    """

    def sweep() -> None:
        while blocks.is_running:
            time.sleep(min(grace, 30.0))
            if gone(blocks.state_holder, grace):
                gc.collect()  # Gradio's sessions hold each other

    gc.collect()
    gc.freeze()  # what is loaded by now stays: collecting need not look through it
    threading.Thread(target=sweep, name="forgetting", daemon=True).start()


def keep_nothing_freed() -> None:
    """Arrow, in which pandas holds text, has a pool of its own that keeps what was freed (60 MB after 800
    questions in benchmarks/sessions.py); the system's allocator does not.
    """
    import pyarrow

    pyarrow.set_memory_pool(pyarrow.system_memory_pool())


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
