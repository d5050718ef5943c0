"""`mitmvcr ca`: the certificate's path, made where it is missing, and errors that say what to do."""

from __future__ import annotations

from pathlib import Path

from tests.cli.command import Ran, mitmvcr
from tests.cli.test_run import expired_ca


def ca(folder: Path) -> Ran:
    return mitmvcr("ca", "--confdir", folder)


def test_it_is_made_once_and_stays(tmp_path: Path) -> None:
    first = ca(tmp_path / "new folder")
    path = Path(first.out.removesuffix("\n"))
    assert path == tmp_path / "new folder" / "mitmproxy-ca-cert.pem"
    before = path.read_bytes()
    assert b"BEGIN CERTIFICATE" in before
    assert b"PRIVATE KEY" not in before
    assert ca(tmp_path / "new folder") == first
    assert path.read_bytes() == before
    assert (path.with_name("mitmproxy-ca.pem").stat().st_mode & 0o077) == 0


def test_a_certificate_that_went_missing_is_made_from_the_whole(tmp_path: Path) -> None:
    path = Path(ca(tmp_path).out.strip())
    before = path.read_bytes()
    path.unlink()
    assert ca(tmp_path).status == 0
    assert path.read_bytes() == before


def test_where_it_cant_be_made_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ran = ca(tmp_path / "file" / "folder")
    assert ran.status == 1
    assert "can't be made" in ran.err
    assert "--confdir" in ran.err


def test_what_is_no_ca_and_what_has_expired_is_refused(tmp_path: Path) -> None:
    for content, told in ((b"nonsense", "no certificate authority"), (expired_ca(), "expired on")):
        (tmp_path / "mitmproxy-ca.pem").write_bytes(content)
        ran = ca(tmp_path)
        assert ran.status == 1
        assert told in ran.err
        assert "rm " in ran.err
        assert ran.out == ""
