"""A request as either serving layer has it, in plain data; decides nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Incoming:
    """A request's head; what names the cassette is taken off it.

    `host` and `port` are whom it is for: CONNECT's or the reverse listener's, not Host's. `called` is what
    the client calls this proxy: empty if it gave no name, None if that was not seen. `tls_port` is the port
    of a reverse listener that the client speaks TLS to, else 0. `taken` is the prefix that named a cassette.
    """

    method: str
    scheme: str
    host: str
    port: int
    path: str
    http_version: str
    fields: list[tuple[str, str]]
    is_reverse: bool
    called: str | None
    tls_port: int = 0
    taken: str = ""

    def header(self, name: str) -> str | None:
        """A header's values as one, None if it isn't there."""
        values = [value for field, value in self.fields if field.lower() == name.lower()]
        return ", ".join(values) if values else None

    def pop(self, name: str) -> str | None:
        """The same, and it is gone."""
        value = self.header(name)
        if value is not None:
            self.fields = [field for field in self.fields if field[0].lower() != name.lower()]
        return value

    @property
    def line(self) -> str:
        """The request in a log line: without its query, where keys are."""
        return f"{self.method} {self.host}{self.path.partition('?')[0]}"

    @property
    def origin(self) -> str:
        """Scheme, host and port of who is asked."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == {"http": 80, "https": 443}.get(self.scheme) else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    @property
    def url(self) -> str:
        """The absolute URL as upstream is asked for it."""
        return self.origin + (self.path if self.path.startswith("/") else f"/{self.path}")
