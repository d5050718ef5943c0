"""What a launched proxy imports later than mitmproxy does is there when it is asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from mitmvcr.launch.process import ProxyProcess
from tests.harness import ROOT, confdir
from tests.launch.test_process import launch

_STARTED = """
import sys
from mitmvcr.proxy.patches import lazy_imports
lazy_imports.put_off()
import mitmproxy.addons
from mitmproxy.addons import onboarding, proxyauth
assert not {name.partition(".")[0] for name in sys.modules} & {"flask"}, "flask"
assert "ldap3.core" not in sys.modules, "ldap3"
server = proxyauth.ldap3.Server("127.0.0.1")
assert server.host == "127.0.0.1"
assert proxyauth.ldap3.utils.conv.escape_filter_chars("*") == "\\\\2a"
import ldap3, ldap3.core.exceptions
assert ldap3.Server is proxyauth.ldap3.Server
"""


def test_mitmproxy_starts_without_what_few_use_and_has_it_when_it_is_used() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "addon")}
    done = subprocess.run(
        [sys.executable, "-P", "-c", _STARTED], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("mode", ["record", "replay"])
def test_pages_of_mitm_it_have_the_ca(tmp_path: Path, mode: str) -> None:
    with ProxyProcess(launch(tmp_path, mode=mode)) as proxy:
        url = f"http://127.0.0.1:{proxy.wait().forward}"
        with httpx.Client(proxy=url, trust_env=False, timeout=30) as client:
            for _ in range(2):
                page = client.get("http://mitm.it/")
                assert page.status_code == 200
                assert "Install mitmproxy" in page.text
            certificate = client.get("http://mitm.it/cert/pem")
        assert certificate.content == (confdir() / "mitmproxy-ca-cert.pem").read_bytes()
        assert proxy.stop() == 0, proxy.output
