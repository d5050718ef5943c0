"""What go-vcr itself makes of the cassettes that we write. The program is `tests/go/govcr`."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mitmvcr.durations import format_duration, parse_duration
from mitmvcr.formats.govcr.emit import Dialect, emit_document
from mitmvcr.model import Cassette, Interaction, Request, Response
from tests.formats import golden, nasty
from tests.go.build import build, needs_go

pytestmark = needs_go
both_dialects = pytest.mark.parametrize("dialect", list(Dialect))

# A batch is one call of the program: few examples, each of many interactions.
in_batches = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)
batches = st.lists(nasty.interactions, min_size=1, max_size=12)


def govcr(*arguments: str | Path, stdin: str = "") -> str:
    command = [build("govcr"), *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded(data: Sequence[bytes], folder: Path) -> list[list[Interaction] | str]:
    """What go-vcr reads from each file, or its error."""
    files = [folder / f"read-{number}.yaml" for number in range(len(data))]
    for file, text in zip(files, data, strict=True):
        file.write_bytes(text)
    results = json.loads(govcr("dump", *files))
    return [
        result.get("error")
        or [golden.from_record(*numbered) for numbered in enumerate(result["interactions"])]
        for result in results
    ]


def saved(cassettes: Sequence[Sequence[Interaction]], folder: Path) -> list[bytes]:
    """What go-vcr's own writer makes of the same contents."""
    files = [folder / f"saved-{number}.yaml" for number in range(len(cassettes))]
    jobs = [
        {"out": str(file), "interactions": list(map(record, entries))}
        for file, entries in zip(files, cassettes, strict=True)
    ]
    govcr("write", stdin=json.dumps(jobs))
    return [file.read_bytes() for file in files]


def record(interaction: Interaction) -> dict[str, Any]:
    return {"request": side(interaction.request), "response": side(interaction.response)}


def side(half: Request | Response) -> dict[str, Any]:
    fields = {
        name: in_json(value)
        for name, value in asdict(half).items()
        if name not in {"extra", "body", "duration"}
    }
    fields["body_b64"] = base64.b64encode(half.body).decode()
    if isinstance(half, Response):
        fields["duration_ns"] = half.duration
    return fields


def in_json(value: Any) -> Any:
    if isinstance(value, dict):
        return [{"name": in_json(name), "values": in_json(items)} for name, items in value.items()]
    if isinstance(value, tuple):
        return list(map(in_json, value))
    if isinstance(value, str) and not is_unicode(value):
        return {"b64": base64.b64encode(value.encode("utf-8", "surrogateescape")).decode()}
    return value


def is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def numbered(interactions: Sequence[Interaction]) -> list[Interaction]:
    return [replace(interaction, id=id_) for id_, interaction in enumerate(interactions)]


@both_dialects
@in_batches
@given(interactions=batches)
def test_go_vcr_reads_what_we_write(
    dialect: Dialect, interactions: list[Interaction], tmp_path: Path
) -> None:
    [read] = loaded([emit_document(Cassette(interactions), dialect)], tmp_path)
    assert read == numbered(interactions)


@in_batches
@given(interactions=batches)
def test_stock_is_go_vcrs_own_text_wherever_go_vcr_reads_it_back(
    interactions: list[Interaction],
    tmp_path: Path,
) -> None:
    alone = [[interaction] for interaction in interactions]
    theirs = saved(alone, tmp_path)
    ours = [emit_document(Cassette(entries), Dialect.STOCK) for entries in alone]
    read = loaded(theirs, tmp_path)
    for entries, their_text, our_text, their_reading in zip(alone, theirs, ours, read, strict=True):
        assert our_text == their_text or their_reading != numbered(entries)


@golden.needs_golden
@both_dialects
def test_go_vcr_reads_back_what_its_own_writers_spoil(dialect: Dialect, tmp_path: Path) -> None:
    names = golden.names(misread=True)
    written = [emit_document(Cassette(golden.contents()[name]), dialect) for name in names]
    assert loaded(written, tmp_path) == [list(golden.contents()[name]) for name in names]


def test_go_vcr_saves_our_stock_without_a_change(tmp_path: Path) -> None:
    file, out = tmp_path / "ours.yaml", tmp_path / "theirs.yaml"
    file.write_bytes(emit_document(Cassette(conversation()), Dialect.STOCK))
    govcr("save", file, out)
    assert out.read_bytes() == file.read_bytes()


def conversation() -> list[Interaction]:
    """A plain answer, a stream, the same request once more, and sound."""
    url = "https://api.openai.com/v1/chat/completions"
    asked = Request(
        "POST",
        url,
        body=b'{"messages":[{"content":"Don\'t stop"}]}',
        headers={"Content-Type": ("application/json",), "Accept": ("application/json",)},
    )
    json_type = {"Content-Type": ("application/json",)}
    first = Response(
        200, "200 OK", body='{"content":"\U0001f600"}'.encode(), headers=json_type, duration=852_636_542
    )
    stream = Response(
        200,
        "200 OK",
        proto="HTTP/2.0",
        proto_major=2,
        proto_minor=0,
        content_length=-1,
        body=b'data: {"delta":" a"}\n\ndata: [DONE]\n\n',
        headers={"Content-Type": ("text/event-stream; charset=utf-8",), "X-Accel-Buffering": ("no",)},
    )
    speech = Response(200, "200 OK", body=bytes(range(256)), headers={"Content-Type": ("audio/mpeg",)})
    refused = Response(429, "429 Too Many Requests", body=b"a\ttab\n", headers={"Retry-After": ("1",)})
    return [
        Interaction(asked, first),
        Interaction(replace(asked, body=b'{"stream":true}'), stream),
        Interaction(asked, refused),
        Interaction(Request("GET", f"{url}/speech?voice=alloy", form={"voice": ("alloy",)}), speech),
        Interaction(
            Request("DELETE", f"{url}/1"),
            Response(307, "307 Temporary Redirect", headers={"Location": ("/",)}),
        ),
    ]


@both_dialects
def test_go_vcrs_replay_mode_serves_what_we_write(dialect: Dialect, tmp_path: Path) -> None:
    file = tmp_path / "conversation.yaml"
    file.write_bytes(emit_document(Cassette(conversation()), dialect))
    answers = json.loads(govcr("replay", file))
    expected = [entry.response for entry in conversation()]
    assert [answer.get("error") for answer in answers] == [None] * len(expected)
    assert [(answer["status"], answer["code"]) for answer in answers] == [
        (r.status, r.code) for r in expected
    ]
    assert [base64.b64decode(answer["body_b64"] or "") for answer in answers] == [r.body for r in expected]
    assert [{pair["name"]: tuple(pair["values"]) for pair in answer["headers"]} for answer in answers] == [
        r.headers for r in expected
    ]


_numbers = st.one_of(
    st.integers(0, 2**64).map(str),
    st.from_regex(r"[0-9]{0,22}\.[0-9]{0,25}", fullmatch=True),
)
_terms = st.tuples(
    _numbers, st.sampled_from(["ns", "us", "\u00b5s", "\u03bcs", "ms", "s", "m", "h", "d", ""])
)
_durations = st.one_of(
    st.tuples(st.sampled_from(["", "-", "+"]), st.lists(_terms.map("".join), max_size=3).map("".join)).map(
        "".join
    ),
    st.text("0123456789.-+hmsnu ", max_size=8),
)


@in_batches
@given(texts=st.lists(_durations, max_size=60), ns=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=60))
def test_durations_are_gos(texts: list[str], ns: list[int]) -> None:
    answers = [json.loads(line) for line in govcr("durations", stdin=in_lines([*texts, *ns])).splitlines()]
    assert answers == [*map(parsed, texts), *map(format_duration, ns)]


def in_lines(values: Sequence[str | int]) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


def parsed(text: str) -> int | None:
    try:
        return parse_duration(text)
    except ValueError:
        return None
