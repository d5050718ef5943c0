"""`mitmvcr ca`: where the proxy's certificate authority is; makes it, and installs it nowhere."""

from __future__ import annotations

import argparse
from pathlib import Path

from mitmvcr.proxy import certificate_authority


def run(given: argparse.Namespace) -> int:
    """Print the path; raises MitmvcrError if there is none, and none can be made."""
    print(certificate_authority.prepare(Path(given.confdir).expanduser().absolute()).certificate)
    return 0
