"""TLS with the clients of recorded hosts: contexts that are kept, an ECDSA key, no hooks; nothing upstream.

mitmproxy has one context for all hosts, and reads each connection's certificate and RSA key anew; signing
with that key is the dearest part of a handshake. Here each host has a context, with the certificate that
mitmproxy made for it and the same one with a P-256 key: OpenSSL takes what the client can. All else about
the contexts is mitmproxy's own. Where one of its options for them is set, it serves.

It builds on mitmproxy's TLS layer and its `tlsconfig` (11.0 to 12.3). Without it each
handshake reads the certificate and the RSA key anew, and signs with that.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from mitmproxy import ctx
from mitmproxy.addons.tlsconfig import TlsConfig, alpn_select_callback
from mitmproxy.net import tls as net_tls
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.tls import ClientTLSLayer, TlsEstablishedClientHook, get_client_hello
from mitmproxy.tls import ClientHello, TlsData
from OpenSSL import SSL

from mitmvcr.proxy.patches.socket_bypass import AnswerAtOnce
from mitmvcr.serving.bounded import Bounded

Commands: TypeAlias = "Generator[commands.Command, Any, None]"

_OPTIONS = (
    "add_upstream_certs_to_client_chain",
    "certs",
    "ciphers_client",
    "request_client_cert",
    "tls_ecdh_curve_client",
    "tls_version_client_max",
    "tls_version_client_min",
)
"""Options of mitmproxy's that say how it speaks TLS with clients."""
_HTTP1 = b"http/1.1"
_SERVER_NAME, _ALPN = 0, 16  # extensions' numbers, RFC 6066 and RFC 7301
_FIXED = 4 + 2 + 32  # bytes: a handshake message's head, version, random (RFC 8446, 4 and 4.1.2)
_RECORD = 16 << 10  # bytes, the most that a record has (RFC 8446, 5.1)
_KEPT = 100  # as many as mitmproxy keeps certificates, `CertStore.STORE_CAP`


@dataclass(frozen=True, slots=True)
class Hello:
    """What a ClientHello says that matters here; `names` is its extension of that name as it came."""

    names: bytes
    alpn: tuple[bytes, ...]

    @classmethod
    def parse(cls, message: bytes) -> Hello:
        """Read the whole handshake message; raises ValueError."""
        try:
            at = _FIXED + 1 + message[_FIXED]  # the session's id
            at += 2 + int.from_bytes(message[at : at + 2], "big")  # cipher suites
            at += 1 + message[at]  # compression methods
            extensions: dict[int, bytes] = {}
            at += 2
            while at < len(message):
                kind, size = struct.unpack_from("!HH", message, at)
                extensions[kind] = message[at + 4 : at + 4 + size]
                at += 4 + size
        except (IndexError, struct.error):
            raise ValueError("a ClientHello that breaks off") from None
        return cls(extensions.get(_SERVER_NAME, b""), tuple(_protocols(extensions.get(_ALPN, b""))))


def _protocols(extension: bytes) -> Generator[bytes]:
    at = 2
    while at < len(extension):
        end = at + 1 + extension[at]
        yield extension[at + 1 : end]
        at = end


class Handshakes:
    """The contexts of a process, each made for a host when it is first asked for."""

    def __init__(self) -> None:
        self._key: ec.EllipticCurvePrivateKey | None = None
        self._contexts: Bounded[tuple[str, str], SSL.Context] = Bounded(_KEPT)
        self._names: Bounded[bytes, tuple[str | None]] = Bounded(_KEPT)
        self._on: bool | None = None

    def forget(self) -> None:
        """Options may have changed, and with them the CA."""
        self._on = None
        self._contexts.clear()

    def start(self, data: TlsData) -> None:
        """Give a connection what mitmproxy would give it, or leave that to mitmproxy (`tls_start_client`)."""
        if data.ssl_conn is None and not data.is_dtls:
            data.ssl_conn = self._connection(data.context, data.context.client.alpn)

    def answer(
        self, context: Context, message: bytes, inside: Callable[[], layer.Layer]
    ) -> layer.Layer | None:
        """The layer for a client that takes HTTP/1.1; None if this ClientHello is mitmproxy's to answer."""
        try:
            hello = Hello.parse(message)
            name = self._name(hello, message)
        except (ValueError, EOFError):
            return None
        if hello.alpn and _HTTP1 not in hello.alpn:
            return None
        context.client.sni, context.client.alpn_offers = name, hello.alpn
        connection = self._connection(context, _HTTP1)
        return HostTlsLayer(context, connection, inside) if connection else None

    def _name(self, hello: Hello, message: bytes) -> str | None:
        """The server name, by mitmproxy's own reading."""
        name = self._names.get(hello.names)
        if name is None:
            name = (ClientHello(message[4:]).sni,)
            self._names.add(hello.names, name)
        return name[0]

    def _connection(self, context: Context, alpn: bytes | None) -> SSL.Connection | None:
        client, server = context.client, context.server
        if self._on is None:
            self._on = not any(ctx.options.has_changed(name) for name in _OPTIONS)  # type: ignore[no-untyped-call]
        if not self._on or not server.address or server.certificate_list or client.cipher_list:
            return None
        key = (client.sni or client.sockname[0], server.address[0])
        ssl_context = self._contexts.get(key)
        if ssl_context is None:
            ssl_context = self._context(context)
            self._contexts.add(key, ssl_context)
        connection = SSL.Connection(ssl_context)
        connection.set_app_data({"client_alpn": alpn, "server_alpn": server.alpn, "http2": ctx.options.http2})
        connection.set_accept_state()
        return connection

    def _context(self, context: Context) -> SSL.Context:
        """mitmproxy's, but for this host's certificates in it."""
        tlsconfig: TlsConfig = ctx.master.addons.get("tlsconfig")  # type: ignore[no-untyped-call]
        stock = TlsData(context.client, context)
        tlsconfig.tls_start_client(stock)
        entry = tlsconfig.get_cert(context)

        def select(connection: SSL.Connection, offered: list[bytes]) -> Any:
            # One for each context: of equal arguments mitmproxy makes one context.
            return alpn_select_callback(connection, offered)

        ssl_context = net_tls.create_client_proxy_context(
            method=net_tls.Method.TLS_SERVER_METHOD,
            min_version=net_tls.Version[ctx.options.tls_version_client_min],
            max_version=net_tls.Version[ctx.options.tls_version_client_max],
            cipher_list=tuple(cast("SSL.Connection", stock.ssl_conn).get_cipher_list()),
            ecdh_curve=None,
            chain_file=entry.chain_file,
            request_client_cert=False,
            alpn_select_callback=select,
            extra_chain_certs=(),
            dhparams=tlsconfig.certstore.dhparams,
        )
        # Cert has no public way to what cryptography wants in 11.0.
        certificate = x509.load_pem_x509_certificate(entry.cert.to_pem())
        ssl_context.use_certificate(certificate)
        ssl_context.use_privatekey(entry.privatekey)
        if self._key is None:
            self._key = ec.generate_private_key(ec.SECP256R1())
        ssl_context.use_certificate(reissued(certificate, entry.privatekey, self._key))
        ssl_context.use_privatekey(self._key)
        return ssl_context


def reissued(
    old: x509.Certificate,
    ca: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    """A certificate of mitmproxy's anew, for another key; mitmproxy makes them for the CA's own.

    mitmproxy makes its CA with an RSA key; from 12.3 on a user's own may have an elliptic curve's.
    """
    builder = (
        x509.CertificateBuilder()
        .issuer_name(old.issuer)
        .subject_name(old.subject)
        .serial_number(x509.random_serial_number())
        .not_valid_before(old.not_valid_before_utc)
        .not_valid_after(old.not_valid_after_utc)
        .public_key(key.public_key())
    )
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    return builder.sign(ca, hashes.SHA256())


class Tunnel(layer.Layer):
    """What is in a CONNECT that we have answered: TLS that is ours to speak, or what mitmproxy makes of it.

    `inside` makes the layer for HTTP/1.1 in that TLS.
    """

    def __init__(self, context: Context, handshakes: Handshakes, inside: Callable[[], layer.Layer]) -> None:
        super().__init__(context)
        self._handshakes = handshakes
        self._inside = inside
        self._events: list[events.Event] = []
        self._data = b""

    def _handle_event(self, event: events.Event) -> Commands:
        self._events.append(event)
        if isinstance(event, events.DataReceived):
            self._data += event.data
        message = self._message()
        if message is None and not isinstance(event, events.ConnectionClosed):
            return
        self.context.layers.remove(self)
        child = self._handshakes.answer(self.context, message, self._inside) if message else None
        child = child or layer.NextLayer(self.context)
        self.handle_event = child.handle_event  # type: ignore[method-assign]
        for early in self._events:
            yield from child.handle_event(early)

    def _message(self) -> bytes | None:
        """The ClientHello, whole; empty if this isn't TLS, None if more has to come."""
        try:
            return get_client_hello(self._data)
        except ValueError:
            return b""


class HostTlsLayer(ClientTLSLayer):
    """mitmproxy's own layer, which is told what it would run hooks for."""

    def __init__(
        self, context: Context, connection: SSL.Connection, inside: Callable[[], layer.Layer]
    ) -> None:
        super().__init__(context)
        self.tls = connection
        self.client_hello_parsed = True
        self._inside = inside
        self._taken = 0
        self._early = b""
        context.server.tls = True

    def at_once(self, answer: AnswerAtOnce, data: bytes) -> bytes | None:
        """What `answer` makes of this data; both are encrypted here."""
        if self._taken:
            return None
        tls, plain, reply = self.tls, b"", None
        tls.bio_write(data)
        try:
            while True:
                plain += tls.recv(_RECORD)
        except SSL.WantReadError:
            reply = answer(plain) if plain else None
        except SSL.Error:
            pass  # behind a request there was the end, or what is none: that is met up there
        if reply is None:
            self._taken, self._early = len(data), plain
            return None
        with contextlib.suppress(SSL.Error):  # the client is going, as with mitmproxy's own `send_data`
            tls.sendall(reply)
        sealed = b""
        with contextlib.suppress(SSL.WantReadError):
            while True:
                sealed += tls.bio_read(len(reply) + _RECORD)
        return sealed

    def receive_data(self, data: bytes) -> Commands:
        """Take what came, after what `at_once` has read of it and could not answer."""
        new = data[self._taken :]
        self._taken = max(0, self._taken - len(data))
        early, self._early = self._early, b""
        if early:
            yield from self.event_to_child(events.DataReceived(self.conn, early))
        yield from super().receive_data(new)

    def receive_handshake_data(
        self, data: bytes
    ) -> Generator[commands.Command, Any, tuple[bool, str | None]]:
        """Go on with the handshake; whether it is done, and what went wrong."""
        steps = super().receive_handshake_data(data)
        reply = None
        while True:
            try:
                command = steps.send(reply)
            except StopIteration as end:
                done: tuple[bool, str | None] = end.value
                return done
            if isinstance(command, TlsEstablishedClientHook):
                reply = None
                if self.conn.alpn == _HTTP1:
                    self.child_layer = self._inside()
            else:
                reply = yield command
