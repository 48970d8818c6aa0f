"""Where sqlberg keeps what it computed about a database: one folder per database, safe to delete at any time.

$SQLBERG_CACHE, else the user's cache folder, else (neither can be written to) a folder of this process.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import platformdirs


def cache_root(cache_dir: Path | None = None) -> Path:
    """The cache folder, which exists and can be written to. `cache_dir` is taken before all others."""
    given = cache_dir or (Path(os.environ["SQLBERG_CACHE"]) if os.environ.get("SQLBERG_CACHE") else None)
    root = given or Path(platformdirs.user_cache_dir("sqlberg"))
    with suppress(OSError):
        root.mkdir(parents=True, exist_ok=True)
        if os.access(root, os.W_OK | os.X_OK):
            return root.resolve()
    return _own_folder()


def folder_for(root: Path, identity: str) -> Path:
    """The folder of one database (`identity`: its resolved path) under a cache root; created when missing."""
    folder = root / "databases" / hashlib.sha256(identity.encode()).hexdigest()[:24]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place at the end of the block, or vanishes on an error.

    Two processes that write the same path at once both succeed; one of the two results stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@cache
def _own_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="sqlberg-"))
