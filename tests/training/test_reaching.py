"""Whether somebody listens at the address of a cluster is seen before Ray is asked."""

from __future__ import annotations

import socket

import pytest
from sqlberg.training.cluster import _reach

from ..addresses import free_port


@pytest.mark.parametrize(
    ("family", "host", "written"),
    [
        (socket.AF_INET, "127.0.0.1", "127.0.0.1:{}"),
        (socket.AF_INET, "127.0.0.1", "ray://127.0.0.1:{}"),
        (socket.AF_INET6, "::1", "[::1]:{}"),
        (socket.AF_INET6, "::1", "ray://[::1]:{}"),
    ],
)
def test_an_address_is_reached_however_it_is_written(
    family: socket.AddressFamily, host: str, written: str
) -> None:
    try:
        listening = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip(f"this machine has no {host}")
    with listening:
        _reach(written.format(listening.getsockname()[1]))


@pytest.mark.parametrize("written", ["127.0.0.1:{}", "ray://127.0.0.1:{}"])
def test_where_nobody_listens_it_is_said_at_once(written: str) -> None:
    with pytest.raises(ConnectionRefusedError):
        _reach(written.format(free_port()))


@pytest.mark.parametrize("address", ["", "auto", "local"])
def test_what_is_no_address_is_left_to_ray(address: str) -> None:
    _reach(address)
