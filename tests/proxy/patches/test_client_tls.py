"""TLS with clients of recorded hosts: which key, which protocol, when resumed; mitmproxy's options."""

from __future__ import annotations

import datetime as dt
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.certs import CertStore
from mitmproxy.net import tls as net_tls
from OpenSSL import SSL

from mitmvcr.proxy.patches.client_tls import Hello
from tests import build
from tests.conftest import Start
from tests.harness import Proxy, confdir
from tests.proxy.talk import HEADERS, Way, chat, connect, receive, recordings, trusting
from tests.upstream.server import Upstream

HOST, OTHER = "api.openai.com", "other.openai.com"
_KEY = f"Authorization: {HEADERS['Authorization']}\r\n"
_RSA_ONLY = "ECDHE-RSA-AES128-GCM-SHA256"
ENGINES = pytest.mark.parametrize("engine", ["layer", "hooks"])


@contextmanager
def _tunnel(proxy: Proxy, host: str = HOST) -> Iterator[socket.socket]:
    with connect(proxy.url, 20) as connection:
        connection.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
        told = connection.recv(1 << 12)
        assert told.startswith(b"HTTP/1.1 200 "), told
        yield connection


@contextmanager
def _tls(
    proxy: Proxy,
    context: ssl.SSLContext,
    *,
    host: str = HOST,
    name: str = "",
    session: ssl.SSLSession | None = None,
) -> Iterator[ssl.SSLSocket]:
    with (
        _tunnel(proxy, host) as connection,
        context.wrap_socket(connection, server_hostname=name or host, session=session) as secured,
    ):
        yield secured


def _context(
    proxy: Proxy, *protocols: str, ciphers: str = "", most: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED
) -> ssl.SSLContext:
    context = trusting(proxy.ca)
    context.maximum_version = most
    if protocols:
        context.set_alpn_protocols(protocols)
    if ciphers:
        context.set_ciphers(ciphers)
    return context


def _answer(connection: socket.socket) -> bytes:
    """The body of an answer that has a length."""
    head, _, body = receive(connection, b"\r\n\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(1 << 16)
    return body


def _said(connection: socket.socket, host: str = HOST) -> str:
    """What the recorded answer says; what comes with it has the ticket for the next session."""
    body = json.dumps(chat("Hi")).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body)
    return str(json.loads(_answer(connection))["said"])


def _leaf(connection: ssl.SSLSocket) -> x509.Certificate:
    certificate = connection.getpeercert(binary_form=True)
    assert certificate is not None
    return x509.load_der_x509_certificate(certificate)


def _replays(start: Start, folder: Path, *arguments: str, **options: object) -> Proxy:
    path = folder / "recordings" / "tls.yaml"
    build.write(
        path,
        *(
            build.interaction(chat("Hi"), {"said": said}, url=f"{base}/v1/chat/completions")
            for said, base in (
                (HOST, f"https://{HOST}"),
                (OTHER, f"https://{OTHER}"),
                ("plain", f"http://{HOST}:443"),
            )
        ),
    )
    options = {"repeat": "any", **options}
    return start(*arguments, mode="replay", cassette="tls", hosts="*.openai.com", **options)


@ENGINES
def test_leaf_has_the_key_that_the_client_can_verify_and_the_names_that_it_asked_for(
    start: Start, tmp_path: Path, engine: str
) -> None:
    proxy = _replays(start, tmp_path, engine=engine)
    for context, kind in (
        (_context(proxy, "http/1.1"), ec.EllipticCurvePublicKey),
        (_context(proxy, "http/1.1", most=ssl.TLSVersion.TLSv1_2), ec.EllipticCurvePublicKey),
        (_context(proxy, most=ssl.TLSVersion.TLSv1_2, ciphers=_RSA_ONLY), rsa.RSAPublicKey),
    ):
        with _tls(proxy, context) as connection:
            leaf = _leaf(connection)
            assert isinstance(leaf.public_key(), kind)
            assert _said(connection) == HOST
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == [HOST]
    with _tls(proxy, _context(proxy), name=OTHER) as connection:
        names = _leaf(connection).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == [OTHER, HOST]
        assert _said(connection) == HOST  # CONNECT's host decides, not the server name


@ENGINES
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_session_is_resumed_at_the_same_host_alone(
    start: Start, tmp_path: Path, engine: str, version: ssl.TLSVersion
) -> None:
    proxy = _replays(start, tmp_path, engine=engine)
    context = _context(proxy, "http/1.1", most=version)
    with _tls(proxy, context) as first:
        assert _said(first) == HOST
        assert not first.session_reused
        session = first.session
    with _tls(proxy, context, session=session) as again:
        assert again.session_reused
        assert again.selected_alpn_protocol() == "http/1.1"
        assert _said(again) == HOST
    with _tls(proxy, context, host=OTHER, session=session) as elsewhere:
        assert not elsewhere.session_reused
        assert _said(elsewhere, OTHER) == OTHER


@pytest.mark.parametrize(
    ("offered", "layers", "hooks"),
    [
        ((), None, None),
        (("http/1.1",), "http/1.1", "http/1.1"),
        (("h2", "http/1.1"), "http/1.1", "h2"),
        (("h2",), "h2", "h2"),
    ],
    ids=["none", "http1", "both", "http2"],
)
def test_layer_takes_http1_where_it_is_offered_and_http2_from_a_client_that_insists(
    start: Start, tmp_path: Path, offered: tuple[str, ...], layers: str | None, hooks: str | None
) -> None:
    for engine, expected in (("layer", layers), ("hooks", hooks)):
        proxy = _replays(start, tmp_path, engine=engine)
        with _tls(proxy, _context(proxy, *offered)) as connection:
            assert connection.selected_alpn_protocol() == expected
            assert isinstance(_leaf(connection).public_key(), ec.EllipticCurvePublicKey)
            if expected == "h2":
                connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
                assert connection.recv(9)[3] == 4, "the server's SETTINGS"
            else:
                assert _said(connection) == HOST


def test_recording_speaks_tls_with_the_same_keys(
    start: Start, tls_upstream: Upstream, tmp_path: Path
) -> None:
    way = Way("recorded", reverse=False, tls=True)
    host = tls_upstream.url.removeprefix("https://")
    with way.start(tmp_path, tls_upstream, mode="record") as proxy:
        context, reused = _context(proxy, "http/1.1"), []
        session = None
        for _ in range(2):
            with connect(proxy.url, 20) as connection:
                connection.sendall(f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                assert connection.recv(1 << 12).startswith(b"HTTP/1.1 200 ")
                name = host.partition(":")[0]
                with context.wrap_socket(connection, server_hostname=name, session=session) as secured:
                    assert isinstance(_leaf(secured).public_key(), ec.EllipticCurvePublicKey)
                    secured.sendall(f"GET /v1/models HTTP/1.1\r\nHost: {host}\r\n{_KEY}\r\n".encode())
                    assert _answer(secured)
                    session = secured.session
                    reused.append(secured.session_reused)
    assert reused == [False, True]
    assert len(recordings(tmp_path)) == 2


def test_host_that_is_not_recorded_gets_what_it_has_itself(
    start: Start, tls_upstream: Upstream, tmp_path: Path
) -> None:
    proxy = start(mode="record", hosts="api.openai.com")
    host = tls_upstream.url.removeprefix("https://")
    assert tls_upstream.ca is not None
    with connect(proxy.url, 20) as connection:
        connection.sendall(f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert connection.recv(1 << 12).startswith(b"HTTP/1.1 200 ")
        with trusting(tls_upstream.ca).wrap_socket(connection, server_hostname=host.partition(":")[0]):
            pass  # the stand-in's certificate, by the stand-in's CA


def _elliptic_ca(folder: Path) -> Path:
    """A folder with a CA whose key is an elliptic curve's, as somebody may bring it to mitmproxy."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An elliptic CA")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .issuer_name(name)
        .subject_name(name)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_CA_KEY_USAGE, critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(
        encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + certificate.public_bytes(encoding)
    folder.mkdir()
    (folder / "mitmproxy-ca.pem").write_bytes(private)
    (folder / "mitmproxy-ca-cert.pem").write_bytes(certificate.public_bytes(encoding))
    return folder


_CA_KEY_USAGE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@ENGINES
def test_ca_with_an_elliptic_key_signs_what_clients_verify(start: Start, tmp_path: Path, engine: str) -> None:
    folder = _elliptic_ca(tmp_path / "ca")
    try:
        CertStore.from_store(folder, "mitmproxy", 2048)
    except (TypeError, ValueError, AssertionError):
        pytest.skip("this mitmproxy takes RSA keys only")
    proxy = _replays(start, tmp_path, engine=engine, ca_folder=folder)
    for most in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with _tls(proxy, _context(proxy, "http/1.1", most=most)) as connection:
            assert isinstance(_leaf(connection).public_key(), ec.EllipticCurvePublicKey)
            assert _said(connection) == HOST


def _skip_unless_mitmproxy_can_look_at_versions() -> None:
    try:
        net_tls.is_supported_version(net_tls.Version.SSL3)
    except SSL.Error:
        pytest.skip("this mitmproxy can't be given a TLS version: its own check fails with this OpenSSL")


@ENGINES
@pytest.mark.parametrize(
    ("argument", "most", "expected"),
    [
        ("tls_version_client_max=TLS1_2", ssl.TLSVersion.TLSv1_3, "TLSv1.2"),
        ("tls_version_client_min=TLS1_3", ssl.TLSVersion.TLSv1_2, ""),
        ("ciphers_client=ECDHE-RSA-AES256-GCM-SHA384", ssl.TLSVersion.TLSv1_2, "ECDHE-RSA-AES256-GCM-SHA384"),
    ],
)
def test_mitmproxys_versions_and_ciphers_hold(  # noqa: PLR0917 - one of each
    start: Start, tmp_path: Path, engine: str, argument: str, most: ssl.TLSVersion, expected: str
) -> None:
    if "version" in argument:
        _skip_unless_mitmproxy_can_look_at_versions()
    proxy = _replays(start, tmp_path, "--set", argument, engine=engine)
    if not expected:
        with pytest.raises(ssl.SSLError), _tls(proxy, _context(proxy, most=most)):
            pass
        proxy.wait_for("Client TLS handshake failed. Client and mitmproxy cannot agree on a TLS version")
        return
    with _tls(proxy, _context(proxy, most=most)) as connection:
        cipher = connection.cipher()
        assert cipher is not None
        assert expected in (connection.version(), cipher[0])
        assert _said(connection) == HOST


@ENGINES
def test_mitmproxys_curve_holds(start: Start, tmp_path: Path, engine: str) -> None:
    proxy = _replays(start, tmp_path, "--set", "tls_ecdh_curve_client=secp384r1", engine=engine)
    context = _context(proxy)
    context.set_ecdh_curve("prime256v1")
    with pytest.raises(ssl.SSLError), _tls(proxy, context):
        pass
    context.set_ecdh_curve("secp384r1")
    with _tls(proxy, context) as connection:
        assert _said(connection) == HOST


@ENGINES
def test_mitmproxys_certs_hold(start: Start, tmp_path: Path, engine: str) -> None:
    store = CertStore.from_store(confdir(), "mitmproxy", 2048)
    own = store.get_cert("api.openai.com", [x509.DNSName("*.openai.com")], "Ours")
    pem = tmp_path / "own.pem"
    pem.write_bytes(own.cert.to_pem())  # its key is the CA's, as mitmproxy's all have it
    proxy = _replays(start, tmp_path, "--set", f"certs=*={pem}", engine=engine)
    with _tls(proxy, _context(proxy)) as connection:
        assert _leaf(connection).serial_number == own.cert.serial
        assert _said(connection) == HOST


_SEEN = """\
def tls_established_client(data):
    print("SEEN", data.context.client.sni, len(data.context.client.certificate_list), flush=True)
"""


@ENGINES
def test_mitmproxys_request_for_a_client_certificate_holds(start: Start, tmp_path: Path, engine: str) -> None:
    script = tmp_path / "seen.py"
    script.write_text(_SEEN)
    arguments = ("-s", str(script), "--set", "request_client_cert=true")
    proxy = _replays(start, tmp_path, *arguments, engine=engine)
    context = _context(proxy)
    context.load_cert_chain(confdir() / "mitmproxy-ca.pem")
    with _tls(proxy, context) as connection:
        assert _said(connection) == HOST
    proxy.wait_for(f"SEEN {HOST} 1")


_HOOKS = """\
from OpenSSL import SSL

def tls_clienthello(data):
    print("SAW tls_clienthello", data.client_hello.sni, flush=True)
def tls_start_client(data):
    print("SAW tls_start_client", data.ssl_conn, flush=True)
def tls_established_client(data):
    print("SAW tls_established_client", data.conn.alpn, data.conn.tls_version, flush=True)
"""


def test_script_sees_the_handshake_in_a_process_that_the_layer_serves(start: Start, tmp_path: Path) -> None:
    script = tmp_path / "hooks.py"
    script.write_text(_HOOKS)
    proxy = _replays(start, tmp_path, "-s", str(script), engine="layer")
    with _tls(proxy, _context(proxy, "http/1.1")) as connection:
        assert isinstance(_leaf(connection).public_key(), ec.EllipticCurvePublicKey)
        assert _said(connection) == HOST
    for line in (
        f"tls_clienthello {HOST}",
        "tls_start_client ",
        "tls_established_client b'http/1.1' TLSv1.3",
    ):
        proxy.wait_for(f"SAW {line}")


@pytest.mark.real_start  # mitmproxy reads the variable when it is imported
@ENGINES
def test_key_log_has_the_keys_of_each_connection(start: Start, tmp_path: Path, engine: str) -> None:
    log = tmp_path / "keys"
    proxy = _replays(start, tmp_path, engine=engine, env={"MITMPROXY_SSLKEYLOGFILE": str(log)})
    for _ in range(2):
        with _tls(proxy, _context(proxy)) as connection:
            assert _said(connection) == HOST
    assert log.read_text().count("CLIENT_TRAFFIC_SECRET_0 ") == 2


def test_hello_in_pieces_and_a_tunnel_without_tls_are_served(start: Start, tmp_path: Path) -> None:
    proxy = _replays(start, tmp_path, engine="layer")
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = _context(proxy, "http/1.1").wrap_bio(incoming, outgoing, server_hostname=HOST)
    with _tunnel(proxy) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with pytest.raises(ssl.SSLWantReadError):
            client.do_handshake()
        for byte in outgoing.read():
            connection.sendall(bytes([byte]))
        while client.version() is None:
            incoming.write(connection.recv(1 << 16))
            try:
                client.do_handshake()
            except ssl.SSLWantReadError:
                continue
            break
        assert client.selected_alpn_protocol() == "http/1.1"
    with _tunnel(proxy) as connection:
        assert _said(connection, f"{HOST}:443") == "plain"
    for garbage in (b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", b"\x16\x03\x01\x00\x00", b"\x16\x03\x01"):
        with _tunnel(proxy) as connection:
            connection.sendall(garbage)
    proxy.wait_for("Cannot parse ClientHello: 16030100050100000100")
    with _tls(proxy, _context(proxy)) as secured:
        assert _said(secured) == HOST


@ENGINES
def test_client_that_trusts_another_ca_is_told_of(start: Start, tmp_path: Path, engine: str) -> None:
    proxy = _replays(start, tmp_path, engine=engine)
    with pytest.raises(ssl.SSLCertVerificationError), _tls(proxy, ssl.create_default_context()):
        pass
    proxy.wait_for(f"The client does not trust the proxy's certificate for {HOST}")


def test_options_that_change_while_it_runs_hold_for_the_next_connection(start: Start, tmp_path: Path) -> None:
    script = tmp_path / "later.py"
    script.write_text(
        "from mitmproxy import ctx\n"
        "def client_disconnected(client):\n"
        '    ctx.options.update(ciphers_client="ECDHE-RSA-AES256-GCM-SHA384")\n'
        '    print("CHANGED", flush=True)\n'
    )
    proxy = _replays(start, tmp_path, "-s", str(script), engine="layer")
    for cipher in ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"):
        with _tls(proxy, _context(proxy, most=ssl.TLSVersion.TLSv1_2)) as connection:
            assert (connection.cipher() or ("",))[0] == cipher
            assert _said(connection) == HOST
        proxy.wait_for("CHANGED")


@given(st.data())
@pytest.mark.slow
def test_hello_is_read_or_refused_whatever_it_is(data: st.DataObject) -> None:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=HOST)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    message = outgoing.read()[5:]
    hello = Hello.parse(message)
    assert hello.alpn == (b"h2", b"http/1.1")
    assert HOST.encode() in hello.names
    broken = bytearray(message[: data.draw(st.integers(0, len(message)))])
    for at in data.draw(st.lists(st.integers(0, max(0, len(broken) - 1)), max_size=5)) if broken else ():
        broken[at] = data.draw(st.integers(0, 255))
    with suppress(ValueError):
        Hello.parse(bytes(broken))
