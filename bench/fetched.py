"""The network peers' programs: got from registries, each in one version, and kept; starts none."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests import toolchains

AIMOCK = "1.43.0"
WIREMOCK = "3.13.1"
HOVERFLY = "0.20.2"
"""Of io.specto:hoverfly-java, whose jar has the binaries of hoverfly 1.10.13 for several systems."""
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
_PATIENCE = 300  # seconds for a download
_SYSTEMS = {"linux": "linux", "darwin": "OSX"}
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


class AbsentError(Exception):
    """A peer that can't be had here; says why, and what to install."""


@dataclass(frozen=True, slots=True)
class Program:
    """How a peer is started, and its version."""

    command: Sequence[str]
    version: str


def aimock() -> Program:
    """Raises AbsentError, as all of these do."""
    needs("node", "npm")

    def install(folder: Path) -> None:
        package = f"@copilotkit/aimock@{AIMOCK}"
        quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
        run_in(folder, ["npm", "install", "--prefix", ".", *quiet, package])

    folder = toolchains.kept("bench-aimock", AIMOCK, install)
    return Program(["node", str(folder / "node_modules/@copilotkit/aimock/dist/cli.js")], AIMOCK)


def wiremock() -> Program:
    """Its standalone server."""
    needs("java")
    jar = _jar("org.wiremock", "wiremock-standalone", WIREMOCK)
    return Program(["java", "-jar", str(jar)], WIREMOCK)


def hoverfly() -> Program:
    """Its binary for this system."""
    name = f"hoverfly_{_SYSTEMS.get(sys.platform)}_{_MACHINES.get(platform.machine(), platform.machine())}"
    jar = _jar("io.specto", "hoverfly-java", HOVERFLY)

    def unpack(folder: Path) -> None:
        with zipfile.ZipFile(jar) as archive:
            try:
                binary = archive.extract(f"binaries/{name}", folder)
            except KeyError:
                raise AbsentError(f"hoverfly-java {HOVERFLY} has no binary {name}") from None
        Path(binary).chmod(0o755)

    binary = toolchains.kept("bench-hoverfly-binary", HOVERFLY, unpack) / "binaries" / name
    return Program([str(binary)], run_in(binary.parent, [str(binary), "-version"]).strip().removeprefix("v"))


def nginx() -> Program:
    """The one that is installed, or Debian's, unpacked."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin")
    if found is None:
        if not shutil.which("apt-get") or not shutil.which("dpkg"):
            raise AbsentError("install nginx")

        def unpack(folder: Path) -> None:
            run_in(folder, ["apt-get", "download", "nginx"])
            (package,) = folder.glob("nginx_*.deb")
            run_in(folder, ["dpkg", "-x", str(package), "."])

        found = str(toolchains.kept("bench-nginx", "debian", unpack) / "usr" / "sbin" / "nginx")
    said = run_in(Path(), [found, "-v"])
    version = re.search(r"nginx/([\d.]+)", said)
    if version is None:
        raise AbsentError(f"install nginx: {found} -v says {said!r}")
    return Program([found], version[1])


def needs(*tools: str) -> None:
    """Raises AbsentError if one of these programs is not installed."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        raise AbsentError(f"install {' and '.join(missing)}")


def _jar(group: str, artifact: str, version: str) -> Path:
    def copy(folder: Path) -> None:
        needs("mvn")
        what = f"-Dartifact={group}:{artifact}:{version}"
        run_in(folder, ["mvn", "--batch-mode", "--quiet", _COPY, what, "-DoutputDirectory=."])

    return toolchains.kept(f"bench-{artifact}", version, copy) / f"{artifact}-{version}.jar"


def run_in(folder: Path, command: Sequence[str]) -> str:
    """What the command prints; raises AbsentError if it fails."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            check=True,
            timeout=_PATIENCE,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.CalledProcessError as error:
        raise AbsentError(f"{' '.join(command[:3])} failed: {error.stdout.strip()[-300:]}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AbsentError(f"{' '.join(command[:3])} failed: {error}") from None
    return done.stdout
