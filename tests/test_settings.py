"""Options: text in, settings out, and a line that mends what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from mitmvcr.errors import SettingsError
from mitmvcr.settings import DEFAULTS, Matching, Mode, Repeat, Settings, read_toml


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
    assert settings.report is None


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


def test_a_toml_file_has_the_same_names(tmp_path: Path) -> None:
    path = tmp_path / "mitmvcr.toml"
    path.write_text(
        'mode = "replay"\nstrict = true\nlatency = 0.5\nhosts = ["a.com", "*.b.com"]\nignore = ["$.a", "b"]\n'
    )
    texts = read_toml(path)
    assert texts.keys() == {"mode", "strict", "latency", "hosts", "ignore"}
    settings = Settings.parse(texts)
    assert (settings.mode, settings.strict, settings.latency) == ("replay", True, 0.5)
    assert settings.hosts == ("a.com", "*.b.com")
    assert settings.matching.ignore == ("$.a", "b")
    assert Settings.parse(texts).strict is True


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("mode = \n", "line 1"),
        ('mod = "replay"', "'mod'"),
        ('vcr_mode = "replay"', "'vcr_mode'"),
        ("[mode]\na = 1", "mode takes text"),
        ("hosts = [1, 2]", "hosts takes text"),
        ("report = 2024-01-01", "report takes text"),
        ('mode = "\\xff"', "can't be read"),
    ],
)
def test_a_wrong_toml_file_is_one_line_with_its_name(tmp_path: Path, text: str, shown: str) -> None:
    path = tmp_path / "mitmvcr.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        read_toml(path)
    assert str(path) in str(caught.value)
    assert shown in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [None, b"mode = '\xff'"])
def test_a_toml_file_that_is_absent_or_not_utf_8_is_an_error(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "mitmvcr.toml"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(SettingsError, match=r"mitmvcr\.toml"):
        read_toml(path)


def test_every_option_s_default_is_parsed_from_the_list_of_options() -> None:
    assert Settings.parse(DEFAULTS) == Settings()


def test_rules_are_split_at_commas_outside_of_brackets_and_a_lists_items_never(tmp_path: Path) -> None:
    given = r"emails,ab[0-9,]{3,5},$.a['b,c'],py:rules:clean"
    assert parse(redact=given).redact == ("emails", "ab[0-9,]{3,5}", "$.a['b,c']", "py:rules:clean")
    path = tmp_path / "mitmvcr.toml"
    path.write_text('redact = ["a(,b"]\nallow = ["jwt@*", "aws@request.body"]\n')
    settings = Settings.parse(read_toml(path))
    assert settings.redact == ("a(,b",)
    assert settings.allow == ("jwt@*", "aws@request.body")


def test_a_header_that_is_kept_redacted_is_one_name() -> None:
    assert parse(keep_headers="X-Trace,OpenAI-Organization=redact").keep_headers == (
        "x-trace",
        "openai-organization=redact",
    )
