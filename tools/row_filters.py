"""The row filters of a policy, checked when a database is opened: each is one condition that runs there.

Whoever opens the database need not be the one who asks: messages name the table, never the condition or what
the engine says of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

from .dialects import TooMuchWork, faithful_dialect
from .errors import DatabaseOpenError, QueryError
from .limits import Result
from .policy import AccessPolicy
from .rewrite import parsed_condition
from .schema import Table
from .table_figures import Source, quoted

Read = Callable[[str], Result]

_MOMENTS = frozenset({"now", "today", "tomorrow", "yesterday"})
"""Texts that a date function or a cast may read as a moment."""
_OF_THE_MOMENT = frozenset(
    """current_date current_localtime current_localtimestamp current_time current_timestamp gen_random_uuid
    get_current_time get_current_timestamp localtime localtimestamp now random randomblob today
    transaction_timestamp uuid uuidv4 uuidv7""".split()
)
_CLOCKS = {"age": 2, "date": 1, "datetime": 1, "julianday": 1, "strftime": 2, "time": 1, "unixepoch": 1}
"""Functions that take the moment for an argument that they are not given, with how many they have then."""


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


def are_of_the_moment(policy: AccessPolicy, dialect: str) -> bool:
    """Whether some row filter (`with_written_filters`) may show other rows of the same database later on: it
    depends on time or chance. Not seen where that is hidden in a view that the filter reads.
    """
    conditions = (parsed_condition(sql, dialect) for sql in policy.row_filters.values())
    return any(_is_of_the_moment(node) for condition in conditions for node in condition.walk())


def _is_of_the_moment(node: exp.Expr) -> bool:
    if isinstance(node, exp.Literal):
        return node.is_string and node.name.strip().lower() in _MOMENTS
    if isinstance(node, exp.Anonymous):
        name = node.name.lower()
        return name in _OF_THE_MOMENT or len(node.expressions) < _CLOCKS.get(name, 0)
    if isinstance(node, exp.Column):  # of which some are no column's, but a function's without brackets
        return not node.table and node.name.lower() in _OF_THE_MOMENT
    return isinstance(node, exp.Func) and node.sql_name().lower() in _OF_THE_MOMENT


def check_filters(
    read: Read, tables: Iterable[Table], policy: AccessPolicy, dialect: str, every: Iterable[Table]
) -> None:
    """Raise DatabaseOpenError for a table that can be read, but not under its row filter, and for a filter
    whose meaning is not its own. every: tables that there are, whoever may see them.
    """
    columns = {table.name.lower(): {column.name.lower() for column in table.columns} for table in every}
    for table in tables:
        condition = policy.row_filter(table.name)
        if condition is None:
            continue
        if dialect == "sqlite" and _can_be_rebound(condition, table.name, columns):
            raise DatabaseOpenError(
                f"the row filter of {table.name} holds a name in double quotes that no column has; write "
                "text in single quotes"
            )
        if not _runs(read, Source(table, dialect, condition).sql) and _runs(read, quoted(table.name)):
            raise DatabaseOpenError(
                f"the row filter of {table.name} does not run on it; correct row_filters, or hide the table"
            )


def _can_be_rebound(condition: str, table: str, columns: dict[str, set[str]]) -> bool:
    """Whether a name in double quotes is no column's: SQLite takes it for text, but only until a query around
    the filter has a column that is called so, and then whoever asks says what it means.
    """
    tree = parsed_condition(condition, "sqlite")
    named = {alias.alias.lower() for alias in tree.find_all(exp.Alias, exp.TableAlias)}
    for column in tree.find_all(exp.Column):
        known = named | columns.get(table.lower(), set())
        query = column.find_ancestor(exp.Select)
        while query is not None:
            parts = (query.args.get("from_"), *(query.args.get("joins") or ()))
            for source in (table for part in parts if part for table in part.find_all(exp.Table)):
                known |= columns.get(source.name.lower(), set())
            query = query.find_ancestor(exp.Select)
        if not column.table and column.this.args.get("quoted") and column.name.lower() not in known:
            return True
    return False


def _runs(read: Read, source: str) -> bool:
    try:
        read(f"SELECT 1 FROM {source} LIMIT 0")
    except QueryError:
        return False
    return True
