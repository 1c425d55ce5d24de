"""Where and when workers start: GPUs, claims, nodes, the operator's own line and Kueue's."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from typing import Any

import deploy
import places
import pytest
import yaml
from minio import Minio
from on_cluster import (
    TERMINAL,
    Kubectl,
    a_namespace,
    a_secret,
    a_store,
    a_videojob,
    eventually,
    metrics_of,
)

EXAMPLES = places.REPOSITORY / "examples"
TRANSCODE = [{"name": "web", "transcode": {"renditions": [{"height": 144}]}}]
REAL_NODES = ("nodes", "--selector=kubernetes.io/hostname")
"""With a kubelet: one that another test made up may be gone while all are labelled."""


def the_example(path: str, *, prefix: str, **accelerator: Any) -> list[dict[str, Any]]:
    """An example's objects, with a prefix of the test's own."""
    bodies: list[dict[str, Any]] = list(yaml.safe_load_all((EXAMPLES / path).read_text()))
    for body in bodies:
        if body["kind"] == "VideoJob":
            body["spec"]["output"]["prefix"] = f"{prefix}{body['metadata']['name']}/"
            body["spec"].setdefault("accelerator", {}).update(accelerator)
    return bodies


def seconds_between(before: str, after: str) -> float:
    return (datetime.fromisoformat(after) - datetime.fromisoformat(before)).total_seconds()


def reasons(kube: Kubectl) -> set[str]:
    """Of all Events in the namespace."""
    return {event["reason"] for event in kube.items("events")}


@pytest.fixture
def prefix(kube: Kubectl) -> str:
    return f"results/{kube.namespace}/"


# ---- GPUs


def test_usage_counts_the_time_on_a_gpu(
    kube: Kubectl, media: Minio, clip: str, prefix: str
) -> None:
    kube.apply(*the_example("15-gpu/videojob.yaml", prefix=prefix, mode="Required"))
    status = kube.wait_end("on-a-gpu")
    assert status["phase"] == "Succeeded", status
    # A pod lives a little longer than it works; both are told in whole seconds.
    lived = seconds_between(status["startedAt"], status["finishedAt"]) + 2
    assert 1 <= status["usage"]["gpuSeconds"] <= lived
    assert 0.2 < status["usage"]["cpuSeconds"] <= lived * (os.cpu_count() or 1)
    assert status["usage"]["bytesIn"] == media.stat_object("media", clip).size
    assert status["usage"]["bytesOut"] == status["outputBytes"]
    (job,) = kube.items("jobs")
    pod = job["spec"]["template"]["spec"]
    assert {"name": "NVIDIA_DRIVER_CAPABILITIES", "value": "compute,video,utility"} in (
        pod["containers"][0]["env"]
    )
    assert pod["tolerations"][0]["key"] == "nvidia.com/gpu"


def hold(kube: Kubectl, clip: str, *names: str, **spec: Any) -> None:
    """VideoJobs have their places and their node: they wait for a Secret that nobody makes."""
    locked = a_store("locked", credentialsSecretRef={"name": "nobody-makes-it"})
    kube.apply(locked, *(a_videojob(n, clip, storeRef={"name": "locked"}, **spec) for n in names))
    for name in names:
        kube.wait(name, lambda s: "nobody-makes-it" in s.get("message", ""), seconds=60)


@pytest.fixture
def urgent(kube: Kubectl) -> Iterator[str]:
    """A PriorityClass above that of all others' pods."""
    name = f"{kube.namespace}-urgent"
    kube.apply(
        {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": name},
            "value": 1000,
        }
    )
    yield name
    kube.ok("delete", "priorityclass", name)


@pytest.mark.alone
def test_an_urgent_one_takes_the_gpus_of_another_which_begins_again_uncounted(
    kube: Kubectl, media: Minio, clip: str, urgent: str
) -> None:
    gpus = {"mode": "Required", "count": 2}
    hold(kube, clip, "patient", accelerator=gpus, retry={"limit": 0})
    scheduling = {"priorityClassName": urgent}
    kube.apply(a_videojob("urgent", clip, steps=TRANSCODE, accelerator=gpus, scheduling=scheduling))
    assert kube.wait_end("urgent")["phase"] == "Succeeded"
    lost = [e for e in kube.items("events") if e["reason"] == "Preempted"]
    assert len(lost) == 1, "nobody had to give way"
    kube.apply(a_secret("nobody-makes-it"))
    status = kube.wait_end("patient")
    assert (status["phase"], status["attempt"]) == ("Succeeded", 1), status


@pytest.mark.alone
def test_when_all_gpus_are_taken_the_cpu_is_used_after_a_while_and_said_so(
    kube: Kubectl, media: Minio, clip: str, prefix: str
) -> None:
    counter = 'videojob_operator_placements_total{device="CPU",reason="FallbackAfterWait"}'
    before = metrics_of(deploy.NAMESPACE).get(counter, 0)
    hold(kube, clip, "holder", accelerator={"mode": "Required", "count": 2})
    kube.apply(*the_example("15-gpu/videojob.yaml", prefix=prefix, fallbackAfterSeconds=5))
    firm = {"mode": "Required", "fallbackAfterSeconds": 1}
    kube.apply(a_videojob("firm", clip, steps=TRANSCODE, accelerator=firm))
    status = kube.wait("on-a-gpu", lambda s: "No node" in s.get("message", ""), seconds=20)
    assert "Insufficient nvidia.com/gpu" in status["message"]
    assert status["accelerator"]["used"] == "nvidia.com/gpu"
    status = kube.wait_end("on-a-gpu")
    assert status["phase"] == "Succeeded", status
    assert status["attempt"] == 2
    assert status["accelerator"] == {
        "requested": "Auto nvidia.com/gpu",
        "used": "CPU",
        "reason": "FallbackAfterWait",
    }
    assert status["usage"]["gpuSeconds"] == 0
    assert "FallbackAfterWait" in reasons(kube)
    assert metrics_of(deploy.NAMESPACE)[counter] == before + 1
    gone = [j for j in kube.items("jobs") if j["metadata"]["labels"]["videojob.dev/attempt"] == "1"]
    mine = [j for j in gone if j["metadata"]["labels"]["videojob.dev/videojob"] == "on-a-gpu"]
    assert mine == [], "the Job that waited for a GPU was left behind"
    status = kube.status("firm")
    assert (status["phase"], status["accelerator"]["used"]) == ("Pending", "nvidia.com/gpu")


def test_a_claim_is_explained_whether_its_template_or_its_device_is_missing(
    kube: Kubectl, media: Minio, clip: str, prefix: str
) -> None:
    kube.apply(*the_example("16-gpu-by-claim/videojob.yaml", prefix=prefix, mode="Required"))
    status = kube.wait("by-claim", lambda s: "No device" in s.get("message", ""), seconds=60)
    assert "small-gpu" in status["message"]
    assert status["accelerator"] == {
        "requested": "Required ResourceClaim small-gpu",
        "used": "ResourceClaim small-gpu",
        "reason": "Required",
    }
    (job,) = kube.items("jobs")
    pod = job["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["claims"] == [{"name": "gpu"}]
    kube.apply(*the_example("16-gpu-by-claim/claim.yaml", prefix=prefix))
    status = kube.wait("by-claim", lambda s: "No node" in s.get("message", ""), seconds=120)
    told = status["message"]
    assert "claim" in told or "device class" in told, "the fallback goes by these words"


def test_one_kind_of_gpu_of_several_is_chosen_by_its_nodes(
    kube: Kubectl, media: Minio, clip: str, prefix: str
) -> None:
    kube.apply(*the_example("15-gpu/one-kind.yaml", prefix=prefix))
    status = kube.wait("on-an-l4", lambda s: "No node" in s.get("message", ""), seconds=20)
    assert "node affinity/selector" in status["message"]
    kube.ok("label", *REAL_NODES, "nvidia.com/gpu.product=NVIDIA-L4")
    try:
        assert kube.wait_end("on-an-l4")["phase"] == "Succeeded"
    finally:
        kube.ok("label", *REAL_NODES, "nvidia.com/gpu.product-")


# ---- nodes


def test_nodes_that_nobody_has_are_explained_and_waited_for(
    kube: Kubectl, media: Minio, clip: str, prefix: str
) -> None:
    kube.apply(*the_example("19-where-workers-run/videojob.yaml", prefix=prefix))
    name = "in-the-video-pool"
    status = kube.wait(name, lambda s: "No node" in s.get("message", ""), seconds=20)
    assert "node affinity/selector" in status["message"]
    (job,) = kube.items("jobs")
    pod = job["spec"]["template"]["spec"]
    (asked,) = the_example("19-where-workers-run/videojob.yaml", prefix="")
    for field in ("nodeSelector", "tolerations", "affinity"):
        assert pod[field] == asked["spec"]["scheduling"][field]
    kube.ok("label", *REAL_NODES, "example.com/pool=video")
    try:
        assert kube.wait_end(name)["phase"] == "Succeeded"
    finally:
        kube.ok("label", *REAL_NODES, "example.com/pool-")


TOLERATIONS = [
    {"key": "example.com/pool", "operator": "Equal", "value": "video", "effect": "NoSchedule"},
    {"key": "example.com/old", "operator": "Exists", "effect": "PreferNoSchedule"},
    {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60},
]
NODES = {
    "matchExpressions": [
        {"key": "example.com/pool", "operator": "In", "values": ["video", "spare"]},
        {"key": "example.com/pool", "operator": "NotIn", "values": ["old"]},
        {"key": "example.com/disks", "operator": "Exists"},
        {"key": "example.com/slow", "operator": "DoesNotExist"},
        {"key": "example.com/cores", "operator": "Gt", "values": ["3"]},
        {"key": "example.com/age", "operator": "Lt", "values": ["9"]},
    ]
}
PODS = {
    "topologyKey": "kubernetes.io/hostname",
    "labelSelector": {
        "matchLabels": {"app": "cache"},
        "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["a", "b"]},
            {"key": "tier", "operator": "NotIn", "values": ["c"]},
            {"key": "app", "operator": "Exists"},
            {"key": "old", "operator": "DoesNotExist"},
        ],
    },
}
NEAR = {
    "requiredDuringSchedulingIgnoredDuringExecution": [PODS],
    "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 7, "podAffinityTerm": PODS}],
}
AFFINITY = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [NODES]},
        "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 5, "preference": NODES}],
    },
    "podAffinity": NEAR,
    "podAntiAffinity": NEAR,
}


def test_every_field_of_tolerations_and_affinity_reaches_the_pods(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    asked = {"tolerations": TOLERATIONS, "affinity": AFFINITY}
    kube.apply(a_videojob("choosy", clip, scheduling=asked))
    kube.wait("choosy", lambda s: "No node" in s.get("message", ""), seconds=20)
    (job,) = kube.items("jobs")
    template = job["spec"]["template"]["spec"]
    assert {field: template[field] for field in asked} == asked


# ---- lines

WORKLOADS: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {
        "name": "workloads.kueue.x-k8s.io",
    },
    "spec": {
        "group": "kueue.x-k8s.io",
        "names": {"kind": "Workload", "plural": "workloads"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1beta1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": True,
                    }
                },
            }
        ],
    },
}
"""As much of Kueue's as the operator looks at; the test plays Kueue."""


def in_the_way(cluster: Kubectl) -> list[str]:
    """VideoJobs that would stand in line or hold places; what a demo has left behind does not."""
    return [
        body["metadata"]["name"]
        for body in cluster.items("videojobs", "--all-namespaces")
        if body.get("status", {}).get("phase") not in {*TERMINAL, "Suspended"}
    ]


@pytest.fixture(scope="module")
def a_line(installed: None) -> Iterator[None]:
    """The operator lets three workers run at once, two of a namespace, and reads Kueue's Workloads."""
    cluster = Kubectl("default")
    # Those of the tests before go with their namespaces, which takes a while, and would stand in line.
    eventually(lambda: not in_the_way(cluster), seconds=90)
    cluster.apply(WORKLOADS)
    cluster.ok("wait", "--for=condition=Established", "crd/workloads.kueue.x-k8s.io")
    limits = ["maxRunning=3", "maxRunningPerNamespace=2"]
    deploy.ensure(values=[*limits, "kueue.readWorkloads=true"])
    yield
    deploy.ensure()
    cluster.ok("delete", "crd", "workloads.kueue.x-k8s.io", "--wait=false")


def wait_in_line(kube: Kubectl, name: str, *, position: int) -> None:
    """It waits, and says for what, and where it stands: the next, or among the next so many."""
    status = kube.wait(name, lambda s: s.get("phase") == "Queued", seconds=20)
    limits = "at most 3 in all and 2 in a namespace may run at once"
    assert f"in line: it needs a worker, and {limits}" in status["message"]
    status = kube.wait(name, lambda s: s.get("queue") == {"position": position}, seconds=30)
    assert ("next in line" if position == 1 else f"the next {position} in line") in status[
        "message"
    ]


@pytest.mark.alone
def test_the_fewest_pods_go_first_then_the_urgent_one_then_the_older(
    a_line: None, kube: Kubectl, media: Minio, clip: str, prefix: str
) -> None:
    """One place becomes free, and one after the other has it."""
    with a_namespace("crowd") as crowd, a_namespace("newcomer") as newcomer:
        hold(kube, clip, "holder", "leaver")
        for body in the_example("18-priority/videojob.yaml", prefix=prefix):
            kube.apply(body)
            # As its namespace is full; there is room for another's. The second goes first.
            wait_in_line(kube, body["metadata"]["name"], position=1)
        hold(crowd, clip, "holder")
        newcomer.apply(a_secret(), a_store(), a_videojob("modest", clip))
        wait_in_line(newcomer, "modest", position=1)  # as there is no room at all
        kube.apply(a_videojob("flash", clip, scheduling={"priority": 100}))
        wait_in_line(kube, "flash", position=3)  # after modest and news
        assert len(kube.items("jobs")) == 2
        kube.ok("delete", "videojob", "leaver")
        ends = [newcomer.wait_end("modest")]
        ends += [kube.wait_end(name) for name in ("news", "flash", "archive")]
    assert {end["phase"] for end in ends} == {"Succeeded"}
    assert not any("queue" in end for end in ends)
    for first, second in pairwise(ends):
        assert first["finishedAt"] <= second["startedAt"]


@pytest.mark.alone
def test_kueue_alone_decides_and_its_words_are_copied(
    a_line: None, kube: Kubectl, media: Minio, clip: str, prefix: str
) -> None:
    kube.apply(*the_example("17-kueue/videojob.yaml", prefix=prefix))
    status = kube.wait("by-kueue", lambda s: s.get("phase") == "Queued", seconds=30)
    assert status["message"].startswith("Queued by Kueue in films; `kubectl get workloads -l")
    (job,) = kube.items("jobs")
    meta = job["metadata"]
    assert job["spec"]["suspend"] is True
    assert meta["labels"]["kueue.x-k8s.io/queue-name"] == "films"
    assert meta["labels"]["kueue.x-k8s.io/priority-class"] == "editorial"

    why = (
        "couldn't assign flavors to pod set main: insufficient unused quota for cpu, 1 more needed"
    )
    waiting = {"type": "QuotaReserved", "status": "False", "reason": "Pending", "message": why}
    workload = {
        "apiVersion": "kueue.x-k8s.io/v1beta1",
        "kind": "Workload",
        "metadata": {
            "name": "job-by-kueue",
            "labels": {"kueue.x-k8s.io/job-uid": meta["uid"]},
        },
    }
    kube.apply(workload)
    patch = json.dumps({"status": {"conditions": [waiting]}})
    where = ("workload", "job-by-kueue", "--subresource=status", "--type=merge")
    kube.ok("patch", *where, "-p", patch)
    status = kube.wait("by-kueue", lambda s: "quota" in s.get("message", ""), seconds=60)
    assert status["message"] == f"Queued by Kueue in films: {why}"
    assert kube.items("pods") == []

    kube.ok("patch", "job", meta["name"], "--type=merge", "-p", '{"spec": {"suspend": false}}')
    assert kube.wait_end("by-kueue")["phase"] == "Succeeded"
    assert len(kube.items("jobs")) == 1
