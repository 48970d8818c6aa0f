"""Where servers of the tests listen: on loopback, on a port that is free."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlberg.ui.web.room import Room


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def served(room: Room, **options: Any) -> Iterator[str]:
    """The address of a page over a room, which is closed in the end."""
    from sqlberg.ui.web.app import launch

    page, address = launch(room, port=free_port(), block=False, **options)
    yield address
    page.close()
    room.close()
