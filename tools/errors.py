"""The errors of the tools: one class per cause, each message one line that says what to do instead."""

from __future__ import annotations

from ..errors import SqlbergError as SqlbergError


class DatabaseOpenError(SqlbergError):
    """The reference names no database that can be opened (missing file, unknown format, damaged file)."""


class QueryError(SqlbergError):
    """The database could not run a statement that the guard had allowed (the engine's own message)."""


class QueryRefused(SqlbergError):
    """The guard does not allow the statement. Carries what to write instead, never the refused data."""


class NotPermitted(QueryRefused):
    """A table or column is not among those the policy lets the caller read (or there is no such name)."""


class QueryCancelled(SqlbergError):
    """The caller cancelled the query; it has been stopped in the database."""


class LimitExceeded(SqlbergError):
    """The statement hit a hard limit (`limit` is "seconds" or "memory") and was stopped without a result."""

    def __init__(self, message: str, *, limit: str) -> None:
        super().__init__(message)
        self.limit = limit
