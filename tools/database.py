"""A `Database`: one read-only, limited, locked database behind one access policy; all above goes through it.

    with open_database("shop.duckdb") as database:
        result = database.execute("SELECT count(*) FROM orders")

Statements of models go through `execute` (guard, then sandbox); sqlberg's own through `read` (sandbox only).
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .cache import cache_root, folder_for
from .engines import Engine
from .errors import DatabaseOpenError, QueryError
from .limits import Limits, Result
from .notes import Notes
from .policy import AccessPolicy
from .references import find_engine
from .sandbox import Sandbox
from .schema import Catalog

if TYPE_CHECKING:
    from .columns import ColumnIndex
    from .embedding import Embedder
    from .guard import Guarded
    from .schema_reading import Schema
    from .values import ValueIndex

Part = TypeVar("Part")

_QUOTED_SQL = re.compile(r"\b(?:SELECT|FROM)\b.*\bWHERE\b", re.DOTALL)

CHECKED_KEPT = 256  # statements whose check is remembered
RENEWED = 60.0
"""Seconds after which catalog and indexes are built anew where a row filter depends on time or chance."""


def open_database(
    reference: str | Path,
    *,
    policy: AccessPolicy | None = None,
    limits: Limits | None = None,
    cache_dir: Path | None = None,
    embedder: Embedder | None = None,
    progress: bool = False,
) -> Database:
    """Open a database for reading.

    reference: a DuckDB or SQLite file, a CSV, TSV, JSON or Parquet file, a folder of such files, or
        "sample" (the bundled shop). `shop.duckdb#marts`: another schema of the file than `main`.
    policy: what may be read (default: everything). Its row filters must run on their tables.
    limits: of every query (default: `Limits()`).
    cache_dir: where catalogs and indexes are kept (default: $SQLBERG_CACHE or the user's cache folder).
    embedder: makes the column search semantic. progress: show progress bars while catalog and indexes are
    built. Raises DatabaseOpenError.
    """
    return Database(
        find_engine(reference, cache_dir),
        reference=str(reference),
        policy=policy,
        limits=limits,
        cache_dir=cache_dir,
        embedder=embedder,
        progress=progress,
    )


class Database:
    """An open database. Thread-safe; `close` it (or use `with`) to end its processes at once.

    notes: what people know of it; set it, and catalog and searches go by it from then on.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        reference: str = "",
        policy: AccessPolicy | None = None,
        limits: Limits | None = None,
        cache_dir: Path | None = None,
        embedder: Embedder | None = None,
        progress: bool = False,
    ) -> None:
        self.reference = reference or engine.name
        self.name = engine.name
        self.dialect = engine.dialect
        self.policy = policy or AccessPolicy()
        self._lasts = True  # whether what the policy shows changes with the database alone
        if self.policy.row_filters:
            from .row_filters import are_of_the_moment, with_written_filters

            self.policy = with_written_filters(self.policy, self.dialect)
            self._lasts = not are_of_the_moment(self.policy, self.dialect)
        self._policy_digest = self.policy.digest()
        self.limits = limits or Limits()
        self.embedder = embedder
        self.progress = progress
        self._engine = engine
        self._cache_root = cache_root(cache_dir)
        self.notes = Notes()
        self._catalog = _Kept(self._build_catalog)
        self._known = _Kept(self._build_known)
        self._columns = _Kept(self._build_columns)
        self._values = _Kept(self._build_values)
        self._checked: OrderedDict[tuple[str, str], Guarded] = OrderedDict()
        self._checked_lock = threading.Lock()
        _require_open_parser()
        self._sandbox = Sandbox(engine)
        try:
            self._sandbox.start(self.limits.memory_mb)
            if self.policy.row_filters:
                self._read_schema()
        except BaseException:
            self._sandbox.close()
            raise

    @property
    def fingerprint(self) -> str:
        """Changes with the content and with the policy, and every minute where a row filter depends on time
        or chance. Raises DatabaseOpenError when the file is gone.
        """
        parts = f"{self._engine.version()}\0{self._policy_digest}"
        if not self._lasts:
            parts += f"\0{time.monotonic() // RENEWED:.0f}"
        return hashlib.sha256(parts.encode()).hexdigest()[:32]

    @property
    def cache_folder(self) -> Path:
        """The folder for what is computed about this database under this policy."""
        return folder_for(self._cache_root, f"{self._engine.identity}\0{self._policy_digest}")

    @property
    def catalog(self) -> Catalog:
        """What the policy lets the caller see, as people know it; built on first use, kept on disk, renewed
        after a change of the database or of the notes.
        """
        return self._known.of(self._version)

    @property
    def columns(self) -> ColumnIndex:
        """Search over the catalog's columns; built on first use."""
        return self._columns.of(self._version)

    @property
    def values(self) -> ValueIndex:
        """Search over the stored values that are names or categories; built on first use, kept on disk."""
        return self._values.of(self.fingerprint)

    def check(self, sql: str) -> Guarded:
        """What of `sql` would run: one statement, regenerated. Raises QueryRefused or NotPermitted."""
        from .guard import guard

        catalog = self.catalog
        key = (sql, catalog.fingerprint)
        # One answer checks its statement several times: to run it, for its literals, for its joins.
        with self._checked_lock:
            guarded = self._checked.get(key)
        if guarded is None:
            guarded = guard(sql, catalog, self.policy)
            with self._checked_lock:
                self._checked[key] = guarded
                while len(self._checked) > CHECKED_KEPT:
                    self._checked.popitem(last=False)
        return guarded

    def execute(
        self, sql: str, *, limits: Limits | None = None, cancel: threading.Event | None = None
    ) -> Result:
        """Run a statement that a model or a person wrote: guard, then sandbox.

        Raises QueryRefused, NotPermitted, QueryError, LimitExceeded, QueryCancelled.
        """
        guarded = self.check(sql)
        try:
            return self._sandbox.run(guarded.sql, limits or self.limits, cancel)
        except QueryError as error:
            filtered = any(self.policy.row_filter(table) is not None for table in guarded.tables)
            # A message may repeat a part of what ran, and with it a row filter.
            if filtered and (repeated := _QUOTED_SQL.search(str(error))):
                raise QueryError(f"{str(error)[: repeated.start()]}…") from None
            raise

    def read(
        self,
        sql: str,
        *,
        limits: Limits | None = None,
        cancel: threading.Event | None = None,
        parameters: Sequence[Any] = (),
    ) -> Result:
        """Run a trusted reading statement of our own: no guard, no policy; same sandbox, lock and limits."""
        return self._sandbox.run(sql, limits or self.limits, cancel, parameters, trusted=True)

    def close(self) -> None:
        """End the child processes. The database cannot be used afterwards."""
        self._sandbox.close()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Database {self.name} ({self.dialect})>"

    def idle_patterns(self) -> list[str]:
        """Those of the policy that name nothing here (`AccessPolicy.idle_patterns`)."""
        if self.policy == AccessPolicy():
            return []
        schema = self._read_schema()
        tables = {table.name: [column.name for column in table.columns] for table in schema.tables}
        return self.policy.idle_patterns(tables | {other.name: other.columns for other in schema.beyond})

    def other_schemas(self) -> tuple[str, ...]:
        """Schemas of the file that hold tables as well and are not read; told to nobody with a policy."""
        return self._read_schema().others if self.policy == AccessPolicy() else ()

    def _build_catalog(self, fingerprint: str) -> Catalog:
        from .catalog import CATALOG_LIMITS, build_catalog, catalog_key, load_catalog, save_catalog

        path = self.cache_folder / "catalog.json"
        catalog = load_catalog(path, catalog_key(fingerprint, self.policy)) if self._lasts else None
        if catalog is None:
            with _progress_bar(f"Reading {self.name}", shown=self.progress) as report:
                catalog = build_catalog(
                    lambda sql: self.read(sql, limits=CATALOG_LIMITS),
                    name=self.name,
                    dialect=self.dialect,
                    fingerprint=fingerprint,
                    policy=self.policy,
                    schema=self._read_schema(),
                    progress=report,
                )
            if self._lasts:
                save_catalog(path, catalog)
        return catalog

    def _read_schema(self) -> Schema:
        """As declared. Raises DatabaseOpenError for a row filter that does not run on its table."""
        from .catalog import SCHEMA_LIMITS, visible_schema
        from .schema_reading import read_schema

        def read(sql: str) -> Result:
            return self.read(sql, limits=SCHEMA_LIMITS)

        schema = read_schema(read, self.dialect)
        if self.policy.row_filters:
            from .row_filters import check_filters

            seen = visible_schema(schema, self.policy).tables
            check_filters(read, seen, self.policy, self.dialect, schema.tables)
        return schema

    @property
    def _version(self) -> str:
        """Of the database, its policy and its notes."""
        return f"{self.fingerprint} {self.notes.digest}"

    def _build_known(self, version: str) -> Catalog:
        """The catalog with the notes of people."""
        from .catalog import hidden_names

        catalog, notes = self._catalog.of(version.split()[0]), self.notes
        if not notes.terms or self.policy == AccessPolicy():
            return notes.applied(catalog)
        return notes.applied(catalog, hidden_names(self._read_schema(), catalog))

    def _build_columns(self, version: str) -> ColumnIndex:
        from .columns import ColumnIndex

        catalog = self._known.of(version)
        with _progress_bar(f"Embedding the names of {self.name}", shown=self.progress) as report:
            return ColumnIndex(catalog, self.embedder, cache_dir=self._cache_root, progress=report)

    def _build_values(self, fingerprint: str) -> ValueIndex:
        from .value_reading import INDEX_LIMITS
        from .values import ValueIndex

        catalog = self._catalog.of(fingerprint)
        filters = {
            table.name: rule for table in catalog.tables if (rule := self.policy.row_filter(table.name))
        }
        return ValueIndex.open(
            catalog,
            lambda sql: self.read(sql, limits=INDEX_LIMITS),
            cache_dir=self.cache_folder if self._lasts else None,
            row_filters=filters,
            progress=self.progress,
        )


@contextmanager
def _progress_bar(title: str, *, shown: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A function to call with (done, of), which moves a bar on standard error; None when it is not shown."""
    if not shown:
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)


def _require_open_parser() -> None:
    """The guard extends sqlglot's parser, which cannot be done with its compiled edition; every statement
    would be refused."""
    with suppress(PackageNotFoundError):
        version("sqlglotc")
        raise DatabaseOpenError(
            "the package sqlglotc is installed, whose compiled SQL parser the guard cannot work with: "
            "pip uninstall sqlglotc"
        )


class _Kept(Generic[Part]):
    """A part of a database: built by the first thread that asks, built anew for another fingerprint."""

    def __init__(self, build: Callable[[str], Part]) -> None:
        self._build = build
        self._lock = threading.Lock()
        self._last: tuple[str, Part] | None = None

    def of(self, fingerprint: str) -> Part:
        with self._lock:
            if self._last is None or self._last[0] != fingerprint:
                self._last = (fingerprint, self._build(fingerprint))
            return self._last[1]
