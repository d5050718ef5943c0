"""The table of options that mitmproxy's `--set`, mitmvcr.toml and the command line's flags are made from.

It parses nothing: `settings` knows what their texts mean. Names are those of the design without `vcr_`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Option:
    """One option: its name, what it is when it isn't given, and a help text of one sentence."""

    name: str
    default: str
    help: str
    metavar: str


OPTIONS = (
    Option(
        "mode",
        "once",
        "What to do with the cassette: once (record if there is none, else replay), record (anew), "
        "replay (offline), new-episodes (replay what matches, record the rest) or passthrough.",
        "MODE",
    ),
    Option("dir", "recordings", "The folder that holds all cassettes; no name can leave it.", "DIR"),
    Option(
        "cassette",
        "",
        "The default cassette, without suffix; a client can name another. If empty: default.",
        "NAME",
    ),
    Option(
        "hosts",
        "api.openai.com,*.api.openai.com,*.openai.azure.com,*.cognitiveservices.azure.com,*.services.ai.azure.com",
        "Hosts that are recorded, as globs separated by commas; all others pass through untouched. "
        "In reverse mode all is recorded.",
        "GLOBS",
    ),
    Option(
        "match",
        "",
        "What two requests must have in common, separated by commas: method, scheme, host, port, path, "
        "query, url, body, headers:NAME, py:FILE.py:FUNCTION. If empty: as the cassette's format has it.",
        "FIELDS",
    ),
    Option(
        "ignore",
        "",
        "What matching leaves out, separated by commas: JSONPaths of the body ($.metadata), query, form "
        "and multipart fields by name.",
        "PATHS",
    ),
    Option(
        "repeat",
        "",
        "How often a recording answers: once, last (the last one repeats) or any (unlimited). "
        "If empty: as the cassette's format has it.",
        "HOW",
    ),
    Option(
        "latency",
        "off",
        "Whether replay waits as long as upstream did before it answers: off, recorded, or a factor.",
        "FACTOR",
    ),
    Option(
        "strict", "false", "Whether to fail when a recorded interaction was never asked for.", "true|false"
    ),
    Option(
        "dialect",
        "charm",
        "The YAML layout of new cassettes: charm (two spaces) or stock (go-vcr's own).",
        "NAME",
    ),
    Option(
        "keep_headers",
        "",
        "More headers to keep, by name, separated by commas; NAME=redact keeps one with its value replaced.",
        "NAMES",
    ),
    Option(
        "redact",
        "",
        "What else to redact: emails, home-paths, JSONPaths ($.user), patterns (Python's re) and functions "
        "(py:FILE.py:FUNCTION, py:MODULE:FUNCTION), separated by commas outside of brackets, or by line "
        "breaks.",
        "RULES",
    ),
    Option("allow", "", "What the gate lets pass, as RULE@FIELD, separated by commas.", "RULES"),
    Option(
        "max_body",
        "32MB",
        "The largest body that is recorded, in bytes or as 512KB, 32MB, 1GB (of 1024); a larger one passes "
        "through. 0: any.",
        "SIZE",
    ),
    Option(
        "engine",
        "auto",
        "What serves in replay: layer (the quick one, which no other addon sees), hooks (mitmproxy's own) "
        "or auto (the layer where nobody watches flows).",
        "NAME",
    ),
    Option(
        "report",
        "",
        "Paths of reports that are written at exit, separated by commas: .xml is JUnit's, others are JSON.",
        "FILES",
    ),
    Option(
        "only_missed",
        "",
        "With mode=record: a JSON report of an earlier run, or last for the one that report names. Cassettes "
        "that had misses record what they don't have, everything else is replayed.",
        "FILE",
    ),
)
DEFAULTS = {option.name: option.default for option in OPTIONS}

PER_CASSETTE = ("mode", "match", "ignore", "repeat", "latency", "strict")
"""The options that one cassette can have for itself: in mitmvcr.toml by its name, or from the control API."""

POLICY = ("keep_headers", "redact", "allow")
"""The options that say what is a secret; they hold for every command that scrubs, shows or looks for one."""
