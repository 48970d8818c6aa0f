"""Where a command listens: the address is taken before anything is opened, so that one that is not free is
told at once.
"""

from __future__ import annotations

import socket

from ..errors import SqlbergError


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises `SqlbergError` where that cannot be."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host.strip("[]"), port), family=family)
    except OSError as error:
        raise not_free(host, port, error) from error


def not_free(host: str, port: int, error: OSError) -> SqlbergError:
    why = (error.strerror or "").partition(" (while ")[0]  # what follows names the address again
    told = f": {why}" if why else ""
    return SqlbergError(f"cannot listen on {host}:{port}{told}; choose another --port or --host")
