"""Secrets in URLs, bodies and streams: none on disk, and what is redacted still matches."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from tests.conftest import Start
from tests.proxy.talk import CHAT, KEY, chat, recordings
from tests.upstream.server import Upstream

OTHER_KEY = "sk-" + "proj-" + "Planted" + "q7Xk2" * 8
GITHUB = "ghp" + "_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
ORGANIZATION = "org-" + "PlantedOrganization" + "9876"
PASSWORD_URL = "postgres://admin:" + "hunter2horse" + "@db.example.com/prod"
PLANTED = (OTHER_KEY, GITHUB, ORGANIZATION, "hunter2horse")


def client(base: str, key: str = KEY) -> httpx.Client:
    return httpx.Client(
        base_url=base, headers={"Authorization": f"Bearer {key}"}, trust_env=False, timeout=30
    )


def on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_planted_secrets_are_nowhere_and_the_recording_answers_another_key(
    start: Start, upstream: Upstream, tmp_path: Path
) -> None:
    # The stand-in says back what it is asked: each secret goes both ways.
    prompts = [chat(f"my secret is {secret}") for secret in (*PLANTED[:3], PASSWORD_URL)]
    tools = chat("calls", metadata={"nested": json.dumps({"token": GITHUB, "note": "kept"})})
    streamed = chat(f"stream back {OTHER_KEY} please", stream=True)
    bodies = [*prompts, tools, streamed]
    proxy = start(upstream=upstream.url, report="report.json")
    with client(proxy.reverse) as one:
        told = [one.post(CHAT, json=body, params={"api-key": OTHER_KEY}) for body in bodies]
    assert {answer.status_code for answer in told} == {200}
    assert OTHER_KEY in told[0].text
    assert proxy.stop() == 0, proxy.output
    written = on_disk(tmp_path)
    for secret in PLANTED:
        assert secret.encode() not in written, secret
        assert secret not in proxy.output, secret
    assert b"REDACTED-org-1" in written
    assert b"kept" in written
    assert len(recordings(tmp_path)) == len(bodies)

    replaying = start(upstream=upstream.url, mode="replay", strict="true")
    with client(replaying.reverse, "another-key") as one:
        for body, before in zip(bodies, told, strict=True):
            answer = one.post(CHAT, json=body, params={"api-key": "another"})
            assert answer.status_code == 200, answer.text
            # Who sends a secret gets it back, as from the API.
            assert [secret in answer.text for secret in PLANTED] == [
                secret in before.text for secret in PLANTED
            ]
    assert replaying.stop() == 0, replaying.output


def test_a_client_s_own_key_that_upstream_says_back_is_not_written(
    start: Start, upstream: Upstream, tmp_path: Path
) -> None:
    odd_key = "Zq7-" + "custom" + "-Xk93mm-tr5"  # of no known kind: only having been sent makes it one
    proxy = start(upstream=upstream.url)
    with client(proxy.reverse, odd_key) as one:
        told = one.post(CHAT, json=chat(f"say {odd_key}"))
    assert odd_key in told.text
    assert proxy.stop() == 0, proxy.output
    assert odd_key.encode() not in on_disk(tmp_path)


def test_what_the_gate_refuses_is_not_written_the_client_has_it_and_the_exit_status_tells(
    start: Start, upstream: Upstream, tmp_path: Path
) -> None:
    proxy = start(upstream=upstream.url)
    with client(proxy.reverse) as one:
        fine = one.post(CHAT, json=chat("fine"))
        # A coding that nobody can undo: whatever is inside can't be read, so it isn't stored.
        refused = one.post(
            CHAT, content=b"\x00opaque\xff", headers={"Content-Encoding": "made-up", "Content-Type": "x/y"}
        )
    assert fine.status_code == 200
    assert refused.status_code == 400
    assert proxy.stop() == 1
    assert len(recordings(tmp_path)) == 1
    assert b"opaque" not in on_disk(tmp_path)
    (line,) = (line for line in proxy.lines if line.startswith("mitmvcr: failed"))
    assert "unreadable-body" in line
    assert "request.body" in line
    assert "vcr_allow" in line


@pytest.mark.parametrize("option", [{"redact": "$.user"}, {"redact": "customer-[0-9]+"}])
def test_a_rule_of_one_s_own_redacts_and_still_matches(
    option: dict[str, str], start: Start, upstream: Upstream, tmp_path: Path
) -> None:
    body = chat("hello", user="customer-4711")
    proxy = start(upstream=upstream.url, **option)
    with client(proxy.reverse) as one:
        assert one.post(CHAT, json=body).status_code == 200
    assert proxy.stop() == 0, proxy.output
    assert b"4711" not in on_disk(tmp_path)
    replaying = start(upstream=upstream.url, mode="replay", **option)
    with client(replaying.reverse) as one:
        assert one.post(CHAT, json=body).status_code == 200
    assert replaying.stop() == 0, replaying.output
