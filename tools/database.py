"""A `Database`: one read-only, limited, locked database behind one access policy; all above goes through it.

    with open_database("shop.duckdb") as database:
        result = database.execute("SELECT count(*) FROM orders")

Statements of models go through `execute` (guard, then sandbox); sqlberg's own through `read` (sandbox only).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .cache import cache_root, folder_for
from .engines import Engine
from .limits import Limits, Result
from .policy import AccessPolicy
from .references import find_engine
from .sandbox import Sandbox
from .schema import Catalog

if TYPE_CHECKING:
    from .columns import ColumnIndex
    from .embedding import Embedder
    from .guard import Guarded
    from .values import ValueIndex


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
        "sample" (the bundled shop). policy: what may be read (default: everything).
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
    """An open database. Thread-safe; `close` it (or use `with`) to end its processes at once."""

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
        self.limits = limits or Limits()
        self.embedder = embedder
        self.progress = progress
        self._engine = engine
        self._cache_root = cache_root(cache_dir)
        self._lock = threading.RLock()  # guards the lazy parts below
        self._built_for = ""  # the fingerprint they were built for
        self._catalog: Catalog | None = None
        self._columns: ColumnIndex | None = None
        self._values: ValueIndex | None = None
        self._sandbox = Sandbox(engine)
        try:
            self._sandbox.start(self.limits.memory_mb)
        except BaseException:
            self._sandbox.close()
            raise

    @property
    def fingerprint(self) -> str:
        """Changes with the content and with the policy. Raises DatabaseOpenError when the file is gone."""
        parts = f"{self._engine.version()}\0{self.policy.digest()}"
        return hashlib.sha256(parts.encode()).hexdigest()[:32]

    @property
    def cache_folder(self) -> Path:
        """The folder for what is computed about this database under this policy."""
        return folder_for(self._cache_root, f"{self._engine.identity}\0{self.policy.digest()}")

    @property
    def catalog(self) -> Catalog:
        """What the policy lets the caller see; built on first use, kept on disk, renewed after a change."""
        with self._lock:
            fingerprint = self.fingerprint
            if self._catalog is None or self._built_for != fingerprint:
                self._catalog = self._build_catalog(fingerprint)
                self._columns = self._values = None
                self._built_for = fingerprint
            return self._catalog

    @property
    def columns(self) -> ColumnIndex:
        """Search over the catalog's columns."""
        from .columns import ColumnIndex

        with self._lock:
            catalog = self.catalog
            if self._columns is None:
                self._columns = ColumnIndex(catalog, self.embedder)
            return self._columns

    @property
    def values(self) -> ValueIndex:
        """Search over the stored values that are names or categories."""
        from .value_reading import INDEX_LIMITS
        from .values import ValueIndex

        with self._lock:
            catalog = self.catalog
            if self._values is None:
                filters = {table.name: self.policy.row_filter(table.name) for table in catalog.tables}
                self._values = ValueIndex.open(
                    catalog,
                    lambda sql: self.read(sql, limits=INDEX_LIMITS),
                    cache_dir=self.cache_folder,
                    row_filters={table: rule for table, rule in filters.items() if rule},
                    progress=self.progress,
                )
            return self._values

    def check(self, sql: str) -> Guarded:
        """What of `sql` would run: one statement, regenerated. Raises QueryRefused or NotPermitted."""
        from .guard import guard

        return guard(sql, self.catalog, self.policy)

    def execute(
        self, sql: str, *, limits: Limits | None = None, cancel: threading.Event | None = None
    ) -> Result:
        """Run a statement that a model or a person wrote: guard, then sandbox.

        Raises QueryRefused, NotPermitted, QueryError, LimitExceeded, QueryCancelled.
        """
        return self._sandbox.run(self.check(sql).sql, limits or self.limits, cancel)

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

    def _build_catalog(self, fingerprint: str) -> Catalog:
        from .catalog import CATALOG_LIMITS, build_catalog, catalog_key, load_catalog, save_catalog

        key = catalog_key(fingerprint, self.policy)
        path = self.cache_folder / "catalog.json"
        catalog = load_catalog(path, key)
        if catalog is None:
            catalog = build_catalog(
                lambda sql: self.read(sql, limits=CATALOG_LIMITS),
                name=self.name,
                dialect=self.dialect,
                fingerprint=fingerprint,
                policy=self.policy,
            )
            save_catalog(path, catalog)
        return replace(catalog, name=self.name) if catalog.name != self.name else catalog
