"""A request's head in plain data, as each carrier of this server has it; decides nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request line, its header fields, and how the request came.

    `host` and `port` are whom it is for: CONNECT's or the reverse listener's, not Host's; empty and 0 where
    a head alone doesn't say. `authority` is what the client calls this proxy: empty if it gave no name, None
    if that was not seen. `tls_port` is the port of a reverse listener that the client speaks TLS to, else 0.
    `prefix` is the part of the path that named a cassette, and is taken off `path`.
    """

    method: str
    scheme: str
    host: str
    port: int
    path: str
    http_version: str
    fields: tuple[tuple[str, str], ...]
    is_reverse: bool = False
    authority: str | None = ""
    tls_port: int = 0
    prefix: str = ""

    def header(self, name: str) -> str | None:
        """A header's values, joined by commas; None if it isn't there."""
        values = [value for field, value in self.fields if field.lower() == name.lower()]
        return ", ".join(values) if values else None

    def fields_without(self, *names: str) -> tuple[tuple[str, str], ...]:
        """The header fields but those of these names, which are given in lower case."""
        return tuple(field for field in self.fields if field[0].lower() not in names)

    @property
    def line(self) -> str:
        """The request in a log line: without its query, where keys are."""
        return f"{self.method} {self.host}{self.path.partition('?')[0]}"

    @property
    def origin(self) -> str:
        """Scheme, host and port of whom it is for."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == {"http": 80, "https": 443}.get(self.scheme) else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    @property
    def url(self) -> str:
        """The absolute URL as upstream is asked for it."""
        return self.origin + (self.path if self.path.startswith("/") else f"/{self.path}")
