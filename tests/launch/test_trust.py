"""The files by which programs trust the proxy: nothing that was trusted before is lost."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
import trustme

from mitmvcr.errors import MitmvcrError
from mitmvcr.launch import trust
from tests.launch.java import JAVAS


def authority(folder: Path, name: str) -> Path:
    path = folder / name
    trustme.CA(organization_name=name).cert_pem.write_to_path(str(path))
    return path


def names(pem: bytes) -> list[str]:
    """Organizations of all the certificates in a bundle, as Python's own TLS reads them."""
    context = ssl.create_default_context(cadata=pem.decode())
    pairs = [pair for one in context.get_ca_certs() for part in one["subject"] for pair in part]
    return sorted(str(pair[1]) for pair in pairs if pair[0] == "organizationName")


def test_the_bundle_has_what_ssl_cert_file_names_and_ours(tmp_path: Path) -> None:
    corporate, own = authority(tmp_path, "corporate"), authority(tmp_path, "own")
    environ = {"SSL_CERT_FILE": str(corporate)}
    files = trust.write(tmp_path, own, "0123abcd", trust.system_certificates(environ), environ)
    assert names(files.bundle.read_bytes()) == ["corporate", "own"]
    assert names(files.extra.read_bytes()) == ["own"]


def test_bundles_of_requests_and_node_are_taken_in(tmp_path: Path) -> None:
    own = authority(tmp_path, "own")
    environ = {
        "SSL_CERT_FILE": str(authority(tmp_path, "corporate")),
        "REQUESTS_CA_BUNDLE": str(authority(tmp_path, "requests")),
        "NODE_EXTRA_CA_CERTS": str(authority(tmp_path, "node")),
        "CURL_CA_BUNDLE": str(tmp_path / "absent"),
    }
    files = trust.write(tmp_path, own, "0123abcd", trust.system_certificates(environ), environ)
    assert names(files.bundle.read_bytes()) == ["corporate", "node", "own", "requests"]
    assert names(files.extra.read_bytes()) == ["node", "own"]


def test_a_folder_of_certificates_is_taken_in_and_stays_in_the_path(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    authority(folder, "one")
    authority(folder, "two")
    environ = {"SSL_CERT_DIR": str(folder)}
    own = authority(tmp_path, "own")
    files = trust.write(tmp_path, own, "0123abcd", trust.system_certificates(environ), environ)
    assert names(files.bundle.read_bytes()) == ["one", "own", "two"]
    first, second = files.directories.split(":")
    assert (Path(first) / "0123abcd.0").read_bytes().strip() == own.read_bytes().strip()
    assert second == str(folder)


def test_a_folder_that_can_not_be_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0)
    user = os.geteuid()
    if user == 0:  # root reads all, nobody doesn't
        os.seteuid(65534)
    try:
        with pytest.raises(MitmvcrError, match=r"closed: its certificates can't be read: Permission denied"):
            trust.system_certificates({"SSL_CERT_DIR": str(folder)})
    finally:
        os.seteuid(user)


def test_a_file_that_can_not_be_read_has_no_certificates(tmp_path: Path) -> None:
    good = authority(tmp_path, "good")
    (tmp_path / "loop.pem").symlink_to("loop.pem")
    places = {"SSL_CERT_DIR": str(tmp_path), "CURL_CA_BUNDLE": str(tmp_path / "loop.pem")}
    assert trust.system_certificates(places) == [good.read_bytes().strip()]


def test_without_any_variable_the_systems_list_is_there() -> None:
    assert len(trust.system_certificates({})) > 20


def test_doing_it_again_on_top_of_it_changes_nothing(tmp_path: Path) -> None:
    own = authority(tmp_path, "own")
    environ = {"SSL_CERT_FILE": str(authority(tmp_path, "corporate"))}
    files = trust.write(tmp_path, own, "0123abcd", trust.system_certificates(environ), environ)
    before = files.bundle.read_bytes()
    environ = {"SSL_CERT_FILE": str(files.bundle), "SSL_CERT_DIR": files.directories.partition(":")[0]}
    again = trust.write(tmp_path, own, "0123abcd", trust.system_certificates(environ), environ)
    assert again.bundle.read_bytes() == before
    assert again.directories == environ["SSL_CERT_DIR"]


def test_a_ca_that_is_not_there_is_an_error_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(MitmvcrError, match=r"gone\.pem"):
        trust.write(tmp_path, tmp_path / "gone.pem", "0", [], {})


@pytest.mark.parametrize("java", JAVAS, ids=lambda path: path.parent.parent.name)
def test_java_reads_the_store(java: Path, tmp_path: Path) -> None:
    files = trust.write(
        tmp_path, authority(tmp_path, "own"), "0123abcd", [authority(tmp_path, "corporate").read_bytes()], {}
    )
    keytool = java.with_name("keytool")
    listed = subprocess.run(
        [keytool, "-list", "-v", "-keystore", files.store, "-storepass", trust.STORE_PASSWORD],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "Keystore type: JKS" in listed
    assert listed.count("trustedCertEntry") == 2
    assert "O=own" in listed
    assert "O=corporate" in listed


def test_wget_keeps_the_users_own_configuration_and_trusts_the_bundle(tmp_path: Path) -> None:
    (tmp_path / ".wgetrc").write_text("tries = 3")
    own, environ = authority(tmp_path, "own"), {"HOME": str(tmp_path)}
    files = trust.write(tmp_path, own, "0123abcd", [], environ)
    expected = f"tries = 3\n# mitmvcr\nca_certificate = {files.bundle}\n"
    assert files.wgetrc.read_text() == expected
    # An inner run, or `mitmvcr env` read twice, takes away what an outer one has added.
    inner = trust.write(tmp_path, own, "0123abcd", [], {**environ, "WGETRC": str(files.wgetrc)})
    assert inner.wgetrc.read_text() == expected


@pytest.mark.skipif(shutil.which("php") is None, reason="PHP is not installed")
def test_php_reads_where_the_bundle_is(tmp_path: Path) -> None:
    files = trust.write(tmp_path, authority(tmp_path, "own"), "0123abcd", [], {})
    said = subprocess.run(
        ["php", "-r", "echo ini_get('openssl.cafile');"],
        env={"PATH": os.environ["PATH"], "PHP_INI_SCAN_DIR": f":{files.php}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == str(files.bundle)


def test_what_takes_the_place_of_the_bundle_for_one_tool_is_taken_in(tmp_path: Path) -> None:
    environ = {
        "SSL_CERT_FILE": str(authority(tmp_path, "corporate")),
        "PIP_CERT": str(authority(tmp_path, "pip")),
    }
    assert names(b"\n".join(trust.system_certificates(environ))) == ["corporate", "pip"]
