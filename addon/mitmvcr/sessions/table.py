"""The table of open cassettes, by name: opens and closes them, and counts what came of them.

Plain calls, no event loop and no lock: one thread serves requests.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mitmvcr.config import user_functions
from mitmvcr.config.settings import PRESET_HOSTS, CassetteSettings, Mode, Settings
from mitmvcr.errors import CassetteError, MitmvcrError, SettingsError
from mitmvcr.http.hosts import HostGlobs, canonical_host, origin_of
from mitmvcr.reports.run_report import MAX_LISTED, Report
from mitmvcr.reports.totals import Ledger
from mitmvcr.scrub import Scrubber
from mitmvcr.sessions.open_cassette import OpenCassette
from mitmvcr.store import cassette as disk
from mitmvcr.store.cache import CassetteCache
from mitmvcr.store.locate import Location, locate
from mitmvcr.store.lock import check_folder
from mitmvcr.store.recorded_hosts import RecordedHosts
from mitmvcr.store.recorded_url import only_base_url
from mitmvcr.store.watch import FileChange

DEFAULT_NAME = "default"

_MOST_HOSTS = 4096
"""Hosts of which it is remembered whether they are recorded."""


class Sessions:
    """The table of open cassettes, by name; the one place that opens and closes them."""

    def __init__(self, settings: Settings, scrubber: Scrubber) -> None:
        self.settings = settings
        self.scrubber = scrubber
        self.default: str | None = settings.cassette or DEFAULT_NAME
        self.cache = CassetteCache()
        self.failures: list[str] = []
        self._ledger = Ledger()
        self._open: dict[str, OpenCassette] = {}
        self._names: dict[Path, str] = {}
        self._replayed_hosts: Counter[str] = Counter()
        self._noted: set[str] = set()
        self._check_tables()
        replays = settings.mode is Mode.REPLAY
        self._globs = HostGlobs((*settings.hosts, *PRESET_HOSTS) if replays else settings.hosts)
        self._closed_hosts: set[str] = set()
        self._added_hosts: set[str] = set()
        self._is_recorded: dict[str, bool] = {}
        self._on_disk = RecordedHosts(settings.dir) if replays else None

    def __iter__(self) -> Iterator[OpenCassette]:
        return iter(self._open.values())

    def _check_tables(self) -> None:
        """Find at the start what is wrong with how cassettes are used; raises MitmvcrError."""
        for place, plan in self._plans().items():
            try:
                self._check_match(plan)
                for name in plan.matching.match:
                    if name.startswith("py:"):
                        user_functions.load(name)
            except SettingsError as error:
                raise SettingsError(f"{place}: {error}") from None
            if self.settings.mode is Mode.REPLAY and plan.mode is not Mode.REPLAY:
                raise SettingsError(
                    f"{place}: mode is {plan.mode.value!r}, but this process only replays: "
                    f"leave it out, or give the process another mode"
                )

    def _plans(self) -> dict[str, CassetteSettings]:
        """The plans that the process was started with, by the place where each was given."""
        tables = {table.place: self.settings.for_tables([table]) for table in self.settings.tables}
        return {"vcr_match": self.settings.for_tables(()), **tables}

    def check(self, plan: CassetteSettings) -> None:
        """Refuse what somebody asked for over the network and can't have; raises SettingsError."""
        own = {name for given in self._plans().values() for name in given.matching.match}
        for name in plan.matching.match:
            if name.startswith("py:") and name not in own:
                raise SettingsError(
                    f"{name} can't be matched by: only functions that the process was started with are run; "
                    f"name it in vcr_match or in mitmvcr.toml"
                )
        self._check_match(plan)

    def _check_match(self, plan: CassetteSettings) -> None:
        for name in plan.matching.match:
            header = name.removeprefix("headers:")
            if header != name and not self.scrubber.keeps(header):
                raise SettingsError(
                    f"{name} can't be matched: that header is not kept, so all requests are alike in it; "
                    f"add it to vcr_keep_headers"
                )

    @property
    def closed(self) -> list[Report]:
        """What came of each cassette that was closed."""
        return list(self._ledger)

    def open_default(self) -> None:
        """Open the default cassette, so that a bad one ends the process before it serves."""
        if self.default is None or self.settings.mode is Mode.PASSTHROUGH:
            return
        named = bool(self.settings.cassette)
        mode = self.plan(self.default).mode
        location = self._default_location(self.default)
        if named or (location.exists and mode in (Mode.REPLAY, Mode.ONCE)):
            self.get(None).is_used = named
        elif mode is not Mode.REPLAY:
            # Nobody named it, so it may never be used: its lock is left to those who do.
            check_folder(location.path)
            if location.exists and mode is Mode.NEW_EPISODES:
                self.cache.read(location.path)

    def _default_location(self, name: str) -> Location:
        location = locate(self.settings.dir, name)
        if self.settings.cassette and self.plan(name).mode is Mode.REPLAY and not location.exists:
            raise CassetteError(
                f"{location.path}: there is no such cassette; record it with vcr_mode=once, "
                f"or set vcr_cassette and vcr_dir to one that exists"
            )
        return location

    def take_over(self, before: Sessions) -> None:
        """Open the default cassette, and close what the table before has open: what that saw still counts.

        Raises MitmvcrError if it can't be opened; then the other one goes on as if nothing had been.
        """
        location = self._default_location(self.default or DEFAULT_NAME)
        if location.path in before._names:
            # It may be locked by the other one: what else could go wrong is looked for first.
            if location.exists:
                self.cache.read(location.path)
                if self.plan(location.name).mode in (Mode.RECORD, Mode.NEW_EPISODES):
                    disk.check_appendable(location.path)
            before.close_all()
        self.open_default()
        before.close_all()
        self._ledger.take(before._ledger)
        self.failures += before.failures
        self._closed_hosts |= before._closed_hosts
        self._added_hosts |= before._added_hosts
        self._is_recorded.clear()

    def plan(self, name: str) -> CassetteSettings:
        """How the cassette of this name is used if nobody says anything else."""
        return self.settings.for_cassette(name)

    def get(self, name: str | None) -> OpenCassette:
        """The named cassette, or the default one, which is opened if it isn't; raises CassetteError."""
        name = name or self.default
        if name is None:
            raise CassetteError(
                "no cassette is named and there is no default one: name one in X-VCR-Cassette"
            )
        opened = self._open.get(name)
        if opened is None:
            return self.open(name, self.plan(name))
        change = opened.watch.look() if opened.watch else None
        return self._changed(opened, change) if change else opened

    def _changed(self, opened: OpenCassette, change: FileChange) -> OpenCassette:
        """The cassette as its file is now; as it was, if that is gone or can't be read."""
        name, path = opened.location.name, opened.location.path
        if change is FileChange.REMOVED:
            opened.notes.append(f"{path}: it was removed, and is served as it was until it is there again")
            return opened
        try:
            file = self.cache.read(path).file
            if file is opened.file:  # touched, or written anew as it was
                return opened
            why = "its last interaction is torn" if file.torn else ""  # somebody still writes it, perhaps
            now = opened if why else self.open(name, opened.plan)
        except CassetteError as error:
            why = str(error).removeprefix(f"{path}: ")
        if why:
            opened.notes.append(f"{path}: it has changed, and is served as it was: {why}")
            return opened
        now.is_used = opened.is_used
        now.notes.append(f"{path}: it has changed, and is read anew: its sessions begin at the start")
        return now

    def open(self, name: str, plan: CassetteSettings) -> OpenCassette:
        """Open a cassette, or open it anew: all its sessions begin at the start; raises CassetteError."""
        if self.settings.mode is Mode.REPLAY and plan.mode is not Mode.REPLAY:
            raise CassetteError(f"this process only replays: cassette {name!r} can't be used in {plan.mode}")
        location = locate(self.settings.dir, name)
        self._refuse_second_name(name, location)
        before = self._open.get(name)
        if before is not None and before.records:  # its file is whole, and free, when it is closed
            self._close(before, reopened=True)
            location = locate(self.settings.dir, name)
        opened = OpenCassette(
            location,
            plan,
            settings=self.settings,
            scrubber=self.scrubber,
            cache=self.cache,
            open_cassettes=self,
        )
        if before is not None and not before.records:
            self._close(before, reopened=True)
        self._open[name] = opened
        self._names[location.path] = name
        opened.notes = [note for note in opened.notes if note not in self._noted]
        self._noted.update(opened.notes)
        if opened.replays:
            self._replayed_hosts.update(opened.hosts)
            self._is_recorded.clear()
        return opened

    def _refuse_second_name(self, name: str, location: Location) -> None:
        other = self._names.get(location.path, name)
        if other != name:
            raise CassetteError(f"{location.path} is open as {other!r}: use one name for it")

    def _close(self, opened: OpenCassette, *, reopened: bool = False, ending: bool = False) -> Report:
        """Close a cassette and count what came of it; what comes of it later is counted, too."""
        del self._open[opened.location.name]
        del self._names[opened.location.path]
        if opened.replays:
            self._replayed_hosts -= Counter(opened.hosts)
            self._is_recorded.clear()
            if self.settings.mode is Mode.REPLAY:
                self._closed_hosts |= opened.hosts
        try:
            opened.close()
        except MitmvcrError as error:
            opened.report.fail(error)
            self.fail(error)
        finally:  # what else it may raise is told by who closes it
            report = opened.current()
            has_recordings = bool(opened.interactions)
            if ending and not opened.is_used and not (opened.plan.strict and not self._was_asked()):
                report.unused, report.unused_count, has_recordings = [], 0, False
            if opened.is_used or not reopened:
                opened.report = self._ledger.add(report, had_recordings=has_recordings)
        return report

    def _was_asked(self) -> bool:
        """Whether any cassette was used: else the default one was to be, and what it has is unused."""
        return any(opened.is_used for opened in self) or any(report.is_used for report in self._ledger)

    def find(self, name: str) -> OpenCassette | None:
        """The open cassette of that name, if it is open."""
        return self._open.get(name)

    def recorded_from(self) -> str:
        """The base URL that the default cassette was recorded from; empty unless that is one host.

        Its file says so in any mode, also where it is recorded anew.
        """
        if self.default is None:
            return ""
        opened = self.find(self.default)
        with contextlib.suppress(CassetteError):  # one that can't be read is recorded anew
            location = opened.location if opened else locate(self.settings.dir, self.default)
            if location.exists:
                return only_base_url(self.cache.read(location.path).file.cassette.urls)
        return ""

    def only_replays(self) -> bool:
        """Whether requests that name no cassette are answered from one, and none goes upstream."""
        opened = self.find(self.default or "")
        return self.settings.mode is Mode.REPLAY or (
            opened is not None and opened.replays and not opened.records
        )

    def close(self, name: str) -> Report | None:
        """Close a cassette; None if it isn't open. Closing the default one leaves none."""
        opened = self._open.get(name)
        if opened is None:
            return None
        if name == self.default:
            self.default = None
        return self._close(opened)

    def close_all(self) -> None:
        """Close every cassette, whatever goes wrong with one; what they came to is in `closed`."""
        self._open_unasked_default()
        with contextlib.ExitStack() as each_is_tried:
            for opened in reversed(list(self._open.values())):
                each_is_tried.callback(self._close, opened, ending=True)

    def _open_unasked_default(self) -> None:
        """Have a strict default cassette among those that are closed, where nothing was asked of any."""
        name = self.default
        if name is None or name in self._open or self._was_asked() or self.settings.mode is Mode.PASSTHROUGH:
            return
        plan = self.plan(name)
        if plan.strict and plan.mode is Mode.NEW_EPISODES:
            with contextlib.suppress(CassetteError):
                if locate(self.settings.dir, name).exists:
                    self.open(name, replace(plan, mode=Mode.REPLAY))

    def is_recorded(self, host: str) -> bool:
        """Whether a host's traffic is ours: one of `vcr_hosts`, or one that a replayed cassette has.

        In a process that replays also one of a provider's hosts, and one that a closed cassette has.
        """
        answer = self._is_recorded.get(host)
        if answer is None:
            name = canonical_host(host)
            known = (self._replayed_hosts, self._closed_hosts, self._added_hosts)
            answer = self._globs.has(name) or any(name in hosts for hosts in known)
            if len(self._is_recorded) >= _MOST_HOSTS:
                self._is_recorded.clear()
            self._is_recorded[host] = answer
        return answer

    def add_host(self, base_url: str) -> None:
        """Take the host of a base URL for one of `vcr_hosts`."""
        if origin := origin_of(base_url):
            self._added_hosts.add(origin.host)
            self._is_recorded.clear()

    def may_be_named(self, host: str) -> bool:
        """Whether a file that nobody has opened has the host, so that a request to it may name that cassette.

        False in a process that doesn't only replay. It reads files, and may be called in any thread.
        """
        return self._on_disk is not None and self._on_disk.has(canonical_host(host))

    def fail(self, error: MitmvcrError | str) -> None:
        """Remember what went wrong, the first MAX_LISTED times: the process exits non-zero for it."""
        if len(self.failures) < MAX_LISTED:
            self.failures.append(str(error))
