"""`helm test` on the installed release, with a real store and without one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import deploy
import pytest
from minio import Minio
from on_cluster import Kubectl


def helm_test() -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["helm", "test", deploy.RELEASE, "--namespace", deploy.NAMESPACE, "--logs"],
        env=deploy.environment(),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def values_put_back(installed: None) -> Iterator[None]:
    yield
    deploy.ensure()


def test_without_a_store_it_proves_that_the_operator_answers(installed: None) -> None:
    done = helm_test()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "There is no VideoStore" in done.stdout


def test_with_a_store_it_has_a_thumbnail_made(
    kube: Kubectl, media: Minio, clip: str, values_put_back: None
) -> None:
    where = [f"test.namespace={kube.namespace}", "test.storeName=media", f"test.inputKey={clip}"]
    deploy.ensure(values=where)
    done = helm_test()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Succeeded" in done.stdout
    assert kube.items("videojobs") == [], "the test's VideoJob was left behind"
