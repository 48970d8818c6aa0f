"""Build the catalog of a database through the access policy, and keep it on disk until either changes.

The order: schema (schema_reading.py) → policy → row counts and statistics (statistics.py) → inferred
joins (joins.py). What the policy hides is left out before anything is measured: hidden tables and columns
are absent, keys and joins that need them too, row filters apply to every figure and sample, and views and
virtual tables that show what the policy hides are left out (view_rights.py).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from .cache import Watched, is_due, written_whole
from .joins import JOIN_SECONDS, infer_joins
from .limits import Limits, Result
from .schema import Catalog, Join
from .schema_reading import Schema, read_schema
from .statistics import measure_tables
from .view_rights import hidden_views

if TYPE_CHECKING:
    from .policy import AccessPolicy

Read = Callable[[str], Result]

CATALOG_LIMITS = Limits(seconds=20.0, memory_mb=2048, rows=2_000_000, columns=2_000, cell_chars=400)
"""Limits that the statements of a catalog's building need; `read` should run under them."""

SCHEMA_LIMITS = replace(CATALOG_LIMITS, cell_chars=1_000_000)
"""Those of reading the schema alone: the text that defines a table or view comes whole or not at all."""

_VERSION = 4
"""Part of the cache key: raised when the catalog of the same database would come out different."""


def build_catalog(
    read: Read,
    *,
    name: str,
    dialect: str,
    fingerprint: str = "",
    policy: AccessPolicy | None = None,
    schema: Schema | None = None,
    seconds: float = 120.0,
    progress: Callable[[int, int], None] | None = None,
) -> Catalog:
    """The catalog as the policy lets the caller see it.

    read: runs one trusted statement under `CATALOG_LIMITS`. fingerprint: of the database's content.
    schema: as the engine read it (read here when not given). seconds: for the statistics; tables measured too
    late keep only their row counts. progress: called with (tables done, of).
    """
    started = time.monotonic()
    read = Watched(read)
    schema = schema or read_schema(read, dialect)
    filters: dict[str, str] = {}
    if policy is not None:
        schema = visible_schema(schema, policy)
        filters = {table.name: rule for table in schema.tables if (rule := policy.row_filter(table.name))}
    tables = measure_tables(
        read, dialect, schema.tables, row_filters=filters, seconds=seconds, progress=progress
    )
    key = catalog_key(fingerprint, policy)
    catalog = Catalog(name, dialect, tables, schema.joins, key, schema=schema.name)
    measured = time.monotonic()
    joins = (*schema.joins, *infer_joins(catalog, read, row_filters=filters))
    in_time = measured - started < seconds and time.monotonic() - measured < JOIN_SECONDS
    whole = in_time and not read.cut_short
    return replace(catalog, joins=joins, whole=whole)


def catalog_key(fingerprint: str, policy: AccessPolicy | None) -> str:
    """The catalog's fingerprint: changes with the database's content, the policy and this code's version."""
    parts = (str(_VERSION), fingerprint, policy.digest() if policy is not None else "")
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def visible_schema(schema: Schema, policy: AccessPolicy) -> Schema:
    """The part of the schema that the policy lets the caller see."""
    hidden = hidden_views(schema, policy)
    tables = []
    for table in schema.tables:
        if not policy.sees_table(table.name) or table.name in hidden:
            continue
        columns = tuple(column for column in table.columns if policy.sees_column(table.name, column.name))
        if columns:
            names = {column.name for column in columns}
            key = table.primary_key if names.issuperset(table.primary_key) else ()
            unique = tuple(one for one in table.unique if names.issuperset(one))
            tables.append(replace(table, columns=columns, primary_key=key, unique=unique))
    visible = {(table.name, column.name) for table in tables for column in table.columns}
    joins = tuple(join for join in schema.joins if visible.issuperset(_join_columns(join)))
    return replace(schema, tables=tuple(tables), joins=joins)


def hidden_names(schema: Schema, catalog: Catalog) -> set[tuple[str, ...]]:
    """What the schema names and the catalog does not: a table or column; of a column whose name the catalog
    has elsewhere, its table and its name. In lower case (`casefold`).
    """
    places = {
        (table.name.casefold(), column.name.casefold())
        for table in catalog.tables
        for column in table.columns
    }
    seen = {(name,) for place in places for name in place}
    tables = [(table.name, [column.name for column in table.columns]) for table in schema.tables]
    tables += [(other.name, list(other.columns)) for other in schema.beyond]
    hidden: set[tuple[str, ...]] = set()
    for table, columns in tables:
        hidden.add((table.casefold(),))
        for column in columns:
            name = column.casefold()
            hidden.add((table.casefold(), name) if (name,) in seen else (name,))
    return hidden - seen - places


def load_catalog(path: Path, fingerprint: str) -> Catalog | None:
    """The catalog kept at `path`; None when there is none, it is damaged, of another fingerprint, or was cut
    short a while ago."""
    with suppress(OSError, ValueError):
        catalog = _CATALOG.validate_json(path.read_bytes())
        if catalog.fingerprint == fingerprint and (catalog.whole or not is_due(path)):
            return catalog
    return None


def save_catalog(path: Path, catalog: Catalog) -> None:
    """Keep the catalog at `path`, whole or not at all; a folder that cannot be written to is no error."""
    with suppress(OSError), written_whole(path) as temporary:
        temporary.touch(0o600)  # it holds values, which may be their owner's alone
        temporary.write_bytes(_CATALOG.dump_json(catalog))


_CATALOG = TypeAdapter(Catalog)


def _join_columns(join: Join) -> set[tuple[str, str]]:
    return {
        *((join.table, column) for column in join.columns),
        *((join.ref_table, column) for column in join.ref_columns),
    }
