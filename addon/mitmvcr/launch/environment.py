"""The environment that leads a program to the proxy: pure functions from what is given to what to set."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from mitmvcr.errors import SettingsError
from mitmvcr.http import hosts
from mitmvcr.http.hosts import LOOPBACK, bracketed, origin_of, split_origin
from mitmvcr.launch.contract import OPENAI
from mitmvcr.launch.trust import (
    EXTRA_VARIABLES,
    NODE_VARIABLES,
    OTHER_VARIABLES,
    PHP_FOLDERS,
    STORE_PASSWORD,
    WGETRC,
    TrustFiles,
)

PROXY = "MITMVCR_PROXY"
"""The forward proxy's URL, for programs that know of mitmvcr, and for a `mitmvcr run` inside of another."""
BUNDLE = "MITMVCR_CA_BUNDLE"
"""What to trust on the way through that proxy, for programs that know of mitmvcr, and for an inner run."""
BASE_URLS = "MITMVCR_BASE_URLS"
"""What the variables of base URLs stand for, as a JSON object by their names, for an inner run."""
DUMMY_KEY = "mitmvcr-replays"
"""The key in replay where none is set: SDKs want one, and nothing is sent anywhere."""

_PROXY_VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY")
_ANY_PROXY = "ALL_PROXY"
"""Set only where it is set already: for each variable httpx reads the bundle once more, 25 ms a client."""
_OPENAI_VARIABLES = ("OPENAI_BASE_URL", "OPENAI_API_BASE")
_AZURE = "AZURE_OPENAI_ENDPOINT"
_AZURE_HOSTS = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")
JAVA = "JAVA_TOOL_OPTIONS"
"""The variable from which a JVM takes options."""
_JAVA_MARK = "-Dmitmvcr.proxy"
# A word of JAVA_TOOL_OPTIONS, of which any part may be quoted.
_JAVA_WORD = re.compile(r"""(?:"[^"]*+"|'[^']*+'|[^\s])++""")
# An option that is a password; that of our own trust store is Java's default, and none.
_JAVA_PASSWORD = re.compile(rf"-D[^=]*(?:password|passwd|passphrase)=(?!{STORE_PASSWORD}$)", re.IGNORECASE)

_UNQUOTED = str.maketrans("", "", "\"'")

Changes = dict[str, str]
"""Variables to set."""


class Via(StrEnum):
    """How programs come to the proxy: by both ways, as a forward proxy, or by the API's base URL."""

    AUTO = "auto"
    PROXY = "proxy"
    BASE_URL = "base-url"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the proxy is: the forward proxy's URL, and for each upstream its base URL in the reverse proxy.

    `bases` has, for a variable, the real base URL and the one to use in its place.
    """

    forward: str
    bases: Mapping[str, tuple[str, str]]


def base_urls(environ: Mapping[str, str], upstream: str = "") -> dict[str, str]:
    """What each variable of a base URL stands for; an empty text where nothing says it.

    `upstream`, where it is given, is in place of OpenAI's variables; one of these without a path gets
    OpenAI's. In a program that `mitmvcr run` has started the variables lead to that one's proxy: what they
    stand for is known all the same. Raises SettingsError for what is no URL.
    """
    given = {**environ, **_outer(environ)}
    openai = _checked("--upstream", upstream)
    first, second = (openai or _checked(name, given.get(name, "")) for name in _OPENAI_VARIABLES)
    urls = dict(zip(_OPENAI_VARIABLES, map(with_path, (first or second, second or first)), strict=True))
    if given.get(_AZURE):
        urls[_AZURE] = _checked(_AZURE, given[_AZURE])
    return urls


def found_upstream(base_url: str, recorded_from: str) -> str:
    """The base URL that requests go to: the given one, else the one that was recorded from, else OpenAI's.

    Either may be empty.
    """
    return base_url or with_path(recorded_from) or OPENAI


def _outer(environ: Mapping[str, str]) -> dict[str, str]:
    try:
        given = json.loads(environ.get(BASE_URLS, "") or "{}")
    except json.JSONDecodeError:
        given = None
    if not isinstance(given, dict) or not all(isinstance(url, str) for url in given.values()):
        raise SettingsError(f"{BASE_URLS} is {environ[BASE_URLS]!r}: only mitmvcr run sets it; unset it")
    return given


def _checked(name: str, url: str) -> str:
    url = url.strip()
    origin = origin_of(url)
    if url and (origin is None or origin.scheme not in ("http", "https")):
        raise SettingsError(f"{name} is {without_user(url)!r}: give a URL, as {OPENAI}")
    return url


def with_path(url: str) -> str:
    """A base URL: one that has no path, or a bare slash for one, gets OpenAI's. An empty text stays."""
    scheme, authority, rest = split_origin(url)
    path = rest.removeprefix("/")
    return f"{scheme}://{authority}/v1{path}" if scheme and path[:1] in ("", "?", "#") else url


def without_user(url: str) -> str:
    """A URL less the user and password in it."""
    scheme, authority, rest = split_origin(url)
    return f"{scheme}://{authority.rpartition('@')[2]}{rest}" if "@" in authority else url


def origin(url: str) -> str:
    """Scheme, host and port of a URL: what a reverse proxy can stand in front of."""
    return str(origin_of(url) or "")


def rebased(url: str, onto: str) -> str:
    """The URL with its path and query, on the scheme, host and port of another."""
    parts = urlsplit(url)
    user = parts.netloc.rpartition("@")[0]
    target = urlsplit(onto)
    netloc = f"{user}@{target.netloc}" if user else target.netloc
    return parts._replace(scheme=target.scheme, netloc=netloc).geturl()


def endpoints(
    urls_by_variable: Mapping[str, str], upstreams: Sequence[str], forward: str, reverse: Sequence[str]
) -> Endpoints:
    """Where a proxy is that was started for `upstreams_of(urls_by_variable)`.

    `upstreams` are the base URLs as the proxy has them in the end, `forward` and `reverse` the URLs of its
    listeners; both in the order of `upstreams_of(urls_by_variable)`. Without reverse listeners no base URL is
    led anywhere.
    """
    if not reverse:
        return Endpoints(forward, {})
    positions = {origin(url): index for index, url in enumerate(upstreams_of(urls_by_variable))}
    bases: dict[str, tuple[str, str]] = {}
    for name, url in urls_by_variable.items():
        index = positions[origin(url)]
        real = url or upstreams[index]
        bases[name] = (real, rebased(real, reverse[index]))
    derived = upstreams[positions[""]] if "" in positions else ""
    if derived and _AZURE not in bases and is_azure(derived):
        real = origin(derived)
        bases[_AZURE] = (real, rebased(real, reverse[positions[""]]))
    return Endpoints(forward, bases)


def upstreams_of(urls_by_variable: Mapping[str, str]) -> list[str]:
    """What reverse listeners are needed in front of: a base URL an origin, "" where the proxy finds it."""
    by_origin: dict[str, str] = {}
    for url in urls_by_variable.values():
        by_origin.setdefault(origin(url), without_user(url))
    return list(by_origin.values())


def is_azure(url: str) -> bool:
    """Whether a URL is one of Azure OpenAI's."""
    found = origin_of(url)
    return found is not None and found.host.endswith(_AZURE_HOSTS)


def is_loopback(url: str) -> bool:
    """Whether clients would leave out any proxy on the way to it."""
    found = origin_of(url)
    return found is not None and hosts.is_loopback(found.host)


def upstream_proxy(environ: Mapping[str, str]) -> tuple[str, str]:
    """The proxy that this environment goes upstream through, and NO_PROXY's list of what it goes to directly.

    That of an outer `mitmvcr run` first: nothing goes past it. Another one has a loopback of its own, so it
    isn't asked for this one's. Both are empty where there is none.
    """
    if environ.get(PROXY):
        return environ[PROXY], ""
    names = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
    url = next((environ[name] for name in names if environ.get(name)), "")
    if not url:
        return "", ""
    listed = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    return url if "://" in url else f"http://{url}", ",".join(
        filter(None, [listed, *LOOPBACK, "127.0.0.0/8"])
    )


def without_passwords(environ: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The environment less the users and passwords in what `changes` would repeat, and where they were."""
    reduced = dict(environ)
    for name in (*_OPENAI_VARIABLES, _AZURE):
        if name in environ:
            reduced[name] = without_user(environ[name].strip())
    if environ.get(BASE_URLS):
        reduced[BASE_URLS] = json.dumps({name: without_user(url) for name, url in _outer(environ).items()})
    if environ.get(JAVA):
        words = _JAVA_WORD.findall(environ[JAVA])
        passwords = [word for word in words if _JAVA_PASSWORD.match(word.translate(_UNQUOTED))]
        reduced[JAVA] = " ".join(word for word in words if word not in passwords)
    led = (*_OPENAI_VARIABLES, _AZURE, JAVA)
    names = [name for name in led if reduced.get(name, "").split() != environ.get(name, "").split()]
    return reduced, names


def changes(
    where: Endpoints, trust: TrustFiles, environ: Mapping[str, str], via: Via, *, replays: bool
) -> Changes:
    """All variables that a program needs so that its traffic comes to the proxy."""
    real_urls = {name: real for name, (real, _) in where.bases.items()} or _outer(environ)
    variables: Changes = {PROXY: where.forward, BUNDLE: str(trust.bundle), BASE_URLS: json.dumps(real_urls)}
    if via is not Via.BASE_URL:
        variables |= _proxy(where.forward, environ)
        variables |= _trust(trust, environ)
        variables[JAVA] = _java(where.forward, trust, environ)
    if via is Via.PROXY:
        variables |= _outer(environ)  # what an outer run has set leads past this proxy
    else:
        variables |= {name: url for name, (_, url) in where.bases.items()}
    if replays and not environ.get("OPENAI_API_KEY"):
        variables["OPENAI_API_KEY"] = DUMMY_KEY
    if replays and _AZURE in where.bases and not environ.get("AZURE_OPENAI_API_KEY"):
        variables["AZURE_OPENAI_API_KEY"] = DUMMY_KEY
    return variables


def _proxy(url: str, environ: Mapping[str, str]) -> Changes:
    direct = no_proxy(environ, url)
    names = [*_PROXY_VARIABLES, *([_ANY_PROXY] if environ.get(_ANY_PROXY, environ.get("all_proxy")) else [])]
    variables = {spelling: url for name in names for spelling in (name, name.lower())}
    return variables | {"NO_PROXY": direct, "no_proxy": direct, "NODE_USE_ENV_PROXY": "1"}


def no_proxy(environ: Mapping[str, str], proxy: str) -> str:
    """NO_PROXY as the user had it, in its order, and loopback, and where the reverse proxies are."""
    entries = f"{environ.get('NO_PROXY', '')},{environ.get('no_proxy', '')}".split(",")
    own = [] if is_loopback(proxy) else [urlsplit(proxy).hostname or ""]
    return ",".join(dict.fromkeys([*filter(None, map(str.strip, entries)), *LOOPBACK, *own]))


def _trust(trust: TrustFiles, environ: Mapping[str, str]) -> Changes:
    # An empty one stands for where PHP looks by itself.
    php = [*environ.get(PHP_FOLDERS, "").split(":"), str(trust.php)]
    return {
        "SSL_CERT_FILE": str(trust.bundle),
        "SSL_CERT_DIR": trust.directories,
        **dict.fromkeys(EXTRA_VARIABLES, str(trust.bundle)),
        **dict.fromkeys(filter(environ.get, OTHER_VARIABLES), str(trust.bundle)),
        **dict.fromkeys(NODE_VARIABLES, str(trust.extra)),
        WGETRC: str(trust.wgetrc),
        PHP_FOLDERS: ":".join(dict.fromkeys(php)),
    }


def _java(url: str, trust: TrustFiles, environ: Mapping[str, str]) -> str:
    """Java's options: what the user had, and behind it ours; a trust store of the user's stays.

    What an outer `mitmvcr run` has set stands behind a mark, and is left out.
    """
    options_before = environ.get(JAVA, "").partition(_JAVA_MARK)[0].strip()
    proxy = urlsplit(url)
    options = [*([options_before] if options_before else []), f"{_JAVA_MARK}={url}"]
    for scheme in ("http", "https"):
        options += [f"-D{scheme}.proxyHost={proxy.hostname}", f"-D{scheme}.proxyPort={proxy.port}"]
    options.append(_java_quoted(f"-Dhttp.nonProxyHosts={'|'.join(_java_hosts(no_proxy(environ, url)))}"))
    if "-Djavax.net.ssl.trustStore=" not in options_before:
        options.append(_java_quoted(f"-Djavax.net.ssl.trustStore={trust.store}"))
        options += [
            f"-Djavax.net.ssl.trustStorePassword={STORE_PASSWORD}",
            "-Djavax.net.ssl.trustStoreType=jks",
        ]
    return " ".join(options)


def _java_quoted(option: str) -> str:
    """As one word of JAVA_TOOL_OPTIONS: quotes of either kind stand anywhere, and nothing escapes them."""
    if not any(char.isspace() or char in "'\"" for char in option):
        return option
    return '"' + option.replace('"', '"\'"\'"') + '"'


def _java_hosts(direct: str) -> list[str]:
    """NO_PROXY's hosts in the terms of http.nonProxyHosts: `*` at either end, no ports and no networks."""
    hosts = []
    for entry in direct.split(","):
        if "/" in entry:
            continue
        host = bracketed(entry.partition(":")[0] if entry.count(":") == 1 else entry)
        hosts += [host.lstrip("."), f"*{host}"] if host.startswith(".") else [host]
    return list(dict.fromkeys([*hosts, "127.*"]))
