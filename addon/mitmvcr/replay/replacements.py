"""Which recordings of a cassette have replacements that a request's own values can take; no I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mitmvcr.model import Interaction, Request, request_of
from mitmvcr.replay.insertion import marks_of
from mitmvcr.replay.matcher import Matcher
from mitmvcr.replay.own_values import OwnValues, Slot, own_values, slots_of


class Replacements:
    """The replacements in a cassette's recordings."""

    def __init__(self, interactions: Sequence[Interaction], matcher: Matcher) -> None:
        self._interactions = interactions
        self._matcher = matcher
        self._slots: dict[int, tuple[Slot, ...]] = {}
        self._answered: dict[int, frozenset[str]] = {}

    def slots(self, number: int) -> tuple[Slot, ...]:
        """The places of replacements in a recorded request."""
        slots = self._slots.get(number)
        if slots is None:
            slots = self._slots[number] = slots_of(request_of(self._interactions, number))
        return slots

    def answered(self, number: int) -> frozenset[str]:
        """The replacements in a recorded response that its request has, too."""
        marks = self._answered.get(number)
        if marks is None:
            asked = {mark for slot in self.slots(number) for mark in slot.marks}
            marks = marks_of(self._interactions[number].response) & asked if asked else frozenset()
            self._answered[number] = marks
        return marks

    def is_same(self, number: int, request: Request) -> bool:
        """Whether a recorded request matches this one with nothing redacted in either."""
        return self._matcher.is_same(request_of(self._interactions, number), request)

    def of(self, request: Callable[[], Request]) -> RequestValues:
        """What a request has in their places."""
        return RequestValues(self, request)


class RequestValues:
    """One request's own values, by recording; the request is only asked for where there is a replacement."""

    def __init__(self, replacements: Replacements, request: Callable[[], Request]) -> None:
        self._replacements = replacements
        self._request = request
        self._values: dict[int, OwnValues] = {}

    def of(self, number: int) -> OwnValues:
        """What the request has in the places of all replacements in a recorded request."""
        values = self._values.get(number)
        if values is None:
            slots = self._replacements.slots(number)
            values = self._values[number] = own_values(slots, self._request()) if slots else {}
        return values

    def is_same(self, number: int) -> bool:
        """Whether the request has the very texts of a recorded one, be they replacements."""
        own = self.of(number)
        if self._replacements.slots(number):
            return bool(own) and all(mark == value for mark, value in own.items())
        return self._replacements.is_same(number, self._request())

    def in_answer(self, number: int) -> OwnValues:
        """What of that the recorded response is to have."""
        marks = self._replacements.answered(number)
        return {mark: value for mark, value in self.of(number).items() if mark in marks} if marks else {}
