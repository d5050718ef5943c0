"""The functions that users name in options, as py:FILE.py:NAME or py:MODULE:NAME; runs each file once.

What they are for is no matter here: `match` and `redact` load theirs by this one rule.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from mitmvcr.errors import SettingsError


@functools.cache
def load(entry: str) -> Callable[..., object]:
    """The function of `py:tests/keys.py:key` or of `py:package.module:key`; raises SettingsError.

    A file is found from the folder where the process runs; so is a module, behind all that is installed, as
    `python -m` has it and an installed command has not. What it raises when it is run is told.
    """
    where, _, name = entry.removeprefix("py:").rpartition(":")
    if not where or not name:
        raise SettingsError(f"{entry!r}: give py:FILE.py:FUNCTION or py:MODULE:FUNCTION")
    try:
        module = _file(where) if where.endswith(".py") else _module(where)
        function = getattr(module, name)
    except FileNotFoundError:
        raise SettingsError(f"{entry!r}: there is no file {where} in {Path.cwd()}") from None
    except AttributeError:
        raise SettingsError(f"{entry!r}: {where} has no function {name!r}") from None
    except Exception as error:  # noqa: BLE001 - it is the user's code, which may raise anything
        message = " ".join(str(error).split())
        raise SettingsError(
            f"{entry!r}: {where} can't be loaded: {type(error).__name__}: {message}"
        ) from None
    if not callable(function):
        raise SettingsError(f"{entry!r}: {name} is a {type(function).__name__}, and not a function")
    return function  # type: ignore[no-any-return] # what a user wrote has no type that could be known


def _module(name: str) -> ModuleType:
    if (folder := str(Path.cwd())) not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(name)


@functools.cache
def _file(where: str) -> ModuleType:
    path = Path(where).expanduser().resolve(strict=True)
    name = f"mitmvcr_{path.stem}_{hashlib.blake2b(bytes(path), digest_size=8).hexdigest()}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look a module up by its name
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
