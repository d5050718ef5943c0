"""One policy for every command: what mitmvcr.toml or flags call a secret is in nothing that they tell."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mitmvcr.cli import main
from mitmvcr.formats import vcrpy
from mitmvcr.model import Cassette, Interaction, Request, Response
from tests.cli.command import Ran

SECRETS = {
    "emails": ("emails", "ada@corp.example"),
    "home-paths": ("home-paths", "lovelace"),
    "JSONPath": ("$.user", "customer-ada"),
    "JSONPath of a stream": ("$.choices[*].delta.content", "says-ada"),
    "pattern": ("ticket-[0-9]{4}", "ticket-1843"),
    "function of a file": ("py:policy_rules.py:clean", "Byron"),
    "function of a module": ("py:policy_rules:clean", "Byron"),
    "kept header": ("x-tenant=redact", "tenant-ada"),
}
"""A rule by what it is, and a value that only this rule takes for a secret."""
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
CODE = """\
from dataclasses import replace


def clean(interaction):
    request, response = interaction.request, interaction.response
    url, asked = request.url.replace("Byron", "x"), request.body.replace(b"Byron", b"x")
    answered = response.body.replace(b"Byron", b"x")
    return replace(
        interaction, request=replace(request, url=url, body=asked), response=replace(response, body=answered)
    )
"""


def exchange(word: str) -> Interaction:
    asked = {
        "model": "model-of-Byron-ticket-1843-ada@corp.example",
        "user": f"customer-ada {word}",
        "messages": [f"{word}: ada@corp.example at /home/lovelace, ticket-1843, Byron"],
    }
    answered = {
        "choices": [{"delta": {"content": f"{word} says-ada"}}],
        "note": asked["messages"],
        "user": f"customer-ada {word}",
    }
    body = f"data: {json.dumps(answered)}\n\ndata: [DONE]\n\n".encode()
    return Interaction(
        Request(
            "POST",
            "https://h.example/v1/ada@corp.example/ticket-1843/Byron",
            headers={"Content-Type": ["application/json"], "X-Tenant": ["tenant-ada"]},
            body=json.dumps(asked).encode(),
        ),
        Response(200, "200 OK", body=body, headers={"Content-Type": ["text/event-stream"]}),
    )


Run = Callable[..., Ran]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in this process; what it came to."""

    def ran(*arguments: str) -> Ran:
        status = main(arguments)
        printed = capsys.readouterr()
        return Ran(status, printed.out, printed.err)

    return ran


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where it runs, with two cassettes; Python finds modules as for an installed command."""
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_bytes(vcrpy.dump(Cassette((exchange(name),))))
    (tmp_path / "policy_rules.py").write_text(CODE)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def option(rule: str) -> str:
    return "keep_headers" if rule.endswith("=redact") else "redact"


@pytest.mark.parametrize("kind", [kind for kind in SECRETS if kind != "kept header"])
def test_what_no_rule_names_is_written_and_printed(folder: Path, run: Run, kind: str) -> None:
    _, secret = SECRETS[kind]
    assert secret.encode() in converted(folder, run)
    assert secret in run("show", "one.yaml", "0").out
    assert secret in run("show", "one.yaml", "--all").out
    assert secret in run("diff", "--full", "one.yaml", "two.yaml").out
    assert run("lint", "one.yaml").status == 0


def flags_of(folder: Path, rule: str, given: str) -> list[str]:
    """The flags that give a rule; none if mitmvcr.toml is made to."""
    if given == "flags":
        return [f"--{option(rule).replace('_', '-')}", rule]
    (folder / "mitmvcr.toml").write_text(f"{option(rule)} = [{json.dumps(rule)}]\n")
    return []


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize("given", ["flags", "toml"])
def test_convert_writes_nothing_of_what_the_policy_redacts(
    folder: Path, run: Run, kind: str, given: str
) -> None:
    rule, secret = SECRETS[kind]
    flags = flags_of(folder, rule, given)
    for target, name in (("go-vcr", "go.yaml"), ("vcrpy", "vcrpy.yaml"), ("har", "a.har")):
        ran = run("convert", *flags, "--to", target, "one.yaml", name)
        assert ran.status == 0, ran.out + ran.err
        assert secret.encode() not in (folder / name).read_bytes()
        assert secret not in ran.out


@pytest.mark.parametrize("kind", SECRETS)
def test_show_and_diff_print_nothing_of_what_the_policy_redacts(folder: Path, run: Run, kind: str) -> None:
    rule, secret = SECRETS[kind]
    flags_of(folder, rule, "toml")
    for arguments in ([], ["0"], ["--all"], ["--json"], ["0", "--json"]):
        ran = run("show", "one.yaml", *arguments)
        assert ran.status == 0, ran.err
        assert secret not in ran.out, arguments
    for arguments in ([], ["--full"], ["--json"]):
        ran = run("diff", *arguments, "one.yaml", "two.yaml")
        assert ran.status == 1, ran.err
        assert secret not in ran.out, arguments


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize("given", ["flags", "toml"])
def test_lint_finds_and_scrub_takes_out_what_the_policy_redacts(
    folder: Path, run: Run, kind: str, given: str
) -> None:
    rule, secret = SECRETS[kind]
    flags = flags_of(folder, rule, given)
    assert run("lint", *flags, "one.yaml").status == 1
    assert run("scrub", *flags, "one.yaml").status == 0
    assert secret.encode() not in (folder / "one.yaml").read_bytes()
    assert run("lint", *flags, "one.yaml").status == 0


def converted(folder: Path, run: Run, *flags: str) -> bytes:
    ran = run("convert", "--force", *flags, "one.yaml", "out.yaml")
    assert ran.status == 0, ran.out + ran.err
    return (folder / "out.yaml").read_bytes()


def test_what_is_allowed_is_converted_and_shown(folder: Path, run: Run) -> None:
    recorded = Interaction(Request("GET", "https://h.example/"), Response(200, "200 OK", body=JWT.encode()))
    (folder / "one.yaml").write_bytes(vcrpy.dump(Cassette((recorded,))))
    assert JWT.encode() not in converted(folder, run)
    assert JWT.encode() in converted(folder, run, "--allow", "jwt@*")
    (folder / "mitmvcr.toml").write_text('allow = ["jwt@*"]\n')
    assert JWT.encode() in converted(folder, run)
    assert JWT in run("show", "one.yaml", "0").out


def test_a_header_that_is_kept_redacted_is_there_without_its_value(folder: Path, run: Run) -> None:
    (folder / "mitmvcr.toml").write_text('keep_headers = ["x-tenant=redact"]\n')
    assert b"X-Tenant" in converted(folder, run)
    assert "X-Tenant: REDACTED-" in run("show", "one.yaml", "0").out


def test_headers_that_mitmvcr_toml_keeps_are_converted_and_shown(folder: Path, run: Run) -> None:
    assert b"tenant-ada" not in converted(folder, run)
    (folder / "mitmvcr.toml").write_text('keep_headers = ["x-tenant"]\n')
    assert b"tenant-ada" in converted(folder, run)
    assert "tenant-ada" in run("show", "one.yaml", "0").out


def test_a_flag_wins_over_the_file(folder: Path, run: Run) -> None:
    (folder / "mitmvcr.toml").write_text('redact = ["emails"]\n')
    written = converted(folder, run, "--redact", "ticket-[0-9]+")
    assert b"ada@corp.example" in written
    assert b"ticket-1843" not in written


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("convert one.yaml out.yaml", 1),
        ("show one.yaml", 1),
        ("diff one.yaml two.yaml", 2),
        ("lint .", 2),
        ("scrub .", 2),
    ],
)
def test_a_policy_that_can_not_be_ends_the_command_in_a_line(
    folder: Path, run: Run, command: str, status: int
) -> None:
    (folder / "mitmvcr.toml").write_text('redact = ["re:("]\n')
    ran = run(*command.split())
    assert ran.status == status
    assert ran.err.startswith("mitmvcr: redact, entry 1: '(': ")
    assert ran.err.count("\n") == 1
