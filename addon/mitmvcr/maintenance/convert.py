"""One cassette -> the bytes of another format, scrubbed; pure: neither reads nor writes files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mitmvcr.errors import MitmvcrError
from mitmvcr.formats import GO_VCR, Format, govcr, har, vcrpy
from mitmvcr.formats.govcr import Dialect
from mitmvcr.model import Cassette, Interaction
from mitmvcr.scrub import Memory, Scrubber
from mitmvcr.scrub.files import file_secrets


class ConvertError(MitmvcrError):
    """A cassette that was read can't be written in the other format."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is written: a format's name, and for go-vcr the layout."""

    name: str = GO_VCR.name
    dialect: Dialect = Dialect.CHARM


SUFFIXES = {GO_VCR.name: (".yaml", ".yml"), "vcrpy": (".yaml", ".yml"), "har": (".har", ".json")}
"""The formats that are written, and the suffixes of their files; the first one is given to new ones."""

_MARK = b"REDACTED-"

_OTHERS = {"vcrpy": (vcrpy.dump, vcrpy.losses), "har": (har.dump, har.losses)}


@dataclass(frozen=True, slots=True)
class Converted:
    """What came of a cassette; `lost` says in a line each what the target has no place for."""

    data: bytes
    interactions: int
    lost: tuple[str, ...] = ()


def convert(source: Format, cassette: Cassette, target: Target, scrubber: Scrubber) -> Converted:
    """The cassette in the target's format, without secrets.

    Raises ConvertError if it has nothing that can be served, or if the gate finds a secret in what
    would be written.
    """
    if cassette.notes and not cassette.interactions:
        raise ConvertError(f"nothing in it can be served over HTTP: {cassette.notes[0]}")
    memory = Memory.resume(cassette) if _may_have_marks(cassette) else Memory()
    clean = scrubbed(cassette.interactions, scrubber, memory)
    if target.name == GO_VCR.name:
        if source is not GO_VCR:
            clean = [govcr.with_host(interaction, target.dialect) for interaction in clean]
        return _as_govcr(replace(cassette, interactions=clean, source=None), target.dialect, scrubber, memory)
    dump, losses = _OTHERS[target.name]
    data = dump(Cassette(clean))
    for interaction in clean:
        _pass_gate(scrubber, b"", interaction, memory)
    # The text is read as lint reads it, for it has escapes: `\u2581` is one letter.
    for finding in file_secrets.examine(data, scrubber.rules, memory, with_functions=False):
        raise ConvertError(
            f"line {finding.line} of what would be written has a secret: {finding.rule} in {finding.field}, "
            f"{finding.sample}. If it is none, allow it with --allow {finding.rule}@{finding.field}"
        )
    return Converted(data, len(clean), tuple(losses(Cassette(clean))))


def _may_have_marks(cassette: Cassette) -> bool:
    """Whether something was replaced in it before; to look for the numbers everywhere costs more."""
    if cassette.source is not None:
        return _MARK in cassette.source.data
    return any(
        _MARK in interaction.request.body
        or _MARK in interaction.response.body
        or _MARK.decode()
        in f"{interaction.request.url}{interaction.request.headers}{interaction.response.headers}"
        for interaction in cassette.interactions
    )


def scrubbed(interactions: Sequence[Interaction], scrubber: Scrubber, memory: Memory) -> list[Interaction]:
    """All of a cassette's interactions without their secrets."""
    for interaction in interactions:
        # Before anything is scrubbed: a secret may stand in a body before it stands in a header.
        scrubber.remember_exchange(interaction, memory)
    return [scrubber.interaction(interaction, memory) for interaction in interactions]


def _as_govcr(cassette: Cassette, dialect: Dialect, scrubber: Scrubber, memory: Memory) -> Converted:
    head = govcr.emit_document(replace(cassette, interactions=()), dialect)
    if not cassette.interactions:
        return Converted(head, 0)
    entries = []
    for number, interaction in enumerate(cassette.interactions):
        entry = govcr.emit_interaction(interaction, number, dialect)
        _pass_gate(scrubber, entry, interaction, memory)
        entries.append(entry)
    return Converted(b"".join([head.removesuffix(b" []\n"), b"\n", *entries]), len(entries))


def _pass_gate(scrubber: Scrubber, text: bytes, interaction: Interaction, memory: Memory) -> None:
    findings = scrubber.gate(text, interaction, memory)
    if findings:
        more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
        raise ConvertError(f"interaction {interaction.id}: {findings[0]}{more}")


def skipped(notes: Sequence[str], torn: bytes) -> tuple[str, ...]:
    """What was left out when the cassette was read, a line each."""
    if not torn:
        return tuple(notes)
    return (*notes, f"the last interaction is torn ({len(torn)} bytes) and is left out")
