"""What a cassette's memory looks out for: within a bound, the values seen last, at a cost that stays."""

from __future__ import annotations

import sys
from types import FrameType

from mitmvcr.model import Request
from mitmvcr.scrub import Memory
from tests.scrub.planting import exchange, memory, scrubber

SCRUBBER = scrubber()


def request(number: int, header: str) -> Request:
    body = b'{"messages":[{"role":"user","content":"so it goes"}]}'
    headers = {
        "Authorization": ["Bearer the-same-key-17"],
        header: [f"fresh-value-{number:06}-of-it"],
    }
    return Request("POST", "https://h.example/v1", body=body, headers=headers)


def work(asked: Request, seen: Memory) -> int:
    """How many calls, of Python's and of C's functions, it takes to scrub a request."""
    calls = 0

    def count(_frame: FrameType, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        SCRUBBER.request(asked, seen)
    finally:
        sys.setprofile(None)
    return calls


def test_thousandth_request_with_a_fresh_credential_is_as_much_work_as_the_first() -> None:
    seen = memory()
    SCRUBBER.request(request(0, "X-Session-Id"), seen)
    first = work(request(1, "X-Session-Id"), seen)
    for number in range(2, 1000):
        SCRUBBER.request(request(number, "X-Session-Id"), seen)
    assert work(request(1000, "X-Session-Id"), seen) <= first * 1.5
    assert len(seen.watch) <= 130


def test_fresh_idempotency_key_is_no_credential() -> None:
    seen = memory()
    for number in range(20):
        SCRUBBER.request(request(number, "Idempotency-Key"), seen)
    assert len(seen.watch) == 1
    body = b"fresh-value-000007-of-it"
    assert SCRUBBER.request(exchange(body).request, seen).body == body


def test_least_recently_seen_value_goes_first_and_one_that_is_seen_again_stays() -> None:
    seen = memory()
    for number in range(500):
        seen.track("a-key-that-comes-again", "token")
        seen.track(f"fresh-value-{number:04}", "token")
        seen.track("one-organization-1", "org") if number == 0 else None
    body = b"a-key-that-comes-again fresh-value-0499 fresh-value-0400 fresh-value-0003 one-organization-1"
    assert SCRUBBER.request(exchange(body).request, seen).body == (
        b"REDACTED-token-1 REDACTED-token-2 REDACTED-token-3 fresh-value-0003 REDACTED-org-1"
    )


def test_secret_of_the_environment_is_never_forgotten() -> None:
    seen = memory({"MY_API_KEY": "from-the-env-1"})
    for number in range(500):
        seen.track("from-the-env-1", "token") if number == 0 else None
        seen.track(f"fresh-value-{number:04}", "token")
    assert SCRUBBER.request(exchange(b"it is from-the-env-1").request, seen).body == b"it is REDACTED-token-1"


def test_what_another_memory_has_seen_is_looked_out_for_within_the_bound() -> None:
    seen, other = memory(), memory({"MY_API_KEY": "from-the-env-1"})
    for number in range(100):
        seen.track(f"own-value-{number:04}", "token")
        other.track(f"their-value-{number:04}", "token")
    seen.learn(other)
    seen.learn(other)
    seen.track("own-value-9999", "token")
    body = b"from-the-env-1 own-value-0000 own-value-9999 their-value-0099 their-value-0000"
    assert SCRUBBER.request(exchange(body).request, seen).body == (
        b"REDACTED-token-1 REDACTED-token-2 REDACTED-token-3 REDACTED-token-4 their-value-0000"
    )
    assert len(seen.watch) == 129


def test_value_in_a_urlencoded_form_is_found_with_its_blanks_as_plus_signs() -> None:
    seen = memory()
    seen.track("it is 9 words, a pass phrase", "password")
    body = b"a=it+is+9+words%2C+a+pass+phrase&b=1"
    clean = SCRUBBER.request(exchange(body, content_type="application/x-www-form-urlencoded").request, seen)
    assert clean.body == b"a=REDACTED-password-1&b=1"
