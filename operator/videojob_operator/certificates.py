"""Certificates of the reports endpoint: a CA and a leaf, made and renewed here, kept in one Secret.

Called by ``__main__`` at start and once a day. The chart creates the Secret empty; workers get the CA
in their work order, so nothing has to be mounted and no webhook is patched. That order can't be changed,
so the CA outlives its leaves: workers at work do not notice a new one.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .cluster import Cluster
from .errors import Conflict

_CA_YEARS = 10
_LEAF_DAYS = 365
_RENEW_DAYS = 60
_CLOCKS_DIFFER = timedelta(hours=1)


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
        before = body.get("data") or {}
        data = {**before, **build_secret_data(host, datetime.now(UTC), before)}
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


def build_secret_data(
    host: str, now: datetime, before: Mapping[str, str] | None = None
) -> dict[str, str]:
    """A leaf for one host name, and the CA that it is of, as a Secret's data.

    Args:
        host: the name that workers reach the endpoint by.
        now: the time.
        before: the Secret's data until now; its CA stays while it outlives the leaf.
    """
    authority = _read_authority(before or {}, now) or _build_authority(now)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _build_leaf(host, now, key.public_key(), authority)
    parts = {
        "ca.crt": authority.certificate.public_bytes(serialization.Encoding.PEM),
        "ca.key": _key_pem(authority.key),
        "tls.crt": certificate.public_bytes(serialization.Encoding.PEM),
        "tls.key": _key_pem(key),
    }
    return {name: base64.b64encode(part).decode() for name, part in parts.items()}


@dataclass(frozen=True)
class _Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def _read_authority(data: Mapping[str, str], now: datetime) -> _Authority | None:
    """The CA in a Secret; None if it ends before a new leaf would, or its key is not there.

    Operators of earlier versions kept no key, and made a new CA beside whatever key there was.
    """
    try:
        certificate = x509.load_pem_x509_certificate(base64.b64decode(data["ca.crt"]))
        key = serialization.load_pem_private_key(base64.b64decode(data["ca.key"]), None)
    except (KeyError, ValueError, TypeError, UnsupportedAlgorithm):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        return None
    is_its_key = key.public_key() == certificate.public_key()
    outlives = certificate.not_valid_after_utc - now > timedelta(days=_LEAF_DAYS)
    return _Authority(certificate, key) if is_its_key and outlives else None


def _build_authority(now: datetime) -> _Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "videojob-reports-ca")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_DIFFER)
        .not_valid_after(now + timedelta(days=365 * _CA_YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(key_cert_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _Authority(certificate, key)


def _build_leaf(
    host: str, now: datetime, public_key: ec.EllipticCurvePublicKey, authority: _Authority
) -> x509.Certificate:
    issuer = authority.certificate
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])]))
        .issuer_name(issuer.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_DIFFER)
        .not_valid_after(now + timedelta(days=_LEAF_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()),
            critical=False,
        )
        .sign(authority.key, hashes.SHA256())
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


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
