"""Keeps this process off the network, loopback and Unix sockets apart: for tests, while one runs."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Callable, Iterator
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
    patched: Any = socket.socket
    originals = {name: getattr(patched, name) for name in ("connect", "connect_ex", "sendto")}

    def checked(original: Callable[..., object]) -> Callable[..., object]:
        def call(self: socket.socket, *arguments: Any) -> object:
            _check(self, arguments[-1])  # each of them has the address behind all else
            return original(self, *arguments)

        return call

    for name, original in originals.items():
        setattr(patched, name, checked(original))
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(patched, name, original)
