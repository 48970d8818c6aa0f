"""Database files as the caller's process knows them: looked at without ever disturbing them.

SQLite and DuckDB guard a file with POSIX locks, and a process loses all its locks on a file when it closes
any descriptor of it: a caller who has the same database open for writing must not be disarmed by our look
at it. So a file's version comes from its status alone, and a descriptor of a file that this process has
open is never closed.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

from ..errors import DatabaseOpenError

_TICK = 0.02  # seconds within which two writes may leave the same modification time

_lock = threading.Lock()
_kept: dict[
    tuple[int, int], int
] = {}  # (device, inode) of a file this process has open: our descriptor of it


class DuckDBFile:
    """A DuckDB file (an `Engine`). It is opened by duckdb_engine.py, in a child.

    schema: the one to read; "" leaves it to the child.
    """

    dialect = "duckdb"

    def __init__(self, path: Path, *, name: str | None = None, schema: str = "") -> None:
        self.path = path
        self.schema = schema
        self.name = name or path.stem
        self.identity = f"{path}#{schema}" if schema else str(path)

    def spec(self) -> dict[str, Any]:
        return {"engine": "duckdb", "path": str(self.path), "schema": self.schema}

    def version(self) -> str:
        return version_of(str(self.path)) + self.schema


class SQLiteFile:
    """A SQLite file (an `Engine`). It is opened by sqlite_engine.py, in a child."""

    dialect = "sqlite"

    def __init__(self, path: Path, *, name: str | None = None) -> None:
        self.path = path
        self.name = name or path.stem
        self.identity = str(path)
        self._log = str(beside(path, "-wal"))

    def spec(self) -> dict[str, Any]:
        return {"engine": "sqlite", "path": str(self.path)}

    def version(self) -> str:
        """Covers the file and the write-ahead log beside it."""
        version = version_of(self.identity)
        return version + version_of(self._log) if os.path.exists(self._log) else version


def beside(path: Path, ending: str) -> Path:
    """The file that SQLite keeps beside a database file under its name with an ending."""
    return path.with_name(path.name + ending)


def version_of(path: str) -> str:
    """Path, inode, size and times as one text, which changes when the file changes.

    A file written within the last tick is looked at again after it, since it may be written once more unseen.
    Raises DatabaseOpenError when the file is gone.
    """
    try:
        status = os.stat(path)  # asked for many times a question: pathlib's costs as much again
        age = time.time() - status.st_mtime
        if 0 <= age < _TICK:
            time.sleep(_TICK - age)
            status = os.stat(path)
    except OSError as error:
        raise DatabaseOpenError(
            f"cannot read {os.path.basename(path)}: {error.strerror or 'it is gone'}"
        ) from None
    written = f"{status.st_mtime_ns}\0{status.st_ctime_ns}"
    return f"{path}\0{status.st_dev}\0{status.st_ino}\0{status.st_size}\0{written}\0"


def read_head(path: Path, count: int) -> bytes:
    """The first bytes of a file. Raises OSError."""
    status = path.stat()
    identity = (status.st_dev, status.st_ino)
    with _lock:
        if identity in _kept:
            return os.pread(_kept[identity], count, 0)
        opened_already = _has_open(identity)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(descriptor, count, 0)
        finally:
            if opened_already:
                _kept[identity] = descriptor
            else:
                os.close(descriptor)


def _has_open(identity: tuple[int, int]) -> bool:
    """Whether this process has a descriptor of that (device, inode)."""
    for name in os.listdir("/dev/fd"):
        try:
            status = os.fstat(int(name))
        except OSError:  # closed meanwhile, as the listing's own descriptor is
            continue
        if (status.st_dev, status.st_ino) == identity:
            return True
    return False
