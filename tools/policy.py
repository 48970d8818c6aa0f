"""What one caller may read: allowed and hidden tables, hidden columns, row filters.

The policy is data. The catalog is filtered by it, the guard rewrites SQL by it, and both ask the same
questions (`sees_table`, `sees_column`, `row_filter`). Names are compared without regard to case; patterns
are shell globs (`*`, `?`, `[abc]`), and a name equal to the pattern always matches.

A view can show what a policy hides: its text is the owner's, and no row filter reaches into it. The catalog
therefore leaves out views that read anything restricted (view_rights.py), unless `names_table` holds for
them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from pydantic import BaseModel, ConfigDict, field_validator


class AccessPolicy(BaseModel):
    """Which tables, columns and rows a caller may read. The empty policy allows everything.

    allow_tables: patterns of the only visible tables (None: all).
    hide_tables: patterns of tables that are not visible, whatever `allow_tables` says.
    hide_columns: patterns "table.column" of columns that are not visible, e.g. "staff.salary", "*.email".
    row_filters: table pattern -> SQL boolean expression in the database's dialect; only its rows are visible.
        The expression may use hidden columns and other tables: it is the owner's, not the caller's. One that
        depends on time or chance (`expires > now()`) costs: catalog and value index then are not kept on
        disk, and are built anew every minute that they are used.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    allow_tables: tuple[str, ...] | None = None
    hide_tables: tuple[str, ...] = ()
    hide_columns: tuple[str, ...] = ()
    row_filters: dict[str, str] = {}

    @field_validator("hide_columns")
    @classmethod
    def _name_table_and_column(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            table, _, column = pattern.partition(".")
            if not table or not column:
                raise ValueError(f'hide_columns takes "table.column" or "*.column", not {pattern!r}')
        return patterns

    @field_validator("row_filters")
    @classmethod
    def _filters_are_written(cls, filters: dict[str, str]) -> dict[str, str]:
        for table, condition in filters.items():
            if not condition.strip():
                raise ValueError(
                    f"row_filters[{table!r}] is empty: write a SQL condition, or leave the table out"
                )
        return filters

    def sees_table(self, name: str) -> bool:
        """Whether a table (or view) of that name may be read at all."""
        if _matches(name, self.hide_tables):
            return False
        return self.allow_tables is None or _matches(name, self.allow_tables)

    def names_table(self, name: str) -> bool:
        """Whether `allow_tables` allows that very table, by more than a bare "*"."""
        patterns = [pattern for pattern in self.allow_tables or () if pattern.strip("*")]
        return self.sees_table(name) and _matches(name, patterns)

    def sees_column(self, table: str, column: str) -> bool:
        """Whether that column may be read (of a table that may be read)."""
        return not _matches(f"{table}.{column}", self.hide_columns)

    def may_hide_columns_of(self, table: str) -> bool:
        """Whether some pattern of `hide_columns` speaks of that table: it may have columns not to be seen."""
        return any(
            _matches(table, (pattern[:at],))
            for pattern in self.hide_columns
            for at, character in enumerate(pattern)
            if character == "."
        )

    def row_filter(self, table: str) -> str | None:
        """The condition on the rows of that table, or None. Several matching patterns all have to hold."""
        conditions = [sql for pattern, sql in self.row_filters.items() if _matches(table, (pattern,))]
        return (
            " AND ".join(f"({sql})" for sql in conditions)
            if len(conditions) > 1
            else next(iter(conditions), None)
        )

    def restricts(self, table: str) -> bool:
        """Whether a visible table shows less than all its columns and rows."""
        return self.may_hide_columns_of(table) or self.row_filter(table) is not None

    def idle_patterns(self, tables: Mapping[str, Iterable[str]]) -> list[str]:
        """The patterns that name nothing among these tables, each with its columns: perhaps misspelt, and
        then they keep nothing from anybody.
        """
        columns = [f"{table}.{column}" for table, names in tables.items() for column in names]
        of_tables = (*(self.allow_tables or ()), *self.hide_tables, *self.row_filters)
        named = [(pattern, tables) for pattern in of_tables]
        named += [(pattern, columns) for pattern in self.hide_columns]
        return [pattern for pattern, names in named if not any(_matches(name, (pattern,)) for name in names)]

    def digest(self) -> str:
        """A short text that is the same for equal policies and differs for different ones."""
        return hashlib.sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()[:16]


def _matches(name: str, patterns: Iterable[str]) -> bool:
    folded = name.casefold()
    return any(folded == p.casefold() or fnmatchcase(folded, p.casefold()) for p in patterns)
