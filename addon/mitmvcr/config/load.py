"""What mitmvcr.toml and the options that were given come to, and whether this is a CI; checks no value.

What is given (flags, mitmproxy's `--set`) wins over the file, option by option.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mitmvcr.config.options import DEFAULTS, PER_CASSETTE
from mitmvcr.config.settings import Settings, Table
from mitmvcr.errors import SettingsError

CONFIG_FILE = "mitmvcr.toml"
_NO_CI = frozenset({"", "0", "false", "no", "off"})


def in_ci(environ: Mapping[str, str]) -> bool:
    """Whether the environment is a CI's: all of them set CI, most to true, Woodpecker to its name."""
    return environ.get("CI", "").strip().lower() not in _NO_CI


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """What mitmvcr.toml says; `document` is empty where there is no such file."""

    path: Path = Path(CONFIG_FILE)
    document: Mapping[str, object] = field(default_factory=dict)

    def texts(self) -> dict[str, str]:
        """The options by name as texts, lists a line an item; raises SettingsError for what is wrong."""
        options = {name: value for name, value in self.document.items() if name != "cassettes"}
        _check_names(self.path, options, DEFAULTS)
        return {name: _text(f"{self.path}: {name}", value) for name, value in options.items()}

    def tables(self) -> tuple[Table, ...]:
        """What it says of single cassettes, in its order; raises SettingsError for what is wrong."""
        tables = self.document.get("cassettes", {})
        if not isinstance(tables, dict):
            raise SettingsError(
                f'{self.path}: cassettes is no table: write [cassettes."tests/*"] and options below it'
            )
        return tuple(_table(self.path, glob, options) for glob, options in tables.items())

    def settings(self, given: Mapping[str, str], only: Collection[str] = ()) -> Settings:
        """The settings that the file and what was given make.

        With `only`, of these options alone, so that what a command doesn't need can't refuse it; all else has
        its default, and nothing is said of single cassettes. Raises SettingsError.
        """
        texts = {**self.texts(), **given}
        if only:
            return Settings.parse({name: text for name, text in texts.items() if name in only})
        return Settings.parse(texts, [table.without(given.keys()) for table in self.tables()])


def read(folder: Path = Path()) -> ConfigFile:
    """The mitmvcr.toml of a folder, usually the one where the process runs; raises SettingsError."""
    path = folder / CONFIG_FILE
    if not path.exists():
        return ConfigFile(path)
    import tomllib  # noqa: PLC0415 - most runs have no such file

    try:
        return ConfigFile(path, tomllib.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: can't be read: {error}") from None


def _table(path: Path, glob: str, options: object) -> Table:
    place = f'{path}: [cassettes."{glob}"]'
    if not isinstance(options, dict):
        raise SettingsError(f'{path}: cassettes.{glob} is no table: write [cassettes."{glob}"]')
    _check_names(place, options, PER_CASSETTE)
    texts = {name: _text(f"{place}: {name}", value) for name, value in options.items()}
    try:
        Settings().for_tables(()).changed(texts)
    except SettingsError as error:
        raise SettingsError(f"{place}: {error}") from None
    return Table(place, glob, tuple(texts.items()))


def _check_names(place: Path | str, options: Mapping[str, object], names: Collection[str]) -> None:
    for name in options:
        if name not in names:
            raise SettingsError(f"{place}: there is no option {name!r}; there are {', '.join(names)}")


def _text(place: str, value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            return str(value)
        case list() if all(isinstance(item, str) for item in value):
            return "".join(f"{item}\n" for item in value)
    raise SettingsError(f"{place} takes text or a list of texts")
