"""Fixtures of the end-to-end tests: the shared cluster with VideoJob and MinIO on it."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator

import bucket
import demo
import deploy
import minio_server
import places
import pytest
from minio import Minio
from on_cluster import STORE_NAMESPACE, Kubectl, a_namespace, a_secret, a_store, upload


@pytest.fixture(scope="session")
def installed() -> None:
    """VideoJob is installed on the running cluster, from this checkout."""
    deploy.ensure()


@pytest.fixture(scope="session")
def store(installed: None) -> Iterator[Minio]:
    """A client of the MinIO that the jobs of all tests work on."""
    minio_server.ensure(STORE_NAMESPACE)
    with bucket.opened(STORE_NAMESPACE) as client:
        yield client


@pytest.fixture
def kube(installed: None, request: pytest.FixtureRequest) -> Iterator[Kubectl]:
    """kubectl in a namespace of the test's own, which refuses any pod that is not restricted."""
    with a_namespace(request.node.name) as kubectl:
        yield kubectl


@pytest.fixture
def media(kube: Kubectl, store: Minio) -> Minio:
    """The test's namespace has a VideoStore `media` with its Secret; the client sees its objects."""
    kube.apply(a_secret(), a_store())
    return store


@pytest.fixture(scope="session")
def clip(store: Minio) -> str:
    """The key of a film of five seconds, 720p, with sound."""
    return upload(store, demo.find_clip(), demo.CLIP_KEY)


def helm(kube: Kubectl, *arguments: str) -> None:
    """Run Helm in the test's namespace; it must succeed."""
    command = ["helm", "--namespace", kube.namespace, *arguments]
    done = subprocess.run(command, env=deploy.environment(), capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


@pytest.fixture
def presets(kube: Kubectl) -> Iterator[str]:
    """The chart's presets, installed as a user does it; what is put before their names."""
    prefix = f"t{secrets.token_hex(3)}-"
    chart = places.REPOSITORY / "charts" / "videojob-templates"
    helm(kube, "install", "presets", str(chart), f"--set=namePrefix={prefix}")
    yield prefix
    helm(kube, "uninstall", "presets", "--wait")
    left = kube.ok("get", "clustervideotemplates", "-o", "name")
    assert prefix not in left, "the release left some behind"


@pytest.fixture(scope="session")
def kube_readonly(installed: None) -> Kubectl:
    """kubectl in a namespace where nothing is ever made."""
    return Kubectl("default")
