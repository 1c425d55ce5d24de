"""Fixtures of the end-to-end tests: the shared cluster with VideoJob and MinIO on it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import bucket
import demo
import deploy
import minio_server
import places
import pytest
from chart.helm import render_chart
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


@pytest.fixture
def presets(kube: Kubectl) -> Iterator[str]:
    """The chart's presets on the cluster; what is put before their names."""
    prefix = f"t{secrets.token_hex(3)}-"
    text = render_chart(
        places.REPOSITORY / "charts" / "videojob-templates", f"--set=namePrefix={prefix}"
    )
    kube.ok("apply", "-f", "-", stdin=text)
    yield prefix
    kube.ok("delete", "-f", "-", stdin=text)


@pytest.fixture(scope="session")
def kube_readonly(installed: None) -> Kubectl:
    """kubectl in a namespace where nothing is ever made."""
    return Kubectl("default")
