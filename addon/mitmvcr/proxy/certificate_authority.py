"""mitmproxy's certificate authority: made where it is missing, refused where it is of no use."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from mitmproxy.certs import Cert, CertStore
from OpenSSL import crypto

from mitmvcr.errors import MitmvcrError

_BASENAME = "mitmproxy"
_KEY_SIZE = 2048  # mitmproxy's default, `key_size`


@dataclass(frozen=True, slots=True)
class Authority:
    """The CA's certificate: where it is, and what OpenSSL calls it in a directory of certificates."""

    certificate: Path
    hash: str


def prepare(confdir: Path) -> Authority:
    """The CA in mitmproxy's folder, which is made if there is none.

    Raises MitmvcrError if it can't be made or read, or has expired.
    """
    confdir = confdir.expanduser()
    whole = confdir / f"{_BASENAME}-ca.pem"
    certificate = confdir / f"{_BASENAME}-ca-cert.pem"
    remedy = f"remove it (rm {confdir}/{_BASENAME}-ca*), and a new one is made"
    try:
        if not whole.exists():
            CertStore.create_store(confdir, _BASENAME, _KEY_SIZE)
        authority = Cert.from_pem(whole.read_bytes())
        if not certificate.exists():
            certificate.write_bytes(authority.to_pem())
    except OSError as error:
        raise MitmvcrError(
            f"{error.filename}: the certificate authority can't be made or read: {error.strerror}; "
            f"give a folder that can be written with --confdir"
        ) from None
    except ValueError as error:
        raise MitmvcrError(f"{whole}: this is no certificate authority ({error}); {remedy}") from None
    if authority.notafter < dt.datetime.now(dt.UTC):
        raise MitmvcrError(
            f"{whole}: the certificate authority expired on {authority.notafter:%Y-%m-%d}; {remedy}"
        )
    parsed = crypto.load_certificate(crypto.FILETYPE_PEM, authority.to_pem())
    return Authority(certificate, f"{parsed.subject_name_hash():08x}")
