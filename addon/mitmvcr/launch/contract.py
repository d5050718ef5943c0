"""What the launcher and the proxy tell each other, as JSON: an order at the start, a line when it serves."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Self

VARIABLE = "MITMVCR_ORDER"
"""The environment variable by which the proxy's process gets its order."""

GOODBYE = b"."
"""What the launcher writes into the pipe before it closes it; without it the launcher was killed."""

PORT = 8080
"""Where `mitmvcr proxy` listens if nothing else is said; the reverse proxy is at the next one."""

OPENAI = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class Message:
    """What goes from one process to the other: a dataclass of texts and numbers, and tuples of them."""

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The message that `to_json` wrote."""
        fields = json.loads(text).items()
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in fields})


@dataclass(frozen=True, slots=True)
class Order(Message):
    """What the launcher wants, besides the options that mitmproxy itself takes.

    `upstreams`: base URLs; there is a reverse listener for each, on the port of the same place in `ports`
    (0: a free one). An empty one is what the default cassette was recorded from, if that is one host,
    else OpenAI. `ready`: the file descriptor that is told the `Ready` line; -1 says it on the terminal.
    `alive`: a pipe's end; the proxy ends when its other end is closed. `folder` is the launcher's, and
    is removed by the proxy if the launcher was killed. `via`: the proxy to go through, where there is one,
    except to the hosts in `direct`, which is in NO_PROXY's terms. `hint`: flags of `mitmvcr env`, for a
    user who is to be told how to use this proxy.
    """

    confdir: str
    host: str = "127.0.0.1"
    upstreams: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    ready: int = -1
    alive: int = -1
    folder: str = ""
    via: str = ""
    direct: str = ""
    hint: str = ""
    verbose: bool = False


@dataclass(frozen=True, slots=True)
class Ready(Message):
    """Where the proxy serves: ports, and the base URLs that the reverse listeners stand in front of.

    `ca` is the path of the CA's certificate, `ca_hash` what OpenSSL calls it in a directory of them.
    `replays`: requests that name no cassette are answered from one, and none goes upstream.
    """

    forward: int
    reverse: tuple[int, ...]
    upstreams: tuple[str, ...]
    ca: str
    ca_hash: str
    replays: bool
