"""A listener that counts who comes, whatever address they meant; with TLS where a test wants it."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from automations.connectors import addresses, transport


@dataclass(slots=True)
class Listener:
    """Counts who comes, whatever address they meant."""

    server: socket.socket
    came: list[tuple[str, int]] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.server.getsockname()[1])


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Listener]:
    """Every dial leads here and is counted, as in production: no exception for this machine."""
    settings.CONNECTORS_ALLOW_LOOPBACK = False
    server = socket.create_server(("127.0.0.1", 0))
    listening = Listener(server)
    dial = transport.dial

    def counted(address: str, port: int, seconds: float) -> socket.socket:
        listening.came.append((address, port))
        return dial("127.0.0.1", listening.port, seconds)

    monkeypatch.setattr(transport, "dial", counted)
    yield listening
    server.close()


def resolves_to(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """A resolver that gives these answers, one after the other; the last one for ever."""
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    monkeypatch.setattr(addresses, "resolve", resolve)
    return asked


@dataclass(slots=True)
class Authority:
    """An authority of the test's own, and the files of a server that it vouches for."""

    folder: Path

    def make(self, name: str) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        certificate, secret = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate, secret


StartTLS = Callable[[str], list[str | None]]


@pytest.fixture
def tls_server(tmp_path: Path, listener: Listener, settings: Any) -> Iterator[StartTLS]:
    """`tls_server(name)`: the listener speaks TLS under this name; answers the SNI it was sent."""
    threads: list[threading.Thread] = []
    seen: list[str | None] = []

    def begin(name: str) -> list[str | None]:
        certificate, key = Authority(tmp_path).make(name)
        settings.CONNECTORS_CA_FILE = str(certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        context.sni_callback = lambda sock, sent, ctx: seen.append(sent)

        def serve() -> None:
            try:
                came, _ = listener.server.accept()
            except OSError:
                return
            with came:
                try:
                    with context.wrap_socket(came, server_side=True) as talk:
                        head = talk.recv(4096)
                        seen.append(head.decode().lower().partition("host: ")[2].partition("\r")[0])
                        talk.sendall(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")
                except OSError:
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        threads.append(thread)
        return seen

    yield begin
    for thread in threads:
        thread.join(5)
