"""From flags, mitmvcr.toml and the environment to a proxy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mitmvcr.errors import SettingsError
from mitmvcr.http.hosts import origin_of
from mitmvcr.launch.contract import Ready
from mitmvcr.launch.environment import BASE_URLS, Via
from mitmvcr.launch.planning import ProxyPlan, plan
from tests.harness import confdir

GATEWAY = "https://gateway.example/api/v1"
LOCAL = "http://127.0.0.1:11434"
FOUND = "https://recorded.example/v1"
"""What the proxy finds in its cassette, where nothing else says where upstream is."""


@pytest.mark.parametrize("word", ["true", "woodpecker"])
def test_a_program_in_a_ci_replays_unless_it_is_said_otherwise(tmp_path: Path, word: str) -> None:
    assert plan({"CI": word}, {}, folder=tmp_path).launch.options["mode"] == "replay"
    assert plan({"CI": word}, {"mode": "record"}, folder=tmp_path).mode == "record"
    (tmp_path / "mitmvcr.toml").write_text('mode = "once"')
    wanted = plan({"CI": word}, {}, folder=tmp_path)
    assert (wanted.mode, "mode" in wanted.launch.options) == ("once", False)


def test_a_program_outside_of_a_ci_records_once(tmp_path: Path) -> None:
    wanted = plan({"CI": "false"}, {}, folder=tmp_path)
    assert (wanted.mode, wanted.notes) == ("once", [])


def ready(wanted: ProxyPlan) -> Ready:
    """What a proxy of that plan says: where it serves, and which upstreams it has found."""
    upstreams = tuple(url or FOUND for url in wanted.launch.order.upstreams)
    ports = tuple(range(8081, 8081 + len(upstreams)))
    replays = wanted.mode == "replay"
    return Ready(8080, ports, upstreams, str(confdir() / "mitmproxy-ca-cert.pem"), "0", replays)


@pytest.fixture(scope="module", autouse=True)
def _ca() -> None:
    from mitmproxy.certs import CertStore  # noqa: PLC0415 - this module alone needs a CA and no proxy

    CertStore.from_store(confdir(), "mitmproxy", 2048)


@pytest.mark.parametrize("mode", ["once", "record", "replay", "new-episodes", "passthrough"])
@pytest.mark.parametrize("via", Via)
@pytest.mark.parametrize(
    ("environ", "upstream", "real", "path"),
    [
        ({}, "", FOUND, "/v1"),
        ({"OPENAI_BASE_URL": GATEWAY}, "", GATEWAY, "/api/v1"),
        ({"OPENAI_BASE_URL": "https://gateway.example/"}, "", "https://gateway.example/v1", "/v1"),
        ({"OPENAI_BASE_URL": GATEWAY}, "https://other.example", "https://other.example/v1", "/v1"),
        ({}, GATEWAY, GATEWAY, "/api/v1"),
        ({"OPENAI_BASE_URL": f"{LOCAL}/v1"}, "", f"{LOCAL}/v1", "/v1"),
        ({}, "http://[::1]:8000/", "http://[::1]:8000/v1", "/v1"),
    ],
    ids=["found", "base", "base-without-path", "both", "upstream", "loopback", "ipv6"],
)
def test_every_way_leads_every_mode_to_the_upstream_that_is_meant(  # noqa: PLR0917 - a table of all
    tmp_path: Path, mode: str, via: Via, environ: dict[str, str], upstream: str, real: str, path: str
) -> None:
    if via is Via.PROXY and ("127.0.0.1" in real or "::1" in real):
        with pytest.raises(SettingsError, match="--via base-url or auto"):
            plan(environ, {"mode": mode}, upstream=upstream, via=via, folder=tmp_path)
        return
    wanted = plan(environ, {"mode": mode}, upstream=upstream, via=via, folder=tmp_path)
    changes = wanted.changes(ready(wanted), tmp_path, environ, certificates=[])
    is_led_by_base = via is not Via.PROXY
    assert wanted.launch.order.upstreams == ((real if real != FOUND else "",) if is_led_by_base else ())
    for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE"):
        assert changes.get(name) == (f"http://127.0.0.1:8081{path}" if is_led_by_base else None)
    for name in ("HTTPS_PROXY", "http_proxy", "SSL_CERT_FILE", "JAVA_TOOL_OPTIONS"):
        assert (name in changes) is (via is not Via.BASE_URL)
    assert ("OPENAI_API_KEY" in changes) is (mode == "replay")
    noted = json.loads(changes[BASE_URLS])
    assert noted == (dict.fromkeys(("OPENAI_BASE_URL", "OPENAI_API_BASE"), real) if is_led_by_base else {})
    if real != FOUND:  # what is recorded by the base URL is recorded in forward mode as well
        found = origin_of(real)
        assert found is not None
        assert found.host in wanted.launch.options["hosts"].split(",")


def test_azure_has_a_listener_of_its_own(tmp_path: Path) -> None:
    environ = {"OPENAI_BASE_URL": GATEWAY, "AZURE_OPENAI_ENDPOINT": "https://x.openai.azure.com"}
    wanted = plan(environ, {}, folder=tmp_path)
    changes = wanted.changes(ready(wanted), tmp_path, environ, certificates=[])
    assert wanted.launch.order.upstreams == (GATEWAY, "https://x.openai.azure.com")
    assert changes["AZURE_OPENAI_ENDPOINT"] == "http://127.0.0.1:8082"
    assert "AZURE_OPENAI_ENDPOINT" not in plan(environ, {}, via=Via.PROXY, folder=tmp_path).changes(
        ready(plan(environ, {}, via=Via.PROXY, folder=tmp_path)), tmp_path, environ, certificates=[]
    )


def test_users_and_passwords_stay_with_the_program(tmp_path: Path) -> None:
    environ = {"OPENAI_BASE_URL": "https://user:hush@gateway.example/v1"}
    wanted = plan(environ, {}, folder=tmp_path)
    assert "hush" not in wanted.launch.order.to_json() + " ".join(wanted.launch.command())
    changes = wanted.changes(ready(wanted), tmp_path, environ, certificates=[])
    assert changes["OPENAI_BASE_URL"] == "http://user:hush@127.0.0.1:8081/v1"


@pytest.mark.parametrize(
    "given", [["--set", "ssl_verify_upstream_trusted_ca=/b"], ["--set=termlog_verbosity=warn"]]
)
def test_what_is_set_on_the_command_line_wins_and_is_set_once(tmp_path: Path, given: list[str]) -> None:
    mine = tmp_path / "ca.pem"
    mine.touch()
    command = plan({"SSL_CERT_FILE": str(mine)}, {}, arguments=given, folder=tmp_path).launch.command()
    name = given[-1].removeprefix("--set=").partition("=")[0]
    assert " ".join(command).count(f"{name}=") == 1
    other = plan({"SSL_CERT_FILE": str(mine)}, {}, folder=tmp_path).launch.command()
    assert f"ssl_verify_upstream_trusted_ca={mine}" in other


@pytest.mark.parametrize(
    ("hosts", "recorded"),
    [(None, "api.openai.com"), ("+api.anthropic.com", "+api.anthropic.com"), ("a.example", "a.example")],
)
def test_the_upstreams_host_is_added_to_those_that_are_recorded(
    tmp_path: Path, hosts: str | None, recorded: str
) -> None:
    options = {"hosts": hosts} if hosts else {}
    given = plan({}, options, upstream="http://llm_gateway:4000", folder=tmp_path).launch.options["hosts"]
    assert recorded in given.split(",")
    assert given.endswith(",llm_gateway")
