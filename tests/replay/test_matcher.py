"""Two requests match if their keys are equal: JSON as Go compares it, the rest as the design says."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mitmvcr.config import user_functions
from mitmvcr.errors import SettingsError
from mitmvcr.model import Request
from mitmvcr.replay.matcher import Matcher, MatchError, NotJSON, canonical_json, parse_json
from tests.build import CHAT, request

GO_VCR = Matcher(("method", "url", "body"))
VCR_PY = Matcher(("method", "scheme", "host", "port", "path", "query"))
LLAMA_STACK = Matcher(("method", "path", "body"), llama_stack=True)


def same(one: Request, other: Request, matcher: Matcher = GO_VCR) -> bool:
    return matcher.key(one) == matcher.key(other)


def same_body(one: object, other: object, *ignore: str) -> bool:
    matcher = Matcher(("body",), ignore)
    return same(request(one), request(other), matcher)


# What encoding/json (Go 1.23) makes of each pair when it reads into `any`, compared by reflect.DeepEqual.
@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"a": 1}', b'{"a":1.0}'),
        (b'{"a": 1}', b'{"a": 1e0}'),
        (b'{"a": 100}', b'{"a": 1E+2}'),
        (b'{"a": 0}', b'{"a": -0}'),
        (b'{"a": 0}', b'{"a": -0.0}'),
        (b"9007199254740993", b"9007199254740992"),
        (b"123456789012345678901234567890", b"123456789012345678901234567891"),
        (b"0.1", b"0.1000000000000000055511151231257827"),
        (b"1e-400", b"0"),
        (b'{"a": 1, "b": 2}', b' {"b" : 2,\r\n\t"a" : 1 } \n'),
        (b'{"a": 1, "a": 2}', b'{"a": 2}'),
        (b'{"a": {"x": 1}, "a": {"y": 2}}', b'{"a": {"y": 2}}'),
        (rb'{"a": "\u00fc\/"}', '{"a": "ü/"}'.encode()),
        (rb'{"\u0061": "\ud83d\ude00"}', '{"a": "😀"}'.encode()),
        (rb'"a\r\nb"', rb'"a\nb"'),
        (rb'{"a": ["x\r\n\r\ny"]}', rb'{"a": ["x\n\ny"]}'),
        (rb'"a\u000d\u000ab"', rb'"a\nb"'),
        (b"[]", b" [ ] "),
        (b"null", b"null\n"),
    ],
)
def test_these_are_the_same_json(one: bytes, other: bytes) -> None:
    assert same_body(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"1", b"true"),
        (b"0", b"false"),
        (b"null", b"0"),
        (b"null", b"{}"),
        (b"[]", b"{}"),
        (b"[1, 2]", b"[2, 1]"),
        (b'"1"', b"1"),
        (b'{"a": null}', b"{}"),
        (b'{"a": 1}', b'{"A": 1}'),
        (b"0.1", b"0.2"),
        (b"9007199254740992", b"9007199254740994"),
        (rb'"a\rb"', rb'"a\nb"'),
        (rb'"a\\r\\nb"', rb'"a\\nb"'),
        (rb'"a\\\r\nb"', rb'"a\nb"'),
        (b'"a "', b'"a"'),
        (rb'"\u00fc"', b'"u\xcc\x88"'),
        (b"", b"null"),
        (b"", b"{}"),
    ],
)
def test_these_are_not_the_same_json(one: bytes, other: bytes) -> None:
    assert not same_body(one, other)


@pytest.mark.parametrize(
    "text",
    [b"", b" ", b"{", b"NaN", b"Infinity", b"-Infinity", b"[1,]", b"{'a': 1}", b"01", b"+1", b".5", b"1.",
     b"1e999", b"\xef\xbb\xbf{}", b'"\t"', b'"\\x"', b"{} {}", b"1_0", b"nul", b"\xff", b"[" * 100_000],
)  # fmt: skip
def test_what_go_does_not_take_for_json_is_not_json(text: bytes) -> None:
    with pytest.raises(NotJSON):
        parse_json(text)
    assert same_body(text, text)
    assert not same_body(text, text + b" ")


NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSONS = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def as_go(value: object) -> object:
    """What Go's `any` holds, tagged so that Python's 1 == True plays no part; CRLF as LF."""
    match value:
        case bool() | None:
            return ("constant", value)
        case int() | float():
            return ("number", float(value))
        case str():
            return ("text", value.replace("\r\n", "\n"))
        case list():
            return ("list", [as_go(item) for item in value])
        case dict():
            return ("map", {str(name).replace("\r\n", "\n"): as_go(item) for name, item in value.items()})
    raise AssertionError(value)


def representable(value: object) -> bool:
    """Whether every number fits a float64, as Go asks for."""
    match value:
        case bool():
            return True
        case int():
            try:
                return math.isfinite(float(value))
            except OverflowError:
                return False
        case list():
            return all(map(representable, value))
        case dict():
            return all(map(representable, value.values()))
    return True


@given(JSONS, JSONS, st.sampled_from([None, 2]), st.booleans())
def test_keys_are_equal_exactly_where_go_finds_the_values_equal(
    one: object, other: object, indent: int | None, ascii_: bool
) -> None:
    assume(representable(one) and representable(other))
    spelled = json.dumps(other, indent=indent, ensure_ascii=ascii_).encode("utf-8", "surrogatepass")
    assume(b"\xed" not in spelled)  # lone surrogates are no UTF-8
    assert same_body(json.dumps(one).encode(), spelled) is (as_go(one) == as_go(other))


@given(JSONS, st.randoms(use_true_random=False))
def test_the_order_of_keys_and_the_spelling_make_no_difference(value: object, random: object) -> None:
    assume(representable(value))
    shuffled = json.dumps(reordered(value), indent=1).replace("\n", "\r\n")
    assert same_body(json.dumps(value).encode(), shuffled.encode())


def reordered(value: object) -> object:
    match value:
        case list():
            return [reordered(item) for item in value]
        case dict():
            return {name: reordered(value[name]) for name in reversed(list(value))}
    return value


@given(JSONS, st.binary())
def test_json_never_equals_what_is_not_json(value: object, data: bytes) -> None:
    assume(representable(value))
    try:
        parse_json(data)
    except NotJSON:
        assert not same_body(json.dumps(value).encode(), data)
        assert not same_body(canonical_json(value), b"json " + canonical_json(value))


@given(st.binary(), st.binary())
def test_other_bodies_are_equal_only_to_the_byte(one: bytes, other: bytes) -> None:
    matcher = Matcher(("body",))
    first, second = (request(b"\xff" + body, content_type="audio/mpeg") for body in (one, other))
    assert same(first, second, matcher) is (one == other)


def test_deep_and_large_bodies_are_compared_and_crash_nothing() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    assert same_body(deep, deep)
    assert not same_body(deep, b"[" + deep + b"]")
    for depth in (90, 400, 900, 3000, 20_000):
        nested = b'{"a":' * depth + b"1" + b"}" * depth
        assert same_body(nested, nested, "$..b", "$.c")
    large = json.dumps({"input": ["x" * 1000] * 5000})
    assert same_body(large, large.replace(", ", ","))
    assert not same_body(large, large.replace("x", "y", 1))


def multipart(boundary: str, content: str = "abc", newline: str = "\r\n") -> str:
    lines = [
        f"--{boundary}",
        'Content-Disposition: form-data; name="file"',
        "",
        content,
        f"--{boundary}--",
        "",
    ]
    return newline.join(lines)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("multipart/form-data; boundary=aaa", "multipart/form-data; boundary=bbb"),
        ('multipart/form-data; boundary="aaa"', "Multipart/Form-Data; charset=utf-8; BOUNDARY=bbb"),
        ("multipart/form-data", "multipart/form-data"),
        ("multipart/form-data; boundary=aaa", "multipart/form-data"),
    ],
)
@pytest.mark.parametrize("newline", ["\r\n", "\n"])
def test_multipart_is_compared_without_its_boundary(one: str, other: str, newline: str) -> None:
    first = request(multipart("aaa", newline=newline), content_type=one)
    assert same(first, request(multipart("bbb", newline=newline), content_type=other))
    assert not same(first, request(multipart("bbb", "abd", newline=newline), content_type=other))
    assert not same(
        first, request(multipart("bbb", newline=newline), content_type="application/octet-stream")
    )


def test_a_multipart_body_without_any_boundary_is_compared_as_it_is() -> None:
    assert not same(
        request("--one line", content_type="multipart/form-data"),
        request("--another line", content_type="multipart/form-data"),
    )
    assert not same(
        request("one", content_type="multipart/form-data"), request("two", content_type="multipart/form-data")
    )


@pytest.mark.parametrize(
    ("ignore", "left"),
    [
        (["$.meta"], {"list": [{"id": 2, "x": 3}, {"id": 4}], "store": True}),
        (["$.meta.id"], {"meta": {}, "list": [{"id": 2, "x": 3}, {"id": 4}], "store": True}),
        (["$.meta", "$.meta.id"], {"list": [{"id": 2, "x": 3}, {"id": 4}], "store": True}),
        (["$.meta.id", "$.meta"], {"list": [{"id": 2, "x": 3}, {"id": 4}], "store": True}),
        (["$['meta', 'store']"], {"list": [{"id": 2, "x": 3}, {"id": 4}]}),
        (["$.list[*].id"], {"meta": {"id": 1}, "list": [{"x": 3}, {}], "store": True}),
        (["$..id"], {"meta": {}, "list": [{"x": 3}, {}], "store": True}),
        (["$.list[?@.id > 2]"], {"meta": {"id": 1}, "list": [{"id": 2, "x": 3}], "store": True}),
        (["$.list[1:]"], {"meta": {"id": 1}, "list": [{"id": 2, "x": 3}], "store": True}),
        (["$.list[-1]"], {"meta": {"id": 1}, "list": [{"id": 2, "x": 3}], "store": True}),
        (["$.*"], {}),
        (["$.list[1]", "$.list[*].id", "$..x", "$.store"], {"meta": {"id": 1}, "list": [{}]}),
    ],
)
def test_what_a_path_finds_is_left_out(ignore: Sequence[str], left: object) -> None:
    whole = {"meta": {"id": 1}, "list": [{"id": 2, "x": 3}, {"id": 4}], "store": True}
    assert Matcher(("body",), tuple(ignore)).key(request(whole)) == Matcher(("body",)).key(request(left))


def test_long_lists_lose_the_places_that_were_meant() -> None:
    ignore = ("$[9,10,11,2,100]",)
    left = [n for n in range(200) if n not in (9, 10, 11, 2, 100)]
    key = Matcher(("body",), ignore).key(request(list(range(200))))
    assert key == Matcher(("body",)).key(request(left))


@pytest.mark.parametrize(
    ("ignore", "left"),
    [
        (("$[0,0]",), [1, 2, 3]),
        (("$[0]", "$[0]"), [1, 2, 3]),
        (("$[0]", "$[1]"), [2, 3]),
        (("$[1]", "$[0]"), [2, 3]),
        (("$[-1]", "$[3]"), [0, 1, 2]),
        (("$[*]", "$[0]"), []),
        (("$[0:2]", "$[1:3]"), [3]),
        (("$..[0]", "$[0]"), [1, 2, 3]),
    ],
)
def test_paths_that_overlap_take_each_place_out_once_and_mean_the_body_as_it_was_asked(
    ignore: tuple[str, ...], left: list[int]
) -> None:
    assert Matcher(("body",), ignore).key(request([0, 1, 2, 3])) == Matcher(("body",)).key(request(left))


def test_a_path_that_finds_nothing_or_the_root_leaves_the_body() -> None:
    for path in ("$", "$.nothing", "$[0]", "$..nothing"):
        assert not same_body({"a": 1}, {"a": 2}, path)
        assert same_body({"a": 1}, {"a": 1.0}, path)
    assert same_body(b"7", b"7.0", "$.a")
    assert same_body(b"no JSON", b"no JSON", "$.a")


def test_fields_of_query_and_form_are_left_out_by_name() -> None:
    matcher = Matcher(("url", "body"), ("api-version", "temperature"))
    form = "application/x-www-form-urlencoded"
    base = request("a=1&temperature=2", url="https://h/p?api-version=1&b=2", content_type=form)
    assert same(
        base, request("temperature=9&a=1", url="https://h/p?b=2&api-version=3", content_type=form), matcher
    )
    assert same(base, request("a=1", url="https://h/p?b=2", content_type=form), matcher)
    assert not same(base, request("a=2", url="https://h/p?b=2", content_type=form), matcher)
    assert not same(base, request("a=1", url="https://h/p?b=3", content_type=form), matcher)
    assert same(
        request(url="https://h/p?api-version=1"),
        request(url="https://h/p"),
        Matcher(("url",), ("api-version",)),
    )
    assert same(
        request(url="https://h/p?api-version=1&b=1"),
        request(url="https://h/p?b=1"),
        Matcher(("query",), ("api-version",)),
    )


@pytest.mark.parametrize(
    ("field", "different"),
    [
        ("method", request(method="PUT")),
        ("scheme", request(url=CHAT.replace("https", "http").replace(".com", ".com:443"))),
        ("host", request(url=CHAT.replace("api.openai", "eu.openai"))),
        ("port", request(url=CHAT.replace(".com/", ".com:8443/"))),
        ("path", request(url=CHAT + "/x")),
        ("query", request(url=CHAT + "?a=1")),
        ("body", request({"a": 1})),
        ("headers:openai-beta", request(headers={"Openai-Beta": ["assistants=v2"]})),
    ],
)
def test_each_field_tells_apart_what_differs_in_it_and_only_that(field: str, different: Request) -> None:
    others = ["method", "scheme", "host", "port", "path", "query", "body", "headers:openai-beta"]
    others.remove(field)
    assert not same(request(), different, Matcher((field,)))
    assert same(request(), different, Matcher(tuple(others)))


def test_the_url_is_compared_as_text() -> None:
    matcher = Matcher(("url",))
    for url in (CHAT + "?", CHAT + "?a=1", CHAT.replace("https", "http"), CHAT + "/"):
        assert not same(request(), request(url=url), matcher), url
    assert not same(request(url=CHAT + "?a=1&b=2"), request(url=CHAT + "?b=2&a=1"), matcher)


@pytest.mark.parametrize("matcher", [GO_VCR, VCR_PY, LLAMA_STACK])
@pytest.mark.parametrize(
    ("recorded", "asked"),
    [
        ("http://localhost:9999", "http://localhost:9999/"),
        ("http://localhost:9999?a=1&b=?", "http://localhost:9999/?a=1&b=?"),
        ("http://localhost:9999#top", "http://localhost:9999/"),
        ("https://h/p#a?b=1", "https://h/p"),
        ("https://h/p?a=1#b", "https://h/p?a=1"),
        ("https://[::1]?a=/", "https://[::1]/?a=/"),
    ],
)
def test_an_empty_path_is_the_root_and_a_fragment_is_never_asked_for(
    matcher: Matcher, recorded: str, asked: str
) -> None:
    assert same(request(url=recorded), request(url=asked), matcher)
    ignoring = Matcher(matcher.fields, ("other",), matcher.llama_stack)
    assert same(request(url=recorded), request(url=asked), ignoring)
    assert not same(request(url=recorded), request(url=asked.replace("?", "x?") + "x"), matcher)


def test_a_default_port_may_be_said_or_not() -> None:
    assert same(request(url="https://h/p"), request(url="https://h:443/p"), VCR_PY)
    assert same(request(url="http://h/p"), request(url="http://h:80/p"), VCR_PY)
    assert not same(request(url="http://h/p"), request(url="http://h:443/p"), Matcher(("port",)))


def test_the_order_of_a_query_makes_no_difference_to_vcr_py() -> None:
    assert same(request(url="https://h/p?b=2&a=1&a=0"), request(url="https://h/p?a=0&a=1&b=2"), VCR_PY)
    assert not same(request(url="https://h/p?a=1"), request(url="https://h/p?a=1&a=1"), VCR_PY)
    assert same(request({"a": 1}), request({"b": 1}), VCR_PY)


def test_a_doubled_version_is_one_to_llama_stack_alone() -> None:
    doubled, plain = request(url="https://h/v1/v1/models"), request(url="https://h/v1/models")
    assert same(doubled, plain, LLAMA_STACK)
    assert not same(doubled, plain, GO_VCR)
    assert not same(request(url="https://h/v1/v1x"), request(url="https://h/v1x"), LLAMA_STACK)


def test_fields_do_not_run_into_each_other() -> None:
    matcher = Matcher(("headers:a", "headers:b"))
    one = request(headers={"A": ["xy"], "B": ["z"]})
    assert not same(one, request(headers={"A": ["x"], "B": ["yz"]}), matcher)
    assert not same(one, request(headers={"A": ["z"], "B": ["xy"]}), matcher)
    assert not same(request(headers={"A": ["x", "y"]}), request(headers={"A": ["y", "x"]}), matcher)


def test_replacements_match_whatever_their_numbers() -> None:
    for template in ('{"org": "REDACTED-org-%d"}', "--x REDACTED-org-%d", "a=REDACTED-org-%d"):
        assert same(request(template % 1), request(template % 22))
        assert not same(request(template % 1), request((template % 1).replace("org-", "key-")))
    assert same(request(url=f"{CHAT}?k=REDACTED-key-1"), request(url=f"{CHAT}?k=REDACTED-key-2"))


@pytest.mark.parametrize(
    "url", ["https://[::1/x", "https://h:port/x", "", "/v1/models", "https://h:99999/x", "https://h/\udcff"]
)
def test_a_url_that_can_not_be_split_is_still_compared(url: str) -> None:
    for matcher in (GO_VCR, VCR_PY, LLAMA_STACK):
        assert same(request(url=url), request(url=url), matcher)
        assert not same(request(url=url), request(url=url + "y"), matcher)


def parts(boundary: str, newline: str = "\r\n", **fields: str) -> str:
    lines = []
    for name, value in fields.items():
        lines += [
            f"--{boundary}",
            f'Content-Disposition: form-data; filename="name=x"; name="{name}"',
            "",
            value,
        ]
    return newline.join([*lines, f"--{boundary}--", ""])


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
def test_fields_of_multipart_are_left_out_by_name(newline: str) -> None:
    def asked(boundary: str, **fields: str) -> Request:
        kind = f"multipart/form-data; boundary={boundary}"
        return request(parts(boundary, newline, **fields), content_type=kind)

    matcher = Matcher(("body",), ("prompt", "n[]", "$.model"))
    base = asked("aaa", model="m", prompt="one", file="abc")
    assert same(base, asked("bbb", model="m", prompt="two", file="abc"), matcher)
    assert same(base, asked("bbb", model="m", file="abc"), matcher)
    assert same(base, asked("bbb", model="m", file="abc", **{"n[]": "1"}), matcher)
    assert not same(base, asked("bbb", model="other", prompt="one", file="abc"), matcher)
    assert not same(base, asked("bbb", model="m", prompt="one", file="abd"), matcher)
    assert not same(base, asked("bbb", model="m", prompt="two", file="abc"), Matcher(("body",)))


@pytest.mark.parametrize(
    "disposition",
    [
        'Content-Disposition: form-data; name="a"',
        "content-disposition:form-data;name=a",
        'CONTENT-DISPOSITION: FORM-DATA; Name="a"; filename="b"',
        'X: 1\r\nContent-Disposition: form-data; filename="; name=b"; name="a"\r\nContent-Type: x/y',
    ],
)
def test_a_part_s_name_is_read_however_it_is_spelled(disposition: str) -> None:
    def asked(value: str) -> Request:
        body = f"--x\r\n{disposition}\r\n\r\n{value}\r\n--x--\r\n"
        return request(body, content_type="multipart/form-data; boundary=x")

    assert same(asked("1"), asked("2"), Matcher(("body",), ("a",)))
    assert not same(asked("1"), asked("2"), Matcher(("body",), ("b", "filename")))


def test_ignored_names_may_be_escaped_where_they_stand() -> None:
    matcher = Matcher(("url", "body"), ("a b", "api-version"))
    form = "application/x-www-form-urlencoded"
    assert same(request(url="https://h/p?api%2Dversion=1"), request(url="https://h/p"), matcher)
    assert same(request("a+b=1&c=2", content_type=form), request("c=2&a%20b=9", content_type=form), matcher)


def test_a_body_that_was_seen_before_is_found_by_its_bytes_and_its_type() -> None:
    matcher = Matcher(("body",))
    body = b"--x\r\n\r\n--x--"
    first = request(body, content_type="multipart/form-data; boundary=x")
    for _ in range(2):
        assert not same(first, request(body, content_type="text/plain"), matcher)
        assert not same(first, request(body, content_type="multipart/form-data; boundary=y"), matcher)
        assert same(request('{"a":1}'), request('{"a": 1.0}'), matcher)


# --- functions of the user's


def keys(folder: Path, code: str, name: str = "key") -> str:
    path = folder / f"keys_{abs(hash(code))}.py"
    path.write_text(f"from __future__ import annotations\nimport json\n{code}\n")
    return f"py:{path}:{name}"


@pytest.mark.parametrize(
    "returned",
    [
        "json.loads(request.body)['model']",
        "json.loads(request.body)['model'].encode()",
        "[json.loads(request.body)['model'], 1]",
        "{'model': json.loads(request.body)['model'], 'x': None}",
    ],
)
def test_a_function_of_the_user_s_tells_what_counts(tmp_path: Path, returned: str) -> None:
    matcher = Matcher(("method", keys(tmp_path, f"def key(request):\n    return {returned}")))
    assert same(request({"model": "m", "x": 1}), request({"x": 2, "model": "m"}), matcher)
    assert not same(request({"model": "m"}), request({"model": "n"}), matcher)
    assert not same(request({"model": "m"}), request({"model": "m"}, method="PUT"), matcher)


def test_what_functions_return_is_equal_only_within_its_type(tmp_path: Path) -> None:
    code = (
        "def key(request):\n    return {'text': 'a', 'bytes': b'a', 'list': ['a'], 'none': None, 'one': 1, "
    )
    entry = keys(tmp_path, code + "'float': 1.0}[request.body.decode()]")
    matcher = Matcher((entry,))
    kinds = {kind: matcher.key(request(kind)) for kind in ("text", "bytes", "list", "none", "one", "float")}
    assert kinds["one"] == kinds["float"]
    assert len(set(kinds.values())) == 5


def test_a_function_may_stand_in_a_module_and_use_what_its_file_has(tmp_path: Path) -> None:
    assert same(request(1), request(1), Matcher(("py:operator:truth",)))
    code = "from dataclasses import dataclass\n@dataclass\nclass Key:\n    text: str\ndef key(request):\n"
    matcher = Matcher((keys(tmp_path, code + "    return Key(request.method).text"),))
    assert same(request(1), request(2), matcher)


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("raise KeyError('model')", "KeyError: 'model'"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines"),
        ("return object()", "TypeError"),
        ("return float('nan')", "NotJSON"),
        ("return request.nothing", "AttributeError"),
    ],
)
def test_a_function_that_fails_is_named_with_the_request_in_one_line(
    tmp_path: Path, body: str, shown: str
) -> None:
    entry = keys(tmp_path, f"def key(request):\n    {body}")
    with pytest.raises(MatchError) as caught:
        Matcher((entry,)).key(request({"a": 1}))
    assert entry in str(caught.value)
    assert f"POST {CHAT}" in str(caught.value)
    assert shown in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "shown"),
    [
        ("py:no_such_file.py:key", "there is no file no_such_file.py"),
        ("py:no.such.module:key", "ModuleNotFoundError"),
        ("py:json", "give py:FILE.py:FUNCTION or py:MODULE:FUNCTION"),
        ("py:json:no_such_name", "no function 'no_such_name'"),
        ("py:json:__name__", "not a function"),
    ],
)
def test_a_function_that_is_not_there_is_a_setting_that_is_wrong(entry: str, shown: str) -> None:
    with pytest.raises(SettingsError) as caught:
        user_functions.load(entry)
    assert shown in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_can_not_be_run_is_a_setting_that_is_wrong(tmp_path: Path) -> None:
    for code, shown in (("def key(:", "SyntaxError"), ("1 / 0", "ZeroDivisionError")):
        with pytest.raises(SettingsError, match=shown) as caught:
            user_functions.load(keys(tmp_path, code))
        assert "\n" not in str(caught.value)


@given(
    st.lists(
        st.builds(
            request,
            st.sampled_from([b"{}", b" {}", b'{"a":1}', b"a", b"('P', b'", b"", b"\xff"]),
            method=st.sampled_from(["POST", "post", "PUT"]),
            url=st.sampled_from(
                [CHAT, CHAT + "?a=1&b=2", CHAT + "?b=2&a=1", "http://h/v1/v1/x", "\udcff", "http://["]
            ),
            content_type=st.sampled_from(["", "application/json", "multipart/form-data; boundary=a"]),
            headers=st.dictionaries(
                st.sampled_from(["A", "B"]), st.lists(st.sampled_from(["1", "1\n2", "\udcff"]), max_size=2)
            ),
        ),
        max_size=6,
    ),
    st.sampled_from([GO_VCR, VCR_PY, LLAMA_STACK, Matcher(("headers:a", "body", "headers:b"), ("a", "$.a"))]),
)
def test_what_is_remembered_of_others_changes_no_key(requests: Sequence[Request], matcher: Matcher) -> None:
    def fresh() -> Matcher:
        return Matcher(matcher.fields, matcher.ignore, matcher.llama_stack)

    remembering = fresh()
    for _ in range(2):
        assert [remembering.key(one) for one in requests] == [fresh().key(one) for one in requests]


def test_a_request_that_was_seen_before_is_not_parsed_again() -> None:
    matcher = Matcher(GO_VCR.fields)
    first = matcher.key(request({"a": 1}))
    with mock.patch.object(Matcher, "body_key", side_effect=AssertionError):
        assert matcher.key(request({"a": 1})) == first
        with pytest.raises(AssertionError):
            matcher.key(request({"a": 2}))
