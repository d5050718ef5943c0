"""The open cassettes and the sessions on them: what to do with a request, and what came of it all.

Plain calls, no event loop: whatever serves requests asks `Session.answer` and tells `Session.record`.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from mitmvcr import cassette as disk
from mitmvcr import formats
from mitmvcr.cassette import Loaded, Location, Writer
from mitmvcr.errors import CassetteError, MitmvcrError
from mitmvcr.formats.govcr import Dialect
from mitmvcr.matching import Matcher
from mitmvcr.misses import Recordings, explain
from mitmvcr.model import Interaction, Request
from mitmvcr.player import Index, Player
from mitmvcr.recorder import Recorder
from mitmvcr.scrub import Memory, Scrubber
from mitmvcr.settings import Matching, Mode, Settings

DEFAULT_NAME = "default"


@dataclass(frozen=True, slots=True)
class Play:
    """Answer with this interaction, `wait` seconds after the request came."""

    interaction: Interaction
    wait: float


@dataclass(frozen=True, slots=True)
class Miss:
    """Nothing recorded answers; the message tells the user what to do."""

    message: str


@dataclass(frozen=True, slots=True)
class Forward:
    """Send it upstream, and record what comes back if `record`."""

    record: bool


Verdict = Play | Miss | Forward


@dataclass(frozen=True, slots=True)
class Plan:
    """How one cassette is used: the process's settings, or what the control API said of this one."""

    mode: Mode
    matching: Matching
    latency: float
    strict: bool


@dataclass(slots=True)
class Report:
    """What came of one cassette since it was opened."""

    name: str
    path: str
    mode: str
    recorded: int = 0
    replayed: int = 0
    cut: int = 0
    misses: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    strict: bool = False

    @property
    def failed(self) -> bool:
        """Whether a CI should fail for it."""
        return bool(self.misses or (self.strict and self.unused))


class OpenCassette:
    """A cassette in use: its content, its writer while it records, and its sessions' places."""

    def __init__(self, location: Location, plan: Plan, settings: Settings, scrubber: Scrubber) -> None:
        self.location = location
        self.plan = plan
        self.notes: list[str] = []
        self.asked = False
        self._scrubber = scrubber
        self._players: dict[str, Player] = {}
        self._index: Index | None = None
        self._recorder: Recorder | None = None
        mode = plan.mode
        if mode is Mode.ONCE:
            mode = Mode.REPLAY if location.exists else Mode.RECORD
        self.replays = mode in (Mode.REPLAY, Mode.NEW_EPISODES)
        self.records = mode in (Mode.RECORD, Mode.NEW_EPISODES)
        self.loaded = disk.read(location.path) if self.replays and location.exists else None
        self.interactions = self.loaded.cassette.interactions if self.loaded else ()
        self.memory = Memory.resume(self.loaded.cassette) if self.loaded else Memory()
        self.hosts = frozenset(_host(one.request.url) for one in self.interactions)
        format_ = self.loaded.format if self.loaded else formats.GO_VCR
        self.matcher = Matcher(
            plan.matching.match or format_.match, plan.matching.ignore, format_.llama_stack
        )
        self._repeat = plan.matching.repeat or format_.repeat
        self.report = Report(location.name, str(location.path), plan.mode.value, strict=plan.strict)
        if self.records:
            writer = self._writer(settings, anew=mode is Mode.RECORD)
            self._recorder = Recorder(writer, scrubber, self.memory)
        elif self.loaded and self.loaded.torn:
            self._set_torn_aside(self.loaded, settings)
        if self.loaded:
            self.notes += [f"{location.path}: {note}" for note in self.loaded.cassette.notes]

    def _writer(self, settings: Settings, *, anew: bool) -> Writer:
        path = self.location.path
        if self.location.exists:
            self._check_writable(anew=anew)
        writer = Writer(path, Dialect(settings.dialect), None if anew else self.loaded, anew=anew)
        if writer.set_aside:
            self.notes.append(f"{path}: its last interaction was torn and is now in {writer.set_aside}")
        return writer

    def _check_writable(self, *, anew: bool) -> None:
        path = self.location.path
        name = disk.format_of(path)
        if name != formats.GO_VCR.name:
            raise CassetteError(
                f"{path}: only go-vcr v2 cassettes are recorded to, and this one is in format {name}; "
                f"replay it, or move it away" + (" to record it anew" if anew else "")
            )

    def _set_torn_aside(self, loaded: Loaded, settings: Settings) -> None:
        number = len(self.interactions)
        torn = f"{self.location.path}: its last interaction ({number}) is torn"
        if self.plan.mode is Mode.REPLAY:
            self.notes.append(f"{torn} and is not served; record it again with vcr_mode=new-episodes")
            return
        try:
            writer = Writer(self.location.path, Dialect(settings.dialect), loaded)
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
            if self._index is None:
                self._index = Index(self.key(i.request) for i in self.interactions)
            player = Player(self._index, self._repeat)
            self._players[session] = player
        return player

    def key(self, request: Request) -> bytes:
        """What the request is looked up by."""
        return self.matcher.key(self._scrubbed(request))

    def _scrubbed(self, request: Request) -> Request:
        return self._scrubber.request(request, self.memory)

    def _shown(self, url: str) -> str:
        return self._scrubbed(Request("GET", url)).url

    def answer(self, request: Request, session: str) -> Verdict:
        """What to do with a request of this session."""
        self.asked = True
        if not self.replays:
            return Forward(record=self.records)
        player = self.player(session)
        key = self.key(request)
        number = player.play(key)
        if number is not None:
            self.report.replayed += 1
            interaction = self.interactions[number]
            return Play(interaction, interaction.response.duration / 1e9 * self.plan.latency)
        if self.records:
            return Forward(record=True)
        recordings = Recordings(self.interactions, player.played, player.matching(key), self._scrubbed)
        message = explain(self.location, recordings, self._scrubbed(request), self.matcher)
        self.report.misses.append(message)
        return Miss(message)

    def record(self, interaction: Interaction) -> None:
        """Write an exchange that ended whole; raises MitmvcrError, and then nothing is written."""
        if self._recorder is None:
            raise CassetteError(f"{self.location.path}: the cassette was closed before the exchange ended")
        self._recorder.record(interaction)
        self.report.recorded += 1

    def unused(self) -> list[Interaction]:
        """Recorded interactions that no session asked for."""
        played: set[int] = set().union(*(player.played for player in self._players.values()))
        return [one for number, one in enumerate(self.interactions) if number not in played]

    def current(self) -> Report:
        """The report as it stands now."""
        unused = [f"{one.id} {one.request.method} {self._shown(one.request.url)}" for one in self.unused()]
        return replace(self.report, unused=unused, misses=list(self.report.misses))

    def close(self) -> Report:
        """Let go of the file; the report is final."""
        report = self.current()
        if self._recorder is not None:
            self._recorder.writer.close()
            self._recorder = None
        return report


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
        self.closed: list[Report] = []
        self.failures: list[str] = []
        self._open: dict[str, OpenCassette] = {}
        self._hosts = re.compile("|".join(fnmatch.translate(glob) for glob in settings.hosts) or r"(?!)")

    def __iter__(self) -> Iterator[OpenCassette]:
        return iter(self._open.values())

    def open_default(self) -> None:
        """Open the default cassette, so that a bad one ends the process before it serves."""
        if self.default is None or self.settings.mode is Mode.PASSTHROUGH:
            return
        named = bool(self.settings.cassette)
        location = disk.locate(self.settings.dir, self.default)
        if named and self.settings.mode is Mode.REPLAY and not location.exists:
            raise CassetteError(
                f"{location.path}: there is no such cassette; record it with vcr_mode=once, "
                f"or set vcr_cassette and vcr_dir to one that exists"
            )
        if named or (location.exists and self.settings.mode in (Mode.REPLAY, Mode.ONCE)):
            self.get(None).cassette.asked = named
        elif self.settings.mode is not Mode.REPLAY:
            # Nobody named it, so it may never be used: its lock is left to those who do.
            disk.check_folder(location.path)
            if location.exists and self.settings.mode is Mode.NEW_EPISODES:
                disk.read(location.path)

    def plan(self) -> Plan:
        """How cassettes are used that nobody said anything else of."""
        one = self.settings
        return Plan(one.mode, one.matching, one.latency, one.strict)

    def get(self, name: str | None, session: str = "") -> Session:
        """The session on the named cassette, or on the default one; raises CassetteError."""
        name = name or self.default
        if name is None:
            raise CassetteError(
                "no cassette is named and there is no default one: name one in X-VCR-Cassette"
            )
        opened = self._open.get(name) or self.open(name, self.plan())
        return Session(opened, session)

    def open(self, name: str, plan: Plan) -> OpenCassette:
        """Open a cassette, or open it anew: all its sessions begin at the start; raises CassetteError."""
        if self.settings.mode is Mode.REPLAY and plan.mode is not Mode.REPLAY:
            raise CassetteError(f"this process only replays: cassette {name!r} can't be used in {plan.mode}")
        location = disk.locate(self.settings.dir, name)
        self._refuse_second_name(name, location)
        if name in self._open:
            before = self._open.pop(name)
            report = before.close()
            if before.asked:
                self.closed.append(report)
            location = disk.locate(self.settings.dir, name)
        opened = OpenCassette(location, plan, self.settings, self.scrubber)
        self._open[name] = opened
        return opened

    def _refuse_second_name(self, name: str, location: Location) -> None:
        for other in self._open.values():
            if other.location.name != name and other.location.path == location.path:
                raise CassetteError(
                    f"{location.path} is open as {other.location.name!r}: use one name for it"
                )

    def find(self, name: str) -> OpenCassette | None:
        """The open cassette of that name, if it is open."""
        return self._open.get(name)

    def close(self, name: str) -> Report | None:
        """Close a cassette; None if it isn't open. Closing the default one leaves none."""
        opened = self._open.pop(name, None)
        if opened is None:
            return None
        report = opened.close()
        self.closed.append(report)
        if name == self.default:
            self.default = None
        return report

    def follow(self, before: Sessions) -> None:
        """Take over from the table that had the settings before; what it saw still counts."""
        before.close_all()
        self.closed += before.closed
        self.failures += before.failures

    def close_all(self) -> None:
        """Close every cassette; what they came to is in `closed`."""
        for opened in self._open.values():
            report = opened.close()
            if not opened.asked:
                report.unused = []
            self.closed.append(report)
        self._open.clear()

    def is_recorded(self, host: str) -> bool:
        """Whether a host's traffic is ours: one of `vcr_hosts`, or one that a replayed cassette has."""
        host = host.lower()
        if self._hosts.match(host):
            return True
        return any(opened.replays and host in opened.hosts for opened in self._open.values())

    def fail(self, error: MitmvcrError | str) -> None:
        """Remember what went wrong: the process exits non-zero for it."""
        self.failures.append(str(error))


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def plan_with(
    plan: Plan,
    *,
    mode: Mode | None = None,
    matching: Matching | None = None,
    latency: float | None = None,
    strict: bool | None = None,
) -> Plan:
    """The plan with what is given in place of what it has."""
    return Plan(
        mode or plan.mode,
        matching or plan.matching,
        plan.latency if latency is None else latency,
        plan.strict if strict is None else strict,
    )
