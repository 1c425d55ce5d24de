"""Killing the operator and the workers changes nothing in the outcome."""

from __future__ import annotations

import os
import random
import signal
import time

import deploy
import processes
from minio import Minio
from on_cluster import Kubectl, a_store, a_videojob

STEPS = [
    {"name": "web", "transcode": {"packaging": "HLS", "renditions": [{"height": 360}]}},
    {"name": "poster", "thumbnails": {"count": 3}},
]


def kill_operator() -> None:
    """SIGKILL, then a new pod at once (a restart in place would be held back by the kubelet)."""
    for process in processes.with_environment("videojob_operator", "VIDEOJOB_WORKER_IMAGE="):
        os.kill(process.pid, signal.SIGKILL)
    system = Kubectl(deploy.NAMESPACE)
    system.ok("delete", "pods", "-l", "app.kubernetes.io/name=videojob", "--wait=false", "--now")


def test_ten_kills_of_the_operator_change_nothing(kube: Kubectl, media: Minio, clip: str) -> None:
    moments = random.Random(7)  # noqa: S311
    for number in range(10):
        name = f"job-{number}"
        kube.apply(a_videojob(name, clip, prefix=f"results/{kube.namespace}/{name}/", steps=STEPS))
        time.sleep(moments.uniform(0, 5))
        kill_operator()
    for number in range(10):
        status = kube.wait_end(f"job-{number}", seconds=180)
        assert status["phase"] == "Succeeded", status
        assert status["indexes"] == {"succeeded": "0", "failed": "", "rejected": ""}
    jobs = kube.items("jobs")
    assert len(jobs) == 10, "a Job was made twice"
    events = kube.items("events", "--field-selector=involvedObject.kind=VideoJob")
    ends = [event["involvedObject"]["name"] for event in events if event["reason"] == "Succeeded"]
    assert sorted(ends) == sorted({f"job-{number}" for number in range(10)})


def test_a_deleted_pod_is_made_again(kube: Kubectl, media: Minio, clip: str) -> None:
    kube.apply(a_videojob("hit", clip, steps=STEPS))
    kube.wait("hit", lambda s: s.get("phase") == "Running")
    (pod,) = kube.items("pods")
    kube.ok("delete", "pod", pod["metadata"]["name"], "--wait=false")
    status = kube.wait_end("hit")
    assert status["phase"] == "Succeeded"
    assert [p["metadata"]["name"] for p in kube.items("pods")] != [pod["metadata"]["name"]]


def test_a_killed_worker_is_tried_again_without_counting(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    kube.apply(a_videojob("hit", clip, steps=STEPS, retry={"limit": 0}))
    kube.wait("hit", lambda s: s.get("phase") == "Running")
    (pod,) = kube.items("pods")
    name = pod["metadata"]["name"]
    for process in processes.with_environment("videojob_worker", f"VIDEOJOB_POD_NAME={name}"):
        os.kill(process.pid, signal.SIGKILL)
    status = kube.wait_end("hit")
    assert status["phase"] == "Succeeded", status
    assert status["attempt"] == 2


def test_a_namespace_goes_though_a_worker_waits(kube: Kubectl, media: Minio, clip: str) -> None:
    """Kubernetes deletes the pods first; the Job would keep its own until it has made another."""
    store = a_store("locked", credentialsSecretRef={"name": "nobody-makes-it"})
    kube.apply(store, a_videojob("waits", clip, storeRef={"name": "locked"}))
    kube.wait("waits", lambda s: "nobody-makes-it" in s.get("message", ""), seconds=60)
    kube.ok("delete", "namespace", kube.namespace, "--timeout=60s")
