"""The control API's description is valid OpenAPI, and what is answered is as it says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import openapi_spec_validator
import pytest

from mitmvcr.config.options import PER_CASSETTE
from mitmvcr.config.settings import MODE_ALIASES, Mode, Repeat
from mitmvcr.control import api as control_api
from mitmvcr.control import schema
from mitmvcr.control.api import ControlRequest
from mitmvcr.http.pages import Sender
from mitmvcr.sessions.table import Sessions
from tests.build import as_body, interaction, request, sessions, write
from tests.harness import ROOT

DOCUMENT = json.loads(json.dumps(schema.document()))


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Sessions]:
    """One cassette of two, of which one was asked, and one request that was missed."""
    write(tmp_path / "a b.yaml", interaction(1, "a"), interaction(2, "b"))
    replaying = sessions(tmp_path, mode="replay")
    for body in (1, 3):
        replaying.get("a b").answer(request(body))
    yield replaying
    replaying.close_all()


def valid(document: object, code: str, path: str, method: str) -> None:
    """The document is as the description has it for this answer."""
    told = DOCUMENT["paths"][path][method]["responses"][code]
    if "$ref" in told:
        told = DOCUMENT["components"]["responses"][code]
    schema = {**told["content"]["application/json"]["schema"], "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(schema).validate(document)


def ask(table: Sessions, method: str, path: str, body: object = None, host: str = "") -> tuple[str, Any]:
    sender = Sender(host)
    answer = control_api.handle(table, ControlRequest(method.upper(), path, as_body(body), sender))
    return str(answer.code), json.loads(answer.body)


def test_it_is_valid_openapi() -> None:
    openapi_spec_validator.validate(DOCUMENT)
    assert DOCUMENT["openapi"].startswith("3.1")


def test_it_is_served_and_the_same_as_in_the_docs(table: Sessions) -> None:
    assert ask(table, "GET", "/openapi.json") == ("200", DOCUMENT)
    assert json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8")) == DOCUMENT


def test_fields_are_the_options_that_one_cassette_can_have() -> None:
    assert set(schema.FIELDS) == {*PER_CASSETTE, "default"}


def test_values_are_those_of_the_options() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert schema.FIELDS["mode"]["enum"] == [*Mode, *MODE_ALIASES]
    assert schema.FIELDS["repeat"]["enum"] == ["", *Repeat]
    for name in ("Overview", "Opened"):
        assert schemas[name]["properties"]["mode"]["enum"] == list(Mode)


EVERY = [
    (path, method)
    for path, item in DOCUMENT["paths"].items()
    for method in ("get", "put", "delete", "post", "patch", "options", "head")
    if method in item
]


@pytest.mark.parametrize(("path", "method"), EVERY)
def test_every_method_answers_as_described(table: Sessions, path: str, method: str) -> None:
    where = path.replace("{name}", "a%20b")
    code, document = ask(table, method, where, {"strict": True} if method == "put" else None)
    assert code == "200"
    valid(document, code, path, method)


@pytest.mark.parametrize(("path", "method"), EVERY)
def test_every_method_refuses_strangers_as_described(table: Sessions, path: str, method: str) -> None:
    code, document = ask(table, method, path.replace("{name}", "a%20b"), host="example.org")
    assert code == "403"
    valid(document, code, path, method)
    assert table.find("a b") is not None


@pytest.mark.parametrize(
    ("code", "method", "name", "body"),
    [
        ("400", "put", "a", {"mode": "rekord"}),
        ("400", "put", "..%2Fa", None),
        ("404", "get", "none", None),
        ("404", "delete", "none", None),
        ("413", "put", "a", b" " * (control_api.MAX_BODY + 1)),
    ],
)
def test_errors_are_as_described(table: Sessions, code: str, method: str, name: str, body: object) -> None:
    said, document = ask(table, method, f"/cassettes/{name}", body)
    assert said == code
    valid(document, code, "/cassettes/{name}", method)


@pytest.mark.parametrize("path", DOCUMENT["paths"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST", "PATCH", "OPTIONS", "HEAD", "BREW"])
def test_a_method_that_is_not_described_is_refused_with_those_that_are(
    table: Sessions, path: str, method: str
) -> None:
    takes = {each.upper() for each in DOCUMENT["paths"][path] if each != "parameters"}
    takes |= {"HEAD"} & ({"HEAD"} if "GET" in takes else set())
    answer = control_api.handle(table, ControlRequest(method, path.replace("{name}", "a%20b")))
    headers = dict(answer.headers)
    assert (answer.code == 405) is (method not in takes)
    if answer.code == 405:
        assert set(headers["Allow"].split(", ")) == takes
        valid(json.loads(answer.body), "405", path, "get")


@pytest.mark.parametrize("name", [name for name in schema.FIELDS if name != "default"])
def test_a_field_takes_what_its_schema_does_and_nothing_else(table: Sessions, name: str) -> None:
    described = DOCUMENT["components"]["schemas"]["Settings"]["properties"][name]
    values: tuple[object, ...] = ("", "once", ["method"], [1], 1, 0.5, True, None, {}, [], [[]])
    for value in values:
        kind = {key: described[key] for key in ("type", "items") if key in described}
        is_valid = jsonschema.Draft202012Validator(kind).is_valid(value)
        assert schema.has_type(value, schema.FIELDS[name]) is is_valid, (name, value)
