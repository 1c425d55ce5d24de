"""Killing the operator and the workers changes nothing in the outcome."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import deploy
import processes
import pytest
from minio import Minio
from on_cluster import Kubectl, a_store, a_videojob, eventually, upload

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


@pytest.mark.alone
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


@pytest.fixture
def no_operator(installed: None) -> Iterator[Callable[[], None]]:
    """Puts the operator away when called; afterwards it is there again."""
    yield deploy.stop
    deploy.ensure()


@pytest.mark.alone
def test_what_pods_published_is_known_though_they_are_gone(
    kube: Kubectl, media: Minio, clip: str, no_operator: Callable[[], None]
) -> None:
    """They ended well and were deleted while no operator was there to hear of it."""
    kube.apply(a_videojob("gone", clip, steps=STEPS))
    kube.wait("gone", lambda s: s.get("phase") == "Running")
    no_operator()
    kube.ok("wait", "jobs", "--all", "--for=condition=Complete", "--timeout=90s")
    kube.ok("delete", "pods", "--all", "--timeout=60s")
    deploy.ensure()
    status = kube.wait_end("gone")
    assert (status["phase"], status["attempt"]) == ("Succeeded", 2), status
    assert {output["step"] for output in status["outputs"]} == {"web", "poster"}
    assert status["outputCount"] == len(status["outputs"])


def a_pod_at_work(kube: Kubectl, name: str, clip: str) -> str:
    """The name of the only pod of a VideoJob that would not be tried again after a counted failure."""
    kube.apply(a_videojob(name, clip, steps=STEPS, retry={"limit": 0}))
    kube.wait(name, lambda s: s.get("phase") == "Running")
    (pod,) = kube.items("pods")
    found: str = pod["metadata"]["name"]
    return found


def test_a_killed_worker_is_tried_again_without_counting(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    name = a_pod_at_work(kube, "hit", clip)
    for process in processes.with_environment("videojob_worker", f"VIDEOJOB_POD_NAME={name}"):
        os.kill(process.pid, signal.SIGKILL)
    status = kube.wait_end("hit")
    assert status["phase"] == "Succeeded", status
    assert status["attempt"] == 2


SLOW = [{"name": "web", "transcode": {"renditions": [{"height": 720}], "preset": "slow"}}]


def the_encoder(pod: str) -> int:
    """The pid of the ffmpeg that encodes in a worker's pod, once there is one."""
    (worker,) = processes.with_environment("videojob_worker", f"VIDEOJOB_POD_NAME={pod}")

    def children() -> list[int]:
        pids = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
        return [int(pid) for pid in pids if b"libx264" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    return int(eventually(children, seconds=20)[0])


def test_between_two_tries_it_says_what_failed_and_when_it_goes_on(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    kube.apply(a_videojob("again", clip, steps=SLOW, retry={"limit": 1}))
    kube.wait("again", lambda s: s.get("phase") == "Running")
    (pod,) = kube.items("pods")
    os.kill(the_encoder(pod["metadata"]["name"]), signal.SIGSEGV)
    begins = "Try 2 of 2 of in0 begins at about "
    status = kube.wait("again", lambda s: s.get("message", "").startswith(begins))
    assert status["phase"] == "Running"
    assert "; the last ended with FFmpegFailed: " in status["message"]
    (one,) = status["inputs"]
    assert (one["state"], one["reason"]) == ("Pending", "FFmpegFailed")
    status = kube.wait_end("again")
    assert (status["phase"], status["attempt"]) == ("Succeeded", 1), status


def test_an_evicted_worker_is_made_again_without_counting(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    """By the API that `kubectl drain` uses; a single counted failure would end it here."""
    meta = {"name": a_pod_at_work(kube, "evicted", clip), "namespace": kube.namespace}
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta}
    path = f"/api/v1/namespaces/{kube.namespace}/pods/{meta['name']}/eviction"
    kube.ok("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))
    status = kube.wait_end("evicted")
    assert status["phase"] == "Succeeded", status
    assert meta["name"] not in {p["metadata"]["name"] for p in kube.items("pods")}
    assert status["attempt"] == 1, "the Job itself makes good for it"


def test_what_its_scratch_space_can_not_hold_is_not_begun_and_says_what_to_raise(
    kube: Kubectl, media: Minio, tmp_path: Path
) -> None:
    """Two hours of silence are a small film and 1.4 GB of WAV."""
    film = tmp_path / "silence.flac"
    silence = "-f lavfi -i anullsrc=r=48000:cl=stereo -t 7200 -c:a flac"
    subprocess.run(["ffmpeg", "-v", "error", *silence.split(), str(film)], check=True)
    steps = [{"name": "sound", "extractAudio": {"format": "WAV"}}]
    kube.apply(a_videojob("long", upload(media, film), steps=steps, limits={"maxBytes": "10M"}))
    status = kube.wait_end("long")
    assert (status["phase"], status["attempt"]) == ("Failed", 1), status
    assert status["failure"]["reason"] == "NotDoable"
    assert "scratch space" in status["message"]
    assert "limits.maxBytes" in status["message"]


def test_a_worker_that_fills_its_scratch_space_is_told_so(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    """The kubelet measures volumes once a minute, so the worker's child is held up until it has."""
    kube.apply(a_videojob("full", clip, steps=SLOW, limits={"maxBytes": "10M"}))
    kube.wait("full", lambda s: s.get("phase") == "Running")
    (pod,) = (pod["metadata"]["name"] for pod in kube.items("pods"))
    os.kill(the_encoder(pod), signal.SIGSTOP)
    fill = (
        "import os; os.posix_fallocate(os.open('/scratch/x', os.O_CREAT | os.O_WRONLY), 0, 2 << 30)"
    )
    kube.ok("exec", pod, "--", "python", "-c", fill)
    status = kube.wait_end("full", seconds=180)
    assert (status["phase"], status["attempt"]) == ("Failed", 1), status
    assert status["failure"]["reason"] == "ScratchFull"
    assert "limits.maxBytes" in status["message"]


def test_a_namespace_goes_though_a_worker_waits(kube: Kubectl, media: Minio, clip: str) -> None:
    """Kubernetes deletes the pods first; the Job would keep its own until it has made another."""
    store = a_store("locked", credentialsSecretRef={"name": "nobody-makes-it"})
    kube.apply(store, a_videojob("waits", clip, storeRef={"name": "locked"}))
    kube.wait("waits", lambda s: "nobody-makes-it" in s.get("message", ""), seconds=60)
    kube.ok("delete", "namespace", kube.namespace, "--timeout=60s")
