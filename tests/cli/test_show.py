"""`mitmvcr show`: a line an interaction, one interaction readable, JSON for programs, bytes as they are."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from mitmvcr.formats import har
from mitmvcr.model import Cassette, Interaction, Response
from tests.build import CHAT, request, write
from tests.cli.command import COMMAND, ENV, KEY, exchange, mitmvcr, write_llamastack, write_vcrpy

SSE = {"Content-Type": ["text/event-stream; charset=utf-8"]}


def chunk(**delta: object) -> str:
    event = {
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "delta": delta, "finish_reason": None}],
    }
    return f"data: {json.dumps(event)}\n\n"


USAGE = {"prompt_tokens": 1082, "completion_tokens": 17, "total_tokens": 1099}
STREAM = "".join(
    [
        chunk(role="assistant", content="Let me "),
        chunk(content="look."),
        chunk(
            tool_calls=[{"index": 0, "id": "call_1", "function": {"name": "weather", "arguments": '{"ci'}}]
        ),
        chunk(tool_calls=[{"index": 0, "function": {"arguments": 'ty":"Bern"}'}}]),
        chunk(refusal="Not more."),
        f"data: {json.dumps({'choices': [], 'usage': USAGE})}\n\n",
        "data: [DONE]\n\n",
    ]
).encode()


def streamed(body: bytes = STREAM) -> Interaction:
    answer = Response(
        200, "200 OK", "HTTP/2.0", 2, 0, content_length=-1, body=body, headers=SSE, duration=812_000_000
    )
    return Interaction(request({"model": "gpt-4o-mini", "stream": True}), answer)


def test_list_has_a_line_an_interaction_with_what_matters(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", streamed(), exchange())
    ran = mitmvcr("show", "a.yaml", cwd=tmp_path)
    assert ran.status == 0
    title, head, *lines = ran.out.splitlines()
    assert title == "a.yaml: go-vcr v2, 2 interactions"
    assert head.split() == ["ID", "METHOD", "URL", "STATUS", "MODEL", "TOKENS", "TIME", "BYTES", "STREAM"]
    first = ["0", "POST", CHAT, "200", "gpt-4o-mini", "1082+17", "812ms", f"{len(STREAM):,}", "stream"]
    assert lines[0].split() == first
    assert lines[1].split()[4:7] == ["gpt-4o-mini", "8+2", "-"]
    assert lines[1].split()[-1] == "-"
    assert "\033" not in ran.out


def test_every_format_is_listed(tmp_path: Path) -> None:
    write_vcrpy(tmp_path / "vcrpy.yaml")
    (tmp_path / "har.har").write_bytes(har.dump(Cassette((exchange(),))))
    write_llamastack(tmp_path / "stack", "a.json")
    write_llamastack(tmp_path, "one.json")
    for name, title in (
        ("vcrpy.yaml", "VCR.py v1"),
        ("har.har", "HAR 1.2"),
        ("stack", "llama-stack"),
        ("one.json", "llama-stack"),
    ):
        ran = mitmvcr("show", name, cwd=tmp_path)
        assert ran.status == 0, ran.err
        assert ran.out.startswith(f"{name}: {title}, 1 interaction\n")
        assert KEY not in ran.out


def test_one_interaction_is_readable_its_stream_put_together(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", streamed())
    out = mitmvcr("show", "a.yaml", "0", cwd=tmp_path).out
    for text in (
        f"0  POST {CHAT}",
        "200 OK, HTTP/2.0, 812ms",
        "  Content-Type: text/event-stream; charset=utf-8",
        '    "model": "gpt-4o-mini",',
        "(7 events, put together; --raw has them)",
        "  assistant:\n    Let me look.\n",
        '  tool call weather call_1:\n    {\n      "city": "Bern"\n    }\n',
        "  refusal:\n    Not more.\n",
        "  prompt_tokens: 1,082\n",
    ):
        assert text in out
    assert "data: " not in out


def test_stream_that_is_not_understood_is_shown_as_it_is(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", streamed(b'data: {"type": "speech.audio.delta"}\n\n'))
    out = mitmvcr("show", "a.yaml", "0", cwd=tmp_path).out
    assert '  data: {"type": "speech.audio.delta"}\n' in out


@pytest.mark.slow
def test_raw_is_the_bodys_exact_bytes(tmp_path: Path) -> None:
    binary = bytes(range(256)) + b"\r\n"
    write(tmp_path / "a.yaml", exchange(body=binary), streamed())
    for number, expected in ((0, binary), (1, STREAM)):
        done = subprocess.run(
            [*COMMAND, "show", "a.yaml", str(number), "--raw"],
            capture_output=True,
            cwd=tmp_path,
            env=ENV,
            check=True,
        )
        assert done.stdout == expected
    out = mitmvcr("show", "a.yaml", "0", "--raw", "--request", cwd=tmp_path).out
    assert out.encode() == exchange().request.body
    shown = mitmvcr("show", "a.yaml", "0", cwd=tmp_path).out
    assert "(binary, application/json; --raw writes it)" in shown


def test_json_is_for_programs(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", streamed(), exchange(body=b"\xff"))
    listed = json.loads(mitmvcr("show", "--json", "a.yaml", cwd=tmp_path).out)
    assert listed["format"] == "go-vcr"
    first, second = listed["interactions"]
    assert {**first, "tokens": None} == {
        "id": 0,
        "method": "POST",
        "url": CHAT,
        "status": 200,
        "model": "gpt-4o-mini",
        "tokens": None,
        "duration_ns": 812_000_000,
        "request_bytes": len(streamed().request.body),
        "bytes": len(STREAM),
        "streamed": True,
    }
    assert (first["tokens"]["input"], first["tokens"]["output"], first["tokens"]["total"]) == (1082, 17, 1099)
    assert second["tokens"] is None
    one = json.loads(mitmvcr("show", "--json", "a.yaml", "0", cwd=tmp_path).out)
    assert one["response"]["body"] == STREAM.decode()
    assert one["answer"]["messages"][0]["tool_calls"] == [
        {"id": "call_1", "name": "weather", "arguments": '{"city":"Bern"}'}
    ]
    other = json.loads(mitmvcr("show", "--json", "a.yaml", "1", cwd=tmp_path).out)
    assert other["response"]["body_base64"] == "/w=="


@pytest.mark.slow
def test_secrets_of_foreign_cassettes_are_not_shown_and_that_is_said(tmp_path: Path) -> None:
    secret = "Quite" + "Secret7Value"
    one = exchange(url=f"{CHAT}?api-key={secret}", body=f'{{"key": "{KEY}"}}'.encode())
    write_vcrpy(tmp_path / "a.yaml", one)
    for arguments in ((), ("0",), ("--json",), ("0", "--json")):
        out = mitmvcr("show", "a.yaml", *arguments, cwd=tmp_path).out
        for private in (secret, KEY, "cookie-value", "acme-organization"):
            assert private not in out, arguments
    said = mitmvcr("show", "a.yaml", "0", cwd=tmp_path).out.splitlines()[-1]
    assert said.startswith("Shown as it would be recorded: 4 headers left out, secrets replaced in the ")
    assert "URL" in said
    assert "response body" in said
    assert KEY in mitmvcr("show", "a.yaml", "0", "--raw", cwd=tmp_path).out


def test_text_that_drives_a_terminal_is_escaped(tmp_path: Path) -> None:
    evil = "\033]0;owned\a\033[2J"
    body = json.dumps({"choices": [{"message": {"content": evil}}]}, ensure_ascii=False).encode()
    write(
        tmp_path / "a.yaml", exchange(body=b"text " + evil.encode()), streamed(chunk(content=evil).encode())
    )
    write_vcrpy(tmp_path / "b.yaml", exchange(url=f"{CHAT}?x={evil}", body=body))
    for arguments in (("a.yaml", "0"), ("a.yaml", "1"), ("a.yaml",), ("b.yaml",), ("b.yaml", "0")):
        out = mitmvcr("show", *arguments, cwd=tmp_path).out
        assert "\033" not in out
        assert "\a" not in out


def test_name_below_the_folder_of_cassettes_is_found(tmp_path: Path) -> None:
    write(tmp_path / "recordings" / "deep" / "a.yaml", exchange())
    write(tmp_path / "elsewhere" / "b.yaml", exchange())
    assert mitmvcr("show", "deep/a", cwd=tmp_path).out.startswith("recordings/deep/a.yaml: ")
    assert mitmvcr("show", "--dir", "elsewhere", "b", cwd=tmp_path).out.startswith("elsewhere/b.yaml: ")
    (tmp_path / "mitmvcr.toml").write_text('dir = "elsewhere"\n')
    assert mitmvcr("show", "b", cwd=tmp_path).out.startswith("elsewhere/b.yaml: ")


def test_notes_and_a_torn_end_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    write(path, exchange("one"), exchange("two"))
    path.write_bytes(path.read_bytes()[:-20])
    out = mitmvcr("show", path).out
    assert "1 interaction\n" in out
    assert "note: the last interaction is torn" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("missing",), "no such file, nor a cassette 'missing' in recordings"),
        (("../../missing.yaml",), "there is no such file"),
        (("/nowhere/missing.yaml",), "there is no such file"),
        (("garbage",), "garbage: this is no cassette"),
        (("folder",), "folder: "),
        (("a.yaml", "7"), "a.yaml: there is no interaction 7: they go from 0 to 0"),
        (("a.yaml", "--raw"), "--raw wants an interaction's number"),
        (("a.yaml", "--request"), "--request goes with --raw"),
    ],
)
def test_wrong_use_is_one_line(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    write(tmp_path / "a.yaml", exchange())
    (tmp_path / "garbage").write_bytes(b"\x00\x01\x02 garbage")
    (tmp_path / "folder").mkdir()
    ran = mitmvcr("show", *arguments, cwd=tmp_path)
    assert ran.status == 1
    assert ran.out == ""
    assert said in ran.err
    assert ran.err.count("\n") == 1


def test_pipe_that_is_closed_early_is_no_news(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", *(exchange(str(number)) for number in range(2_000)))
    process = subprocess.Popen(
        [*COMMAND, "show", str(tmp_path / "a.yaml")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENV,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) == 0


def test_colour_is_for_terminals_that_want_it(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", exchange())

    def shown(**env: str) -> bytes:
        ours, theirs = pty.openpty()  # what is shown fits its buffer
        command = [*COMMAND, "show", str(tmp_path / "a.yaml")]
        with os.fdopen(theirs, "wb") as terminal:
            subprocess.run(command, stdout=terminal, env={**ENV, "TERM": "xterm", **env}, check=True)
        with os.fdopen(ours, "rb", buffering=0) as reading:
            return reading.read(65536)

    assert b"\033[1m" in shown()
    assert b"\033" not in shown(NO_COLOR="1")
