"""Who reaches a proxy that was started with no word on where to listen: this machine, and nobody else."""

from __future__ import annotations

import pytest
from mitmproxy import ctx
from mitmproxy.connection import Client
from mitmproxy.options import Options
from mitmproxy.proxy.mode_specs import ProxyMode

from mitmvcr.proxy.addon import VCR


@pytest.mark.parametrize(
    ("address", "mode", "listen_host", "is_served"),
    [
        ("127.0.0.1", "regular", "", True),
        ("127.0.0.2", "reverse:https://api.openai.com", "", True),
        ("::1", "regular", "", True),
        ("::ffff:127.0.0.1", "regular", "", True),
        ("192.0.2.2", "regular", "", False),
        ("192.0.2.2", "reverse:https://api.openai.com", "", False),
        ("::ffff:192.0.2.2", "regular", "", False),
        ("fe80::1%eth0", "regular", "", False),
        ("192.0.2.2", "regular", "0.0.0.0", True),
        ("192.0.2.2", "regular@0.0.0.0:8080", "", True),
        ("192.0.2.2", "transparent", "", True),
    ],
)
def test_other_machines_are_served_only_where_somebody_said_so(
    monkeypatch: pytest.MonkeyPatch, address: str, mode: str, listen_host: str, is_served: bool
) -> None:
    client = Client(
        peername=(address, 50_000),
        sockname=("127.0.0.1", 8080),
        timestamp_start=0,
        proxy_mode=ProxyMode.parse(mode),
    )
    monkeypatch.setattr(ctx, "options", Options(), raising=False)
    if listen_host:
        ctx.options.update(listen_host=listen_host)  # type: ignore[no-untyped-call]
    VCR().client_connected(client)
    assert bool(client.error) is not is_served
