"""Archives and compressed data in bodies: looked into, within bounds, and never passed over in silence."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable

import pytest
import zstandard

from mitmvcr.scrub.detect import archives
from mitmvcr.scrub.detect.archives import PackedError, members, unpacked
from tests.scrub.planting import KINDS, exchange, memory, scrubber

SECRET = KINDS["github"](random.Random(6)).encode()


def zipped(data: bytes, name: str = "notes.txt") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return out.getvalue()


def tarred(data: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("notes.txt")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "zip": zipped,
    "tar": tarred,
    "tar.gz": lambda data: gzip.compress(tarred(data)),
    "gzip": gzip.compress,
    "zstd": zstandard.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zip in a zip": lambda data: zipped(zipped(data)),
}


def uploaded(file: bytes) -> bytes:
    head = b'--b0undary\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nassistants\r\n'
    part = b'--b0undary\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    return head + part + file + b"\r\n--b0undary--\r\n"


@pytest.mark.parametrize("packer", PACKERS)
def test_secret_in_an_uploaded_archive_is_not_written_and_a_harmless_archive_is(packer: str) -> None:
    gate = scrubber()
    for inside, is_bad in ((b"key: " + SECRET, True), (b"the minutes of the meeting", False)):
        one = exchange(
            uploaded(PACKERS[packer](inside)), content_type="multipart/form-data; boundary=b0undary"
        )
        clean = gate.interaction(one, memory())
        findings = gate.gate(b"", clean, memory())
        if packer == "tar":  # there it stands as it is
            assert (SECRET in one.request.body, SECRET in clean.request.body) == (is_bad, False)
            continue
        assert {finding.field for finding in findings} == ({"request.body"} if is_bad else set())
        # Some don't compress what is so short: what replaces it in them breaks them.
        assert {finding.rule for finding in findings} <= {"github-token", "unreadable-body"}


def test_finding_in_an_archive_says_so() -> None:
    (finding,) = scrubber().gate(b"", exchange(gzip.compress(zipped(SECRET * 20))), memory())
    assert (finding.rule, finding.place) == ("github-token", "in an archive")
    assert SECRET[5:] not in str(finding).encode()


BROKEN = {
    "7-Zip": b"7z\xbc\xaf\x27\x1c" + bytes(30),
    "RAR": b"Rar!\x1a\x07\x01\0" + bytes(30),
    "zip": zipped(b"x" * 1000)[:-30],
    "tar": tarred(b"x" * 1000)[:600],
    "xz": lzma.compress(b"x" * 1000)[:-9],
    "bzip2": bz2.compress(b"x" * 1000)[:-9],
    "bzip2 and more": bz2.compress(b"x") + b"more",
    "gzip": gzip.compress(b"x" * 1000)[:-9],
}


@pytest.mark.parametrize("broken", BROKEN)
def test_archive_that_cannot_be_read_is_refused(broken: str) -> None:
    (finding,) = scrubber().gate(b"", exchange(uploaded(BROKEN[broken])), memory())
    assert finding.rule == "unreadable-body"


@pytest.mark.parametrize("packer", ["zip", "gzip", "zstd", "bzip2", "xz"])
def test_bomb_is_refused_within_bounds(packer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "LIMIT", 1_000_000)
    bomb = PACKERS[packer](bytes(50_000_000))
    tracemalloc.start()
    with pytest.raises(PackedError, match=r"more than 1,000,000"):
        list(members(bomb))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 25_000_000  # of 50: xz has a dictionary of 8


def test_nesting_without_end_is_refused() -> None:
    body = b"x"
    for _ in range(8):
        body = zipped(body)
    with pytest.raises(PackedError, match="deep"):
        list(members(body))


def test_body_that_was_decoded_and_kept_its_header_is_itself() -> None:
    for coding in ("gzip", "br", "zstd"):
        assert unpacked(b'{"a": 1}', coding) == b'{"a": 1}'
    assert unpacked(b"\x89PNG\r\n\x1a\n\xff\xd8", "gzip") == b"\x89PNG\r\n\x1a\n\xff\xd8"
    with pytest.raises(PackedError):
        unpacked(b"\x1f\x8b\x08\xff\xff broken", "gzip")


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_secret_in_utf_16_is_replaced_in_utf_16(coding: str) -> None:
    text = f"the key is {SECRET.decode()} and no other"
    seen = memory()
    one = scrubber().interaction(exchange(text.encode(coding), text.encode(coding)), seen)
    mark = "REDACTED-githubtoken-1"
    assert one.request.body.decode(coding) == f"the key is {mark} and no other"
    assert one.response.body == one.request.body
    assert scrubber().gate(b"", one, seen) == []
    end = scrubber().interaction(exchange(f"key {SECRET.decode()}".encode(coding)), memory())
    assert end.request.body.decode(coding) == f"key {mark}"
    assert scrubber().gate(b"", exchange(text.encode(coding)), memory())
