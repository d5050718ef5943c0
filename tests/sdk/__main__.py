"""Fetches and builds, ahead of the tests, what they need of other toolchains: `python -m tests.sdk`.

What can't be built is named here, and fails the tests that need it.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from functools import partial

import pytest

from tests.go.build import build as build_go
from tests.go.build import needs_go
from tests.java.build import build as build_java
from tests.java.build import needs_java
from tests.node.build import build as build_node
from tests.node.build import needs_node
from tests.rust.build import build as build_rust
from tests.rust.build import needs_rust
from tests.sdk import frameworks

_BUILDS: tuple[tuple[str, pytest.MarkDecorator, Callable[[], object]], ...] = (
    ("go-vcr", needs_go, partial(build_go, "govcr")),  # what most tests wait for
    ("litellm and langchain", frameworks.needs_frameworks, frameworks.python),
    ("node", needs_node, build_node),
    ("java", needs_java, build_java),
    ("gitleaks", needs_go, partial(build_go, "gitleaks")),
    ("openai-go", needs_go, partial(build_go, "sdk")),
    ("rust", needs_rust, build_rust),
)


def main() -> None:
    """Build each that this machine has the programs for, one after the other."""
    for name, mark, build in _BUILDS:
        if not all(shutil.which(tool) for tool in mark.args):
            continue
        begun = time.monotonic()
        try:
            build()
        except (RuntimeError, pytest.skip.Exception) as error:
            print(f"{name}: {error}", flush=True)
        else:
            print(f"{name}: {time.monotonic() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main()
