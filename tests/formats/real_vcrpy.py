"""VCR.py itself, imported although the addon's script `addon/vcr.py` has the same name as its package."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

_ADDON = Path(__file__).parents[2] / "addon"


def _import(*names: str) -> list[Any]:
    path = sys.path[:]
    sys.path[:] = [entry for entry in path if Path(entry).resolve() != _ADDON.resolve()]
    other = sys.modules.get("vcr")
    if other is not None and not hasattr(other, "use_cassette"):
        del sys.modules["vcr"]
    try:
        return [importlib.import_module(name) for name in names]
    finally:
        sys.path[:] = path


vcr, _request, _serialize, yamlserializer, jsonserializer = _import(
    "vcr", "vcr.request", "vcr.serialize", "vcr.serializers.yamlserializer", "vcr.serializers.jsonserializer"
)
VCRRequest = _request.Request
deserialize = _serialize.deserialize
serialize = _serialize.serialize
