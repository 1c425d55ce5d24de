"""The certificates, keys and kubeconfigs of the local cluster.

Called by `control_plane.py` once per new cluster. One CA signs everything; all of it lives in
the state folder and is thrown away with the cluster. Must not be used for anything else.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from places import (
    API_PORT,
    API_SERVICE_ADDRESS,
    BRIDGE_ADDRESS,
    CLUSTER_NAME,
    CONFIG,
    DNS_DOMAIN,
    KUBECONFIG,
    NODE_NAME,
    PKI,
)

CA = PKI / "ca.crt"
SERVICE_ACCOUNT_KEY = PKI / "sa.key"
SERVICE_ACCOUNT_PUBLIC_KEY = PKI / "sa.pub"
SERVER = "apiserver"
KUBELET_CLIENT = "apiserver-kubelet-client"
KUBELET = "kubelet"

_LIFETIME = datetime.timedelta(days=3650)
_KUBECONFIG_USERS = {
    "admin": ("kubernetes-admin", "system:masters"),
    "kube-controller-manager": ("system:kube-controller-manager", None),
    "kube-scheduler": ("system:kube-scheduler", None),
    "kube-proxy": ("system:kube-proxy", None),
    "videojob-operator": ("videojob-operator", "system:masters"),
    "kwok": ("kwok", "system:masters"),
    KUBELET: (f"system:node:{NODE_NAME}", "system:nodes"),
}


def write_all() -> None:
    """Make the whole set anew, kubeconfigs included."""
    PKI.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = _Authority()
    authority.issue(
        SERVER,
        "kube-apiserver",
        names=[
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            f"kubernetes.default.svc.{DNS_DOMAIN}",
            "localhost",
        ],
        addresses=["127.0.0.1", API_SERVICE_ADDRESS, BRIDGE_ADDRESS],
    )
    authority.issue(KUBELET_CLIENT, "kube-apiserver-kubelet-client", "system:masters")
    for name, (user, group) in _KUBECONFIG_USERS.items():
        # The kubelet shows the same certificate as a server; nobody else is a server.
        node = name == KUBELET
        authority.issue(
            name,
            user,
            group,
            names=[NODE_NAME] if node else [],
            addresses=[BRIDGE_ADDRESS] if node else [],
        )
        _write_kubeconfig(name)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    _write_key(SERVICE_ACCOUNT_KEY, key)
    SERVICE_ACCOUNT_PUBLIC_KEY.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


def certificate(name: str) -> Path:
    """Where the certificate of this name lies."""
    return PKI / f"{name}.crt"


def private_key(name: str) -> Path:
    """Where the key of this name lies."""
    return PKI / f"{name}.key"


def kubeconfig(name: str) -> Path:
    """The kubeconfig of one component; `admin` is the user's own."""
    return KUBECONFIG if name == "admin" else CONFIG / f"{name}.kubeconfig"


class _Authority:
    """The CA and its signing."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _subject(f"{CLUSTER_NAME}-ca", None)
        usage = _key_usage(signs_certificates=True)
        built = (
            _builder(self._name, self._name, self._key.public_key())
            # Python 3.13 and later refuse a CA without both, and without them critical.
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        CA.write_bytes(built.public_bytes(serialization.Encoding.PEM))

    def issue(
        self,
        name: str,
        user: str,
        group: str | None = None,
        names: Sequence[str] = (),
        addresses: Sequence[str] = (),
    ) -> None:
        """Write NAME.crt and NAME.key; with names or addresses it may also be a server's."""
        key = ec.generate_private_key(ec.SECP256R1())
        purposes = [ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = _builder(_subject(user, group), self._name, key.public_key())
        if names or addresses:
            purposes.append(ExtendedKeyUsageOID.SERVER_AUTH)
            alternatives: list[x509.GeneralName] = [x509.DNSName(each) for each in names]
            alternatives += [x509.IPAddress(ipaddress.ip_address(each)) for each in addresses]
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), False)
        built = (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        certificate(name).write_bytes(built.public_bytes(serialization.Encoding.PEM))
        _write_key(private_key(name), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    # An hour back, for clocks that are set while the cluster runs.
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _LIFETIME)
    )


def _subject(user: str, group: str | None) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, user)]
    if group is not None:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
    return x509.Name(parts)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(text)


def _write_kubeconfig(name: str) -> None:
    """Certificates are named, not embedded; `kind` embeds them, readers here take both."""
    path = kubeconfig(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    server = f"https://127.0.0.1:{API_PORT}"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": CLUSTER_NAME,
        "clusters": [
            {
                "name": CLUSTER_NAME,
                "cluster": {"server": server, "certificate-authority": str(CA)},
            }
        ],
        "users": [
            {
                "name": name,
                "user": {
                    "client-certificate": str(certificate(name)),
                    "client-key": str(private_key(name)),
                },
            }
        ],
        "contexts": [{"name": CLUSTER_NAME, "context": {"cluster": CLUSTER_NAME, "user": name}}],
    }
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    path.chmod(0o600)
