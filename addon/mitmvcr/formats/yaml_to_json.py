"""What a YAML file has as structure -> the JSON that it stands for, by YAML 1.1's rules; reads no file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache

import yaml

from mitmvcr.formats.yaml_json import Value, as_plain_data
from mitmvcr.model import Plain

_YAML = "tag:yaml.org,2002:"


class _Scalars(yaml.resolver.Resolver, yaml.constructor.SafeConstructor):
    """YAML 1.1's rules for unquoted scalars, as VCR.py's loader has them."""

    def __init__(self) -> None:
        yaml.resolver.Resolver.__init__(self)
        yaml.constructor.SafeConstructor.__init__(self)


_SCALARS = _Scalars()
_CONSTRUCT: Mapping[str, Callable[[yaml.ScalarNode], object]] = {
    f"{_YAML}int": _SCALARS.construct_yaml_int,
    f"{_YAML}float": _SCALARS.construct_yaml_float,
    f"{_YAML}bool": _SCALARS.construct_yaml_bool,
    f"{_YAML}null": _SCALARS.construct_yaml_null,
}


@lru_cache(maxsize=4096)
def resolve(text: str) -> str | int | float | bool | None:
    """What YAML 1.1 makes of an unquoted scalar, as far as JSON can hold it; else its text."""
    tag: str = _SCALARS.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    construct = _CONSTRUCT.get(tag)
    if construct is None:
        return text
    try:
        value = construct(yaml.ScalarNode(tag, text))
    except (ValueError, ArithmeticError):
        return text
    return value if isinstance(value, int | float) else None


def json_bytes(value: Value, line: int | None, *, compact: bool) -> bytes:
    """The value as JSON text; unquoted scalars are what YAML makes of them."""
    separators = (",", ":") if compact else None
    plain = _for_json(value, line)
    try:
        return json.dumps(plain, ensure_ascii=not compact, separators=separators).encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return json.dumps(plain, separators=separators).encode()


def _for_json(value: Value, line: int | None) -> object:
    match as_plain_data(value, line):
        case Plain() as plain:
            return resolve(str(plain))
        case dict() as pairs:
            return {key: _for_json(item, line) for key, item in pairs.items()}
        case list() as items:
            return [_for_json(item, line) for item in items]
        case bytes() as raw:
            return raw.decode("utf-8", "replace")
        case other:
            return other
