"""The root of sqlberg's own errors; each folder derives its causes from it (tools/errors.py, models/errors.py)."""

from __future__ import annotations


class SqlbergError(Exception):
    """Anything sqlberg refuses or cannot do. The message is for people: what happened, to what, what to do."""
