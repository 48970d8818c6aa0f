"""Named numpy arrays and a little JSON in one file, written whole or not at all, read through a memory map.

Layout: magic, length of the header, header (JSON: note, arrays with type, shape and place), arrays aligned
to 64 bytes. The header holds a CRC-32 of the arrays and its own is beside it, so a damaged, half-written or
foreign file is told apart from a good one when it is opened. Nothing in the file is ever executed or
unpickled.
"""

from __future__ import annotations

import json
import os
import struct
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from .cache import written_whole

_MAGIC = b"sqlberg-arrays-1"
_PREFIX = struct.Struct("<16sQI")  # magic, header length, CRC-32 of the header
_ALIGN = 64
_TYPES = frozenset({"|u1", "<u2", "<u4", "<u8", "<i4", "<i8", "<f4", "<f8"})
_STALE_SECONDS = 3600


class DamagedFile(ValueError):
    """The file is not one that `write_arrays` finished."""


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], note: Mapping[str, Any]) -> None:
    """Write `path` atomically, readable by its owner only. Raises OSError."""
    _remove_leftovers(path)
    places, at = {}, 0
    for name, array in arrays.items():
        at += -at % _ALIGN
        places[name] = {"type": array.dtype.newbyteorder("<").str, "shape": list(array.shape), "at": at}
        at += array.nbytes
    start = _start(len(_header(places, at, 0, note)))
    with (
        written_whole(path) as temporary,
        os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file,
    ):
        crc = written = 0
        file.seek(start)
        for name, array in arrays.items():
            for piece in (bytes(places[name]["at"] - written), _bytes(array)):
                file.write(piece)
                crc = zlib.crc32(piece, crc)
                written += len(piece)
        header = _header(places, at, crc, note)
        file.seek(0)
        file.write(_PREFIX.pack(_MAGIC, len(header), zlib.crc32(header)) + header)
        file.flush()
        os.fsync(file.fileno())


def read_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays (read-only views of a memory map) and the note. Raises OSError, DamagedFile."""
    with path.open("rb") as file:
        prefix = file.read(_PREFIX.size)
        if len(prefix) < _PREFIX.size:
            raise DamagedFile(f"{path.name} is cut off")
        magic, header_size, header_crc = _PREFIX.unpack(prefix)
        if magic != _MAGIC or header_size > 1 << 30:
            raise DamagedFile(f"{path.name} is not an index")
        header = file.read(header_size)
        if zlib.crc32(header) != header_crc:
            raise DamagedFile(f"{path.name} has a damaged header")
    content = json.loads(header)
    start, size = _start(header_size), content["size"]
    if path.stat().st_size != start + size:
        raise DamagedFile(f"{path.name} has the wrong length")
    memory = np.memmap(path, np.uint8, mode="r", offset=0)[start:] if size else np.zeros(0, np.uint8)
    if zlib.crc32(memory.data) != int(content["crc"], 16):
        raise DamagedFile(f"{path.name} has damaged content")
    arrays = {}
    for name, place in content["arrays"].items():
        if place["type"] not in _TYPES:
            raise DamagedFile(f"{path.name} holds an unknown type")
        kind, shape = np.dtype(place["type"]), tuple(place["shape"])
        nbytes = kind.itemsize * int(np.prod(shape, dtype=np.int64))
        arrays[name] = np.asarray(memory[place["at"] : place["at"] + nbytes]).view(kind).reshape(shape)
    return arrays, content["note"]


def _header(places: Mapping[str, Any], size: int, crc: int, note: Mapping[str, Any]) -> bytes:
    # The checksum is written with a fixed width, so that the header's length is known before it is.
    content = {"arrays": places, "size": size, "crc": f"{crc:08x}", "note": note}
    return json.dumps(content, separators=(",", ":")).encode()


def _start(header_size: int) -> int:
    end = _PREFIX.size + header_size
    return end + -end % _ALIGN


def _bytes(array: np.ndarray) -> bytes | memoryview:
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return little.reshape(-1).view(np.uint8).data if array.size else b""


def _remove_leftovers(path: Path) -> None:
    """Remove what killed writers left behind an hour ago or more (others may be writing now)."""
    for leftover in path.parent.glob(f".{path.name}.*"):
        with suppress(OSError):
            if time.time() - leftover.stat().st_mtime > _STALE_SECONDS:
                leftover.unlink()
