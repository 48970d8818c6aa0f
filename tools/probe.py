"""A few extra statements about an answer, bounded in number and seconds.

They are made from the parts of the statement that the guard let through (shape_reading.py), so that the
policy holds for them, too, and run in the same sandbox.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .errors import LimitExceeded, QueryCancelled, SqlbergError

if TYPE_CHECKING:
    from .database import Database


class Unchecked(SqlbergError):
    """A check could not be made; the message says why, in words for the reader of the answer."""


class Probe:
    """Runs at most `statements` statements, `seconds` each, and no new one after twice that time in all."""

    def __init__(
        self,
        database: Database,
        *,
        statements: int,
        seconds: float,
        cancel: threading.Event | None = None,
    ) -> None:
        self._database = database
        self._limits = replace(database.limits, seconds=min(seconds, database.limits.seconds))
        self._left = statements
        self._until = time.monotonic() + 2 * seconds
        self._cancel = cancel

    def first_row(self, sql: str) -> Sequence[Any] | None:
        """The first row, or None when there is none. Raises Unchecked, and QueryCancelled."""
        if self._left <= 0:
            raise Unchecked("too many joins and literals to check them all")
        if time.monotonic() > self._until:
            raise Unchecked("no time was left to check")
        self._left -= 1
        try:
            rows = self._database.read(sql, limits=self._limits, cancel=self._cancel).rows
        except QueryCancelled:
            raise
        except LimitExceeded as error:
            raise Unchecked(f"checking took more than the allowed {error.limit}") from error
        except SqlbergError as error:
            raise Unchecked("the check could not be run") from error
        return rows[0] if rows else None
