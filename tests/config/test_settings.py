"""Options: text in, settings out, and a line that mends what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from mitmvcr.config.options import DEFAULTS, OPTIONS, PER_CASSETTE
from mitmvcr.config.settings import PRESET_HOSTS, Matching, Mode, Repeat, Settings
from mitmvcr.errors import SettingsError


def parse(**texts: str) -> Settings:
    return Settings.parse(texts)


def test_the_defaults_are_those_of_the_design() -> None:
    settings = Settings.parse({})
    assert settings == Settings()
    assert settings.mode is Mode.ONCE
    assert settings.dir == Path("recordings")
    assert settings.cassette == ""
    assert "api.openai.com" in settings.hosts
    assert "*.openai.azure.com" in settings.hosts
    assert settings.matching == Matching((), (), None)
    assert settings.latency == 0
    assert settings.strict is False
    assert settings.dialect == "charm"
    assert settings.keep_headers == ()
    assert settings.report == ()


@pytest.mark.parametrize(
    ("text", "mode"),
    [("once", "once"), ("record", "record"), ("replay", "replay"), ("new-episodes", "new-episodes"),
     ("passthrough", "passthrough"), ("all", "record"), ("none", "replay"), ("new_episodes", "new-episodes"),
     (" Replay ", "replay")],
)  # fmt: skip
def test_modes_have_their_names_and_vcr_py_s(text: str, mode: str) -> None:
    assert parse(mode=text).mode.value == mode


@pytest.mark.parametrize(
    ("text", "factor"), [("off", 0), ("recorded", 1), ("0.5", 0.5), ("2", 2), ("0", 0), (" Recorded ", 1)]
)
def test_latency_is_off_recorded_or_a_factor(text: str, factor: float) -> None:
    assert parse(latency=text).latency == factor


def test_hosts_are_globs_between_commas() -> None:
    assert parse(hosts=" api.openai.com, *.Example.org ,,10.0.0.1").hosts == (
        "api.openai.com",
        "*.example.org",
        "10.0.0.1",
    )
    assert parse(hosts="").hosts == ()


def test_matching_is_read() -> None:
    settings = parse(
        match="method, path,headers:X-Tenant,method",
        ignore="$.metadata, $['a,b'], $.a[?@.b==',' && (@.c)], api-version",
        repeat="Last",
    )
    assert settings.matching == Matching(
        ("method", "path", "headers:x-tenant"),
        ("$.metadata", "$['a,b']", "$.a[?@.b==',' && (@.c)]", "api-version"),
        Repeat.LAST,
    )


def test_a_quote_behind_an_escaped_backslash_ends_a_name_in_a_path() -> None:
    assert parse(ignore=r"$['a\\'],$.b,$['c\'],'],d").matching.ignore == (
        r"$['a\\']",
        "$.b",
        r"$['c\'],']",
        "d",
    )


@pytest.mark.parametrize(
    "fields", ["method", "scheme", "host", "port", "path", "query", "url", "body", "headers:Accept"]
)
def test_each_field_of_the_design_can_be_matched(fields: str) -> None:
    assert parse(match=fields).matching.match == (fields.lower(),)


@pytest.mark.parametrize(
    ("name", "text", "shown"),
    [
        ("mode", "rekord", "once, record, replay, new-episodes, passthrough"),
        ("mode", "", "once, record"),
        ("dir", " ", "recordings"),
        ("dir", "a\0b", "dir"),
        ("dir", "~no-such-user-here/x", "~no-such-user-here/x"),
        ("hosts", "api.openai.com/v1", "api.openai.com/v1"),
        ("hosts", "https://api.openai.com", "https://api.openai.com"),
        ("hosts", "[ab].com", "[ab].com"),
        ("match", "boddy", "body"),
        ("match", "headers", "headers:NAME"),
        ("match", "headers:", "headers:NAME"),
        ("match", "headers:a b", "headers:NAME"),
        ("match", "path:x", "path:x"),
        ("ignore", "$.a[", "$.a["),
        ("ignore", "$.a b", "$.a b"),
        ("ignore", "a b", "a b"),
        ("repeat", "twice", "once, last, any"),
        ("latency", "-1", "off, recorded"),
        ("latency", "fast", "off, recorded"),
        ("latency", "nan", "off, recorded"),
        ("latency", "inf", "off, recorded"),
        ("latency", "", "off, recorded"),
        ("strict", "yes", "true, false"),
        ("strict", "", "true, false"),
        ("dialect", "json", "charm, stock"),
        ("engine", "quick", "auto, hooks, layer"),
        ("engine", "layer", "set mode=replay"),
        ("keep_headers", "a b", "a b"),
    ],
)
def test_what_is_wrong_is_named_with_its_option_and_what_it_takes(name: str, text: str, shown: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.parse({name: text})
    line = str(caught.value)
    assert shown in line
    assert name in line or repr(text) in line
    assert "\n" not in line


def test_every_option_s_default_is_parsed_from_the_list_of_options() -> None:
    assert Settings.parse(DEFAULTS) == Settings()


def test_a_header_that_is_kept_redacted_is_one_name() -> None:
    assert parse(keep_headers="X-Trace,OpenAI-Organization=redact").keep_headers == (
        "x-trace",
        "openai-organization=redact",
    )


def test_the_options_of_one_cassette_are_options() -> None:
    assert set(PER_CASSETTE) < {option.name for option in OPTIONS}


@pytest.mark.parametrize(
    ("field", "is_one"),
    [
        ("py:tests/keys.py:key", True),
        ("py:package.module:key", True),
        ("py:keys.py", False),
        ("py:", False),
        ("py::key", False),
        ("py:keys.py:", False),
        ("py:keys.py:a b", False),
    ],
)
def test_a_function_can_be_a_field(field: str, is_one: bool) -> None:
    if is_one:
        assert parse(match=f"method,{field}").matching.match == ("method", field)
    else:
        with pytest.raises(SettingsError, match="py:FILE"):
            parse(match=field)


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("llm_gateway, ::1,[2001:db8::1]", ("llm_gateway", "::1", "[2001:db8::1]")),
        ("fe80::1%eth0,bücher.example", ("fe80::1%eth0", "bücher.example")),
        ("*.Example.com\n*", ("*.example.com", "*")),
        ("+api.anthropic.com", (*PRESET_HOSTS, "api.anthropic.com")),
        ("a.example,+b.example", (*PRESET_HOSTS, "a.example", "b.example")),
        ("+api.openai.com", PRESET_HOSTS),
        ("", ()),
    ],
)
def test_hosts_are_names_and_addresses_and_a_plus_keeps_the_default(
    text: str, hosts: tuple[str, ...]
) -> None:
    assert Settings.parse({"hosts": text}).hosts == hosts


@pytest.mark.parametrize("text", ["https://a", "a:80", "a/b", "[ab].com", "a b", "a?", "++a", "[::1]:80"])
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="hosts has"):
        Settings.parse({"hosts": text})
