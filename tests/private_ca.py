"""A private certificate authority, as people make one with `openssl req -x509`, and its certificates.

Used by tests of stores that no public authority vouches for. Like most of its kind it lacks the
extensions that Python 3.13 asks for where it isn't told otherwise.
"""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, both PEM."""

    pem: str
    key_pem: str

    def write(self, folder: Path) -> None:
        """Where and as MinIO looks for them."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "public.crt").write_text(self.pem)
        (folder / "private.key").write_text(self.key_pem)


@dataclass(frozen=True)
class PrivateCa:
    """An authority that nobody knows."""

    name: str = "a private CA"
    _key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    @property
    def pem(self) -> str:
        """Its own certificate."""
        built = self._builder(self.name, self._key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        signed = built.sign(self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM).decode()

    def issue(self, *hosts: str) -> Certificate:
        """A server's, for these names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([_alternative(host) for host in hosts])
        built = self._builder(hosts[0], key.public_key()).add_extension(names, critical=False)
        signed = built.sign(self._key, hashes.SHA256())
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        pem = signed.public_bytes(serialization.Encoding.PEM).decode()
        return Certificate(pem, private.decode())

    def _builder(self, subject: str, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(_name(self.name))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
        )


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
