"""From flags, mitmvcr.toml and the environment to the proxy that a program needs; starts nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from mitmvcr.config import load
from mitmvcr.config.options import DEFAULTS
from mitmvcr.errors import SettingsError
from mitmvcr.http.hosts import bracketed, origin_of
from mitmvcr.launch import environment, trust
from mitmvcr.launch.contract import Order, Ready
from mitmvcr.launch.environment import Changes, Via
from mitmvcr.launch.process import Launch


@dataclass(frozen=True, slots=True)
class ProxyPlan:
    """The proxy to start, and which variables lead to its listeners.

    `base_urls`: what the variables of base URLs stand for, by their names. `mode` is what was asked for, in
    whatever words; `notes` are for the user.
    """

    launch: Launch
    base_urls: Mapping[str, str]
    via: Via
    mode: str
    notes: Sequence[str] = ()

    def changes(
        self,
        ready: Ready,
        folder: Path,
        environ: Mapping[str, str],
        host: str = "",
        certificates: Sequence[bytes] | None = None,
    ) -> Changes:
        """The variables for a program, once the proxy serves; writes what it is to trust into the folder.

        `host` is the proxy's address as the program has it, `certificates` what `system_certificates` has
        found already. Raises MitmvcrError.
        """
        if certificates is None:
            certificates = trust.system_certificates(environ)
        files = trust.write(folder, Path(ready.ca), ready.ca_hash, certificates, environ)
        host = host or reachable(self.launch.order.host)
        reverse = [f"http://{host}:{port}" for port in ready.reverse]
        where = environment.endpoints(
            self.base_urls, ready.upstreams, f"http://{host}:{ready.forward}", reverse
        )
        return environment.changes(where, files, environ, self.via, replays=ready.replays)


def plan(  # noqa: PLR0913 - keywords, nearly all of which have a usual value
    environ: Mapping[str, str],
    options: Mapping[str, str],
    *,
    upstream: str = "",
    via: Via = Via.AUTO,
    order: Order | None = None,
    arguments: Sequence[str] = (),
    folder: Path = Path(),
) -> ProxyPlan:
    """The proxy for programs in this environment.

    `options` are the addon's that were given, without `vcr_`; `order` says where to listen, on free ports
    of loopback if it is left out; mitmvcr.toml is that of `folder`. Raises SettingsError.
    """
    texts = {**load.read(folder).texts(), **options}
    base_urls = environment.base_urls(environ, upstream)
    local = [environment.without_user(url) for url in base_urls.values() if environment.is_loopback(url)]
    if via is Via.PROXY and local:
        raise SettingsError(f"{local[0]}: programs use no proxy for loopback; give --via base-url or auto")
    notes = []
    chosen = dict(options)
    mode = texts.get("mode", DEFAULTS["mode"])
    if "mode" not in texts and load.in_ci(environ):
        chosen["mode"] = mode = "replay"
        notes.append("CI is set, so the mode is replay; --mode gives another")
    # What the reverse listeners record is to be recorded in forward mode as well.
    if more := list(dict.fromkeys(found.host for url in base_urls.values() if (found := origin_of(url)))):
        chosen["hosts"] = ",".join([texts.get("hosts", DEFAULTS["hosts"]).strip().replace("\n", ","), *more])
    through, direct = environment.upstream_proxy(environ)
    if through and urlsplit(through).scheme not in ("http", "https"):
        notes.append(f"{through.partition('://')[0]} proxies can't be used: requests go upstream directly")
        through = ""
    upstreams = tuple(environment.upstreams_of(base_urls)) if via is not Via.PROXY else ()
    order = order or Order("")
    ports = order.ports or (0,) * len(upstreams)
    order = replace(order, upstreams=upstreams, ports=ports, via=through, direct=direct)
    return ProxyPlan(Launch(order, chosen, arguments, _trusted(environ)), base_urls, via, mode, notes)


def _trusted(environ: Mapping[str, str]) -> dict[str, str]:
    """Mitmproxy has a list of its own of whom to trust; what the user's programs have takes its place."""
    name = environment.BUNDLE if environ.get(environment.PROXY) else "SSL_CERT_FILE"
    file = environ.get(name, "")
    return {"ssl_verify_upstream_trusted_ca": file} if file and Path(file).is_file() else {}


def reachable(host: str) -> str:
    """The address by which programs on this machine reach what listens on `host`."""
    host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not bound to
    return bracketed(host)
