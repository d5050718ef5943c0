"""The hosts of cassettes that nobody has opened: of requests alone, and as the files are now."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from mitmvcr.store import recorded_hosts
from mitmvcr.store.recorded_hosts import RecordedHosts
from mitmvcr.store.recorded_url import only_base_url
from tests.build import interaction, write


def test_only_requests_have_a_host(tmp_path: Path) -> None:
    write(
        tmp_path / "a.yaml", interaction("see https://prompt.example/", url="https://llm.example:8443/v1/x")
    )
    hosts = RecordedHosts(tmp_path)
    assert hosts.has("llm.example")
    assert not hosts.has("prompt.example")
    assert not hosts.has("lm.example")


@pytest.mark.parametrize("url", ["https://LLM.Example./v1", "https://bücher.example/v1"])
def test_a_host_is_found_however_the_file_writes_it(tmp_path: Path, url: str) -> None:
    write(tmp_path / "deep" / "er" / "a.yaml", interaction(url=url))
    name = "llm.example" if "LLM" in url else "xn--bcher-kva.example"
    assert RecordedHosts(tmp_path).has(name)


def test_compressed_files_and_other_formats_are_read(tmp_path: Path) -> None:
    entry = {
        "request": {
            "method": "GET",
            "url": "https://har.example/v1",
            "headers": [],
            "httpVersion": "HTTP/1.1",
        },
        "response": {"status": 200, "statusText": "OK", "headers": [], "content": {"text": "x"}},
    }
    (tmp_path / "a.har").write_text(json.dumps({"log": {"version": "1.2", "entries": [entry]}}))
    write(tmp_path / "b.yaml", interaction(url="https://zipped.example/v1"))
    (tmp_path / "b.yaml.gz").write_bytes(gzip.compress((tmp_path / "b.yaml").read_bytes()))
    (tmp_path / "b.yaml").unlink()
    hosts = RecordedHosts(tmp_path)
    assert hosts.has("har.example")
    assert hosts.has("zipped.example")


def test_what_is_no_cassette_has_no_host(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("https://llm.example/v1")
    (tmp_path / "b.json").write_bytes(b"\xff\xfe llm.example")
    write(tmp_path / "node_modules" / "a.yaml", interaction(url="https://llm.example/v1"))
    write(tmp_path / "notes.txt", interaction(url="https://llm.example/v1"))
    assert not RecordedHosts(tmp_path).has("llm.example")
    assert not RecordedHosts(tmp_path / "absent").has("llm.example")


def test_a_file_that_comes_later_is_found_and_one_that_was_edited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded_hosts, "_FRESH", 0)
    monkeypatch.setattr(recorded_hosts, "_REST", 0)
    hosts = RecordedHosts(tmp_path)
    assert not hosts.has("llm.example")
    write(tmp_path / "a.yaml", interaction(url="https://llm.example/v1"))
    assert hosts.has("llm.example")
    write(tmp_path / "a.yaml", interaction(url="https://other-llm.example.org/v1"))
    assert not hosts.has("llm.example")


def test_it_is_not_looked_again_at_once(tmp_path: Path) -> None:
    hosts = RecordedHosts(tmp_path)
    assert not hosts.has("llm.example")
    write(tmp_path / "a.yaml", interaction(url="https://llm.example/v1"))
    assert not hosts.has("llm.example")


@pytest.mark.parametrize(
    ("urls", "base_url"),
    [
        (["https://openrouter.ai/api/v1/chat/completions"], "https://openrouter.ai/api/v1"),
        (["http://[::1]:8000/v1/models", "http://[0::1]:8000/x"], "http://[::1]:8000/v1"),
        (["https://API.openai.com:443/v1/a", "https://api.openai.com./v1/b"], "https://api.openai.com/v1"),
        (["http://localhost:11434/api/chat"], "http://localhost:11434"),
        (["https://a.example/v1/x", "https://b.example/v1/x"], ""),
        (["https://a.example/v1/x", "http://a.example/v1/x"], ""),
        (["http://api:REDACTED-token-1", "https://a.example/v2/x"], "https://a.example/v2"),
        (["http://api:REDACTED-token-1", "/v1/x"], ""),
        ([], ""),
    ],
)
def test_a_base_url_is_what_all_urls_have(urls: list[str], base_url: str) -> None:
    assert only_base_url(urls) == base_url
