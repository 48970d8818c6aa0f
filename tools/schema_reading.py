"""Read tables, views, columns, keys and comments from a database's system tables, in few bulk statements.

Covered: SQLite (shadow tables of virtual tables left out, generated columns kept, foreign keys that name no
target column, views that no longer work left out) and DuckDB (current schema; comments; views over files);
UNIQUE constraints, of SQLite also unique indexes.
What views can reach besides (other schemas, macros) is read as `Beyond`, for view_rights.py only.
Foreign keys to missing tables or columns are dropped, doubled ones told once. Statistics are not read here.

These are our own trusted statements: they go through `Database.read`, never through the guard.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from .engines.messages import without_enum_values
from .errors import QueryError, SqlbergError
from .kinds import declared_kind
from .limits import Result
from .schema import Column, Join, Table

Read = Callable[[str], Result]
"""Runs one trusted statement and returns all its rows."""


@dataclass(frozen=True)
class Beyond:
    """What views can read though it is not among the schema's tables: a table or view of another schema, with
    its columns, or the definition of such a view or of a macro."""

    name: str
    columns: tuple[str, ...] = ()
    definition: str | None = None


@dataclass(frozen=True)
class Schema:
    """What a database declares.

    definitions: SQL of each view and virtual table by name, as the database stores it. name: of the schema
    among those of the database; others: those that hold tables, too.
    """

    tables: tuple[Table, ...]
    joins: tuple[Join, ...] = ()
    definitions: dict[str, str] = field(default_factory=dict)
    beyond: tuple[Beyond, ...] = ()
    name: str = "main"
    others: tuple[str, ...] = ()


def read_schema(read: Read, dialect: str) -> Schema:
    """The schema as declared, tables in the database's order. Raises SqlbergError for an unknown dialect."""
    if dialect not in _READERS:
        raise SqlbergError(f"no schema reading for dialect {dialect!r}; known: {', '.join(sorted(_READERS))}")
    return _READERS[dialect](read)


@dataclass(frozen=True)
class ForeignKey:
    """As declared: `ref_columns` may be empty (the target's primary key is meant), names in any case."""

    table: str
    columns: tuple[str, ...]
    ref_table: str
    ref_columns: tuple[str, ...]


def resolve_foreign_keys(tables: Iterable[Table], keys: Iterable[ForeignKey]) -> tuple[Join, ...]:
    """Foreign keys as joins between existing columns, in the catalog's spelling; the others are dropped."""
    by_name = {table.name.lower(): table for table in tables}
    joins: dict[Join, None] = {}
    for key in keys:
        table, ref_table = by_name.get(key.table.lower()), by_name.get(key.ref_table.lower())
        if table is None or ref_table is None:
            continue
        ref_names = key.ref_columns or ref_table.primary_key
        columns = [column for name in key.columns if (column := table.column(name))]
        ref_columns = [column for name in ref_names if (column := ref_table.column(name))]
        if len(columns) == len(key.columns) == len(ref_names) == len(ref_columns):
            names, targets = (tuple(column.name for column in side) for side in (columns, ref_columns))
            joins[Join(table.name, names, ref_table.name, targets)] = None
    return tuple(joins)


_SQLITE_TABLES = """
SELECT m.name, m.type, m.sql FROM sqlite_master AS m
WHERE m.type IN ('table', 'view') AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
  AND m.name NOT IN (SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow')
ORDER BY m.rowid
"""

_SQLITE_COLUMNS = """
SELECT m.name, c.name, c.type, c."notnull", c.pk FROM sqlite_master AS m, pragma_table_xinfo(m.name) AS c
WHERE m.type = {kind} AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND c.hidden <> 1
ORDER BY m.rowid, c.cid
"""

_SQLITE_FOREIGN_KEYS = """
SELECT m.name, f.id, f."from", f."table", f."to" FROM sqlite_master AS m, pragma_foreign_key_list(m.name) AS f
WHERE m.type = 'table' ORDER BY m.rowid, f.id DESC, f.seq
"""

_SQLITE_UNIQUE = """
SELECT m.name, i.name, x.name FROM sqlite_master AS m, pragma_index_list(m.name) AS i,
  pragma_index_info(i.name) AS x
WHERE m.type = 'table' AND i."unique" AND NOT i.partial AND i.origin <> 'pk'
ORDER BY m.rowid, i.seq DESC, x.seqno
"""


def _read_sqlite(read: Read) -> Schema:
    listed = _rows(read, _SQLITE_TABLES)
    views = [name for name, kind, _ in listed if kind == "view"]
    column_rows = [*_rows(read, _SQLITE_COLUMNS.format(kind="'table'")), *_sqlite_view_columns(read, views)]
    columns: defaultdict[str, list[Column]] = defaultdict(list)
    primary: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    for table, name, declared, not_null, key_position in column_rows:
        kind = declared_kind(declared)
        nullable = not not_null and not key_position
        columns[table].append(Column(table, name, declared, kind, nullable))
        if key_position:
            primary[table].append((key_position, name))
    indexed: defaultdict[str, defaultdict[str, list[str | None]]] = defaultdict(lambda: defaultdict(list))
    for table, index, column in _rows(read, _SQLITE_UNIQUE):
        indexed[table][index].append(column)
    unique = {
        # Of an expression it is not known what it is computed from.
        table: tuple(tuple(filter(None, names)) for names in indexes.values() if None not in names)
        for table, indexes in indexed.items()
    }
    tables = tuple(
        Table(
            name,
            tuple(columns[name]),
            primary_key=tuple(column for _, column in sorted(primary[name])),
            is_view=kind == "view",
            unique=unique.get(name, ()),
        )
        for name, kind, _ in listed
        if columns[name]
    )
    keys: defaultdict[tuple[str, int, str], list[tuple[str, str | None]]] = defaultdict(list)
    for table, number, column, ref_table, ref_column in _rows(read, _SQLITE_FOREIGN_KEYS):
        keys[table, number, ref_table].append((column, ref_column))
    foreign_keys = (
        ForeignKey(
            table,
            tuple(column for column, _ in pairs),
            ref_table,
            tuple(target for _, target in pairs if target is not None),
        )
        for (table, _, ref_table), pairs in keys.items()
    )
    definitions = {
        name: sql or ""
        for name, kind, sql in listed
        if kind == "view" or (sql or "").upper().startswith("CREATE VIRTUAL TABLE")
    }
    return Schema(tables, resolve_foreign_keys(tables, foreign_keys), definitions)


def _sqlite_view_columns(read: Read, views: list[str]) -> list[tuple]:
    """Columns of all views at once; one by one when some view no longer works (its table was dropped)."""
    if not views:
        return []
    bulk = _SQLITE_COLUMNS.format(kind="'view'")
    try:
        return _rows(read, bulk)
    except QueryError:
        found: list[tuple] = []
        for view in views:
            name = view.replace("'", "''")
            try:
                found.extend(_rows(read, _SQLITE_COLUMNS.format(kind=f"'view' AND m.name = '{name}'")))
            except QueryError:
                continue  # the broken view itself: nothing can be asked of it, so it is not in the catalog
        return found


_DUCKDB_WHERE = "WHERE NOT internal AND database_name = current_database() AND schema_name = current_schema()"

_DUCKDB_TABLES = f"""
SELECT table_name, comment, NULL AS view_sql, table_oid AS oid FROM duckdb_tables() {_DUCKDB_WHERE}
UNION ALL
SELECT view_name, comment, coalesce(sql, ''), view_oid FROM duckdb_views() {_DUCKDB_WHERE}
ORDER BY oid
"""

_DUCKDB_COLUMNS = f"""
SELECT table_name, column_name, data_type, is_nullable, comment FROM duckdb_columns() {_DUCKDB_WHERE}
ORDER BY table_oid, column_index
"""

_DUCKDB_BEYOND = """
SELECT table_name, list(column_name), NULL FROM duckdb_columns()
WHERE NOT internal AND database_name = current_database() AND schema_name <> current_schema()
GROUP BY schema_name, table_name
UNION ALL
SELECT view_name, NULL, coalesce(sql, '') FROM duckdb_views()
WHERE NOT internal AND database_name = current_database() AND schema_name <> current_schema()
UNION ALL
SELECT function_name, NULL, coalesce(macro_definition, '') FROM duckdb_functions()
WHERE NOT internal AND database_name = current_database() AND function_type IN ('macro', 'table_macro')
"""

_DUCKDB_OTHERS = """
SELECT DISTINCT schema_name FROM duckdb_columns()
WHERE NOT internal AND database_name = current_database() AND schema_name <> current_schema()
ORDER BY schema_name
"""

_DUCKDB_KEYS = """
SELECT table_name, constraint_type, constraint_column_names, referenced_table, referenced_column_names
FROM duckdb_constraints()
WHERE database_name = current_database() AND schema_name = current_schema()
  AND constraint_type IN ('PRIMARY KEY', 'FOREIGN KEY', 'UNIQUE')
ORDER BY table_oid, constraint_index
"""


# A Parquet file is a view as engines/files.py makes it, and for everybody else a table.
_FILES = re.compile(
    r"CREATE VIEW .+ AS SELECT \* FROM read_parquet\(list_value\((?:'(?:[^']|'')*'(?:, )?)+\)"
    r"(?:, \(union_by_name = true\))?\);?",
    re.DOTALL,
)


def _read_duckdb(read: Read) -> Schema:
    listed = _rows(read, _DUCKDB_TABLES)
    keys = _rows(read, _DUCKDB_KEYS)
    primary = {row[0]: tuple(row[2]) for row in keys if row[1] == "PRIMARY KEY"}
    unique: defaultdict[str, list[tuple[str, ...]]] = defaultdict(list)
    for row in keys:
        if row[1] == "UNIQUE":
            unique[row[0]].append(tuple(row[2]))
    columns: defaultdict[str, list[Column]] = defaultdict(list)
    for table, name, declared, nullable, comment in _rows(read, _DUCKDB_COLUMNS):
        declared = without_enum_values(declared)
        columns[table].append(
            Column(table, name, declared, declared_kind(declared), bool(nullable), comment or "")
        )
    tables = tuple(
        Table(
            name,
            tuple(columns[name]),
            primary_key=primary.get(name, ()),
            comment=comment or "",
            is_view=view_sql is not None and not _FILES.fullmatch(view_sql.strip()),
            unique=tuple(unique[name]),
        )
        for name, comment, view_sql, _ in listed
        if columns[name]
    )
    foreign_keys = (
        ForeignKey(table, tuple(names), ref_table, tuple(ref_names or ()))
        for table, kind, names, ref_table, ref_names in keys
        if kind == "FOREIGN KEY"
    )
    views = {table.name for table in tables if table.is_view}
    definitions = {name: view_sql for name, _, view_sql, _ in listed if name in views}
    beyond = tuple(
        Beyond(name, tuple(names or ()), definition)
        for name, names, definition in _rows(read, _DUCKDB_BEYOND)
    )
    ((name,),) = _rows(read, "SELECT current_schema()")
    others = tuple(other for (other,) in _rows(read, _DUCKDB_OTHERS))
    return Schema(tables, resolve_foreign_keys(tables, foreign_keys), definitions, beyond, name, others)


_READERS: dict[str, Callable[[Read], Schema]] = {"sqlite": _read_sqlite, "duckdb": _read_duckdb}


def _rows(read: Read, sql: str) -> list[tuple]:
    result = read(sql)
    if not result.complete:
        raise SqlbergError(f"the schema is too big to be read: {result.cuts[0]}")
    return list(result.rows)
