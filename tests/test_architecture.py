"""The rooms of docs/architecture.md: imports point down, folders list modules, mitmproxy stays above."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "addon" / "mitmvcr"
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
MODULES = sorted(PACKAGE.rglob("*.py"))
ROOMS = [
    *("cli", "maintenance", "testing", "proxy", "launch", "serving", "control", "sessions"),
    *("reports", "recording", "misses", "compare", "store", "replay", "scrub", "formats", "config", "http"),
]
"""From top to bottom."""
AT_THE_BOTTOM = ["model", "durations", "errors", "text"]
_SHIMS = {"__init__", "__main__", "capture", "pytest_vcr"}


def imports(path: Path) -> Iterator[str]:
    """The modules that a module imports, wherever in it it does."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(module: str) -> str:
    """The room of a module's dotted name, empty for what isn't ours or is the package itself."""
    parts = module.split(".")
    return (
        parts[1] if parts[0] == "mitmvcr" and len(parts) > 1 and parts[1] in {*ROOMS, *AT_THE_BOTTOM} else ""
    )


def rank(name: str) -> int:
    return len(ROOMS) if name in AT_THE_BOTTOM else ROOMS.index(name)


def test_each_room_has_a_row_in_the_page() -> None:
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders == set(ROOMS)
    first_cells = [row.split("|")[1] for row in PAGE.splitlines() if row.startswith("| `")]
    for folder in ROOMS:
        assert any(f"`{folder}/`" in cell for cell in first_cells), folder
    loose = {path.stem for path in PACKAGE.glob("*.py")}
    assert loose == {*AT_THE_BOTTOM, *_SHIMS}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_point_down(path: Path) -> None:
    own = room(".".join(("mitmvcr", *path.relative_to(PACKAGE).with_suffix("").parts)))
    if not own:
        return  # the package's own entry points may import whatever they start
    above = [name for name in imports(path) if room(name) and rank(room(name)) < rank(own)]
    assert not above, f"{path.relative_to(ROOT)} imports what stands above it: {above}"


def test_mitmproxy_is_imported_in_proxy_alone() -> None:
    for path in MODULES:
        is_inside = path.relative_to(PACKAGE).parts[0] == "proxy"
        assert is_inside or not [name for name in imports(path) if name.split(".")[0] == "mitmproxy"], path


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("__init__.py")), ids=lambda path: path.parent.name)
def test_a_folder_lists_its_modules(path: Path) -> None:
    described = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    here = {entry.stem for entry in path.parent.glob("*.py")} | {
        entry.parent.name for entry in path.parent.glob("*/__init__.py")
    }
    if path.parent.name == "commands":  # which has a module of each subcommand's name, as it says
        return
    missing = {name for name in here - _SHIMS if not re.search(rf"\b{name}\b", described)}
    assert not missing, f"{path.relative_to(ROOT)} does not list {sorted(missing)}"


def test_places_that_the_page_names_exist() -> None:
    folders = [ROOT, PACKAGE, *(PACKAGE / room for room in ROOMS)]
    for named in re.findall(r"`((?:[a-z_0-9]+/)+(?:[a-z_0-9]+\.[a-z]+)?)`", PAGE):
        assert any((folder / named).exists() for folder in folders), named
