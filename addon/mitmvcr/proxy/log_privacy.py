"""What is kept out of mitmproxy's log: what peers sent, commands to a CI, a line for each body."""

from __future__ import annotations

import logging
import re

from mitmvcr.text import in_log

_STREAMING = ("Streaming response from ", "Streaming request to ")
# What mitmproxy quotes of a message that it can't read: bytes as Python writes them, to the line's end.
_QUOTED = re.compile(r": b['\"].*", re.DOTALL)


def install() -> None:
    """Have it kept out from now on."""
    logging.getLogger("mitmproxy.proxy.server").addFilter(quote_nothing)


def quote_nothing(record: logging.LogRecord) -> bool:
    """Take what peers sent out of the log: a head that broke off or can't be read has keys in it.

    And what is said of each body that streams, which all do here: our own line tells of the request.
    """
    if isinstance(record.msg, str):
        if record.msg.startswith(_STREAMING):
            return False
        record.msg = in_log(_QUOTED.sub("", record.getMessage()), lines=True)
        record.args = ()
    return True
