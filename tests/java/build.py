"""Builds the Java program beside this file, once for all tests of a machine's user."""

from __future__ import annotations

import os
from pathlib import Path

from tests import toolchains

HERE = Path(__file__).parent
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"

needs_java = toolchains.needs("java", "javac", "mvn")


def build() -> list[str]:
    """The command that starts the program; it is built anew only when its sources change."""
    folder = toolchains.built(HERE / "sdk", _make)
    path = os.pathsep.join([str(folder), f"{folder / 'lib'}{os.sep}*"])
    # It ends before the optimizing compiler could be of use.
    return ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", path, "Main"]


def _make(folder: Path) -> None:
    toolchains.fetch(folder, ["mvn", "-B", "-q", COPY, "-DoutputDirectory=lib"])
    toolchains.build(folder, ["javac", "-cp", f"lib{os.sep}*", "Main.java"])
