"""The root of sqlberg's own errors; each folder derives its causes from it (tools/errors, models/errors)."""

from __future__ import annotations


class SqlbergError(Exception):
    """What sqlberg refuses or cannot do. The message is for people: what happened, to what, what to do."""
