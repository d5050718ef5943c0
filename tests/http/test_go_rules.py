"""HTTP as Go's net/http sees it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitmvcr.http import go_rules


# textproto.CanonicalMIMEHeaderKey of Go 1.23, by its own test table and documentation.
@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("a-b-c", "A-B-C"),
        ("a-1-c", "A-1-C"),
        ("User-AGENT", "User-Agent"),
        ("uSER-agENT", "User-Agent"),
        ("x-should-retry", "X-Should-Retry"),
        ("openai-beta", "Openai-Beta"),
        ("ETAG", "Etag"),
        ("www-authenticate", "Www-Authenticate"),
        ("foo-", "Foo-"),
        ("--x", "--X"),
        ("x_underscore-y", "X_underscore-Y"),
        ("user agent", "user agent"),
        ("über-name", "über-name"),
        ("a:b", "a:b"),
        ("", ""),
    ],
)
def test_header_names_are_spelled_as_go_spells_them(name: str, canonical: str) -> None:
    assert go_rules.canonical_header(name) == canonical


@given(st.text(alphabet="abcXYZ019-_!~", min_size=1))
def test_a_canonical_name_stays_as_it_is_and_case_makes_no_difference(name: str) -> None:
    canonical = go_rules.canonical_header(name)
    assert go_rules.canonical_header(canonical) == canonical
    assert go_rules.canonical_header(name.upper()) == canonical
    assert canonical.lower() == name.lower()


def test_more_names_than_are_remembered_are_still_spelled_right() -> None:
    names = [f"x-made-up-{number}" for number in range(3000)]
    assert [go_rules.canonical_header(name) for name in names] == [f"X-Made-Up-{n}" for n in range(3000)]


@pytest.mark.parametrize(
    ("code", "text"),
    [(200, "OK"), (413, "Request Entity Too Large"), (414, "Request URI Too Long"), (418, "I'm a teapot"),
     (422, "Unprocessable Entity"), (429, "Too Many Requests"), (299, ""), (520, "")],
)  # fmt: skip
def test_status_texts_are_those_of_go(code: int, text: str) -> None:
    assert go_rules.status_text(code) == text


@pytest.mark.parametrize(
    ("method", "code", "without"),
    [("HEAD", 200, True), ("GET", 204, True), ("GET", 304, True), ("POST", 101, True), ("POST", 100, True),
     ("GET", 200, False), ("DELETE", 205, False), ("POST", 500, False)],
)  # fmt: skip
def test_answers_that_have_no_body(method: str, code: int, without: bool) -> None:
    assert go_rules.bodiless(method, code) is without


FORM = "application/x-www-form-urlencoded"


# net/http's Request.ParseForm and net/url's parseQuery, Go 1.23.
@pytest.mark.parametrize(
    ("url", "form"),
    [
        ("https://h/p", {}),
        ("https://h/p?", {}),
        ("https://h/p?limit=2&order=asc", {"limit": ["2"], "order": ["asc"]}),
        ("https://h/p?a=1&b=x&a=2", {"a": ["1", "2"], "b": ["x"]}),
        ("https://h/p?a=1&b=x&a=2#f?c=3", {"a": ["1", "2"], "b": ["x"]}),
        ("https://h/p?a&b=&=c", {"a": [""], "b": [""], "": ["c"]}),
        ("https://h/p?a=1;b=2&c=3", {"c": ["3"]}),
        ("https://h/p?a=%zz&b=%4&c=3&%=1", {"c": ["3"]}),
        ("https://h/p?&&a=1&&", {"a": ["1"]}),
        ("https://h/p?a=x+y%20z%2B&b=1=2", {"a": ["x y z+"], "b": ["1=2"]}),
        ("https://h/p?a%5B%5D=%C3%BC", {"a[]": ["ü"]}),
        ("https://h/p?a=%FF", {"a": ["\udcff"]}),
        ("https://h/p?a=b?c", {"a": ["b?c"]}),
    ],
)
def test_the_form_has_the_query_as_go_parses_it(url: str, form: dict[str, list[str]]) -> None:
    assert go_rules.form_values("GET", url, "", b"") == form


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_the_form_has_the_values_of_an_urlencoded_body_before_those_of_the_query(method: str) -> None:
    form = go_rules.form_values(
        method, "https://h/p?a=query", f"{FORM.upper()}; charset=utf-8", b"a=body&b=2"
    )
    assert form == {"a": ["body", "query"], "b": ["2"]}


@pytest.mark.parametrize(
    ("method", "content_type"), [("GET", FORM), ("DELETE", FORM), ("POST", "application/json"), ("POST", "")]
)
def test_no_other_body_is_a_form(method: str, content_type: str) -> None:
    assert go_rules.form_values(method, "https://h/p", content_type, b"a=1") == {}


def test_the_first_value_of_a_header() -> None:
    assert go_rules.first_value({"A": ["1", "2"], "B": []}, "A") == "1"
    assert go_rules.first_value({"A": ["1", "2"], "B": []}, "B") == ""
    assert go_rules.first_value({}, "A") == ""
