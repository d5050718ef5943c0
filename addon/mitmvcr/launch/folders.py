"""The folder of a run, and the one with mitmproxy's CA; knows nothing of what is in them."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from mitmvcr.errors import MitmvcrError

CONFDIR = "~/.mitmproxy"
"""Where mitmproxy has its CA."""

_PREFIX = "mitmvcr-"
_CA = "mitmproxy-ca.pem"


def create() -> Path:
    """A new folder that only this user can read; raises MitmvcrError."""
    tried = []
    for place in (os.environ.get("TMPDIR", ""), "/tmp", "/var/tmp", os.curdir):  # noqa: S108 - as tempfile has
        if not place:
            continue
        folder = Path(os.path.abspath(place), _PREFIX + os.urandom(8).hex())  # noqa: PTH100 - links stay
        try:
            folder.mkdir(mode=0o700)
        except OSError:
            tried.append(place)
        else:
            return folder
    raise MitmvcrError(f"no temporary folder can be made in {', '.join(tried)}; set TMPDIR to one that can")


def remove(folder: Path) -> None:
    """Take the folder away with all that is in it; one that is gone already is fine."""
    with contextlib.suppress(OSError):
        for inside in list(folder.iterdir()):
            if inside.is_dir() and not inside.is_symlink():
                remove(inside)
            else:
                inside.unlink(missing_ok=True)
        folder.rmdir()


def confdir(folder: Path) -> Path:
    """Mitmproxy's own folder, or one in `folder` where that one has no CA and can't be written."""
    own = Path(CONFDIR).expanduser()
    if (own / _CA).exists():
        return own
    existing = next(place for place in (own, *own.parents) if place.exists())
    return own if os.access(existing, os.W_OK | os.X_OK) else folder / "ca"
