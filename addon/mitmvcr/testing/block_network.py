"""Keeps this process off the network, loopback and Unix sockets apart: for tests, while one runs."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Iterator
from typing import Any


class NetworkBlockedError(RuntimeError):
    """A connection that `--block-network` refuses; RuntimeError, as pytest-recording raises."""


def _check(sock: socket.socket, address: Any) -> None:
    if sock.family not in (socket.AF_INET, socket.AF_INET6) or not isinstance(address, tuple):
        return
    host = str(address[0])
    try:
        fine = ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        fine = host.lower() in ("localhost", "")
    if not fine:
        raise NetworkBlockedError(
            f"--block-network: no connection to {host}:{address[1]}; requests that a cassette answers go "
            f"through mitmvcr's proxy, which this client passes by"
        )


@contextlib.contextmanager
def blocked() -> Iterator[None]:
    """Meanwhile `connect`, `connect_ex` and `sendto` refuse all addresses but loopback's."""
    connect, connect_ex, sendto = socket.socket.connect, socket.socket.connect_ex, socket.socket.sendto

    def checked_connect(self: socket.socket, address: Any) -> None:
        _check(self, address)
        connect(self, address)

    def checked_connect_ex(self: socket.socket, address: Any) -> int:
        _check(self, address)
        return connect_ex(self, address)

    def checked_sendto(self: socket.socket, *arguments: Any) -> int:
        _check(self, arguments[-1])
        return sendto(self, *arguments)

    patched: Any = socket.socket
    patched.connect, patched.connect_ex, patched.sendto = checked_connect, checked_connect_ex, checked_sendto
    try:
        yield
    finally:
        patched.connect, patched.connect_ex, patched.sendto = connect, connect_ex, sendto
