"""A cassette in use: what to do with a request, what is recorded, and what came of it; no event loop.

Whatever serves requests asks `answer` or `verdict`, and tells `record` what ended whole.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from urllib.parse import urlsplit

from mitmvcr.config.settings import CassetteSettings, Mode, Settings
from mitmvcr.errors import CassetteError, MitmvcrError
from mitmvcr.formats import govcr
from mitmvcr.formats.govcr import Dialect
from mitmvcr.misses.explain import Miss, Recordings, explain
from mitmvcr.model import Cassette, Interaction, Request, Response
from mitmvcr.recording.recorder import Recorder
from mitmvcr.replay.index import Index
from mitmvcr.replay.insertion import with_own_values
from mitmvcr.replay.matcher import Matcher
from mitmvcr.replay.own_values import OwnValues, is_marked
from mitmvcr.replay.player import Player
from mitmvcr.replay.replacements import Replacements
from mitmvcr.reports.run_report import MAX_LISTED, Report, Unused
from mitmvcr.scrub import Evidence, Memory, Scrubber
from mitmvcr.store import cassette as disk
from mitmvcr.store.cache import CachedCassette, CassetteCache, url_notes
from mitmvcr.store.locate import Location
from mitmvcr.store.lock import Lock
from mitmvcr.store.watch import FileWatch
from mitmvcr.store.writer import Writer

_NO_VALUES: OwnValues = {}


@dataclass(frozen=True, slots=True)
class Play:
    """Answer with a recording, which is that of this number.

    `response` is what it has, with the request's own values; `wait` are seconds after the request came until
    its answer is due.
    """

    number: int
    interaction: Interaction
    response: Response
    wait: float


@dataclass(frozen=True, slots=True)
class Forward:
    """Send it upstream, and record what comes back if `record`."""

    record: bool


_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

Verdict = Play | Miss | Forward


@dataclass(frozen=True, slots=True)
class Lookup:
    """What a request is looked up by.

    `is_by_name`: something in it was redacted that its name alone tells to be secret. `has_marks`: it has
    replacements itself, as a program has that was answered from a cassette.
    """

    key: bytes
    is_by_name: bool = False
    has_marks: bool = False


class OpenCassette:
    """A cassette in use: its content, its writer while it records, and its sessions' places.

    `is_used` says whether a client used it, or the user named it. `notes` are lines for the user about
    what the file has. `watch` tells what becomes of the file, None where it is written here.
    `open_cassettes` are all that are open, for the hints of a miss.
    """

    def __init__(  # noqa: PLR0913 - what it is, how it is used, and what all cassettes share
        self,
        location: Location,
        plan: CassetteSettings,
        *,
        settings: Settings,
        scrubber: Scrubber,
        cache: CassetteCache,
        open_cassettes: Iterable[OpenCassette],
    ) -> None:
        self.location = location
        self.plan = plan
        self.notes: list[str] = []
        self.is_used = False
        self._settings = settings
        self._scrubber = scrubber
        self._open_cassettes = open_cassettes
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
            self._before = self._read_before(cache) if mode is Mode.RECORD else None
            self._read(cache)
            if lock:
                self._recorder = Recorder(self._writer(lock), scrubber, self.memory)
        except BaseException:
            if lock:
                lock.release()
            raise
        if self.file:
            if self.file.torn and not self.records:
                self._set_torn_aside()
            cassette = self.file.cassette
            self.notes += [f"{location.path}: {note}" for note in (*cassette.notes, *url_notes(cassette))]

    def _read(self, cache: CassetteCache) -> None:
        path = self.location.path
        has_file = self.replays and path.exists()
        cached = cache.read(path) if has_file else CachedCassette.empty(path)
        self._cached = cached
        self.watch = None if self.records else FileWatch(cached)
        self.file = cached.file if has_file else None
        self.interactions = cached.interactions
        self.size = cached.size  # bytes of what was read
        self.hosts = cached.hosts
        self._has_replacements = cached.memory.has_replacements
        self.memory = Memory({})
        self.memory.learn(cached.memory)
        format_, matching = cached.file.format, self.plan.matching
        matcher = Matcher(matching.match or format_.match, matching.ignore, format_.llama_stack)
        self.matcher = cached.matcher(matcher)
        self._replacements = Replacements(cached.interactions, self.matcher)
        self._repeat = matching.repeat or format_.repeat

    def _read_before(self, cache: CassetteCache) -> Cassette | None:
        """What is recorded anew, if it can be read."""
        if not self.location.path.exists():
            return None
        try:
            return cache.read(self.location.path).file.cassette
        except CassetteError:
            return None

    def _writer(self, lock: Lock | None = None) -> Writer:
        path = self.location.path
        anew = self.plan.mode is Mode.RECORD
        writer = Writer(path, Dialect(self._settings.dialect), self.file, anew=anew, lock=lock)
        if writer.set_aside and self.records:
            self.notes.append(f"{path}: its last interaction was torn and is now in {writer.set_aside}")
        return writer

    def _set_torn_aside(self) -> None:
        torn = f"{self.location.path}: its last interaction ({len(self.interactions)}) is torn"
        if self.plan.mode is Mode.REPLAY:
            self.notes.append(f"{torn} and is not served; record it again with vcr_mode=new-episodes")
            return
        try:
            writer = self._writer()
            writer.close()
        except CassetteError as error:
            self.notes.append(f"{torn} and is not served: {error}")
            return
        self.notes.append(f"{torn} and was set aside in {writer.set_aside}; record it with new-episodes")

    def _ready_index(self) -> Index:
        """The index, which is made when the first request comes; the scrubber knows what it holds then."""
        if self._index is None:
            self._index = self._cached.index(self.matcher, self._scrubber, self.memory, whole=self.records)
        return self._index

    def _player(self, session: str) -> Player:
        player = self._players.get(session)
        if player is None:
            player = self._players[session] = Player(self._ready_index(), self._repeat)
        return player

    def lookup(self, request: Request) -> Lookup:
        """What the request is looked up by."""
        self._ready_index()
        has_marks = is_marked(request)
        key = self.matcher.remembered_key(request)
        if key is None:
            scrubbed, redactions = self._scrubber.request_with_changes(request, self.memory)
            by_name = any(
                redaction.evidence is Evidence.NAME and self.matcher.looks_at(redaction.field)
                for redaction in redactions
            )
            return Lookup(self.matcher.key(scrubbed), by_name, has_marks)
        self._scrubber.remember_credentials(request, self.memory)  # its credentials may stand in later ones
        return Lookup(key, has_marks=has_marks)

    def _scrubbed(self, request: Request) -> Request:
        return self._scrubber.request(request, self.memory)

    def _as_unused(self, number: int) -> Unused:
        recorded = self.interactions[number]
        url = self._scrubbed(Request("GET", recorded.request.url)).url
        return Unused(recorded.id, recorded.request.method, url)

    def answer(self, request: Request, session: str = "") -> Verdict:
        """What to do with a request of this session: independent ones each play it from the start."""
        self.is_used = True
        if not self.replays:
            return Forward(record=self.records)
        lookup = self.lookup(request)
        found = self.play(lookup, session, lambda: request)
        if found is not None:
            return self.playing(*found)
        return Forward(record=True) if self.records else self.miss(request, lookup, session)

    def play(
        self, lookup: Lookup, session: str, request: Callable[[], Request]
    ) -> tuple[int, OwnValues] | None:
        """The number of what answers a request, and the request's own values for it; None if nothing is left.

        The request itself is only asked for where the recording has replacements.
        """
        player = self._player(session)
        if not self._has_replacements and not lookup.is_by_name:
            number = player.play(lookup.key)
            self.report.replayed += number is not None
            return None if number is None else (number, _NO_VALUES)
        values, first = self._replacements.of(request), player.first(lookup.key)
        if first is not None and (lookup.is_by_name or self._replacements.slots(first)):
            prefers = lookup.is_by_name or lookup.has_marks
            number = player.play_like(lookup.key, values, is_same_preferred=prefers)
        else:
            number = player.play(lookup.key)
        if number is None:
            return None
        self.report.replayed += 1
        self.report.matched_by_redaction += lookup.is_by_name and not values.is_same(number)
        return number, values.in_answer(number)

    def playing(self, number: int, values: OwnValues) -> Play:
        """The answer of a recording to a request that has these values of its own for it."""
        interaction = self.interactions[number]
        response = interaction.response
        wait = response.duration / 1e9 * self.plan.latency
        return Play(number, interaction, with_own_values(response, values) if values else response, wait)

    def miss(self, request: Request, lookup: Lookup, session: str) -> Miss:
        """What is said of a request that nothing answers."""
        player, key = self._player(session), lookup.key
        self._cached.index(self.matcher, self._scrubber, self.memory, whole=True)
        scrubbed = self._scrubbed(request)
        keys = {self.matcher: key}
        others = (cassette for cassette in self._open_cassettes if cassette is not self)
        recordings = Recordings(
            self.interactions,
            self._cached.overview,
            player.played,
            player.matching(key),
            self._scrubbed,
            player.times_asked(key),
            self.file.cassette.source if self.file else None,
            [other.location.name for other in others if other.has(scrubbed, keys)],
            self._settings.dir,
            self.memory.value_of,
        )
        miss = explain(self.location, recordings, scrubbed, self.matcher)
        self.report.add(miss)
        return miss

    def has(self, scrubbed: Request, keys: dict[Matcher, bytes]) -> bool:
        """Whether a scrubbed request is recorded here, as far as the cassette was played from already.

        `keys` are the request's, by matcher; one that is missing is added.
        """
        if self._index is None:
            return False
        if self.matcher not in keys:
            with contextlib.suppress(MitmvcrError):  # of a user's function that knows other requests
                keys[self.matcher] = self.matcher.key(scrubbed)
        return bool(self._index.find(keys.get(self.matcher, b"")))

    def record(self, interaction: Interaction) -> None:
        """Write an exchange that ended whole; raises MitmvcrError, and then nothing is written."""
        try:
            if self._recorder is None:
                raise CassetteError(
                    f"{self.location.path}: the cassette was closed before the exchange ended"
                )
            redacted = self._recorder.record(interaction)
        except MitmvcrError as error:
            self.report.fail(error)
            raise
        finally:
            if self._recorder is not None and self._recorder.writer.notes:
                self.notes += self._recorder.writer.notes
                self._recorder.writer.notes.clear()
        self.report.recorded += 1
        self.report.add_redacted(redacted)

    def unused(self) -> list[int]:
        """The numbers of recorded interactions that no session asked for."""
        played: set[int] = set().union(*(player.played for player in self._players.values()))
        return [
            number
            for number in range(len(self.interactions))
            if number not in played and number not in self._ignored
        ]

    @cached_property
    def _ignored(self) -> frozenset[int]:
        """The numbers of recordings that `vcr_ignore_requests` has: older ones, or another recorder's."""
        if self.file is None:
            return frozenset()
        cassette = self.file.cassette
        if not any(
            self._is_ignored(method, url) for url in cassette.urls for method in ("GET", "POST", "PATCH")
        ):
            return frozenset()
        requests = map(cassette.request, range(len(self.interactions)))
        return frozenset(
            number for number, request in enumerate(requests) if self._is_ignored(request.method, request.url)
        )

    def _is_ignored(self, method: str, url: str) -> bool:
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        return bool(self._settings.ignored_code(method, parts.hostname or "", parts.path))

    def current(self) -> Report:
        """The report as it stands now."""
        unused = self.unused()
        return replace(
            self.report,
            unused=list(map(self._as_unused, unused[:MAX_LISTED])),
            unused_count=len(unused),
            misses=list(self.report.misses),
            failures=list(self.report.failures),
            is_used=self.is_used,
        )

    def close(self) -> None:
        """Let go of the file; raises CassetteError for what went wrong, and the file is let go of."""
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        try:
            if self._before is not None and self.report.recorded:
                self._settle(self._before, recorder)
        finally:
            recorder.writer.close()

    def _settle(self, before: Cassette, recorder: Recorder) -> None:
        """Make the file's diff to what was there before what upstream has changed."""
        from mitmvcr.recording import settle  # noqa: PLC0415 - who records anew needs it, at the end

        try:
            now = disk.read(self.location.path).cassette.interactions
            settled = settle.settle(before, now, lambda request: self.lookup(request).key)
            recorder.rewrite(govcr.dump(settled))
        except MitmvcrError as error:
            raise CassetteError(
                f"{self.location.path}: recorded whole, but in the order in which exchanges ended, not in "
                f"that of before: {error}"
            ) from None
