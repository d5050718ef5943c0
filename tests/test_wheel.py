"""The wheel, built from the tree and installed elsewhere, works without the clone."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mitmvcr import __version__
from mitmvcr.store.cassette import read
from tests.build import interaction, write
from tests.conftest import Start
from tests.harness import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(ROOT)], check=True, timeout=120)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def site(wheel: Path) -> Path:
    folder = wheel.with_name("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_the_wheel_has_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names} == {"mitmvcr", f"mitmvcr-{__version__}.dist-info"}
    package = ROOT / "addon" / "mitmvcr"
    data = [path for path in package.rglob("*") if path.suffix in (".toml", ".json", ".bin", ".typed")]
    assert len(data) > 10
    assert {f"mitmvcr/{path.relative_to(package).as_posix()}" for path in data} <= set(names)
    assert not [name for name in names if "__pycache__" in name]


def test_the_command_runs_outside_the_clone(site: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "mitmvcr", "--version"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"mitmvcr {__version__}\n"


def test_its_script_serves_outside_the_clone(site: Path, tmp_path: Path, start: Start) -> None:
    write(tmp_path / "recordings" / "one.yaml", interaction())
    assert len(read(tmp_path / "recordings" / "one.yaml").cassette.interactions) == 1
    proxy = start(
        script=site / "mitmvcr" / "proxy" / "child" / "script.py",
        env={"PYTHONPATH": str(site)},
        cassette="one",
        mode="replay",
    )
    assert proxy.stop() == 0
    assert "0 recorded, 0 replayed, 0 misses, 1 unused" in proxy.output
