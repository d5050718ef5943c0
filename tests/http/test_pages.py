"""Which web pages may ask: the table of what a browser says, and what comes of it."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from mitmvcr.http.pages import Sender, is_local_name, own_origin, readable_by, stranger

_HOST = "127.0.0.1:8081"
_OWN = f"http://{_HOST}"


def _stranger(sender: Sender) -> str:
    return stranger(
        sender,
        lambda name: name == "api.openai.com",
        lambda origin: fnmatchcase(origin, "https://*.mine.example"),
    )


@pytest.mark.parametrize("site", ["", "none", "same-origin", "same-site", "cross-site", "odd"])
@pytest.mark.parametrize(
    ("origin", "is_served"),
    [
        (_OWN, True),
        ("http://localhost:3000", True),
        ("HTTP://LOCALHOST:3000", True),
        ("http://127.0.0.2:5173", True),
        ("http://[::1]:5173", True),
        ("http://0.0.0.0:8000", True),
        ("http://app.localhost", True),
        ("http://web:3000", True),
        ("http://host.docker.internal:3000", True),
        ("chrome-extension://abcdefgh", True),
        ("vscode-webview://0a1b", True),
        ("tauri://localhost", True),
        ("https://app.mine.example", True),
        ("https://mine.example", False),
        ("https://evil.example", False),
        ("https://app.mine.example.evil.example", False),
        ("https://localhost.evil.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("http://192.0.2.1", False),
        ("http://api.openai.com", False),
        ("http://127.0.0.1:8081, http://evil.example", False),
        ("http://", False),
        ("evil.example", False),
        ("http://[::1", False),
        ("http://local\u00adhost", False),
    ],
)
def test_page_is_served_by_its_origin_whatever_its_site_is(origin: str, is_served: bool, site: str) -> None:
    assert (not _stranger(Sender(_HOST, origin, site))) == is_served
    assert (not _stranger(Sender("", origin, site))) == (is_served or origin == "")


@pytest.mark.parametrize(
    ("origin", "site", "is_served"),
    [
        ("", "", True),
        ("", "none", True),
        ("", "same-origin", True),
        ("", "same-site", True),
        ("", "cross-site", False),
        ("", "odd", False),
        ("null", "", False),
        ("null", "none", False),
        ("null", "same-origin", True),
        ("null", "same-site", False),
        ("null", "cross-site", False),
    ],
)
def test_request_without_an_origin_is_served_by_its_site(origin: str, site: str, is_served: bool) -> None:
    assert (not _stranger(Sender(_HOST, origin, site))) == is_served


@pytest.mark.parametrize(
    ("host", "is_served"),
    [
        (None, True),
        ("", True),
        ("127.0.0.1:8081", True),
        ("[::1]:8081", True),
        ("10.0.0.7", True),
        ("localhost", True),
        ("LOCALHOST.:8081", True),
        ("proxy:8081", True),
        ("a.localhost", True),
        ("host.docker.internal:1", True),
        ("api.openai.com", True),
        ("API.OPENAI.COM.:443", True),
        ("ci.mine.example", True),
        ("evil.example", False),
        ("evil.example:8081", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("api.openai.com.evil.example", False),
        ("[::1", False),
    ],
)
def test_name_that_any_site_may_have_led_here_is_refused(host: str | None, is_served: bool) -> None:
    assert (not _stranger(Sender(host))) == is_served
    if not is_served and host:
        own = f"http://{host}"
        assert _stranger(Sender(host, own, "same-origin")), "a page that the name has brought here"


def test_who_is_refused_learns_what_would_let_it_in() -> None:
    assert "vcr_origins=https://evil.example" in _stranger(Sender(_HOST, "https://evil.example"))
    assert "vcr_origins=http://evil.example" in _stranger(Sender("evil.example"))
    assert "vcr_origins" in _stranger(Sender(_HOST, "", "cross-site"))
    odd = _stranger(Sender(_HOST, "https://a\n::error::\x1b[31m" + "b" * 5000))
    assert "\n" not in odd
    assert "\x1b" not in odd
    assert len(odd) < 500


def test_control_api_takes_no_page_but_its_own() -> None:
    assert own_origin(Sender(_HOST, _OWN, "same-origin"))
    assert own_origin(Sender(_HOST))
    for origin, site in (("http://localhost:3000", ""), ("", "same-site"), ("null", ""), ("a://b", "")):
        assert not own_origin(Sender(_HOST, origin, site))
    assert not own_origin(Sender(None, _OWN, ""))
    assert not is_local_name("a.example")


def test_answer_is_shared_with_what_is_an_origin() -> None:
    assert readable_by("http://localhost:3000")[0] == ("Access-Control-Allow-Origin", "http://localhost:3000")
    assert readable_by("null")
    assert readable_by("http://a\r\nSet-Cookie: b") == ()
    assert readable_by("") == ()
