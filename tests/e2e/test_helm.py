"""`helm test` on the installed release, with a real store and without one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import deploy
import pytest
from minio import Minio
from on_cluster import Kubectl, a_videojob, eventually, metrics_of

pytestmark = pytest.mark.alone

KEEP_SECONDS = 5
LADDER = [{"name": "web", "transcode": {"renditions": [{"height": 480}, {"height": 240}]}}]


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


def neighbour(kube: Kubectl) -> str:
    """The other namespace that is served."""
    return f"{kube.namespace}-other"


@pytest.fixture
def alone_in(kube: Kubectl, installed: None) -> Iterator[str]:
    """An operator with rights in the test's namespaces only; the cluster-wide one sleeps meanwhile."""
    deploy.stop()
    Kubectl("default").ok("create", "namespace", neighbour(kube))
    namespace = f"{kube.namespace}-op"
    deploy.ensure(
        release="tenant",
        namespace=namespace,
        values=[
            "crds.enabled=false",
            f"watchNamespaces={{{kube.namespace},{neighbour(kube)}}}",
            f"childrenKeepSeconds={KEEP_SECONDS}",
        ],
    )
    yield namespace
    spare = (namespace, neighbour(kube))
    Kubectl("default").ok("delete", "namespace", *spare, "--wait=false", "--ignore-not-found")
    deploy.ensure()


def test_an_operator_of_named_namespaces_needs_no_right_in_the_cluster(
    kube: Kubectl, media: Minio, clip: str, alone_in: str
) -> None:
    kube.apply(a_videojob("own", clip, steps=LADDER))
    Kubectl("default").apply(elsewhere := a_videojob("foreign", clip))
    status = kube.wait_end("own")
    assert status["phase"] == "Succeeded", status
    assert status["accelerator"]["reason"] == "NodesUnknown"
    assert Kubectl("default").status("foreign") == {"observedGeneration": -1}
    Kubectl("default").ok("delete", "videojob", elsewhere["metadata"]["name"])
    metrics = metrics_of(alone_in)
    reports = {n: v for n, v in metrics.items() if n.startswith("videojob_operator_reports_total")}
    taken = reports.get('videojob_operator_reports_total{result="taken"}', 0)
    assert taken > 0, f"no report was let in by the cluster's public keys: {reports}"
    assert metrics['videojob_operator_finished_total{phase="Succeeded"}'] == 1
    assert metrics['videojob_operator_reconcile_total{result="error"}'] == 0
    refused = [name for name, count in reports.items() if 'result="4' in name and count]
    assert refused == [], "the worker's own reports were refused"

    eventually(lambda: not kube.items("jobs") and not kube.items("pods"), seconds=60)
    assert kube.status("own") == status, "its result went with its Job"


def test_an_operator_of_named_namespaces_outlives_one_of_them(
    kube: Kubectl, media: Minio, clip: str, alone_in: str
) -> None:
    """The rights in a namespace go with it: all that is asked about it is forbidden from then on."""
    Kubectl("default").ok("delete", "namespace", neighbour(kube), "--timeout=60s")
    operator = Kubectl(alone_in)
    operator.ok("rollout", "restart", "deployment/tenant-videojob")
    operator.ok("rollout", "status", "deployment/tenant-videojob", "--timeout=60s")
    kube.apply(a_videojob("after", clip))
    assert kube.wait_end("after")["phase"] == "Succeeded"
