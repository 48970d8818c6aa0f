"""The row filters of a policy, checked when a database is opened: each is one condition that runs there.

Whoever opens the database need not be the one who asks: messages name the table, never the condition or what
the engine says of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlglot.errors import ErrorLevel, SqlglotError

from .dialects import TooMuchWork, faithful_dialect
from .errors import DatabaseOpenError, QueryError
from .limits import Result
from .policy import AccessPolicy
from .rewrite import parsed_condition
from .schema import Table
from .table_figures import Source, quoted

Read = Callable[[str], Result]


def with_written_filters(policy: AccessPolicy, dialect: str) -> AccessPolicy:
    """The policy with each row filter written anew from its syntax tree, so that it is the same one condition
    wherever it is put: without comments, brackets closed. Raises DatabaseOpenError."""
    filters = {}
    for pattern, sql in policy.row_filters.items():
        try:
            filters[pattern] = faithful_dialect(dialect).generate(
                parsed_condition(sql, dialect),
                comments=False,
                normalize_functions=False,
                unsupported_level=ErrorLevel.RAISE,
            )
        except (SqlglotError, TooMuchWork, RecursionError):
            raise DatabaseOpenError(
                f"row_filters[{pattern!r}] is no {dialect} condition; write one as it stands after WHERE"
            ) from None
    return policy.model_copy(update={"row_filters": filters})


def check_filters(read: Read, tables: Iterable[Table], policy: AccessPolicy, dialect: str) -> None:
    """Raise DatabaseOpenError for a table that can be read, but not under its row filter."""
    for table in tables:
        condition = policy.row_filter(table.name)
        if condition is None or _runs(read, Source(table, dialect, condition).sql):
            continue
        if _runs(read, quoted(table.name)):
            raise DatabaseOpenError(
                f"the row filter of {table.name} does not run on it; correct row_filters, or hide the table"
            )


def _runs(read: Read, source: str) -> bool:
    try:
        read(f"SELECT 1 FROM {source} LIMIT 0")
    except QueryError:
        return False
    return True
