"""What came to a process for hosts that are not recorded, and connections without a request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from mitmvcr.http.hosts import canonical_host

MAX_HOSTS = 100
"""Hosts that are counted one by one; those that come later are counted together."""
_SHOWN = 3


@dataclass(slots=True)
class HostCounts:
    """How often something happened for a host: the first MAX_HOSTS by name, `more` for all later ones."""

    by_host: dict[str, int] = field(default_factory=dict)
    more: int = 0

    def add(self, host: str) -> bool:
        """Count once more; whether it is the first time for this host, as far as that is known."""
        is_first = host not in self.by_host
        if is_first and len(self.by_host) >= MAX_HOSTS:
            self.more += 1
            return False
        self.by_host[host] = self.by_host.get(host, 0) + 1
        return is_first

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.by_host.values()) + self.more

    def __str__(self) -> str:
        most = sorted(self.by_host.items(), key=lambda pair: -pair[1])
        shown = [f"{host} ({times})" for host, times in most[:_SHOWN]]
        left = len(most) - len(shown)
        others = f" and {left} more hosts" if left > 1 else f" and {most[-1][0]}" if left else ""
        return ", ".join(shown) + others


@dataclass(slots=True)
class Traffic:
    """What came to the proxy.

    `passed` and `refused` are requests and tunnels to hosts that are not recorded. `silent`: handshakes
    behind which no request came, by the name that the client gave.
    """

    passed: HostCounts = field(default_factory=HostCounts)
    refused: HostCounts = field(default_factory=HostCounts)
    silent: HostCounts = field(default_factory=HostCounts)
    has_requests: bool = False
    _asked_hosts: set[str] = field(default_factory=set)
    _speaking: set[str] = field(default_factory=set)

    def request_came(self, connection: str, host: str) -> None:
        """A request came on the connection of this id, for this host; only the first needs to be told."""
        if connection not in self._speaking:
            self.has_requests = True
            self._speaking.add(connection)
            if len(self._asked_hosts) < MAX_HOSTS:
                self._asked_hosts.add(host)

    def connection_ended(self, connection: str, server_name: str | None) -> None:
        """A connection is gone; `server_name` is whom its client spoke TLS to, None if it didn't."""
        if connection in self._speaking:
            self._speaking.discard(connection)
        elif server_name is not None:
            self.silent.add(canonical_host(server_name) or "a host without a name")

    @property
    def distrusting(self) -> HostCounts:
        """The silent handshakes for hosts to which no other connection had a request."""
        by_host = {
            host: times for host, times in self.silent.by_host.items() if host not in self._asked_hosts
        }
        return HostCounts(by_host)

    @property
    def is_empty(self) -> bool:
        """Whether nothing came at all."""
        return not (self.has_requests or self.passed.total or self.refused.total or self.silent.total)

    def lines(self) -> Iterator[str]:
        """What is said of it at a process's end."""
        if self.passed.total:
            yield f"passed on, not recorded: {self.passed} (vcr_hosts names what is recorded)"
        if self.refused.total:
            yield f"refused, not recorded: {self.refused}"
        if self.distrusting.total:
            yield (
                f"a TLS handshake without a request was all that came for {self.distrusting}: "
                f"that client seems not to trust the proxy's certificate (docs/clients.md)"
            )
        elif self.is_empty:
            yield (
                "no request came to the proxy: the program asked nothing, or went past it, as one does that "
                "reads neither HTTPS_PROXY nor OPENAI_BASE_URL (docs/clients.md)"
            )

    def document(self) -> dict[str, object]:
        """Its part of the JSON report."""
        kinds = {"passed": self.passed, "refused": self.refused, "silent": self.distrusting}
        return {
            name: {"total": counts.total, "hosts": dict(counts.by_host)} for name, counts in kinds.items()
        }
