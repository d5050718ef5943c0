"""The two lines that SDKs are tried on: HTTPS through the forward proxy, HTTP to the reverse one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mitmvcr.cassette import read
from mitmvcr.model import Interaction
from tests.conftest import Start
from tests.harness import Proxy
from tests.upstream.server import Upstream


@dataclass(frozen=True, slots=True)
class Kind:
    """A line by its name; what it needs of the stand-in and of the proxy."""

    name: str
    forward: bool

    def start(self, start: Start, folder: Path, url: str, ca: Path | None, **options: str) -> Proxy:
        """A proxy on this line, in front of the stand-in at `url`, or of nothing if that is stopped."""
        trust = ["--set", f"ssl_verify_upstream_trusted_ca={ca}"] if ca else []
        return start(*trust, folder=folder, upstream="" if self.forward else url, **options)


FORWARD = Kind("forward", forward=True)
REVERSE = Kind("reverse", forward=False)
KINDS = (FORWARD, REVERSE)


def upstream_for(kind: Kind) -> Upstream:
    """A stand-in of the test's own, which it can stop; with TLS where the proxy opens TLS."""
    return Upstream.start(tls=kind.forward)


def recorded(folder: Path, name: str) -> list[Interaction]:
    """What stands in a cassette, which has none of the headers that SDKs and the stand-in add."""
    interactions = list(read(folder / "recordings" / f"{name}.yaml").cassette.interactions)
    for one in interactions:
        assert set(one.request.headers) <= {"Accept", "Content-Type", "User-Agent", "Openai-Beta"}
        assert set(one.response.headers) <= {
            "Content-Type",
            "Openai-Version",
            "Retry-After",
            "Retry-After-Ms",
            "X-Should-Retry",
        }
    return interactions
