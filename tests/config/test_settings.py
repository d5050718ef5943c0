"""Options: text in, settings out, and a line that mends what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from mitmvcr.config.settings import (
    DEFAULTS,
    OPTIONS,
    PER_CASSETTE,
    Matching,
    Mode,
    Plan,
    Repeat,
    Settings,
    read_tables,
    read_toml,
)
from mitmvcr.errors import SettingsError
from tests.harness import ROOT


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


# --- options of single cassettes


def toml(folder: Path, text: str) -> Path:
    path = folder / "mitmvcr.toml"
    path.write_text(text)
    return path


def test_tables_are_said_of_cassettes_by_their_names_and_later_ones_win(tmp_path: Path) -> None:
    path = toml(
        tmp_path,
        'match = ["method", "path"]\nignore = ["user"]\nstrict = true\n'
        '[cassettes."tests/*"]\nignore = ["$.metadata", "$[\'a,b\']"]\nrepeat = "any"\nlatency = 0.5\n'
        '[cassettes."tests/azure/*"]\nmatch = ["body"]\nrepeat = "last"\nmode = "none"\nstrict = false\n',
    )
    settings = Settings.parse(read_toml(path), read_tables(path))
    process = Matching(("method", "path"), ("user",))
    assert settings.plan("other/x") == Plan(Mode.ONCE, process, 0.0, strict=True)
    ignore = ("$.metadata", "$['a,b']")
    assert settings.plan("tests/x") == Plan(
        Mode.ONCE, Matching(("method", "path"), ignore, Repeat.ANY), 0.5, strict=True
    )
    for name in ("tests/azure/x", "tests/azure/deep/x", "tests/azure/x.yaml"):
        assert settings.plan(name) == Plan(
            Mode.REPLAY, Matching(("body",), ignore, Repeat.LAST), 0.5, strict=False
        )


@pytest.mark.parametrize(
    ("glob", "name", "fits"),
    [
        ("a", "a", True),
        ("a", "a.yaml", True),
        ("a", "a.yaml.gz", True),
        ("a.yaml", "a", False),
        ("a", "b/a", False),
        ("A", "a", False),
        ("*", "a/b", True),
        ("test_?", "test_1", True),
        ("test_[12]", "test_3", False),
    ],
)
def test_a_table_s_name_is_a_glob(tmp_path: Path, glob: str, name: str, fits: bool) -> None:
    (table,) = read_tables(toml(tmp_path, f'[cassettes."{glob}"]\nstrict = true'))
    assert table.fits(name) is fits


def test_what_is_given_in_a_stronger_way_is_taken_out_of_tables(tmp_path: Path) -> None:
    path = toml(tmp_path, 'mode = "once"\n[cassettes."*"]\nmode = "replay"\nrepeat = "any"')
    tables = [table.without({"mode", "dir"}) for table in read_tables(path)]
    plan = Settings.parse({**read_toml(path), "mode": "record"}, tables).plan("a")
    assert (plan.mode, plan.matching.repeat) == (Mode.RECORD, Repeat.ANY)


def test_the_options_of_one_cassette_are_options() -> None:
    assert set(PER_CASSETTE) < {option.name for option in OPTIONS}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('[cassettes."a/*"]\nmach = ["method"]', "there is no option 'mach'; there are mode, match, ignore"),
        ('[cassettes."a/*"]\ndir = "x"', "there is no option 'dir'"),
        ('[cassettes."a/*"]\nmatch = ["boddy"]', "match has 'boddy': give some of body"),
        ('[cassettes."a/*"]\nmatch = [1]', "match takes text"),
        ('[cassettes."a/*"]\nignore = ["$["]', "no JSONPath"),
        ('[cassettes."a/*"]\nmode = "rekord"', "give one of once"),
        ('[cassettes."a/*"]\nlatency = "fast"', "off, recorded"),
        ('[cassettes."a/*"]\nrepeat = 2', "once, last, any"),
        ('[cassettes."a/*"]\nstrict = "yes"', "true, false"),
        ('[cassettes]\n"a/*" = "replay"', "is no table"),
        ('cassettes = "replay"', "is no table"),
    ],
)
def test_a_wrong_table_is_one_line_with_file_table_and_remedy(tmp_path: Path, text: str, shown: str) -> None:
    path = toml(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        read_tables(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert shown in line
    assert "\n" not in line
    assert "a/*" in line or "cassettes is no table" in line


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


def test_the_example_of_a_toml_file_in_the_docs_has_a_table(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "options.md").read_text("utf-8")
    path = toml(tmp_path, page.partition("```toml\n")[2].partition("```")[0])
    settings = Settings.parse(read_toml(path), read_tables(path))
    assert settings.plan("tests/azure/chat").matching.repeat is Repeat.LAST
    assert settings.plan("tests/chat").matching.repeat is None
