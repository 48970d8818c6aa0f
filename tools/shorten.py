"""Cutting rows to size where they are fetched (in the sandbox child), so that no big value ever travels.

A cell is cut to `cell_chars` characters or bytes; of a nested list, tuple or dict as many items are kept
as fit. The weight of what is kept is counted in bytes of memory as the parent will hold it.
"""

from __future__ import annotations

import datetime
import decimal
import sys
import uuid
import zoneinfo
from typing import Any

_SMALL = {type(None): 0, bool: 0, int: 40, float: 24}
_PLAIN = (datetime.date, datetime.time, datetime.timedelta, decimal.Decimal, uuid.UUID)


class Shortener:
    """Cuts cells and counts: `shortened` cells so far, `weight` of all kept values (bytes of memory), and the
    characters and bytes `seen` in text and binary values before they were cut.
    """

    def __init__(self, cell_chars: int) -> None:
        self.cell_chars = cell_chars
        self.shortened = 0
        self.weight = 0
        self.seen = 0

    def row(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """The row with every cell cut to size."""
        self.weight += 56 + 8 * len(values)
        return tuple([self._cell(value) for value in values])

    def _cell(self, value: Any) -> Any:
        small = _SMALL.get(type(value))
        if small is not None:
            self.weight += small
            return value
        kept, left = self._keep(value, self.cell_chars)
        if left < 0:
            self.shortened += 1
        return kept

    def _keep(self, value: Any, room: int) -> tuple[Any, int]:
        """What is kept of a value within `room` characters, and the room left: negative when it was cut."""
        kind = type(value)
        if kind is str or kind is bytes:
            kept = value if len(value) <= room else value[: max(room, 0)]
            self.weight += sys.getsizeof(kept)
            self.seen += len(value)
            return kept, room - len(value)
        if kind in _SMALL:
            self.weight += _SMALL[kind]
            return value, room - 1
        if kind is list or kind is tuple:
            items, room = self._keep_items(value, room)
            return kind(items), room
        if kind is dict:
            keys, room = self._keep_items(value.keys(), room)
            values, room = self._keep_items([value[key] for key, _ in zip(value, keys, strict=False)], room)
            return dict(zip(keys, values, strict=False)), room
        if isinstance(value, _PLAIN):
            self.weight += 72
            return _portable(value), room - 1
        return self._keep(str(value), room)

    def _keep_items(self, items: Any, room: int) -> tuple[list[Any], int]:
        kept = []
        self.weight += 64
        for item in items:
            if room <= 0:
                return kept, -1
            item, room = self._keep(item, room - 1)
            self.weight += 8
            kept.append(item)
        return kept, room


def _portable(value: Any) -> Any:
    """A time in a named zone of pytz (DuckDB's choice) as the same time in the standard library's zone."""
    zone = getattr(getattr(value, "tzinfo", None), "zone", None)
    if zone is None or not isinstance(value, datetime.datetime):
        return value
    try:
        return value.astimezone(zoneinfo.ZoneInfo(zone))
    except (zoneinfo.ZoneInfoNotFoundError, OverflowError):
        offset = value.utcoffset() or datetime.timedelta()
        return value.replace(tzinfo=datetime.timezone(offset))
