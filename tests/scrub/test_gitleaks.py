"""gitleaks itself reads what we write: secrets made from its own rules, both ways, none found.

The Go program in `tests/go/gitleaks` holds its detector with the default rules (v8.30.1).
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from mitmvcr.formats import govcr
from mitmvcr.model import Cassette, Interaction
from tests.go.build import build, needs_go
from tests.scrub.planting import exchange, memory, scrubber, sse

# Patterns so loose that what they generate is nobody's secret: a command line with any text in it, a
# manifest, JSON inside of Base64 and JWTs with backslashes; Java, PHP and XML that a file's name tells; and
# values of ten characters, or words, behind any name that ends in `key`: a conversation is full of those.
NONSENSE = {
    "curl-auth-header",
    "curl-auth-user",
    "generic-api-key",
    "jwt",
    "jwt-base64",
    "kubernetes-secret-yaml",
    "nuget-config-password",
}

pytestmark = needs_go


@pytest.fixture(scope="module")
def gitleaks() -> Path:
    return build("gitleaks")


def findings(gitleaks: Path, documents: Sequence[bytes]) -> list[list[dict[str, str]]]:
    """What gitleaks finds in each document."""
    texts = json.dumps([data.decode() for data in documents]).encode()
    done = subprocess.run([gitleaks, "check"], input=texts, capture_output=True, check=True)
    out: list[list[dict[str, str]]] = json.loads(done.stdout)
    return out


def written(ones: Sequence[Interaction]) -> bytes:
    return govcr.dump(Cassette(ones), govcr.Dialect.CHARM)


def both_ways(secret: str) -> list[Interaction]:
    pieces = [secret[at : at + 9] for at in range(0, len(secret), 9)]
    asked = json.dumps({"model": "m", "input": f"see {secret} ok"}).encode()
    nested = json.dumps({"arguments": json.dumps({"value": secret})}).encode()
    return [exchange(asked, f"here: {secret} thanks".encode()), exchange(nested, sse(*pieces))]


def test_gitleaks_finds_nothing_in_what_we_write(gitleaks: Path) -> None:
    done = subprocess.run([gitleaks, "samples", "3"], capture_output=True, check=True)
    samples: dict[str, list[str]] = json.loads(done.stdout)
    strict = scrubber()
    raw, clean = {}, {}
    for rule, secrets in samples.items():
        ones = [one for secret in secrets for one in both_ways(secret)]
        seen = memory()
        raw[rule] = written(ones)
        clean[rule] = written([strict.interaction(one, seen) for one in ones])
    found = dict(zip(raw, findings(gitleaks, list(raw.values())), strict=True))
    left = dict(zip(clean, findings(gitleaks, list(clean.values())), strict=True))
    assert sum(bool(those) for those in found.values()) > 150
    assert {rule: those for rule, those in left.items() if those and rule not in NONSENSE} == {}


def test_gitleaks_takes_no_replacement_for_a_secret(gitleaks: Path) -> None:
    kinds = (
        "token",
        "org",
        "project",
        "githubtoken",
        "awstoken",
        "sigtoken",
        "password",
        "cookie",
        "encoded",
        "custom",
    )
    lines = [f'"api_key": "REDACTED-{kind}-{number}"' for kind in kinds for number in (1, 12, 37, 120, 1234)]
    assert findings(gitleaks, ["\n".join(lines).encode()]) == [[]]
