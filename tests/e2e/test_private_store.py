"""Stores that no public CA vouches for, and stores that give credentials for a token of the cluster."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import bucket
import demo
import places
import pytest
import yaml
from on_cluster import Kubectl, a_secret, a_store, a_videojob, published, upload
from private_minio import AUDIENCE, ROLE, PrivateMinio, a_private_minio

EXAMPLES = places.REPOSITORY / "examples" / "02-stores"
DELETE = {"prefix": "results/", "deletionPolicy": "Delete"}
SMALL = {"requests": {"cpu": "100m", "memory": "128Mi"}}


@pytest.fixture
def private(kube: Kubectl) -> Iterator[PrivateMinio]:
    """A MinIO in the test's namespace, with a certificate of a private CA and a film in it."""
    with a_private_minio(kube) as made:
        upload(made.client, demo.find_clip(), demo.CLIP_KEY)
        yield made


def a_config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def the_example(file: str, private: PrivateMinio, **changes: Any) -> dict[str, Any]:
    """A store of an example, but in the test's MinIO."""
    body: dict[str, Any] = yaml.safe_load((EXAMPLES / file).read_text())
    body["spec"]["s3"] |= {"endpoint": private.endpoint, "bucket": bucket.BUCKET, **changes}
    return body


def as_role(name: str, private: PrivateMinio, **changes: Any) -> dict[str, Any]:
    """A store without a Secret."""
    identity = {"roleArn": ROLE, "audience": AUDIENCE, **changes}
    ca = {"caConfigMapRef": {"name": "store-ca"}}
    body = the_example("web-identity.yaml", private, webIdentity=identity, **ca)
    return {**body, "metadata": {"name": name}}


def waits_for(kube: Kubectl, name: str, *words: str) -> dict[str, Any]:
    """Its status once it is stalled with a message that has all of these words."""

    def is_so(status: dict[str, Any]) -> bool:
        stalled = [c for c in status.get("conditions", []) if c["type"] == "Stalled"]
        message = status.get("message", "")
        return any(c["status"] == "True" for c in stalled) and all(w in message for w in words)

    status = kube.wait(name, is_so, seconds=120)
    assert status["phase"] == "Pending"
    return status


def test_a_ca_is_waited_for_and_then_trusted_by_workers_and_the_clean_up(
    kube: Kubectl, private: PrivateMinio
) -> None:
    ref = {"name": "store-ca", "key": "bundle.pem"}
    kube.apply(a_secret("media-credentials"))
    kube.apply(the_example("private-ca.yaml", private, caConfigMapRef=ref))
    body = yaml.safe_load((EXAMPLES / "videojob.yaml").read_text())
    body["spec"] |= {"output": DELETE, "resources": SMALL}
    body["spec"]["inputs"][0]["key"] = demo.CLIP_KEY
    kube.apply(body)
    waits_for(kube, "anywhere", "no ConfigMap 'store-ca'", "'bundle.pem'")
    kube.apply(a_config_map("store-ca", **{"bundle.pem": "to be written"}))
    waits_for(kube, "anywhere", "ConfigMap 'store-ca' should hold certificates in PEM")
    kube.apply(a_config_map("store-ca", **{"bundle.pem": private.ca.pem}))
    status = kube.wait_end("anywhere", seconds=180)
    assert status["phase"] == "Succeeded", status
    assert "results/bunny/manifest.json" in published(private.client, "results/")
    kube.ok("delete", "videojob", "anywhere", "--timeout=90s")
    assert published(private.client, "results/") == set()


def test_without_its_ca_a_private_store_is_explained(kube: Kubectl, private: PrivateMinio) -> None:
    kube.apply(a_store(endpoint=private.endpoint), a_videojob("untrusting", demo.CLIP_KEY))
    status = waits_for(kube, "untrusting", "not trusted here", "caConfigMapRef")
    assert private.endpoint in status["message"]


def test_a_role_is_taken_on_with_a_token_and_no_secret(
    kube: Kubectl, private: PrivateMinio
) -> None:
    kube.apply(a_config_map("store-ca", **{"ca.crt": private.ca.pem}))
    kube.apply(as_role("media", private))
    kube.apply(a_videojob("keyless", demo.CLIP_KEY, output=DELETE, resources=SMALL))
    status = kube.wait_end("keyless", seconds=120)
    assert status["phase"] == "Succeeded", status
    assert status["attempt"] == 1
    (pod,) = [p for p in kube.items("pods") if p["metadata"]["name"].startswith("keyless")]
    (volume,) = [v for v in pod["spec"]["volumes"] if v["name"] == "store"]
    (token,) = [s["serviceAccountToken"] for s in volume["projected"]["sources"][1:]]
    assert token == {"audience": AUDIENCE, "expirationSeconds": 3600, "path": "token"}
    assert pod["spec"]["serviceAccountName"] == "default"
    assert not pod["spec"]["automountServiceAccountToken"]
    (container,) = pod["spec"]["containers"]
    told = {entry["name"] for entry in container["env"]}
    assert not {name for name in told if name.startswith("AWS_")}
    assert "secretKeyRef" not in json.dumps(container["env"])
    kube.ok("delete", "videojob", "keyless", "--timeout=90s")
    assert published(private.client, "results/") == set()


WRONG: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "nobody": ({"roleArn": f"{ROLE}x"}, ("no credentials for role", f"{ROLE}x")),
    "stranger": ({"audience": "sts.amazonaws.com"}, ("Client ID", "webIdentity")),
    "lost": ({}, ("certificate of the STS service at", "unvouched", "not trusted")),
}


def test_what_the_sts_service_refuses_is_told_and_mended_in_the_store(
    kube: Kubectl, private: PrivateMinio
) -> None:
    kube.apply(a_config_map("store-ca", **{"ca.crt": private.ca.pem}))
    for name, (changes, _) in WRONG.items():
        endpoint = {"stsEndpoint": private.unvouched} if name == "lost" else {}
        kube.apply(as_role(name, private, **changes, **endpoint))
        kube.apply(a_videojob(name, demo.CLIP_KEY, storeRef={"name": name}, resources=SMALL))
    for name, (_, words) in WRONG.items():
        waits_for(kube, name, *words)
    names = [pod["metadata"]["name"] for pod in kube.items("pods")]
    logs = "".join(kube.run("logs", n).stdout for n in names if n.split("-")[0] in WRONG)
    assert "no credentials for role" in logs
    assert a_token_start() not in logs, "a token is in a log"
    kube.apply(*(as_role(name, private, stsEndpoint=private.endpoint) for name in WRONG))
    for name in WRONG:
        status = kube.wait_end(name, seconds=180)
        assert status["phase"] == "Succeeded", status


def a_token_start() -> str:
    """How each token of Kubernetes begins: {"alg":"RS256"."""
    return base64.b64encode(b'{"alg":"RS2').decode().rstrip("=")[:12]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "neither": ({}, "exactly one of credentialsSecretRef and webIdentity"),
    "both": (
        {"webIdentity": {"roleArn": ROLE}, "credentialsSecretRef": {"name": "x"}},
        "exactly one of credentialsSecretRef and webIdentity",
    ),
    "in the open": (
        {"webIdentity": {"roleArn": ROLE}, "endpoint": "http://minio:9000"},
        "webIdentity sends a token",
    ),
    "a ca for nothing": (
        {
            "credentialsSecretRef": {"name": "x"},
            "caConfigMapRef": {"name": "ca"},
            "endpoint": "http://minio:9000",
        },
        "caConfigMapRef says whose certificates to trust",
    ),
    "a token for the api": (
        {"webIdentity": {"roleArn": ROLE, "audience": "k3s"}},
        "would open the Kubernetes API",
    ),
    "a token for the issuer": (
        {"webIdentity": {"roleArn": ROLE, "audience": "https://kubernetes.default.svc"}},
        "spec.s3.webIdentity.audience",
    ),
    "whose token": (
        {"webIdentity": {"roleArn": ROLE, "serviceAccountName": "admin"}},
        'unknown field "spec.s3.webIdentity.serviceAccountName"',
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_wrong_store_is_refused_with_a_sentence(kube_readonly: Kubectl, what: str) -> None:
    changes, sentence = REFUSED[what]
    body = a_store()
    body["spec"]["s3"] = {"endpoint": "https://minio:9000", "bucket": bucket.BUCKET, **changes}
    done = kube_readonly.run("apply", "--dry-run=server", "-f", "-", stdin=json.dumps(body))
    assert done.returncode != 0
    assert sentence in done.stderr
