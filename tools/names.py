"""From what a model wrote (`singer`, `"Singer"."First Name"`, `Name`) to tables and columns of a catalog.

Lenient where only one reading is possible: case, any SQL quoting, a schema before the table, a column without
its table when one table has it. Anything else raises `UnknownName`, which suggests the nearest visible names.
A name that the policy hides is not in the catalog and is answered like one that does not exist.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from rapidfuzz import fuzz, process

from .cells import excerpt, identifier, qualified
from .errors import SqlbergError
from .schema import Catalog, Column, Table

NEAR_SCORE = 60
"""Least similarity (rapidfuzz WRatio, 0 to 100) of a name worth suggesting."""

# One wording for a name that is hidden and one that was never there.
_ABSENT = "does not exist here or is not permitted"

_CLOSING = {'"': '"', "`": "`", "[": "]"}


class UnknownName(SqlbergError):
    """A table or column that is not in the catalog; the message suggests the nearest names."""


def find_table(catalog: Catalog, text: str) -> Table:
    """The table that `text` names; a column's table when `text` is `table.column`. Raises UnknownName."""
    for table, _ in _readings(catalog, text):
        return table
    raise UnknownName(f"table {_shown(text)} {_ABSENT}{near_tables(catalog, text)}")


def find_columns(catalog: Catalog, text: str, tables: Iterable[Table] | None = None) -> list[Column]:
    """The columns that `text` names: one for `table.column`, all of that name for a bare name, or a table's.

    tables: bare names are looked up in these only (None: in all). Raises UnknownName.
    """
    readings = list(_readings(catalog, text))
    for _, column in readings:
        if column is not None:
            return [column]
    parts = _parts(text)
    if len(parts) == 1:
        searched = catalog.tables if tables is None else tables
        found = [column for table in searched if (column := table.column(parts[0])) is not None]
        if found:
            return found
    if readings:
        return list(readings[0][0].columns)
    raise UnknownName(f"column {_shown(text)} {_ABSENT}{_near_columns(catalog, parts)}")


def find_place(catalog: Catalog, text: str) -> tuple[Table, Column | None]:
    """The table, or table and column, that `text` names. Raises UnknownName, also when several are meant."""
    for place in _readings(catalog, text):
        return place
    parts = _parts(text)
    columns = [column for table in catalog.tables if (column := table.column(parts[0])) is not None]
    if len(parts) > 1 or not columns:
        near = near_tables(catalog, text) if len(parts) == 1 else _near_columns(catalog, parts)
        raise UnknownName(f"{_shown(text)} {_ABSENT}{near}")
    if len(columns) > 1:
        places = ", ".join(qualified(column.table, column.name) for column in columns[:5])
        raise UnknownName(f"{_shown(text)} is a column of several tables; write one of {places}")
    return catalog.by_name[columns[0].table.lower()], columns[0]


def near_tables(catalog: Catalog, text: str) -> str:
    """`; did you mean ...?` with up to three tables, or all tables when none is near and they are few."""
    names = {table.name: table.name for table in catalog.tables}
    near = _near(_parts(text)[-1], names)
    if near:
        return f"; did you mean {' or '.join(map(identifier, near))}?"
    return f"; the tables are {', '.join(map(identifier, names))}" if 0 < len(names) <= 15 else ""


def _near_columns(catalog: Catalog, parts: list[str]) -> str:
    tables = catalog.tables
    if len(parts) > 1:
        table = catalog.table(parts[-2])
        if table is None:
            return near_tables(catalog, parts[-2])
        tables = (table,)
    columns = [column for table in tables for column in table.columns]
    names = {qualified(column.table, column.name): column.name for column in columns}
    near = _near(parts[-1], names)
    if near:
        return f"; did you mean {' or '.join(near)}?"
    if len(tables) == 1 and len(names) <= 30:
        return f"; its columns are {', '.join(map(identifier, names.values()))}"
    return "; search_column finds columns by their meaning"


def _near(text: str, names: Mapping[str, str]) -> list[str]:
    """Keys of up to three names that resemble `text`, the nearest first."""
    hits = process.extract(
        text, names, scorer=fuzz.WRatio, processor=str.lower, limit=3, score_cutoff=NEAR_SCORE
    )
    return [key for _, _, key in hits]


def _readings(catalog: Catalog, text: str) -> Iterator[tuple[Table, Column | None]]:
    """Every way to read `text` as a table or as table and column, the most literal first."""
    text = text.strip()
    parts = _parts(text)
    if (table := catalog.table(text)) is not None:
        yield table, None
    # Names may hold dots themselves: every dot of the raw text may be the one between table and column.
    pairs = [(parts[-2], parts[-1])] if len(parts) > 1 else []
    pairs += [(text[: dot.start()], text[dot.end() :]) for dot in re.finditer(r"\.", text)]
    for table_name, column_name in pairs:
        table = catalog.table(table_name)
        column = table.column(column_name) if table is not None else None
        if table is not None and column is not None:
            yield table, column
    in_a_table = len(parts) > 1 and catalog.table(parts[-2]) is not None
    if not in_a_table and (table := catalog.table(parts[-1])) is not None:
        yield table, None


def _parts(text: str) -> list[str]:
    """The parts of a dotted name, unquoted: `main."First Name"` gives "main" and "First Name"."""
    parts = []
    rest = text.strip()
    while rest:
        closing = _CLOSING.get(rest[0])
        end = rest.find(closing, 1) if closing else -1
        while end > 0 and closing == '"' and rest[end + 1 : end + 2] == '"':  # doubled: a quote in the name
            end = rest.find('"', end + 2)
        part = rest[1:end] if end > 0 else rest.partition(".")[0].strip()
        if closing == '"':
            part = part.replace('""', '"')
        rest = rest[max(end, 0) :].partition(".")[2].lstrip()
        if part:
            parts.append(part)
    return parts or [text]


def _shown(text: str) -> str:
    return excerpt(text.strip(), 80)
