"""Dead nodes: a pod that hangs on one keeps its input from everybody until it is released."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from minio import Minio
from on_cluster import Kubectl, a_cluster, a_videojob

from videojob_api.names import ANNOTATION_SEEN


@pytest.fixture
def dead_node(kube: Kubectl) -> Iterator[str]:
    """A node that takes the pods of one who asks for it by name, and has no kubelet."""
    name = f"dead-{kube.namespace}"
    taint = {"key": "videojob.dev/dead", "effect": "NoSchedule"}
    node = {"metadata": {"name": name, "labels": {"n": name}}, "spec": {"taints": [taint]}}
    kube.apply({"apiVersion": "v1", "kind": "Node", **node})
    ready = {"type": "Ready", "status": "True", "reason": "Test"}
    resources = {"cpu": "8", "memory": "8Gi", "pods": "10", "ephemeral-storage": "100Gi"}
    status = {"conditions": [ready], "capacity": resources, "allocatable": resources}
    kube.ok(
        *("patch", "node", name, "--subresource=status", "--type=merge"),
        *("-p", json.dumps({"status": status})),
    )
    yield name
    kube.ok("delete", "node", name, "--wait=false")


def test_a_job_goes_on_once_its_pod_on_a_dead_node_is_released(
    kube: Kubectl, dead_node: str, media: Minio, clip: str
) -> None:
    """What the operator does five minutes past the grace period, to a Job such as it makes."""
    kube.apply(a_videojob("model", clip))
    kube.wait("model", lambda s: s.get("attempt") == 1)
    (model,) = kube.items("jobs")
    template = model["spec"]["template"]["spec"]
    template |= {"nodeSelector": {"n": dead_node}, "tolerations": [{"operator": "Exists"}]}
    template["volumes"], template["containers"][0]["volumeMounts"] = [], []
    names = ("completionMode", "completions", "backoffLimitPerIndex", "podFailurePolicy")
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "lost"},
        "spec": {name: model["spec"][name] for name in names} | {"template": {"spec": template}},
    }
    kube.apply(job)

    def pods() -> list[dict[str, Any]]:
        found = kube.items("pods", "-l", "batch.kubernetes.io/job-name=lost")
        return [p for p in found if p["spec"].get("nodeName")]

    def wait_pods(until: Callable[[set[str]], bool]) -> list[dict[str, Any]]:
        limit = time.monotonic() + 60
        while time.monotonic() < limit:
            found = pods()
            if until({pod["metadata"]["uid"] for pod in found}):
                return found
            time.sleep(0.2)
        pytest.fail(kube.run("describe", "job", "lost").stdout)

    (pod,) = wait_pods(bool)
    meta = pod["metadata"]
    kube.ok(
        *("patch", "pod", meta["name"], "--subresource=status", "--type=merge"),
        *("-p", json.dumps({"status": {"phase": "Running"}})),
    )
    kube.ok("delete", "pod", meta["name"], "--wait=false")
    time.sleep(3)
    assert [p["metadata"]["uid"] for p in pods()] == [meta["uid"]], "Kubernetes helps itself now"

    async def release() -> None:
        async with a_cluster() as cluster:
            await cluster.fail_pod(kube.namespace, meta["name"], meta["uid"])
            await cluster.force_delete_pod(kube.namespace, meta["name"], meta["uid"])

    asyncio.run(release())
    wait_pods(lambda uids: bool(uids) and meta["uid"] not in uids)
    status = kube.get("job", "lost")["status"]
    assert not status.get("failed"), "it used up a try"
    kube.ok("delete", "job", "lost", "--wait=false")
    for left in pods():
        name = left["metadata"]["name"]
        kube.run("delete", "pod", name, "--force", "--grace-period=0", "--wait=false")


@pytest.mark.long
def test_a_job_without_a_worker_is_shown_to_kubernetes_again(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    """A quota stands for what makes the Job controller forget it, which can't be had at will."""
    slow = {"transcode": {"renditions": [{"height": 720}], "preset": "veryslow"}}
    kube.apply(a_videojob("idle", clip, steps=[{"name": "slow", **slow}]))
    kube.wait("idle", lambda s: s.get("phase") == "Running")
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}}
    kube.apply({**quota, "spec": {"hard": {"pods": "0"}}})
    (pod,) = kube.items("pods")
    kube.ok("delete", "pod", pod["metadata"]["name"], "--wait=false")

    def marks() -> list[str]:
        found = (p["metadata"].get("annotations", {}) for p in kube.items("pods"))
        return [notes[ANNOTATION_SEEN] for notes in found if ANNOTATION_SEEN in notes]

    kube.wait("idle", lambda _: bool(marks()), seconds=400)
    kube.ok("delete", "resourcequota", "none")
    assert kube.wait_end("idle", seconds=900)["phase"] == "Succeeded"


@pytest.mark.long
def test_an_input_is_taken_from_a_dead_node_after_five_minutes(
    kube: Kubectl, dead_node: str, media: Minio, clip: str
) -> None:
    """By the operator itself, and with nobody's help."""
    scheduling = {"nodeSelector": {"n": dead_node}, "tolerations": [{"operator": "Exists"}]}
    kube.apply(a_videojob("stuck", clip, scheduling=scheduling, retry={"limit": 0}))

    def placed() -> list[dict[str, Any]]:
        return [pod for pod in kube.items("pods") if pod["spec"].get("nodeName") == dead_node]

    kube.wait("stuck", lambda _: bool(placed()))
    (pod,) = placed()
    name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
    running = json.dumps({"status": {"phase": "Running"}})
    kube.ok("patch", "pod", name, "--subresource=status", "--type=merge", "-p", running)
    asked = time.monotonic()
    kube.ok("delete", "pod", name, "--wait=false")  # as the node's eviction does
    grace = pod["spec"]["terminationGracePeriodSeconds"]
    kube.wait(
        "stuck",
        lambda _: uid not in {p["metadata"]["uid"] for p in placed()} and bool(placed()),
        seconds=grace + 300 + 60,
    )
    assert time.monotonic() - asked >= grace + 300 - 5, "its node may come back until then"
    status = kube.status("stuck")
    assert (status["phase"] in ("Pending", "Running"), status["attempt"]) == (True, 1)
    (job,) = kube.items("jobs")
    assert not job["status"].get("failed"), "it used up a try"
    for left in placed():  # not waited for: its Job keeps it until the operator releases it too
        name = left["metadata"]["name"]
        kube.ok("delete", "pod", name, "--force", "--grace-period=0", "--wait=false")
