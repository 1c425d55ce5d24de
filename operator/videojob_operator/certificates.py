"""Certificates of the reports endpoint: a CA and a leaf, made and renewed here, kept in one Secret.

Called by ``__main__`` at start and once a day. The chart creates the Secret empty; workers get the CA
in their work order, so nothing has to be mounted and no webhook is patched.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .cluster import Cluster
from .errors import Conflict

_CA_YEARS = 10
_LEAF_DAYS = 365
_RENEW_DAYS = 60


@dataclass(frozen=True)
class Pair:
    """The endpoint's certificate, its key, and the CA to trust for it; all PEM."""

    ca_pem: str
    certificate_pem: str
    key_pem: str


async def ensure_certificate(cluster: Cluster, namespace: str, secret: str, host: str) -> Pair:
    """The pair in the Secret, made or renewed when it is missing, foreign or soon out of date.

    Raises:
        Gone: if the chart's Secret is not there.
    """
    while True:
        body = await cluster.get_secret(namespace, secret)
        if (pair := read_pair(body, host, datetime.now(UTC))) is not None:
            return pair
        data = {**(body.get("data") or {}), **build_secret_data(host, datetime.now(UTC))}
        try:
            body = await cluster.replace_secret({**body, "data": data})
        except Conflict:
            continue  # another replica was faster; take its pair


def read_pair(secret: dict[str, Any], host: str, now: datetime) -> Pair | None:
    """The pair in a Secret, or None if it should be replaced."""
    data = secret.get("data") or {}
    try:
        ca, certificate, key = (
            base64.b64decode(data[name]).decode() for name in ("ca.crt", "tls.crt", "tls.key")
        )
        leaf = x509.load_pem_x509_certificate(certificate.encode())
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (KeyError, ValueError, x509.ExtensionNotFound):
        return None
    fresh = leaf.not_valid_after_utc - now > timedelta(days=_RENEW_DAYS)
    return (
        Pair(ca, certificate, key)
        if fresh and host in names.get_values_for_type(x509.DNSName)
        else None
    )


def build_secret_data(host: str, now: datetime) -> dict[str, str]:
    """A new CA and a leaf for one host name, as a TLS Secret's data. The CA's key is not kept."""
    ca_key, leaf_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "videojob-reports-ca")])
    ca_identifier = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    start = now - timedelta(hours=1)
    ca = (
        x509.CertificateBuilder()
        .subject_name(ca_name)
        .issuer_name(ca_name)
        .public_key(ca_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(now + timedelta(days=365 * _CA_YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(key_cert_sign=True), critical=True)
        .add_extension(ca_identifier, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    leaf = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])]))
        .issuer_name(ca_name)
        .public_key(leaf_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(now + timedelta(days=_LEAF_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_identifier),
            critical=False,
        )
        .sign(ca_key, hashes.SHA256())
    )
    key = leaf_key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    pem = serialization.Encoding.PEM
    parts = {"ca.crt": ca.public_bytes(pem), "tls.crt": leaf.public_bytes(pem), "tls.key": key}
    return {name: base64.b64encode(part).decode() for name, part in parts.items()}


def _key_usage(*, digital_signature: bool = False, key_cert_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=key_cert_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
