"""Files by which programs trust the proxy's CA besides all that they trust anyway; installs nothing."""

from __future__ import annotations

import binascii
import contextlib
import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mitmvcr.errors import MitmvcrError

STORE_PASSWORD = "changeit"  # noqa: S105 - Java's own, for a store of public certificates
"""The password of the Java trust store: what Java itself gives its own."""

SYSTEM_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
EXTRA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "AWS_CA_BUNDLE")
NODE_VARIABLES = ("NODE_EXTRA_CA_CERTS", "DENO_CERT")
OTHER_VARIABLES = (
    *("PIP_CERT", "NIX_SSL_CERT_FILE", "HTTPLIB2_CA_CERTS", "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE"),
    *("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "CARGO_HTTP_CAINFO", "PERL_LWP_SSL_CA_FILE", "HEX_CACERTS_PATH"),
)
"""Where one of these is set it takes the place of those above, for one tool each."""
WGETRC = "WGETRC"
PHP_FOLDERS = "PHP_INI_SCAN_DIR"

_OURS = "# mitmvcr"

_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Arch, Gentoo
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # CentOS, RHEL 7
    "/etc/ssl/cert.pem",  # Alpine, macOS
)
"""Where systems have their list; Go's (crypto/x509/root_linux.go). Python knows only OpenSSL's place."""
_FOLDERS = ("/etc/ssl/certs", "/etc/pki/tls/certs")

_PEM = re.compile(
    rb"-----BEGIN (?:TRUSTED )?CERTIFICATE-----.*?-----END (?:TRUSTED )?CERTIFICATE-----", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class TrustFiles:
    """Paths. `bundle`: all that the user trusts, and the proxy's CA, as PEM.

    `extra`: what is trusted besides a runtime's own list. `directories`: SSL_CERT_DIR, a folder with
    the CA by the name that OpenSSL looks for, and what it is without.
    `store`: `bundle` for Java (JKS, which Java 8 and later read).
    """

    bundle: Path
    extra: Path
    directories: str
    store: Path

    @property
    def wgetrc(self) -> Path:
        """The configuration of wget: the user's own, and the bundle."""
        return self.bundle.with_name("wgetrc")

    @property
    def php(self) -> Path:
        """A folder of PHP's configuration, to be read behind all others."""
        return self.bundle.with_name("php")


def system_certificates(environ: Mapping[str, str]) -> list[bytes]:
    """The certificates that this user's programs trust, each as PEM, none twice.

    SSL_CERT_FILE and SSL_CERT_DIR take the place of the system's own, as with OpenSSL; the bundles that
    requests, curl, git and the AWS tools are given are added. certifi's list is used where the system
    has none.
    """
    files = [environ[name] for name in SYSTEM_VARIABLES if environ.get(name)]
    certificates = _read_all(files) or _read_all([place for place in _BUNDLES if Path(place).is_file()][:1])
    if not certificates:
        import certifi  # noqa: PLC0415 - mitmproxy depends on it; a system with certificates needs it not

        certificates = _read_all([certifi.where()])
    names = (*EXTRA_VARIABLES, *NODE_VARIABLES, *OTHER_VARIABLES)
    more = _read_all(environ[name] for name in names if environ.get(name))
    return list(dict.fromkeys([*certificates, *more]))


def _read_all(places: Iterable[str]) -> list[bytes]:
    """The certificates in files and folders; a file that can't be read has none, as for OpenSSL."""
    certificates: list[bytes] = []
    for place in places:
        for part in place.split(os.pathsep):
            path = Path(part)
            try:
                files = sorted(path.iterdir()) if path.is_dir() else [path]
            except OSError as error:
                raise MitmvcrError(
                    f"{path}: its certificates can't be read: {error.strerror}; make it readable, or take it "
                    f"out of {' or '.join(SYSTEM_VARIABLES)} and the like"
                ) from None
            for file in files:
                with contextlib.suppress(OSError):
                    certificates += _PEM.findall(file.read_bytes()) if file.is_file() else []
    return certificates


def write(
    folder: Path, ca: Path, ca_hash: str, system: Iterable[bytes], environ: Mapping[str, str]
) -> TrustFiles:
    """Write the files into the folder, which exists; raises MitmvcrError."""
    hashed = folder / "certificates"
    usual = environ.get("SSL_CERT_DIR") or next((place for place in _FOLDERS if Path(place).is_dir()), "")
    directories = ":".join(dict.fromkeys(filter(None, [str(hashed), *usual.split(":")])))
    files = TrustFiles(folder / "bundle.pem", folder / "extra.pem", directories, folder / "truststore.jks")
    try:
        own = _PEM.findall(ca.read_bytes())
        everything = list(dict.fromkeys([*system, *own]))
        extra = _read_all(environ[name] for name in NODE_VARIABLES if environ.get(name))
        files.bundle.write_bytes(_join(everything))
        files.extra.write_bytes(_join(dict.fromkeys([*extra, *own])))
        hashed.mkdir(exist_ok=True)
        (hashed / f"{ca_hash}.0").write_bytes(_join(own))
        files.store.write_bytes(java_store(everything))
        files.wgetrc.write_bytes(_wgetrc(files, environ))
        files.php.mkdir(exist_ok=True)
        places = [f'{name}="{files.bundle}"\n' for name in ("curl.cainfo", "openssl.cafile")]
        (files.php / "mitmvcr.ini").write_text("".join(places), "utf-8")
    except OSError as error:
        raise MitmvcrError(f"{error.filename}: can't be written or read: {error.strerror}") from None
    return files


def _wgetrc(files: TrustFiles, environ: Mapping[str, str]) -> bytes:
    """What the user's own wgetrc says, less what one of ours has added, and where the bundle is."""
    own = environ.get(WGETRC) or (f"{environ['HOME']}/.wgetrc" if environ.get("HOME") else "")
    said = b""
    with contextlib.suppress(OSError):
        said = Path(own).read_bytes() if own else b""
    said = said.partition(f"{_OURS}\n".encode())[0].rstrip()
    lines = [*([said] if said else []), _OURS.encode(), b"ca_certificate = " + os.fsencode(files.bundle), b""]
    return b"\n".join(lines)


def _join(certificates: Iterable[bytes]) -> bytes:
    return b"".join(certificate + b"\n" for certificate in certificates)


def java_store(certificates: Iterable[bytes]) -> bytes:
    """A JKS trust store of certificates in PEM, as `sun.security.provider.JavaKeyStore` reads it.

    JKS, and not PKCS12, since Java before 8u301 takes only a PKCS12 entry for trusted that has Oracle's
    own attribute, and not every release of `cryptography` that mitmproxy may come with can write that.
    """
    base64_texts = (b"".join(pem.splitlines()[1:-1]) for pem in certificates)
    ders = list(dict.fromkeys(binascii.a2b_base64(text) for text in base64_texts))
    body = b"\xfe\xed\xfe\xed" + (2).to_bytes(4, "big") + len(ders).to_bytes(4, "big")
    for number, der in enumerate(ders):
        alias = str(number).encode()
        body += (2).to_bytes(4, "big") + len(alias).to_bytes(2, "big") + alias + bytes(8)
        body += len(b"X.509").to_bytes(2, "big") + b"X.509" + len(der).to_bytes(4, "big") + der
    salted = STORE_PASSWORD.encode("utf-16-be") + b"Mighty Aphrodite" + body
    return body + hashlib.sha1(salted, usedforsecurity=False).digest()
