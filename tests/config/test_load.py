"""mitmvcr.toml: found, read, merged with what was given; and a line that mends what is wrong in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mitmvcr.config import load
from mitmvcr.config.options import POLICY
from mitmvcr.config.settings import CassetteSettings, Matching, Mode, Repeat, Settings
from mitmvcr.errors import SettingsError
from tests.harness import ROOT


def toml(folder: Path, text: str) -> load.ConfigFile:
    """A mitmvcr.toml in this folder, read."""
    (folder / "mitmvcr.toml").write_text(text)
    return load.read(folder)


def test_a_toml_file_has_the_same_names(tmp_path: Path) -> None:
    file = toml(
        tmp_path,
        'mode = "replay"\nstrict = true\nlatency = 0.5\n'
        'hosts = ["a.com", "*.b.com"]\nignore = ["$.a", "b"]\n',
    )
    texts = file.texts()
    assert texts.keys() == {"mode", "strict", "latency", "hosts", "ignore"}
    settings = file.settings({})
    assert (settings.mode, settings.strict, settings.latency) == ("replay", True, 0.5)
    assert settings.hosts == ("a.com", "*.b.com")
    assert settings.matching.ignore == ("$.a", "b")


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
    with pytest.raises(SettingsError) as caught:
        toml(tmp_path, text).texts()
    assert str(tmp_path / "mitmvcr.toml") in str(caught.value)
    assert shown in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_toml_file_that_is_not_utf_8_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "mitmvcr.toml").write_bytes(b"mode = '\xff'")
    with pytest.raises(SettingsError, match=r"mitmvcr\.toml"):
        load.read(tmp_path)


def test_without_a_file_only_what_is_given_counts(tmp_path: Path) -> None:
    assert load.read(tmp_path).settings({"mode": "replay"}) == Settings(mode=Mode.REPLAY)


def test_what_is_given_wins_over_the_file_option_by_option(tmp_path: Path) -> None:
    settings = toml(tmp_path, 'redact = ["emails"]\nallow = ["jwt@*"]').settings({"redact": "$.user"})
    assert (settings.redact, settings.allow) == (("$.user",), ("jwt@*",))


def test_the_file_is_that_of_the_folder_where_the_process_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml(tmp_path, 'dir = "elsewhere"')
    monkeypatch.chdir(tmp_path)
    assert load.read().settings({}).dir == Path("elsewhere")


def test_options_that_a_command_does_not_need_can_not_refuse_it(tmp_path: Path) -> None:
    file = toml(tmp_path, 'engine = "layer"\nmode = "once"\nredact = ["emails"]')
    assert file.settings({}, only=POLICY) == Settings(redact=("emails",))
    with pytest.raises(SettingsError, match="engine is 'layer'"):
        file.settings({})


def test_rules_are_split_at_commas_outside_of_brackets_and_a_lists_items_never(tmp_path: Path) -> None:
    given = r"emails,ab[0-9,]{3,5},$.a['b,c'],py:rules:clean"
    assert Settings.parse({"redact": given}).redact == (
        "emails",
        "ab[0-9,]{3,5}",
        "$.a['b,c']",
        "py:rules:clean",
    )
    settings = toml(tmp_path, 'redact = ["a(,b"]\nallow = ["jwt@*", "aws@request.body"]\n').settings({})
    assert settings.redact == ("a(,b",)
    assert settings.allow == ("jwt@*", "aws@request.body")


def test_tables_are_said_of_cassettes_by_their_names_and_later_ones_win(tmp_path: Path) -> None:
    settings = toml(
        tmp_path,
        'match = ["method", "path"]\nignore = ["user"]\nstrict = true\n'
        '[cassettes."tests/*"]\nignore = ["$.metadata", "$[\'a,b\']"]\nrepeat = "any"\nlatency = 0.5\n'
        '[cassettes."tests/azure/*"]\nmatch = ["body"]\nrepeat = "last"\nmode = "none"\nstrict = false\n',
    ).settings({})
    process = Matching(("method", "path"), ("user",))
    assert settings.for_cassette("other/x") == CassetteSettings(Mode.ONCE, process, 0.0, strict=True)
    ignore = ("$.metadata", "$['a,b']")
    assert settings.for_cassette("tests/x") == CassetteSettings(
        Mode.ONCE, Matching(("method", "path"), ignore, Repeat.ANY), 0.5, strict=True
    )
    for name in ("tests/azure/x", "tests/azure/deep/x", "tests/azure/x.yaml"):
        assert settings.for_cassette(name) == CassetteSettings(
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
    (table,) = toml(tmp_path, f'[cassettes."{glob}"]\nstrict = true').tables()
    assert table.fits(name) is fits


def test_what_is_given_in_a_stronger_way_is_taken_out_of_tables(tmp_path: Path) -> None:
    file = toml(tmp_path, 'mode = "once"\n[cassettes."*"]\nmode = "replay"\nrepeat = "any"')
    cassette = file.settings({"mode": "record", "dir": "x"}).for_cassette("a")
    assert (cassette.mode, cassette.matching.repeat) == (Mode.RECORD, Repeat.ANY)


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
    file = toml(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        file.tables()
    line = str(caught.value)
    assert line.startswith(f"{tmp_path / 'mitmvcr.toml'}: ")
    assert shown in line
    assert "\n" not in line
    assert "a/*" in line or "cassettes is no table" in line


def test_the_example_of_a_toml_file_in_the_docs_has_a_table(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "options.md").read_text("utf-8")
    settings = toml(tmp_path, page.partition("```toml\n")[2].partition("```")[0]).settings({})
    assert settings.for_cassette("tests/azure/chat").matching.repeat is Repeat.LAST
    assert settings.for_cassette("tests/chat").matching.repeat is None


@pytest.mark.parametrize("word", ["true", "1", "True", "yes", "woodpecker", "drone"])
def test_whatever_a_ci_sets_ci_to_is_a_ci(word: str) -> None:
    assert load.in_ci({"CI": word})


@pytest.mark.parametrize(
    "environ", [{}, *({"CI": word} for word in ("", "0", "false", "FALSE", "no", "Off"))]
)
def test_no_ci_or_one_that_is_said_to_be_none_is_none(environ: dict[str, str]) -> None:
    assert not load.in_ci(environ)
