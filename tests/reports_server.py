"""A real HTTPS endpoint that takes reports, as the operator's does; for tests of the worker."""

from __future__ import annotations

import http.server
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

TOKEN = "the token of the pod"


class ReportsServer(http.server.ThreadingHTTPServer):
    """What came in, and how it answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reports: list[dict[str, Any]] = []
        self.refused: list[str] = []
        self.statuses: list[int] = []
        """Answers to give first; 200 after that."""
        self.token = TOKEN
        self.connections = 0
        self.hangs_up = False
        """After each answer, without a word."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that doesn't trust us is none of our troubles."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ReportsServer

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        if self.headers["Authorization"] != f"Bearer {self.server.token}":
            status = 401
            self.server.refused.append(self.headers["Authorization"])
        if status == 200:
            self.server.reports.append(json.loads(body))
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.close_connection = self.close_connection or self.server.hangs_up

    def log_message(self, *_: object) -> None:
        """Silence."""


@contextmanager
def serve_reports(folder: Path, host: str = "127.0.0.1") -> Iterator[tuple[ReportsServer, str]]:
    """Serve on loopback with a certificate for ``host``; the server and its authority as PEM."""
    authority, certificate, key = _make_certificates(host)
    (folder / "cert.pem").write_bytes(certificate)
    (folder / "key.pem").write_bytes(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    server = ReportsServer()
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server, authority.decode()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _make_certificates(host: str) -> tuple[bytes, bytes, bytes]:
    ca_key, leaf_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test authority")])
    constraints = x509.BasicConstraints(ca=True, path_length=0)
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    authority = (
        _certificate(ca_name, ca_name, ca_key.public_key())
        .add_extension(constraints, critical=True)
        .add_extension(usage, critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "reports")])
    try:
        alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        alternative = x509.DNSName(host)
    leaf = (
        _certificate(name, ca_name, leaf_key.public_key())
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    key = leaf_key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return authority.public_bytes(pem), leaf.public_bytes(pem), key


def _certificate(subject: x509.Name, issuer: x509.Name, key: Any) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
    )
