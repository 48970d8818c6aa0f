"""Where sqlberg keeps what it computed about a database: one folder per database, safe to delete at any time.

$SQLBERG_CACHE, else the user's cache folder, else (neither can be written to) a folder of this process.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import platformdirs

from .errors import LimitExceeded
from .limits import Result

CUT_SHORT_SECONDS = 600
"""So long is kept what ran into its limits: made anew at every opening, it would cost as much each time."""


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
    """The folder of one database (`identity`: its resolved path) under a cache root; created when missing,
    for its owner only, as the database may be.
    """
    folder = root / "databases" / hashlib.sha256(identity.encode()).hexdigest()[:24]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


class Watched:
    """`read`, remembering whether a statement of it hit its limits (`cut_short`)."""

    def __init__(self, read: Callable[[str], Result]) -> None:
        self._read = read
        self.cut_short = False

    def __call__(self, sql: str) -> Result:
        try:
            return self._read(sql)
        except LimitExceeded:
            self.cut_short = True
            raise


def is_due(path: Path) -> bool:
    """Whether what a limit cut short, and was kept at `path` all the same, should be made anew: a busy
    moment must not mark it for good. Raises OSError.
    """
    return time.time() - path.stat().st_mtime > CUT_SHORT_SECONDS


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
