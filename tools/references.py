"""From what people write (`shop.duckdb`, `x.sqlite`, `folder/`, `a.csv`, `sample`, a URL) to an engine.

`shop.duckdb#marts` is the schema `marts` of a DuckDB file.

Files are told apart by their first bytes, not by their names: a SQLite file called `x.db` or `x.duckdb`
opens.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from .cache import cache_root, folder_for
from .engines import Engine
from .engines.files import FORMATS, DataFiles, FileTable, find_tables, format_of
from .engines.source_files import DuckDBFile, SQLiteFile, read_head
from .errors import DatabaseOpenError

_URL = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://")
_DATABASE_ENDINGS = {".duckdb", ".ddb", ".db", ".db3", ".sqlite", ".sqlite3"}


def find_engine(reference: str | Path, cache_dir: Path | None = None) -> Engine:
    """The engine for a reference. Raises DatabaseOpenError with one line that says what to do."""
    text = os.fspath(reference).strip()
    if not text:
        raise DatabaseOpenError("no database given; name a file, a folder of data files, or `sample`")
    if text == "sample":
        return _sample(cache_dir)
    scheme = _URL.match(text)
    if scheme:
        text = _path_of_url(text, scheme[1].lower())
    shown = "".join(c if c.isprintable() else "?" for c in text[-200:])
    try:
        text, schema = _parted(text)
        path = Path(text).expanduser()
        if not path.exists():
            raise DatabaseOpenError(f"there is no file or folder {shown}; check the spelling and the folder")
        path = path.resolve()
        engine = _folder(path, shown, cache_dir) if path.is_dir() else _file(path, shown, cache_dir)
        if not schema:
            return engine
        if not isinstance(engine, DuckDBFile):
            raise DatabaseOpenError(f"{shown} names a schema, which only DuckDB files have; leave out the #")
        return DuckDBFile(path, name=f"{engine.name}.{schema}", schema=schema)
    except PermissionError:
        raise DatabaseOpenError(f"{shown} may not be read; ask for read permission on it") from None
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: ~name of no user
        reason = getattr(error, "strerror", None) or "it is no usable path"
        raise DatabaseOpenError(f"cannot read {shown}: {reason}") from None


def name_of(reference: str | Path) -> str:
    """A short name for a database by its reference alone: `shop` for data/shop.duckdb, `shop.marts` for
    data/shop.duckdb#marts."""
    text, schema = _parted(os.fspath(reference))
    stem = Path(text).stem or text
    return f"{stem}.{schema}" if schema else stem


def _parted(text: str) -> tuple[str, str]:
    """A path and the schema after its last `#`; all is the path where there is such a file."""
    path, mark, schema = text.rpartition("#")
    if not mark or "/" in schema or os.path.exists(os.path.expanduser(text)):
        return text, ""
    return path, schema.strip()


def _file(path: Path, shown: str, cache_dir: Path | None) -> Engine:
    if not path.is_file():
        raise DatabaseOpenError(f"{shown} is no regular file; name a database or data file")
    head = read_head(path, 16)
    if not head:
        raise DatabaseOpenError(f"{shown} is empty; name a file that holds data")
    if head.startswith(b"SQLite format 3\0"):
        return SQLiteFile(path)
    if head[8:12] == b"DUCK":
        return DuckDBFile(path)
    if path.suffix.lower() in _DATABASE_ENDINGS:
        raise DatabaseOpenError(
            f"{shown} is neither a DuckDB nor a SQLite file, or it is damaged or encrypted"
        )
    if format_of(path) is None:
        raise DatabaseOpenError(
            f"{shown} is no file that can be opened; name a DuckDB or SQLite file, or one of {_endings()}"
        )
    return _data_files(path, find_tables(path.parent, [path]), cache_dir)


def _folder(path: Path, shown: str, cache_dir: Path | None) -> Engine:
    files = sorted(child for child in path.iterdir() if not child.name.startswith("."))
    tables = find_tables(path, files)
    if tables:
        return _data_files(path, tables, cache_dir)
    inside = [child.name for child in files if child.suffix.lower() in _DATABASE_ENDINGS]
    if inside:
        raise DatabaseOpenError(f"{shown} is a folder; name the database file in it, for example {inside[0]}")
    raise DatabaseOpenError(f"the folder {shown} holds no data files ({_endings()})")


def _data_files(path: Path, tables: Sequence[FileTable], cache_dir: Path | None) -> Engine:
    return DataFiles(path, tables, folder_for(cache_root(cache_dir), str(path)))


def _sample(cache_dir: Path | None) -> Engine:
    from .sample import build_sample

    path = cache_root(cache_dir) / "sample" / "sample.duckdb"
    build_sample(path)
    return DuckDBFile(path, name="sample")


def _path_of_url(url: str, scheme: str) -> str:
    """The file of a `sqlite:///` or `duckdb:///` URL. The URL is never repeated: it may hold a password."""
    kind = scheme.partition("+")[0]
    if kind in {"sqlite", "duckdb"}:
        path = url.partition("://")[2].partition("?")[0]
        if path.startswith("/") and len(path) > 1:
            return path[1:]
        raise DatabaseOpenError(f"write {kind}:///path/to/file, or simply the file's path")
    if kind == "file":
        raise DatabaseOpenError("write the file's path instead of a file:// URL")
    if kind in {"http", "https", "ftp", "s3", "gs", "az"}:
        raise DatabaseOpenError("files are not read over the network; download it and name the local file")
    raise DatabaseOpenError(
        f"{kind} servers cannot be opened by this version of sqlberg; "
        "export the tables to DuckDB, SQLite, Parquet or CSV and open that"
    )


def _endings() -> str:
    return ", ".join(f".{ending}" for ending in FORMATS)
