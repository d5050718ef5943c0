"""The options' texts, parsed and checked: text in, one frozen `Settings` out; it reads no file."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path

from mitmvcr.config import ignored_requests
from mitmvcr.config.options import DEFAULTS
from mitmvcr.errors import SettingsError


class Mode(StrEnum):
    """What a cassette is used for; go-vcr's and VCR.py's words."""

    ONCE = "once"
    RECORD = "record"
    REPLAY = "replay"
    NEW_EPISODES = "new-episodes"
    PASSTHROUGH = "passthrough"


MODE_ALIASES = {"all": Mode.RECORD, "none": Mode.REPLAY, "new_episodes": Mode.NEW_EPISODES}
"""VCR.py's names of modes."""


class Repeat(StrEnum):
    """How often a recorded interaction answers."""

    ONCE = "once"
    LAST = "last"
    ANY = "any"


class Engine(StrEnum):
    """What serves requests: mitmproxy's layers and their hooks, or a layer of ours that only replays."""

    AUTO = "auto"
    HOOKS = "hooks"
    LAYER = "layer"


class Others(StrEnum):
    """What becomes of requests to hosts that are not recorded."""

    PASS = "pass"  # noqa: S105 - what is passed on
    REFUSE = "refuse"


PRESET_HOSTS = tuple(DEFAULTS["hosts"].split(","))
"""Globs of the providers' hosts that are recorded where nobody says otherwise; in replay they always are."""

SUFFIXES = (".yaml", ".yml", ".json", ".har", ".yaml.gz", ".yml.gz", ".json.gz")
"""What a cassette's file ends in; its name need not say it."""
FILE_SUFFIXES = frozenset("." + suffix.rpartition(".")[2] for suffix in SUFFIXES)
"""The last suffixes of these, as `Path.suffix` has them."""

MATCH_FIELDS = frozenset({"method", "scheme", "host", "port", "path", "query", "url", "body"})
# A name of any script with `*` in it, an underscore as Compose has them, or an IPv6 address, but no port.
_HOST_GLOB = re.compile(r"\+?(?:[\w.*-]+|\[?[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*(?:%[\w%.-]+)?\]?)")
IGNORED_FIELDS = ("prompt_cache_key", "client_metadata", "safety_identifier")
"""Fields of a JSON body that matching leaves out unless `ignore` has `-NAME`: agents' SDKs and Codex put
random keys, or ids of a machine or a user, in them, and no answer depends on them."""

_ORIGIN_GLOB = re.compile(r"(?:https?|\*)://[A-Za-z0-9.*_:\[\]-]+")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_KEPT_HEADER = re.compile(_HEADER_NAME.pattern + "(?:=redact)?", re.IGNORECASE)
_QUERY_NAME = re.compile(r"[^\s$,]+")
_FUNCTION = re.compile(r"[^:]+:[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class Matching:
    """How requests are compared and how often a recording answers.

    Empty `match` and None for `repeat` stand for what the cassette's format is used to. `ignore` as it was
    given: `-NAME` brings back one of IGNORED_FIELDS.
    """

    match: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    repeat: Repeat | None = None


@dataclass(frozen=True, slots=True)
class CassetteSettings:
    """How one cassette is used. `latency` is the factor of the recorded duration, 0 for none."""

    mode: Mode
    matching: Matching
    latency: float
    strict: bool

    def changed(self, texts: Mapping[str, str]) -> CassetteSettings:
        """The settings with what the texts say, by names of PER_CASSETTE; raises SettingsError."""
        parsed = parse_matching(texts)
        given = {name: getattr(parsed, name) for name in ("match", "ignore", "repeat") if name in texts}
        return CassetteSettings(
            parse_mode(texts["mode"]) if "mode" in texts else self.mode,
            replace(self.matching, **given),
            parse_latency(texts["latency"]) if "latency" in texts else self.latency,
            parse_bool("strict", texts["strict"]) if "strict" in texts else self.strict,
        )


@dataclass(frozen=True, slots=True)
class Table:
    """What mitmvcr.toml says of the cassettes whose names a glob fits; `place` names file and table."""

    place: str
    glob: str
    texts: tuple[tuple[str, str], ...]

    def fits(self, name: str) -> bool:
        """Whether it is said of the cassette of this name, which may have a suffix; `*` takes `/` too."""
        plain = next((name[: -len(suffix)] for suffix in SUFFIXES if name.endswith(suffix)), name)
        return fnmatchcase(name, self.glob) or fnmatchcase(plain, self.glob)

    def without(self, names: Collection[str]) -> Table:
        """The table less the options that were given in a stronger way."""
        return replace(self, texts=tuple(pair for pair in self.texts if pair[0] not in names))


@dataclass(frozen=True, slots=True)
class Settings:
    """All options, checked.

    `latency` is the factor of the recorded duration, 0 for none; `max_body` is in bytes, 0 for any.
    `tables` are said of single cassettes, each with more weight than those before it.
    """

    mode: Mode = Mode.ONCE
    dir: Path = Path("recordings")
    cassette: str = ""
    hosts: tuple[str, ...] = PRESET_HOSTS
    others: Others = Others.PASS
    matching: Matching = Matching()
    latency: float = 0.0
    strict: bool = False
    dialect: str = "charm"
    keep_headers: tuple[str, ...] = ()
    redact: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    max_body: int = 32 << 20
    engine: Engine = Engine.AUTO
    report: tuple[Path, ...] = ()
    only_missed: Path | None = None
    origins: tuple[str, ...] = ()
    ignore_requests: tuple[str, ...] = tuple(ignored_requests.BUILT_IN)
    tables: tuple[Table, ...] = ()

    def is_welcome_origin(self, origin: str) -> bool:
        """Whether `origins` has this origin (`https://app.example`, in lower case)."""
        return any(fnmatchcase(origin, glob) for glob in self.origins)

    def ignored_code(self, method: str, host: str, path: str) -> int:
        """The status that a request of `ignore_requests` is answered with, 0 for any other."""
        return ignored_requests.answer_code(self.ignore_requests, method, host, path)

    def for_cassette(self, name: str) -> CassetteSettings:
        """How the cassette of this name is used, as long as nobody says anything else."""
        return self.for_tables(table for table in self.tables if table.fits(name))

    def for_tables(self, tables: Iterable[Table]) -> CassetteSettings:
        """How cassettes are used of which these tables are said."""
        settings = CassetteSettings(self.mode, self.matching, self.latency, self.strict)
        for table in tables:
            settings = settings.changed(dict(table.texts))
        return settings

    @classmethod
    def parse(cls, texts: Mapping[str, str], tables: Iterable[Table] = ()) -> Settings:
        """Settings from the options' texts; those not given have their defaults.

        Raises SettingsError, which names the option, what it was given and what it takes.
        """
        given = {**DEFAULTS, **texts}
        return cls(
            mode=parse_mode(given["mode"]),
            dir=_folder(given["dir"]),
            cassette=given["cassette"],
            hosts=_hosts(given["hosts"]),
            others=Others(_choice("others", given["others"].strip().lower(), tuple(Others))),
            matching=parse_matching(given),
            latency=parse_latency(given["latency"]),
            strict=parse_bool("strict", given["strict"]),
            dialect=_choice("dialect", given["dialect"], ("charm", "stock")),
            keep_headers=_list("keep_headers", given["keep_headers"], _KEPT_HEADER, "header names"),
            redact=split_paths(given["redact"]),
            allow=tuple(_items(given["allow"])),
            max_body=parse_size("max_body", given["max_body"]),
            engine=_engine(given),
            report=tuple(Path(item) for item in _items(given["report"])),
            only_missed=_only_missed(given),
            origins=_list("origins", given["origins"], _ORIGIN_GLOB, "origins: https://app.example.com"),
            ignore_requests=ignored_requests.parse(_items(given["ignore_requests"])),
            tables=tuple(tables),
        )


def _engine(given: Mapping[str, str]) -> Engine:
    engine = Engine(_choice("engine", given["engine"].strip().lower(), tuple(Engine)))
    if engine is Engine.LAYER and parse_mode(given["mode"]) is not Mode.REPLAY:
        raise SettingsError("engine is 'layer', which only replays: set mode=replay, or engine=auto")
    return engine


def _only_missed(given: Mapping[str, str]) -> Path | None:
    named = given["only_missed"].strip()
    if not named:
        return None
    if parse_mode(given["mode"]) is not Mode.RECORD:
        raise SettingsError("only_missed goes with mode=record")
    if named != "last":
        return Path(named)
    reports = [item for item in _items(given["report"]) if not item.lower().endswith(".xml")]
    if not reports:
        raise SettingsError("only_missed is 'last', and no JSON report is set: name one, or set report")
    return Path(reports[0])


def parse_mode(text: str) -> Mode:
    """A mode from its name or from VCR.py's; raises SettingsError."""
    word = text.strip().lower()
    if word in MODE_ALIASES:
        return MODE_ALIASES[word]
    return Mode(_choice("mode", word, (*Mode, *MODE_ALIASES)))


def parse_matching(given: Mapping[str, str]) -> Matching:
    """How to match, from `match`, `ignore` and `repeat`; raises SettingsError."""
    repeat = given.get("repeat", "").strip().lower()
    return Matching(
        match=_match_fields(given.get("match", "")),
        ignore=_ignored(given.get("ignore", "")),
        repeat=Repeat(_choice("repeat", repeat, tuple(Repeat))) if repeat else None,
    )


def parse_latency(text: str) -> float:
    """`off` → 0, `recorded` → 1, or the factor itself; raises SettingsError."""
    word = text.strip().lower()
    if word in ("off", "recorded"):
        return 1.0 if word == "recorded" else 0.0
    try:
        factor = float(word)
    except ValueError:
        factor = -1.0
    if not 0 <= factor <= 1000:
        raise SettingsError(f"latency is {text!r}: give off, recorded, or a factor from 0 to 1000")
    return factor


def parse_size(name: str, text: str) -> int:
    """Bytes from `32MB`, `1GiB`, `512k` or `1000`; every unit is of 1024; raises SettingsError."""
    size = re.fullmatch(r"([0-9]{1,15}) ?(?:([kmg])(?:i?b)?|b)?", text.strip().lower())
    if size is None:
        raise SettingsError(f"{name} is {text!r}: give a size, for example 32MB, 1GB or 1000000; 0 for any")
    return int(size[1]) << {"k": 10, "m": 20, "g": 30}.get(size[2], 0)


def parse_bool(name: str, text: str) -> bool:
    """`true` or `false`, and nothing else; raises SettingsError."""
    return _choice(name, text.strip().lower(), ("true", "false")) == "true"


def _choice(name: str, text: str, choices: tuple[str, ...]) -> str:
    if text not in choices:
        raise SettingsError(f"{name} is {text!r}: give one of {', '.join(choices)}")
    return text


def _folder(text: str) -> Path:
    if not text.strip() or "\0" in text:
        raise SettingsError(
            f"dir is {text!r}: give the folder that holds the cassettes, for example recordings"
        )
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise SettingsError(f"dir is {text!r}: there is no such user's home; give the whole path") from None


def _items(text: str) -> list[str]:
    return [item.strip() for item in re.split("[,\n]", text) if item.strip()]


def _list(name: str, text: str, pattern: re.Pattern[str], expected: str) -> tuple[str, ...]:
    for item in _items(text):
        if not pattern.fullmatch(item):
            raise SettingsError(f"{name} has {item!r}: give {expected}, separated by commas")
    return tuple(item.lower() for item in _items(text))


def _hosts(text: str) -> tuple[str, ...]:
    """Globs of hosts; where one is written as `+NAME`, they are added to the default."""
    globs = _list(
        "hosts", text, _HOST_GLOB, "hosts without scheme and port, of letters, digits, '.', '-', '_' and '*'"
    )
    added = tuple(glob.removeprefix("+") for glob in globs)
    return tuple(dict.fromkeys((*PRESET_HOSTS, *added))) if added != globs else globs


def _match_fields(text: str) -> tuple[str, ...]:
    fields = []
    for item in _items(text):
        name, colon, header = item.partition(":")
        if colon and name == "headers" and _HEADER_NAME.fullmatch(header):
            fields.append(f"headers:{header.lower()}")
        elif colon and name == "py" and _FUNCTION.fullmatch(header):
            fields.append(item)
        elif not colon and name in MATCH_FIELDS:
            fields.append(name)
        else:
            raise SettingsError(
                f"match has {item!r}: give some of {', '.join(sorted(MATCH_FIELDS))}, headers:NAME, "
                f"py:FILE.py:FUNCTION"
            )
    return tuple(dict.fromkeys(fields))


def _ignored(text: str) -> tuple[str, ...]:
    items = split_paths(text)
    for item in items:
        if item.startswith("-"):
            if item[1:] not in IGNORED_FIELDS:
                raise SettingsError(
                    f"ignore has {item!r}: only {', '.join(IGNORED_FIELDS)} can be brought back"
                )
        elif item.startswith("$"):
            try:
                check_json_path(item)
            except SettingsError as error:
                raise SettingsError(f"ignore: {error}") from None
        elif not _QUERY_NAME.fullmatch(item):
            raise SettingsError(f"ignore has {item!r}: give JSONPaths ($.a.b) and names of query fields")
    return items


def split_paths(text: str) -> tuple[str, ...]:
    """Items a line each, or between commas that are not inside brackets, braces or a path's quotes."""
    if "\n" in text:
        return tuple(item.strip() for item in text.split("\n") if item.strip())
    items, depth, quote, start = [], 0, "", 0
    escaped = False
    for at, char in enumerate(text):
        if quote:
            quote = "" if char == quote and not escaped else quote
            escaped = char == "\\" and not escaped
        elif char in "'\"" and depth:
            quote = char
        elif char in "[({":
            depth += 1
        elif char in "])}":
            depth -= 1
        elif char == "," and depth <= 0:
            items.append(text[start:at])
            start = at + 1
    items.append(text[start:])
    return tuple(item.strip() for item in items if item.strip())


def check_json_path(path: str) -> None:
    """Raises SettingsError if the text is no JSONPath of RFC 9535."""
    import jsonpath_rfc9535  # noqa: PLC0415 - only those who ignore or redact by path need it

    try:
        jsonpath_rfc9535.compile(path)
    except jsonpath_rfc9535.JSONPathError as error:
        raise SettingsError(f"{path!r} is no JSONPath (RFC 9535): {str(error).splitlines()[0]}") from None
