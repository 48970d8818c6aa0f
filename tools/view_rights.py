"""Which views and virtual tables a policy hides because of what they read.

A view is the owner's query: it can show hidden columns and rows, and no rewriting of the caller's SQL
reaches into it. So a view whose definition mentions a table that is hidden or restricted is hidden itself,
and so is every view that mentions such a view, unless the policy's `allow_tables` names it (by more than a
bare "*"): that is the owner saying that it is safe. SQLite's virtual tables are taken for views: one for
full-text search has the rows of the table that it was made for, another lists its words. What a view reads
through macros and other schemas counts, too; the policy's patterns hold for tables of every schema.

The definition's text is searched for the names, not parsed: a name that stands there for something else
hides a view too many, never one too few. Not covered: a definition that builds table names from pieces.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .policy import AccessPolicy
from .schema_reading import Schema


def hidden_views(schema: Schema, policy: AccessPolicy) -> frozenset[str]:
    """Names of the views and virtual tables of `schema` (as read, with everything in it) that the policy
    keeps from the caller."""
    closed = {
        table.name
        for table in schema.tables
        if not table.is_view and not _is_open(table.name, (column.name for column in table.columns), policy)
    }
    closed |= {
        other.name
        for other in schema.beyond
        if other.definition is None and not _is_open(other.name, other.columns, policy)
    }
    views = {table.name for table in schema.tables if table.is_view or table.name in schema.definitions}
    # What stands open until it is found to mention something closed: definitions, and whose view each is.
    left = [(other.name, other.definition, "") for other in schema.beyond if other.definition is not None]
    left += [(view, schema.definitions.get(view, ""), view) for view in views if not policy.names_table(view)]
    hidden: set[str] = set()
    while found := {one for one in left if _mentions(one[1], closed)}:
        left = [one for one in left if one not in found]
        closed |= {name for name, _, _ in found}
        hidden |= {view for _, _, view in found if view}
    return frozenset(hidden)


def _is_open(table: str, columns: Iterable[str], policy: AccessPolicy) -> bool:
    """Whether the caller may see every column and row of it."""
    return (
        policy.sees_table(table)
        and policy.row_filter(table) is None
        and all(policy.sees_column(table, column) for column in columns)
    )


def _mentions(definition: str, names: set[str]) -> bool:
    if not names or not definition:
        return bool(names)
    spellings = {name.replace(quote, 2 * quote) for name in names for quote in "\"'`"}
    written = "|".join(re.escape(spelling) for spelling in sorted(spellings | names))
    return re.search(rf"(?<!\w)(?:{written})(?!\w)", definition, re.IGNORECASE) is not None
