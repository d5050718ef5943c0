"""The proxy of one test process, and the cassettes that its tests use in turn; knows no test framework.

The proxy is a process of its own, so it serves threads, subprocesses and clients that were made before the
test began. Tests of one process run one after the other: each one's cassette is the default one while it
runs, which the control API is told.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mitmvcr.config.settings import SUFFIXES
from mitmvcr.errors import MitmvcrError
from mitmvcr.launch.environment import Changes, Via
from mitmvcr.launch.planning import plan
from mitmvcr.launch.process import ProxyProcess

_FORBIDDEN = str.maketrans(dict.fromkeys("<>?%*:|\"'/\\", "-"))
_LONGEST = 200  # bytes of a file's name: what a suffix and a lock add has room beside it
_BASE_VARIABLES = ("OPENAI_BASE_URL", "OPENAI_API_BASE", "AZURE_OPENAI_ENDPOINT")
HOST = "mitmvcr.local"
"""The control API's host in the forward proxy."""
_PATIENCE = 60.0  # seconds for an answer of the control API; a cassette of 100 MB is parsed meanwhile


class ControlError(MitmvcrError):
    """The proxy refused what it was asked, or is gone."""


def file_name(test: str, owner: str = "") -> str:
    """A test's name as pytest-recording makes a file's name of it: `Class.test-param-`, not too long."""
    name = (f"{owner}.{test}" if owner else test).translate(_FORBIDDEN)
    name = "".join(char if char.isprintable() else "-" for char in name)
    raw = name.encode("utf-8", "replace")
    if len(raw) <= _LONGEST:
        return name
    digest = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    return f"{raw[: _LONGEST - 35].decode('utf-8', 'ignore')}...{digest}"


def cassette_name(path: Path, root: Path) -> str:
    """The name by which the proxy knows a file below its `vcr_dir`; raises MitmvcrError if it isn't below."""
    whole = Path(os.path.normpath(path))
    if not whole.is_relative_to(root):
        raise MitmvcrError(
            f"{whole}: the cassette does not lie in {root}: set mitmvcr_dir to a folder that has all of them"
        )
    name = whole.relative_to(root).as_posix()
    longest = max((suffix for suffix in SUFFIXES if name.endswith(suffix)), key=len, default="")
    # With its suffix only where the file is there: without, a cassette of another format is found too.
    return name if longest and whole.exists() else name.removesuffix(longest)


@dataclass(frozen=True, slots=True)
class Account:
    """What a cassette came to since it was opened; `misses` and `unused` are texts for people."""

    recorded: int
    replayed: int
    misses: Sequence[str]
    unused: Sequence[str]
    failures: Sequence[str]
    strict: bool

    @classmethod
    def of(cls, report: Mapping[str, Any]) -> Account:
        """From the control API's report of a cassette."""
        return cls(
            report["recorded"],
            report["replayed"],
            [miss["message"] for miss in report["misses"]],
            [" ".join(str(value) for value in recording.values()) for recording in report["unused"]],
            report["failures"],
            report["strict"],
        )

    def problem(self, *, ended: bool) -> str:
        """Why a test should fail, or nothing; what it never asked for counts when it has `ended`."""
        problems = [*self.misses, *self.failures]
        if ended and self.strict and self.unused:
            problems.append("\n  ".join(["never asked for (strict):", *self.unused]))
        return "\n\n".join(problems)


class SessionProxy:
    """One proxy for all tests of a process, started when it is made, to which this process's traffic is led.

    `root` is its `vcr_dir`, `folder` where it runs (and finds mitmvcr.toml), `options` are the addon's,
    `upstream` is the API's base URL if the environment's is not to count.
    With `loopback` clients are to go through the forward proxy to it too, and no base URL is set. `ready`
    says where it serves, `environ` has the variables that lead a program to it. Raises MitmvcrError.
    """

    def __init__(  # noqa: PLR0913 - what a proxy is started with, once
        self,
        root: Path,
        folder: Path,
        options: Mapping[str, str],
        via: Via,
        *,
        loopback: bool,
        upstream: str = "",
    ) -> None:
        self.root = root
        options = {"dir": str(root), **options}
        proxy_plan = plan(os.environ, options, upstream=upstream, via=via, folder=folder)
        self._process = ProxyProcess(proxy_plan.launch, cwd=folder)
        try:
            self.ready = self._process.wait()
            self.environ = proxy_plan.changes(self.ready, self._process.folder, os.environ)
        except BaseException:
            self._process.stop()
            raise
        if loopback:
            for name in _BASE_VARIABLES:
                self.environ.pop(name, None)
        # A base URL that the user has set leads past the proxy if it is on loopback, so it is replaced at
        # once; one that he has not set is none of the business of tests that use no cassette.
        self.has_crashed = False
        """Whether it has ended otherwise than it does when it is asked to; known once it is stopped."""
        self._later = frozenset(name for name in _BASE_VARIABLES if not os.environ.get(name))
        self._before: dict[str, str | None] = {}
        self._set({name: value for name, value in self.environ.items() if name not in self._later})

    def _set(self, changes: Changes) -> None:
        for name, value in changes.items():
            self._before.setdefault(name, os.environ.get(name))
            _put(name, value)

    def use_base_urls(self) -> None:
        """From now on, and until `leave_base_urls`, new clients are led there by the API's base URL too."""
        self._set({name: value for name, value in self.environ.items() if name in self._later})

    def leave_base_urls(self) -> None:
        """The variables of base URLs are what they were."""
        for name in self._later:
            if name in self._before:
                _put(name, self._before.pop(name))

    def open(self, name: str, fields: Mapping[str, object]) -> None:
        """Open a cassette, from its start; requests that name none are for it. Raises ControlError."""
        self._ask("PUT", name, {**fields, "default": True})

    def account(self, name: str) -> Account:
        """What the cassette came to so far; raises ControlError."""
        return Account.of(self._ask("GET", name))

    def close(self, name: str) -> Account:
        """Close the cassette; requests that name none miss from now on. Raises ControlError."""
        return Account.of(self._ask("DELETE", name))

    def _ask(self, method: str, name: str, fields: Mapping[str, object] | None = None) -> dict[str, object]:
        connection = http.client.HTTPConnection("127.0.0.1", self.ready.forward, timeout=_PATIENCE)
        try:
            body = json.dumps(fields).encode() if fields is not None else None
            connection.request(method, f"http://{HOST}/cassettes/{quote(name, safe='')}", body)
            answer = connection.getresponse()
            document = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            last_words = " / ".join(self._process.output.strip().splitlines()[-3:]) or "it said nothing"
            raise ControlError(f"the proxy is gone ({error}): {last_words}") from None
        finally:
            connection.close()
        if answer.status != 200:
            raise ControlError(str(document["error"]["message"]))
        return dict(document)

    def stop(self) -> str:
        """End it and undo what was set; what it said if it failed, else an empty text."""
        for name, value in self._before.items():
            _put(name, value)
        self._before.clear()
        was_running = self._process.status is None
        status = self._process.stop()
        output = self._process.output.strip()
        self.has_crashed = not was_running or status not in (0, 1)
        if self.has_crashed:
            return f"the proxy ended by itself, with status {status}: {output or 'it said nothing'}"
        return output if status else ""


def _put(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
