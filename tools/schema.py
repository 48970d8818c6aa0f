"""What sqlberg knows of a database: tables, columns, keys, statistics and joins. Plain frozen data, no I/O.

`Catalog` holds only what the access policy lets the caller see; everything above (tools, prompts, agents)
reads this and never the database's own system tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

Kind = Literal["text", "number", "date", "boolean", "other"]


@dataclass(frozen=True)
class Statistics:
    """Figures of one column, over the rows the policy lets the caller see.

    null_share: 0 to 1. distinct: number of distinct non-null values (None: not counted).
    minimum, maximum: for numbers and dates. samples: frequent values first; all of them when
    `samples_complete` (few distinct, short values: the column is categorical).
    """

    null_share: float = 0.0
    distinct: int | None = None
    minimum: Any = None
    maximum: Any = None
    samples: tuple[Any, ...] = ()
    samples_complete: bool = False


@dataclass(frozen=True)
class Column:
    """One column. `type` is the declared type as the database spells it; `kind` is what it amounts to."""

    table: str
    name: str
    type: str = ""
    kind: Kind = "other"
    nullable: bool = True
    comment: str = ""
    statistics: Statistics = field(default_factory=Statistics)


@dataclass(frozen=True)
class Join:
    """`table.columns` refers to `ref_table.ref_columns` (composite keys keep their order).

    origin: "declared" (a foreign key), or "inferred" (from name, type and value containment).
    confidence: 1.0 when declared, else 0 to 1.
    """

    table: str
    columns: tuple[str, ...]
    ref_table: str
    ref_columns: tuple[str, ...]
    origin: Literal["declared", "inferred"] = "declared"
    confidence: float = 1.0


@dataclass(frozen=True)
class Table:
    """A table or view with its columns in declared order. `rows` is None when not counted.

    unique: further sets of columns of which no two rows have the same values, as declared.
    """

    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    rows: int | None = None
    comment: str = ""
    is_view: bool = False
    unique: tuple[tuple[str, ...], ...] = ()

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """Columns by lower-cased name."""
        return {column.name.lower(): column for column in self.columns}

    def column(self, name: str) -> Column | None:
        """The column of that name, in any case."""
        return self.by_name.get(name.lower())


@dataclass(frozen=True)
class Catalog:
    """All that the caller may see of one database.

    dialect: sqlglot's name of the SQL dialect ("duckdb", "sqlite", "postgres", ...).
    fingerprint: changes whenever the database's content, or the policy, changes. terms: words of the house
    and what they mean (`notes.py`). schema: the one that the tables lie in, which may be written before
    their names. whole: False when limits or errors of the moment left some of it unmeasured.
    """

    name: str
    dialect: str
    tables: tuple[Table, ...]
    joins: tuple[Join, ...] = ()
    fingerprint: str = ""
    terms: Mapping[str, str] = field(default_factory=dict)
    schema: str = "main"
    whole: bool = True

    @cached_property
    def by_name(self) -> dict[str, Table]:
        """Tables by lower-cased name."""
        return {table.name.lower(): table for table in self.tables}

    @cached_property
    def has_enumerations(self) -> bool:
        """Whether the type of some column is a list of values, or holds one."""
        return any("ENUM" in column.type for column in self.columns())

    def table(self, name: str) -> Table | None:
        """The table of that name, in any case."""
        return self.by_name.get(name.lower())

    def columns(self) -> Iterator[Column]:
        for table in self.tables:
            yield from table.columns
