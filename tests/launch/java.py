"""The Javas of this machine."""

from __future__ import annotations

import shutil
from pathlib import Path

_FOUND = [*Path("/usr/lib/jvm").glob("*/bin/java"), *(Path(one) for one in [shutil.which("java")] if one)]
JAVAS = sorted({path.resolve() for path in _FOUND if path.with_name("keytool").exists()})
"""Each java with its tools, once."""
