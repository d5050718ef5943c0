"""What scripts import as `mitmvcr.capture`; the module itself is `mitmvcr.recording.capture`."""

from mitmvcr.recording.capture import ResponseHead as Head
from mitmvcr.recording.capture import request, response

__all__ = ["Head", "request", "response"]
