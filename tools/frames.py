"""Messages between the sandbox's parent and child: length-prefixed frames of values over pipes.

The child runs an engine that model-written SQL may have broken, so the parent never unpickles freely:
`unpack` builds plain values and the listed classes only, and refuses a frame longer than `LONGEST`.
"""

from __future__ import annotations

import datetime
import decimal
import io
import os
import pickle
import struct
import uuid
import zoneinfo
from typing import Any

LONGEST = 64 << 20
_LENGTH = struct.Struct("!I")

_CLASSES: dict[tuple[str, str], Any] = {
    ("datetime", "date"): datetime.date,
    ("datetime", "datetime"): datetime.datetime,
    ("datetime", "time"): datetime.time,
    ("datetime", "timedelta"): datetime.timedelta,
    ("datetime", "timezone"): datetime.timezone,
    ("decimal", "Decimal"): decimal.Decimal,
    ("uuid", "UUID"): uuid.UUID,
    ("zoneinfo", "ZoneInfo"): zoneinfo.ZoneInfo,
}
# Both would else be written through `getattr` or raw attributes, which a reader should not have to allow.
_WRITERS: dict[type, Any] = {
    uuid.UUID: lambda value: (uuid.UUID, (None, value.bytes)),
    zoneinfo.ZoneInfo: lambda value: (zoneinfo.ZoneInfo, (value.key,)),
}


class BrokenFrame(Exception):
    """The other side is gone, or what it sent is no message of ours."""


def pack(message: Any) -> memoryview:
    """The message with its length before it, ready to be written."""
    buffer = io.BytesIO()
    buffer.write(_LENGTH.pack(0))
    pickler = pickle.Pickler(buffer, protocol=5)
    pickler.dispatch_table = _WRITERS
    pickler.dump(message)
    frame = buffer.getbuffer()
    frame[: _LENGTH.size] = _LENGTH.pack(len(frame) - _LENGTH.size)
    return frame


def unpack(body: bytes) -> Any:
    """The message of a frame's body. Raises BrokenFrame for anything but values we send."""
    try:
        return _Unpickler(io.BytesIO(body)).load()
    except BrokenFrame:
        raise
    except Exception as error:  # a broken stream may raise nearly anything
        raise BrokenFrame(f"unreadable message ({type(error).__name__})") from None


def body_length(prefix: bytes) -> int:
    """The length of the body that follows a 4-byte prefix. Raises BrokenFrame above LONGEST."""
    (length,) = _LENGTH.unpack(prefix)
    if length > LONGEST:
        raise BrokenFrame(f"a message of {length} bytes is longer than allowed")
    return length


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of it, however often the pipe is full."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def read_frame(descriptor: int) -> Any:
    """Block until a whole message has come. Raises BrokenFrame at the end of the stream."""
    return unpack(_read_exactly(descriptor, body_length(_read_exactly(descriptor, _LENGTH.size))))


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        found = _CLASSES.get((module, name))
        if found is None:
            raise BrokenFrame(f"a message holds {module}.{name}, which is not allowed")
        return found


def _read_exactly(descriptor: int, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        piece = os.read(descriptor, count - len(data))
        if not piece:
            raise BrokenFrame("the other side is gone")
        data += piece
    return bytes(data)
