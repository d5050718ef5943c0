"""`python -m tests.upstream`: the stand-in as a program; the package's docstring says what it answers."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from tests.upstream.serving import Settings, run


def _settings(arguments: list[str]) -> Settings:
    parser = argparse.ArgumentParser(
        prog="python -m tests.upstream",
        description="A stand-in for OpenAI's API on 127.0.0.1, for tests, demos and benches.",
    )
    parser.add_argument("--port", type=int, default=0, help="the port; 0, the default, takes a free one")
    tls = parser.add_mutually_exclusive_group()
    tls.add_argument(
        "--tls", nargs=2, type=Path, metavar=("CERT", "KEY"), help="HTTPS, HTTP/2 too, with these PEM files"
    )
    tls.add_argument(
        "--tls-self-signed",
        type=Path,
        metavar="DIR",
        help="HTTPS with a new certificate; DIR gets ca.pem, cert.pem and key.pem",
    )
    parser.add_argument("--until-eof", action="store_true", help="end when stdin does, with whoever holds it")
    given = parser.parse_args(arguments)
    cert, key = given.tls or (None, None)
    if given.tls_self_signed:
        cert, key = _self_signed(given.tls_self_signed)
    return Settings(given.port, cert, key, given.until_eof)


def _self_signed(folder: Path) -> tuple[Path, Path]:
    import trustme  # noqa: PLC0415 # takes longer to load than all the rest, and is for TLS alone

    folder.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost", "api.openai.com")
    cert, key = folder / "cert.pem", folder / "key.pem"
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(key))
    return cert, key


def main() -> int:
    """Serve; 1 and one line when it can't start."""
    try:
        asyncio.run(run(_settings(sys.argv[1:])))
    except OSError as error:
        print(f"tests.upstream: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
