"""What mitmproxy imports at its start and hardly any process uses, imported when it is used; serves nothing.

It is a fifth of mitmproxy's imports (11.0 to 12.3): `ldap3`, for proxyauth with LDAP, and Flask, for the
pages of http://mitm.it. Both are what they are from their first use on. Without it a start takes some 0.15
seconds of CPU more (`bench run`).
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType
from typing import Any

_LDAP = "ldap3"
_PAGES = "mitmproxy.addons.onboardingapp"


def put_off() -> None:
    """Must be called before mitmproxy's addons are imported."""
    sys.meta_path.insert(0, _Later())
    pages = ModuleType(_PAGES)
    pages.app = Pages()  # type: ignore[attr-defined]
    sys.modules[_PAGES] = pages


class _Later(MetaPathFinder):
    """Has the one module loaded when an attribute of it is asked for: its import has to find this first."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where the module is, if it is that one."""
        spec = PathFinder.find_spec(name, path, target) if name == _LDAP else None
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


class Pages:
    """The WSGI application of mitm.it, which is imported with its first request."""

    def __init__(self) -> None:
        self.config: dict[str, Any] = {}
        self._app: Any = None

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        if self._app is None:
            del sys.modules[_PAGES]
            self._app = importlib.import_module(_PAGES).app
        self._app.config.update(self.config)
        answer: Iterable[bytes] = self._app(environ, start)
        return answer
