"""CSV, TSV, JSON and Parquet files, and folders of them, as one locked DuckDB database.

CSV and JSON are read once into a DuckDB file in the cache (typed and fast afterwards, nothing is parsed
under a model's query); Parquet files become views over the files where they are. Queries then run on that
cached database, locked as any other (duckdb_engine.py); of external files only the Parquet files
themselves are readable.

The reading happens in a process of its own: `python -m sqlberg.tools.engines.files`, JSON on standard
input. It is done again when a file's size or modification time changes.

In a folder each file is a table, named by its stem (`sales.2023.csv` is `sales_2023`); a sub-folder of files
of one format (a partitioned data set) is one table. A CSV of which a few lines have too many or too few
columns is refused with the line named: the engine would take all for one column of text, or skip the lines
before. Not covered: folders of more than `_MOST_ENTRIES`; files that need options (odd delimiters are
sniffed, nothing more); text that is not UTF-8, as its encoding can only be guessed and a wrong guess would
go unnoticed.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from ..child import clean_environment
from ..errors import DatabaseOpenError
from .source_files import version_of

FORMATS = {
    "csv": "csv",
    "tsv": "csv",
    "parquet": "parquet",
    "json": "json",
    "jsonl": "json",
    "ndjson": "json",
}
"""File ending to format; CSV and JSON may also be compressed (`.gz`)."""

_MOST_ENTRIES = 50_000  # of a folder and all below it: more is a disk, not a database
_MOST_FILES = 10_000  # of data
_BUILD_SECONDS = 1800
_BUILD_MEMORY_MB = 2048
_SLACK = 60  # seconds within which a reader that is told to end has ended
_LOOK = 1.0  # seconds between two looks at whether the caller still lives
_NOT_UTF8 = ("not utf-8 encoded", "invalid UTF-8 encoding", "UTF-16 encoding")  # as the engine says it
_VERSION = "3"  # of the cached databases: raised when they come out different


@dataclass(frozen=True)
class FileTable:
    """One table to be: all its files have one format ("csv", "json" or "parquet")."""

    name: str
    format: str
    paths: tuple[Path, ...]


def format_of(path: Path) -> str | None:
    """The format that a file's ending names, None for any other file."""
    parts = path.name.lower().split(".")[1:]
    packed = parts[-1:] == ["gz"]
    found = FORMATS.get(parts[-2] if packed and len(parts) > 1 else parts[-1]) if parts else None
    return None if packed and found == "parquet" else found


def find_tables(root: Path, files: Sequence[Path]) -> tuple[FileTable, ...]:
    """The tables that files and sub-folders of `root` amount to, in the order of their names. Raises
    DatabaseOpenError for a folder of more than one looks through.
    """
    tables: dict[str, FileTable] = {}
    looked, data = len(files), sum(format_of(path) is not None for path in files)
    _refuse_too_large(root, looked, data)
    for path in files:
        if path.is_dir():
            inside: list[Path] = []
            for folder, folders, names in os.walk(path):
                inside += (p for name in names if (p := _data_file(Path(folder), name)))
                looked += len(folders) + len(names)
                _refuse_too_large(root, looked, data + len(inside))
            inside.sort()
            data += len(inside)
            formats = {format_of(p) for p in inside}
            if len(formats) != 1:
                continue
            table = FileTable(path.name, str(formats.pop()), tuple(inside))
        elif format_of(path) and path.is_file():
            table = FileTable(_table_name(path), str(format_of(path)), (path,))
        else:
            continue
        name, number = table.name, 2
        while name.lower() in tables:
            name, number = f"{table.name}_{table.format if number == 2 else number}", number + 1
        tables[name.lower()] = FileTable(name, table.format, table.paths)
    return tuple(tables.values())


def _table_name(path: Path) -> str:
    """The file's name without the endings that tell its format; other dots would have to be quoted in SQL."""
    stem = path.name[:-3] if path.name.lower().endswith(".gz") else path.name
    return stem.rpartition(".")[0].replace(".", "_") or path.name


def _refuse_too_large(root: Path, entries: int, files: int) -> None:
    if entries > _MOST_ENTRIES or files > _MOST_FILES:
        raise DatabaseOpenError(
            f"the folder {root.name or root} is too large to look through: over {_MOST_ENTRIES:,} entries or "
            f"{_MOST_FILES:,} data files; name a folder that holds data only"
        )


def _data_file(folder: Path, name: str) -> Path | None:
    path = folder / name
    return path if not name.startswith(("_", ".")) and format_of(path) and os.path.isfile(path) else None


class DataFiles:
    """Data files seen from the caller's process. `folder`: where their cached database lies.

    Files that are added to a folder later are seen when it is opened again.
    """

    dialect = "duckdb"

    def __init__(self, path: Path, tables: Sequence[FileTable], folder: Path) -> None:
        self.path = path
        self.identity = str(path)
        self.name = path.name.split(".")[0] or path.name or str(path)
        self._tables = tuple(tables)
        self._folder = folder
        self._building = threading.Lock()

    def version(self) -> str:
        digest = hashlib.sha256(f"{_VERSION}\0{self.path}".encode())
        for table in self._tables:
            for path in table.paths:
                digest.update(f"\0{table.name}\0{version_of(str(path))}".encode())
        return digest.hexdigest()

    def spec(self) -> dict[str, Any]:
        """Builds the cached database first when there is none of this version. Raises DatabaseOpenError."""
        target = self._folder / f"files-{self.version()[:24]}.duckdb"
        with self._building:
            if not target.exists():
                self._build(target)
        parquet = [str(p) for table in self._tables if table.format == "parquet" for p in table.paths]
        return {"engine": "duckdb", "path": str(target), "allowed_paths": parquet}

    def _build(self, target: Path) -> None:
        tables = [[t.name, t.format, [str(p) for p in t.paths]] for t in self._tables]
        _remove_leftovers(self._folder)
        # In a folder of its own, which takes the engine's temporary files along when it goes.
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="reading-") as temporary:
            built = Path(temporary) / "files.duckdb"
            root = self.path if self.path.is_dir() else self.path.parent
            order = json.dumps(
                {
                    "target": str(built),
                    "root": str(root),
                    "tables": tables,
                    "memory_mb": _BUILD_MEMORY_MB,
                    "parent": os.getpid(),
                }
            )
            try:
                done = subprocess.run(
                    [sys.executable, "-P", "-m", __name__],
                    input=order,
                    capture_output=True,
                    text=True,
                    timeout=_BUILD_SECONDS,
                    check=False,
                    env=clean_environment(),
                )
            except subprocess.TimeoutExpired:
                raise DatabaseOpenError(
                    f"reading {self.name} takes over {_BUILD_SECONDS // 60} minutes; convert it to Parquet"
                ) from None
            if done.returncode != 0:
                reason = done.stdout.strip() or "the reader broke down; convert the files to Parquet"
                raise DatabaseOpenError(f"cannot open {self.name}: {reason}")
            built.chmod(0o600)  # the files may be their owner's alone
            os.replace(built, target)  # two processes that build the same both succeed
        for old in self._folder.glob("files-*.duckdb"):
            if old != target:
                old.unlink(missing_ok=True)


def _remove_leftovers(folder: Path) -> None:
    """Remove what readers that were killed left behind: no living one takes that long."""
    for leftover in folder.glob("reading-*"):
        with suppress(OSError):
            if time.time() - leftover.stat().st_mtime > _BUILD_SECONDS + _SLACK:
                shutil.rmtree(leftover)


def main() -> None:
    """Build a cached database as standard input orders; on failure say why in one line and exit with 1."""
    import duckdb

    from .messages import one_line

    order = json.load(sys.stdin)
    target = order["target"]
    threading.Thread(target=_end_with, args=(order["parent"], os.path.dirname(target)), daemon=True).start()
    settings = {
        "memory_limit": f"{order['memory_mb']}MiB",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "temp_directory": os.path.dirname(target),
    }
    with duckdb.connect(target, config=settings) as database:
        for name, kind, paths in order["tables"]:
            try:
                _add_table(database, name, kind, paths)
                odd = _odd_line(database, paths) if kind == "csv" else None
            except duckdb.Error as error:
                # The engine names the file at fault, if any: the longest, as one name may begin another.
                path = max((path for path in paths if path in str(error)), key=len, default=paths[0])
                told = one_line(str(error).replace(path, os.path.relpath(path, order["root"])))
                if "sniffing" in told:  # followed by all that was tried
                    told = "its columns cannot be made out; save it as plain CSV with one delimiter"
                if any(words in str(error) for words in _NOT_UTF8):
                    line = re.search(r"CSV Error on Line: (\d+)", told)
                    told = f"{f'line {line[1]}' if line else 'it'} is not UTF-8 text; save the file as UTF-8"
                odd = path, told
            if odd:
                print(f"{os.path.relpath(odd[0], order['root'])}: {odd[1]}")
                sys.exit(1)


def _end_with(parent: int, folder: str) -> None:
    """End this process and remove its folder when the one that waits for it is gone."""
    while os.getppid() == parent:
        time.sleep(_LOOK)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def _add_table(database: Any, name: str, kind: str, paths: list[str]) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    files = "[" + ", ".join("'" + path.replace("'", "''") + "'" for path in paths) + "]"
    union = ", union_by_name=true" if len(paths) > 1 else ""
    if kind == "parquet":
        database.execute(f"CREATE VIEW {quoted} AS SELECT * FROM read_parquet({files}{union})")
        return
    if kind == "json":
        database.execute(f"CREATE TABLE {quoted} AS SELECT * FROM read_json({files}{union}, sample_size=-1)")
        _make_scalars_text(database, quoted)
        return
    # Types are made out from all rows: a type that only the first rows bear out changes later values, and
    # silently (1.5 becomes a BIGINT 2, a moment becomes its day).
    import duckdb

    create = f"CREATE TABLE {quoted} AS SELECT * FROM read_csv({files}{union}, sample_size="
    try:
        database.execute(f"{create}-1)")
    except duckdb.InvalidInputException:
        database.execute(f"{create}200000)")  # an odd line is named where it was not seen at first
        raise


def _make_scalars_text(database: Any, quoted: str) -> None:
    """Fields that hold text and numbers come as JSON, where `= 'AB-1'` finds nothing: make them text, unless
    some value is a list or an object.
    """
    for name, kind, *_ in database.execute(f"DESCRIBE {quoted}").fetchall():
        column = '"' + name.replace('"', '""') + '"'
        nested = f"SELECT 1 FROM {quoted} WHERE json_type({column}) IN ('ARRAY', 'OBJECT') LIMIT 1"
        if kind == "JSON" and not database.execute(nested).fetchone():
            database.execute(f"ALTER TABLE {quoted} ALTER {column} TYPE VARCHAR USING {column} ->> '$'")


def _odd_line(database: Any, paths: list[str]) -> tuple[str, str] | None:
    """The file and the line that made the engine misread a CSV, and why: as one column of text, or only from
    that line on, with all lines before it skipped. None where it read what most lines are.
    """
    sniffed = "SELECT len(Columns), Delimiter, Quote, Escape, SkipRows FROM sniff_csv(?, sample_size=200000)"
    for path in paths:
        columns, delimiter, quote, escape, skipped = database.execute(sniffed, [path]).fetchone()
        if columns > 1 and not skipped:
            continue
        options = {
            "quotechar": quote if len(quote) == 1 else '"',
            "escapechar": "\\" if escape == "\\" else None,
        }
        for tried in delimiter if columns > 1 else ",;\t|":
            told = _odd_width(path, columns, {"delimiter": tried, **options})
            if told:
                return path, told
    return None


def _odd_width(path: str, columns: int, options: dict[str, Any]) -> str | None:
    """Where most of the first thousand lines have another number of columns than was read (a title above the
    header leaves it the same): the first line that has not.
    """
    csv.field_size_limit(1 << 30)
    opened = gzip.open if path.lower().endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8", errors="replace", newline="") as file:
        reader = csv.reader(file, **options)
        widths = ((len(row), reader.line_num) for row in reader if row)
        first = list(islice(widths, 1000))
        (width, lines), *_ = Counter(found for found, _ in first).most_common(1) or [(1, 0)]
        if width in (1, columns) or 2 * lines <= len(first):
            return None
        for found, line in chain(first, widths):
            if found != width:
                return (
                    f"line {line} has {found} column{'' if found == 1 else 's'} where most have {width}; "
                    "mend it, and put values that hold the delimiter in double quotes"
                )
    return None


if __name__ == "__main__":
    main()
