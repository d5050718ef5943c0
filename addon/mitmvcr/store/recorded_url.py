"""From which base URL a cassette was recorded, by its requests' URLs."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mitmvcr.http.hosts import origin_of, split_origin

# A path up to the version in it: `/api/v1` of `/api/v1/chat/completions`.
_VERSIONED = re.compile(r"(?:/[^/?#]+)*?/v\d+(?=[/?#]|$)")


def only_base_url(urls: Iterable[str]) -> str:
    """The base URL that all of these have; empty unless they are of one scheme, host and port.

    It has a path where the URLs have one with a version in it. What no server has is passed over.
    """
    origins = {url: origin for url in urls if (origin := origin_of(url)) is not None}
    if len(set(origins.values())) != 1:
        return ""
    paths = [found[0] for url in origins if (found := _VERSIONED.match(split_origin(url)[2]))]
    return str(next(iter(origins.values()))) + max(paths, key=len, default="")
