"""A MinIO in a test's own namespace with a certificate of a private CA, which takes the cluster's tokens.

Used by tests/e2e. It is the one of tests/cluster/minio.yaml with TLS, and with the API server as the
OpenID provider of a role that may read and write.
"""

from __future__ import annotations

import base64
import hashlib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import bucket
import minio_server
import yaml
from minio import Minio
from on_cluster import Kubectl
from private_ca import PrivateCa

AUDIENCE = "films.example"
_ROLE_ID = hashlib.sha1(AUDIENCE.encode(), usedforsecurity=False).digest()
ROLE = f"arn:minio:iam:::role/{base64.urlsafe_b64encode(_ROLE_ID).decode().rstrip('=')}"
"""As MinIO makes it from the audience."""
_ISSUER = "https://kubernetes.default.svc/.well-known/openid-configuration"


@dataclass(frozen=True)
class PrivateMinio:
    """Where it is in the cluster, whom to trust for it, and a client for it."""

    endpoint: str
    unvouched: str
    """The same server by a name that is not in its certificate."""
    ca: PrivateCa = field(repr=False)
    client: Minio


@contextmanager
def a_private_minio(kube: Kubectl) -> Iterator[PrivateMinio]:
    """It runs while inside, and whoever asks the API server may know its issuer's keys."""
    ca, namespace = PrivateCa(), kube.namespace
    certificate = ca.issue(f"minio.{namespace}.svc", "127.0.0.1")
    secret = {"public.crt": certificate.pem, "private.key": certificate.key_pem}
    kube.apply(
        _readable_issuer(namespace),
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tls"}, "stringData": secret},
        *map(_private, yaml.safe_load_all(minio_server.manifests(namespace))),
        _another_name(),
    )
    try:
        kube.ok("rollout", "status", "deployment/minio", "--timeout=90s")
        trust = ssl.create_default_context(cadata=ca.pem)
        trust.verify_flags &= ~ssl.VERIFY_X509_STRICT
        with bucket.opened(namespace, trust) as client:
            yield PrivateMinio(
                f"https://minio.{namespace}.svc:9000",
                f"https://unvouched.{namespace}.svc:9000",
                ca,
                client,
            )
    finally:
        kube.ok("delete", "clusterrolebinding", f"{namespace}-issuer")


def _readable_issuer(namespace: str) -> dict[str, Any]:
    """MinIO asks without a name; clusters of clouds have their issuer in public."""
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"{namespace}-issuer"},
        "roleRef": {
            "apiGroup": group,
            "kind": "ClusterRole",
            "name": "system:service-account-issuer-discovery",
        },
        "subjects": [{"apiGroup": group, "kind": "Group", "name": "system:unauthenticated"}],
    }


def _another_name() -> dict[str, Any]:
    ports = [{"name": "s3", "port": 9000, "targetPort": "s3"}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "unvouched"},
        "spec": {"selector": {"app.kubernetes.io/name": "minio"}, "ports": ports},
    }


def _private(document: dict[str, Any]) -> dict[str, Any]:
    if document["kind"] != "Deployment":
        return document
    pod = document["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    container["args"] += ["--certs-dir", "/certs"]
    container["env"] += [
        {"name": "MINIO_IDENTITY_OPENID_CONFIG_URL", "value": _ISSUER},
        {"name": "MINIO_IDENTITY_OPENID_CLIENT_ID", "value": AUDIENCE},
        {"name": "MINIO_IDENTITY_OPENID_ROLE_POLICY", "value": "readwrite"},
    ]
    for probe in ("readinessProbe", "livenessProbe"):
        container[probe]["httpGet"]["scheme"] = "HTTPS"
    container["volumeMounts"].append({"name": "certs", "mountPath": "/certs"})
    root = {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "CAs/cluster.crt"}]}
    sources = [{"secret": {"name": "tls"}}, {"configMap": root}]
    pod["volumes"].append({"name": "certs", "projected": {"sources": sources}})
    return document
