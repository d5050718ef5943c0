"""Standard streams that somebody has closed (`>&-`, a service): filled, so that nothing takes their place."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def fill() -> Sequence[int]:
    """Open the null device for each of the descriptors 0, 1 and 2 that is closed; which were.

    Else the next file, or pipe, gets that number, and what is printed goes there.
    """
    closed = [descriptor for descriptor in (0, 1, 2) if not _is_open(descriptor)]
    for descriptor in closed:
        null = os.open(os.devnull, os.O_RDWR)
        if null != descriptor:
            os.dup2(null, descriptor)
            os.close(null)
        os.set_inheritable(descriptor, True)
    for name, descriptor, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))
    return closed


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
