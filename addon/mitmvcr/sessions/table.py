"""The open cassettes and the sessions on them: what to do with a request, and what came of it all.

Plain calls, no event loop: whatever serves requests asks `Session.answer` and tells `Session.record`.
"""

from __future__ import annotations

import contextlib
import fnmatch
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mitmvcr import formats
from mitmvcr.config import user_functions
from mitmvcr.config.settings import Mode, Plan, Settings
from mitmvcr.errors import CassetteError, MitmvcrError, SettingsError
from mitmvcr.formats import govcr
from mitmvcr.formats.govcr import Dialect
from mitmvcr.misses.explain import Miss, Recordings, explain
from mitmvcr.model import Cassette, Interaction, Request
from mitmvcr.recording.recorder import Recorder
from mitmvcr.replay.matcher import Matcher
from mitmvcr.replay.player import Index, Player
from mitmvcr.reports.run_report import KEPT, Report, Unused
from mitmvcr.reports.totals import Ledger
from mitmvcr.scrub import Memory, Scrubber
from mitmvcr.store import cassette as disk
from mitmvcr.store.cache import Library
from mitmvcr.store.cassette import Loaded, Location, Lock, Writer

DEFAULT_NAME = "default"

_BASE_URL = re.compile(r"(https?://[^/?#]+)(?:(?:/[^/?#]+)*?/v\d+(?=[/?#]|$))?")


@dataclass(frozen=True, slots=True)
class Play:
    """Answer with the recording of this number."""

    cassette: OpenCassette
    number: int

    @property
    def interaction(self) -> Interaction:
        """The recording."""
        return self.cassette.interactions[self.number]

    @property
    def wait(self) -> float:
        """Seconds after the request came until its answer is due."""
        return self.cassette.wait(self.interaction)


@dataclass(frozen=True, slots=True)
class Forward:
    """Send it upstream, and record what comes back if `record`."""

    record: bool


Verdict = Play | Miss | Forward


class OpenCassette:
    """A cassette in use: its content, its writer while it records, and its sessions' places."""

    def __init__(self, location: Location, plan: Plan, table: Sessions) -> None:
        self.location = location
        self.plan = plan
        self.notes: list[str] = []
        self.asked = False
        self.others: Iterable[OpenCassette] = table
        self._root = table.settings.dir
        self._dialect = Dialect(table.settings.dialect)
        self._scrubber = table.scrubber
        self._players: dict[str, Player] = {}
        self._index: Index | None = None
        self._recorder: Recorder | None = None
        mode = plan.mode
        if mode is Mode.ONCE:
            mode = Mode.REPLAY if location.exists else Mode.RECORD
        self.replays = mode in (Mode.REPLAY, Mode.NEW_EPISODES)
        self.records = mode in (Mode.RECORD, Mode.NEW_EPISODES)
        self.report = Report(location.name, str(location.path), plan.mode.value, strict=plan.strict)
        if self.records and location.exists:
            disk.check_appendable(location.path)
        # Locked before it is read: nobody writes in between.
        lock = Lock(location.path) if self.records else None
        try:
            self._before = self._read_before(table.library) if mode is Mode.RECORD else None
            self._read(table.library)
            if lock:
                writer = self._writer(lock, anew=plan.mode is Mode.RECORD)
                self._recorder = Recorder(writer, table.scrubber, self.memory)
        except BaseException:
            if lock:
                lock.release()
            raise
        if self.loaded and self.loaded.torn and not self.records:
            self._set_torn_aside(self.loaded)
        if self.loaded:
            self.notes += [f"{location.path}: {note}" for note in self.loaded.cassette.notes]

    def _read(self, library: Library) -> None:
        path = self.location.path
        self._recorded = library.read(path) if self.replays and path.exists() else None
        self.loaded = self._recorded.loaded if self._recorded else None
        self.interactions = self._recorded.interactions if self._recorded else ()
        self.size = self._recorded.size if self._recorded else 0  # bytes of what was read
        self.hosts = self._recorded.hosts if self._recorded else frozenset()
        if self._recorded:
            self.memory = Memory({})
            self.memory.learn(self._recorded.memory)
        else:
            self.memory = Memory()
        format_ = self.loaded.format if self.loaded else formats.GO_VCR
        matching = self.plan.matching
        matcher = Matcher(matching.match or format_.match, matching.ignore, format_.llama_stack)
        self.matcher = self._recorded.matcher(matcher) if self._recorded else matcher
        self._repeat = matching.repeat or format_.repeat

    def _read_before(self, library: Library) -> Cassette | None:
        """What is recorded anew, if it can be read."""
        if not self.location.path.exists():
            return None
        try:
            return library.read(self.location.path).loaded.cassette
        except CassetteError:
            return None

    def _writer(self, lock: Lock, *, anew: bool) -> Writer:
        path = self.location.path
        writer = Writer(path, self._dialect, self.loaded, anew=anew, lock=lock)
        if writer.set_aside:
            self.notes.append(f"{path}: its last interaction was torn and is now in {writer.set_aside}")
        return writer

    def _set_torn_aside(self, loaded: Loaded) -> None:
        number = len(self.interactions)
        torn = f"{self.location.path}: its last interaction ({number}) is torn"
        if self.plan.mode is Mode.REPLAY:
            self.notes.append(f"{torn} and is not served; record it again with vcr_mode=new-episodes")
            return
        try:
            writer = Writer(self.location.path, self._dialect, loaded)
        except CassetteError as error:
            self.notes.append(f"{torn} and is not served: {error}")
            return
        writer.close()
        self.notes.append(f"{torn} and was set aside in {writer.set_aside}; record it with new-episodes")

    def player(self, session: str) -> Player:
        """The session's place in the cassette; the index is made when the first request comes."""
        self.asked = True
        player = self._players.get(session)
        if player is None:
            player = Player(self._made_index(), self._repeat)
            self._players[session] = player
        return player

    def _made_index(self) -> Index:
        if self._index is None and self._recorded is not None:
            self._index = self._recorded.index(self.matcher, self._scrubber, self.memory, whole=self.records)
        elif self._index is None:
            self._index = Index(0, lambda _: ())
        return self._index

    def key(self, request: Request) -> bytes:
        """What the request is looked up by."""
        self._made_index()  # the scrubber knows what the recordings hold then
        known = self.matcher.known(request)
        if known is None:
            return self.matcher.key(self._scrubbed(request))
        self._scrubber.track(request, self.memory)  # who asks is heard all the same
        return known

    def _scrubbed(self, request: Request) -> Request:
        return self._scrubber.request(request, self.memory)

    def _shown(self, url: str) -> str:
        return self._scrubbed(Request("GET", url)).url

    def answer(self, request: Request, session: str) -> Verdict:
        """What to do with a request of this session."""
        return self.verdict(session, lambda: request, lambda: self.key(request))

    def verdict(self, session: str, request: Callable[[], Request], key: Callable[[], bytes]) -> Verdict:
        """What to do with a request of this session, which is made, as is its key, where it is needed."""
        self.asked = True
        if not self.replays:
            return Forward(record=self.records)
        wanted = key()
        number = self.play(wanted, session)
        if number is not None:
            return Play(self, number)
        if self.records:
            return Forward(record=True)
        return self.miss(request(), wanted, session)

    def play(self, key: bytes, session: str) -> int | None:
        """The number of the interaction that answers a request of this key, None if none is left."""
        number = self.player(session).play(key)
        if number is not None:
            self.report.replayed += 1
        return number

    def wait(self, interaction: Interaction) -> float:
        """Seconds until its answer is due."""
        return interaction.response.duration / 1e9 * self.plan.latency

    def miss(self, request: Request, key: bytes, session: str) -> Miss:
        """What is said of a request of this key that nothing answers."""
        player = self.player(session)
        if self._recorded is not None:
            self._recorded.index(self.matcher, self._scrubber, self.memory, whole=True)
        asked = self._scrubbed(request)
        recordings = Recordings(
            self.interactions,
            player.played,
            player.matching(key),
            self._scrubbed,
            player.asked(key),
            self.loaded.cassette.source if self.loaded else None,
            tuple(self._elsewhere(asked, key)),
            self._root,
        )
        miss = explain(self.location, recordings, asked, self.matcher)
        self.report.add(miss)
        return miss

    def _elsewhere(self, asked: Request, key: bytes) -> Iterator[str]:
        keys = {self.matcher: key}
        return (one.location.name for one in self.others if one is not self and one.has(asked, keys))

    def has(self, asked: Request, keys: dict[Matcher, bytes]) -> bool:
        """Whether a scrubbed request is recorded here, as far as the cassette was played from already.

        `keys` are the request's, by matcher; one that is missing is added.
        """
        if self._index is None:
            return False
        if self.matcher not in keys:
            with contextlib.suppress(MitmvcrError):  # of a user's function that knows other requests
                keys[self.matcher] = self.matcher.key(asked)
        return bool(self._index.find(keys.get(self.matcher, b"")))

    def record(self, interaction: Interaction) -> None:
        """Write an exchange that ended whole; raises MitmvcrError, and then nothing is written."""
        try:
            if self._recorder is None:
                raise CassetteError(
                    f"{self.location.path}: the cassette was closed before the exchange ended"
                )
            self._recorder.record(interaction)
        except MitmvcrError as error:
            if len(self.report.failures) < KEPT:
                self.report.failures.append(str(error))
            raise
        self.report.recorded += 1

    def unused(self) -> list[int]:
        """The numbers of recorded interactions that no session asked for."""
        played: set[int] = set().union(*(player.played for player in self._players.values()))
        return [number for number in range(len(self.interactions)) if number not in played]

    def current(self) -> Report:
        """The report as it stands now."""
        unused = self.unused()
        those = [self.interactions[number] for number in unused[:KEPT]]
        shown = [Unused(one.id, one.request.method, self._shown(one.request.url)) for one in those]
        return replace(
            self.report,
            unused=shown,
            unused_count=len(unused),
            misses=list(self.report.misses),
            failures=list(self.report.failures),
            asked=self.asked,
        )

    def close(self) -> Report:
        """Let go of the file; the report is final."""
        report = self.current()
        if self._recorder is not None:
            if self._before is not None and self.report.recorded:
                self._settle(self._before, self._recorder)
            self._recorder.writer.close()
            self._recorder = None
        return report

    def _settle(self, before: Cassette, recorder: Recorder) -> None:
        """Make the file's diff to what was there before what upstream has changed."""
        from mitmvcr.recording import settle  # noqa: PLC0415 - who records anew needs it, at the end

        # Where it fails the file is a good recording, in the order in which the exchanges ended.
        with contextlib.suppress(MitmvcrError):
            now = disk.read(self.location.path).cassette.interactions
            recorder.rewrite(govcr.dump(settle.settle(before, now, self.key)))


@dataclass(frozen=True, slots=True)
class Session:
    """One client's use of a cassette: independent sessions each play it from the start."""

    cassette: OpenCassette
    id: str

    def answer(self, request: Request) -> Verdict:
        """What to do with this request."""
        return self.cassette.answer(request, self.id)


class Sessions:
    """The table of open cassettes, by name; the one place that opens and closes them."""

    def __init__(self, settings: Settings, scrubber: Scrubber) -> None:
        self.settings = settings
        self.scrubber = scrubber
        self.default: str | None = settings.cassette or DEFAULT_NAME
        self.library = Library()
        self.failures: list[str] = []
        self._ledger = Ledger()
        self._open: dict[str, OpenCassette] = {}
        self._names: dict[Path, str] = {}
        self._replayed_hosts: Counter[str] = Counter()
        self._noted: set[str] = set()
        self._check_tables()
        self._hosts = re.compile("|".join(fnmatch.translate(glob) for glob in settings.hosts) or r"(?!)")

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

    def _plans(self) -> dict[str, Plan]:
        """The plans that the process was started with, by the place where each was given."""
        tables = {table.place: self.settings.plan_of([table]) for table in self.settings.tables}
        return {"vcr_match": self.settings.plan_of(()), **tables}

    def check(self, plan: Plan) -> None:
        """Refuse what somebody asked for over the network and can't have; raises SettingsError."""
        own = {name for one in self._plans().values() for name in one.matching.match}
        for name in plan.matching.match:
            if name.startswith("py:") and name not in own:
                raise SettingsError(
                    f"{name} can't be matched by: only functions that the process was started with are run; "
                    f"name it in vcr_match or in mitmvcr.toml"
                )
        self._check_match(plan)

    def _check_match(self, plan: Plan) -> None:
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
            self.get(None).cassette.asked = named
        elif mode is not Mode.REPLAY:
            # Nobody named it, so it may never be used: its lock is left to those who do.
            disk.check_folder(location.path)
            if location.exists and mode is Mode.NEW_EPISODES:
                self.library.read(location.path)

    def _default_location(self, name: str) -> Location:
        location = disk.locate(self.settings.dir, name)
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
                self.library.read(location.path)
                if self.plan(location.name).mode in (Mode.RECORD, Mode.NEW_EPISODES):
                    disk.check_appendable(location.path)
            before.close_all()
        self.open_default()
        before.close_all()
        self._ledger.take(before._ledger)
        self.failures += before.failures

    def plan(self, name: str) -> Plan:
        """How the cassette of this name is used if nobody says anything else."""
        return self.settings.plan(name)

    def get(self, name: str | None, session: str = "") -> Session:
        """The session on the named cassette, or on the default one; raises CassetteError."""
        return Session(self.opened(name), session)

    def opened(self, name: str | None) -> OpenCassette:
        """The named cassette, or the default one, which is opened if it isn't; raises CassetteError."""
        name = name or self.default
        if name is None:
            raise CassetteError(
                "no cassette is named and there is no default one: name one in X-VCR-Cassette"
            )
        return self._open.get(name) or self.open(name, self.plan(name))

    def open(self, name: str, plan: Plan) -> OpenCassette:
        """Open a cassette, or open it anew: all its sessions begin at the start; raises CassetteError."""
        if self.settings.mode is Mode.REPLAY and plan.mode is not Mode.REPLAY:
            raise CassetteError(f"this process only replays: cassette {name!r} can't be used in {plan.mode}")
        location = disk.locate(self.settings.dir, name)
        self._refuse_second_name(name, location)
        before = self._open.get(name)
        if before is not None and before.records:  # its file is whole, and free, when it is closed
            self._close(before, reopened=True)
            location = disk.locate(self.settings.dir, name)
        opened = OpenCassette(location, plan, self)
        if before is not None and not before.records:
            self._close(before, reopened=True)
        self._open[name] = opened
        self._names[location.path] = name
        opened.notes = [note for note in opened.notes if note not in self._noted]
        self._noted.update(opened.notes)
        if opened.replays:
            self._replayed_hosts.update(opened.hosts)
        return opened

    def _refuse_second_name(self, name: str, location: Location) -> None:
        other = self._names.get(location.path, name)
        if other != name:
            raise CassetteError(f"{location.path} is open as {other!r}: use one name for it")

    def _close(self, opened: OpenCassette, *, reopened: bool = False, ending: bool = False) -> Report:
        """Close a cassette and count what came of it; what comes of it later is counted, too."""
        report = opened.close()
        has_recordings = bool(opened.interactions)
        if ending and not opened.asked:
            report.unused, report.unused_count, has_recordings = [], 0, False
        del self._open[opened.location.name]
        del self._names[opened.location.path]
        if opened.replays:
            self._replayed_hosts -= Counter(opened.hosts)
        if opened.asked or not reopened:
            opened.report = self._ledger.add(report, had_recordings=has_recordings)
        return report

    def find(self, name: str) -> OpenCassette | None:
        """The open cassette of that name, if it is open."""
        return self._open.get(name)

    def recorded_from(self) -> str:
        """The base URL that the default cassette was recorded from; empty unless that is one host."""
        opened = self.find(self.default or "")
        urls = opened.loaded.cassette.urls if opened and opened.loaded else ()
        found = [match for url in urls if (match := _BASE_URL.match(url))]
        if len({match[1].lower() for match in found}) != 1:
            return ""
        return max((match[0] for match in found), key=len)

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
        """Close every cassette; what they came to is in `closed`."""
        for opened in list(self._open.values()):
            self._close(opened, ending=True)

    def is_recorded(self, host: str) -> bool:
        """Whether a host's traffic is ours: one of `vcr_hosts`, or one that a replayed cassette has."""
        host = host.lower()
        if self._hosts.match(host):
            return True
        return host in self._replayed_hosts

    def fail(self, error: MitmvcrError | str) -> None:
        """Remember what went wrong, the first KEPT times: the process exits non-zero for it."""
        if len(self.failures) < KEPT:
            self.failures.append(str(error))
