"""Another reader for what we write: PyYAML's C base loader, every scalar a string but `!!binary`."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import yaml

from mitmvcr.durations import parse_duration
from mitmvcr.model import Interaction, Request, Response


class _Loader(yaml.CBaseLoader):
    pass


def _binary(loader: _Loader, node: yaml.ScalarNode) -> bytes:
    return base64.b64decode(str(loader.construct_scalar(node)))


_Loader.add_constructor("tag:yaml.org,2002:binary", _binary)


def document(data: bytes) -> Any:
    return yaml.load(data, _Loader)  # noqa: S506 - a base loader that constructs strings


def interactions(data: bytes) -> list[Interaction]:
    """The known keys of each interaction."""
    return [
        Interaction(
            Request(**_fields(entry["request"])), Response(**_fields(entry["response"])), int(entry["id"])
        )
        for entry in document(data)["interactions"]
    ]


def _fields(side: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _field(name, value) for name, value in side.items()}


def _field(name: str, value: Any) -> Any:
    if name in _READERS:
        return _READERS[name](value)
    if isinstance(value, Mapping):
        return {_text(key): _texts(items) for key, items in value.items()}
    return _text(value)


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def _texts(values: Iterable[str | bytes]) -> tuple[str, ...]:
    return tuple(map(_text, values))


def _body(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


_READERS: dict[str, Callable[[Any], Any]] = {
    "proto_major": int,
    "proto_minor": int,
    "content_length": int,
    "code": int,
    "uncompressed": "true".__eq__,
    "duration": parse_duration,
    "transfer_encoding": _texts,
    "body": _body,
}
