"""Which cassette a request is for, and that what says so goes nowhere."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from mitmvcr.model import Interaction
from tests import build
from tests.conftest import Start
from tests.proxy.talk import (
    CHAT,
    HEADERS,
    chat,
    exchange,
    forward,
    nothing_reaches,
    recordings,
    reverse,
    trusting,
)
from tests.upstream.server import Upstream

_PASSWORD = "Session" + "Password" + "77"


def _with_user(url: str, user: str) -> str:
    return url.replace("http://", f"http://{user}@")


def test_cassette_is_named_by_header_then_user_then_prefix_then_default(
    start: Start, tmp_path: Path, plain_upstream: Upstream, tls_upstream: Upstream
) -> None:
    plain_upstream.clear()
    tls_upstream.clear()
    trust = ("--set", f"ssl_verify_upstream_trusted_ca={tls_upstream.ca}")
    proxy = start(*trust, upstream=plain_upstream.url, cassette="unnamed")
    named = {"X-VCR-Cassette": "by%2Fheader%20one"}
    user = _with_user(proxy.url, f"by%2Fuser:{_PASSWORD}")

    def ask(client: httpx.Client, url: str, prompt: str, **headers: str) -> None:
        assert client.post(url, json=chat(prompt), headers=headers).status_code == 200, prompt

    with reverse(proxy) as client:
        ask(client, CHAT, "a", **named)
        ask(client, "/vcr/by%2Fprefix" + CHAT, "b", **named)
        ask(client, "/vcr/by%2Fprefix" + CHAT, "c")
        ask(client, CHAT, "d")
    for upstream in (plain_upstream, tls_upstream):
        options = {"headers": HEADERS, "trust_env": False, "verify": trusting(proxy.ca)}
        with httpx.Client(proxy=user, **options) as client:  # type: ignore[arg-type]
            ask(client, upstream.url + CHAT, "e")
            ask(client, upstream.url + CHAT, "f", **named)
        with forward(proxy) as client:
            ask(client, upstream.url + CHAT, "g")
            ask(client, upstream.url + CHAT, "h", **named)
    assert proxy.stop() == 0, proxy.output

    def prompts(name: str) -> list[str]:
        return [_prompt(one) for one in recordings(tmp_path, name)]

    assert prompts("by/header one") == ["a", "b", "f", "h", "f", "h"]
    assert prompts("by/prefix") == ["c"]
    assert prompts("unnamed") == ["d", "g", "g"]
    assert prompts("by/user") == ["e", "e"]
    received = [*plain_upstream.requests(), *tls_upstream.requests()]
    assert {one.path for one in received} == {CHAT}
    for one in received:
        names = {name.lower() for name, _ in one.headers}
        assert not names & {"x-vcr-cassette", "proxy-authorization", "proxy-connection"}
    written = b"".join(path.read_bytes() for path in (tmp_path / "recordings").rglob("*.yaml"))
    for said in (b"by/", b"by%2F", b"/vcr/", _PASSWORD.encode(), b"X-Vcr"):
        assert said not in written
    assert _PASSWORD not in proxy.output


def _prompt(one: Interaction) -> str:
    return str(httpx.Response(200, content=one.request.body).json()["messages"][0]["content"])


def test_passwords_are_independent_sessions_on_one_cassette(
    start: Start, tmp_path: Path, tls_upstream: Upstream
) -> None:
    asked = build.request(chat("Hi"), url=tls_upstream.url + CHAT)
    path = tmp_path / "recordings" / "shared.yaml"
    build.write(path, *(Interaction(asked, build.response({"said": said})) for said in ("one", "two")))
    with nothing_reaches(tls_upstream):
        proxy = start(mode="replay")

        def said(password: str) -> list[str]:
            user = _with_user(proxy.url, f"shared:{password}")
            with httpx.Client(proxy=user, verify=trusting(proxy.ca), trust_env=False) as client:
                answers = [client.post(tls_upstream.url + CHAT, json=chat("Hi")) for _ in range(2)]
            return [answer.json()["said"] for answer in answers]

        assert [said("first"), said("second")] == [["one", "two"], ["one", "two"]]
        assert proxy.stop() == 0, proxy.output
    assert "4 replayed, 0 misses, 0 unused" in proxy.lines[-1]


@pytest.mark.parametrize("mode", ["once", "replay"])
def test_bad_name_is_refused_with_400_and_touches_nothing(
    start: Start, tmp_path: Path, upstream: Upstream, mode: str
) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    (tmp_path / "outside").mkdir()
    (folder / "recordings").mkdir()
    (folder / "recordings" / "link").symlink_to(tmp_path / "outside")
    names = ("../x", "a/../../x", "/etc/x", "link/x", "a//b", ".", "..", "x" * 300, "a\\b", "a/" * 1500 + "b",
             "a/", "/", "a\0b", "a\x1bb", "a\u2028b", ".a.yaml.lock/b", b"caf\xe9", "~/x")  # fmt: skip
    before = sorted(tmp_path.rglob("*"))
    with nothing_reaches(upstream):
        proxy = start(folder=folder, upstream=upstream.url, mode=mode)
        with reverse(proxy) as client:
            for name in names:
                answer = client.post(CHAT, json=chat(), headers={"X-VCR-Cassette": quote(name, safe="")})
                assert answer.status_code == 400, name
                assert answer.json()["error"]["code"] == "vcr_cassette_error"
                assert answer.headers["x-should-retry"] == "false"
            assert client.post(f"/vcr/{quote('../x', safe='')}{CHAT}", json=chat()).status_code == 400
        token = base64.b64encode(b"..%2Fx:y").decode()
        request = (
            f"GET {upstream.url}/v1/models HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic {token}\r\n"
        )
        assert b" 400 " in exchange(proxy.url, request.encode() + b"\r\n", until=b"vcr_cassette_error")
        assert proxy.stop() == 1
    assert f"{len(names) + 2} failures" in proxy.lines[-1]
    assert sorted(tmp_path.rglob("*")) == before


def test_names_client_and_reverse_prefix_in_replay_share_what_was_recorded(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    proxy = start(upstream=upstream.url)
    with reverse(proxy) as client:
        told = client.get("/vcr/both/v1/models?limit=1")
    assert proxy.stop() == 0
    with nothing_reaches(upstream):
        proxy = start(upstream=upstream.url, mode="replay")
        with forward(proxy, headers={**HEADERS, "X-VCR-Cassette": "both"}) as client:
            again = client.get(upstream.url + "/v1/models?limit=1")
        assert proxy.stop() == 0, proxy.output
    assert again.content == told.content


def test_user_name_that_is_not_utf_8_is_refused_and_not_taken_for_none(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    with nothing_reaches(upstream):
        proxy = start()
        for user in (b"caf\xe9:x", b"caf%E9:x"):
            token = base64.b64encode(user).decode()
            head = (
                f"GET {upstream.url}/v1/models HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic {token}\r\n"
            )
            told = exchange(proxy.url, head.encode() + b"\r\n", until=b"vcr_cassette_error")
            assert b" 400 " in told
            assert b"is not UTF-8" in told
        assert proxy.stop() == 1
    assert not (tmp_path / "recordings").exists()


@pytest.mark.parametrize(
    "name", ["test_x[a-b:1]", "with space", "ünï/cödé 😀", "100%", "a+b", "dots.in.name", "v1"]
)
def test_names_are_served_alike_in_every_way(
    start: Start, tmp_path: Path, upstream: Upstream, name: str
) -> None:
    asked = build.request(chat("Hi"), url=upstream.url + CHAT)
    path = tmp_path / "recordings" / f"{name}.yaml"
    build.write(path, Interaction(asked, build.response({"said": name})))
    encoded = quote(name, safe="")
    with nothing_reaches(upstream):
        proxy = start(upstream=upstream.url, mode="replay", repeat="any", strict="true")
        user = _with_user(proxy.url, quote(encoded, safe="") + ":x")
        with reverse(proxy) as client:
            answers = [
                client.post(CHAT, json=chat("Hi"), headers={"X-VCR-Cassette": encoded}),
                client.post(f"/vcr/{encoded}{CHAT}", json=chat("Hi")),
            ]
        with httpx.Client(proxy=user, trust_env=False) as client:
            answers.append(client.post(upstream.url + CHAT, json=chat("Hi")))
        assert [answer.json() for answer in answers] == [{"said": name}] * 3
        assert proxy.stop() == 0, proxy.output


def test_mitmvcr_toml_says_how_cassettes_of_a_name_are_matched(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    (tmp_path / "keys.py").write_text(
        "import json\ndef key(request):\n    return json.loads(request.body)['model']\n"
    )
    (tmp_path / "mitmvcr.toml").write_text(
        'mode = "replay"\n[cassettes."loose/*"]\nmatch = ["path", "py:keys.py:key"]\nrepeat = "any"\n'
        '[cassettes."loose/not"]\nmatch = ["body"]\n'
    )
    for name in ("loose/a", "loose/not", "other"):
        path = tmp_path / "recordings" / f"{name}.yaml"
        build.write(
            path, Interaction(build.request(chat("Hi"), url=upstream.url + CHAT), build.response("ok"))
        )
    with nothing_reaches(upstream):
        proxy = start(upstream=upstream.url)
        with reverse(proxy) as client:
            codes = {
                name: client.post(f"/vcr/{quote(name, safe='')}{CHAT}", json=chat("Ho")).status_code
                for name in ("loose/a", "loose/not", "other")
            }
            broken = client.post(f"/vcr/loose%2Fa{CHAT}", json={"no": "model"})
        assert codes == {"loose/a": 200, "loose/not": 404, "other": 404}
        assert broken.status_code == 500
        assert "py:keys.py:key failed on POST" in broken.json()["error"]["message"]
        assert "KeyError: 'model'" in broken.json()["error"]["message"]
        proxy.stop()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('[cassettes."a/*"]\nmach = ["body"]\n', "there is no option 'mach'"),
        ('[cassettes."a/*"]\nmatch = ["py:none.py:key"]\n', "there is no file none.py"),
        ('[cassettes."a/*"]\nmode = "record"\n', "this process only replays"),
    ],
)
def test_a_wrong_table_ends_the_process_with_one_line(
    start: Start, tmp_path: Path, text: str, shown: str
) -> None:
    (tmp_path / "mitmvcr.toml").write_text('mode = "replay"\n' + text)
    proxy = start()
    assert proxy.stop() == 1
    (line,) = (line for line in proxy.lines if line.startswith("mitmvcr: "))
    assert 'mitmvcr.toml: [cassettes."a/*"]: ' in line
    assert shown in line
