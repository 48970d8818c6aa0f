"""Which views a policy hides because of what they read.

A view is the owner's query: it can show hidden columns and rows, and no rewriting of the caller's SQL
reaches into it. So a view whose definition mentions a table that is hidden or restricted is hidden itself,
and so is every view that mentions such a view, unless the policy's `allow_tables` names it (by more than a
bare "*"): that is the owner saying that it is safe.

The definition's text is searched for the names, not parsed: a name that stands there for something else
hides a view too many, never one too few. Not covered: a definition that builds table names from pieces.
"""

from __future__ import annotations

import re

from .policy import AccessPolicy
from .schema import Table
from .schema_reading import Schema


def hidden_views(schema: Schema, policy: AccessPolicy) -> frozenset[str]:
    """Names of the views of `schema` (as read, with everything in it) that the policy keeps from the
    caller."""
    views = {table.name: schema.definitions.get(table.name, "") for table in schema.tables if table.is_view}
    closed = {table.name for table in schema.tables if not table.is_view and not _is_open(table, policy)}
    hidden: set[str] = set()
    found = True
    while found:
        found = {
            view
            for view, definition in views.items()
            if view not in hidden and not policy.names_table(view) and _mentions(definition, closed)
        }
        hidden |= found
        closed |= found
    return frozenset(hidden)


def _is_open(table: Table, policy: AccessPolicy) -> bool:
    """Whether the caller may see every column and row of it."""
    columns = (policy.sees_column(table.name, column.name) for column in table.columns)
    return policy.sees_table(table.name) and policy.row_filter(table.name) is None and all(columns)


def _mentions(definition: str, names: set[str]) -> bool:
    if not names or not definition:
        return bool(names)
    written = "|".join(re.escape(name.replace('"', '""')) for name in sorted(names))
    return re.search(rf"(?<!\w)(?:{written})(?!\w)", definition, re.IGNORECASE) is not None
