"""Fields that no other test shows at work: what they say is done, and what is done is said."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path
from typing import Any

import bucket
import pytest
from minio import Minio
from on_cluster import Kubectl, a_secret, a_store, a_videojob

SOUND = {"format": "AAC", "bitrateKbps": 64, "sampleRateHz": 22050, "channels": 1}


def probe(path: Path) -> dict[str, Any]:
    command = ["ffprobe", "-v", "error", "-show_streams", "-of", "json", str(path)]
    (stream,) = json.loads(subprocess.check_output(command))["streams"]
    found: dict[str, Any] = stream
    return found


def test_a_prefixed_store_facts_times_and_what_a_video_belongs_to(
    kube: Kubectl, media: Minio, clip: str, tmp_path: Path
) -> None:
    root = f"tenants/{kube.namespace}/"
    film = media.get_object(bucket.BUCKET, clip).read()
    media.put_object(bucket.BUCKET, f"{root}in.mp4", io.BytesIO(film), len(film))
    changes = {"prefix": root, "region": "us-east-1", "addressingStyle": "Path"}
    kube.apply(a_secret(), a_store("prefixed", **changes))
    body = a_videojob(
        "facts",
        "in.mp4",
        prefix="out/",
        storeRef={"name": "prefixed"},
        steps=[
            {"name": "poster", "thumbnails": {"count": 2, "width": 320, "contactSheet": True}},
            {"name": "sound", "extractAudio": SOUND},
        ],
        subjectRefs=[{"kind": "vacancy", "id": "42"}],
        userMetadata={"title": "Keynote"},
    )
    kube.apply(body)
    status = kube.wait_end("facts")
    assert status["phase"] == "Succeeded", status
    assert status["acceptedAt"] <= status["startedAt"] <= status["finishedAt"]
    assert status["progress"]["updatedAt"] <= status["finishedAt"]
    assert status["runID"].startswith(kube.get("videojob", "facts")["metadata"]["uid"][:8])
    (seen,) = status["inputs"]
    assert (seen["width"], seen["height"], seen["bytes"]) == (1280, 720, len(film))
    assert (seen["videoCodec"], seen["audioCodec"]) == ("h264", "aac")
    assert (seen["mimeType"], seen["percent"]) == ("video/mp4", 100)
    assert seen["durationSeconds"] == pytest.approx(5.3, abs=0.2)
    made = {(output["step"], output["name"]): output for output in status["outputs"]}
    picture, sound = made["poster", "0001.jpg"], made["sound", "audio.m4a"]
    assert (picture["width"], picture["height"], picture["mimeType"]) == (320, 180, "image/jpeg")
    assert sound["durationSeconds"] == pytest.approx(5.3, abs=0.2)
    media.fget_object(bucket.BUCKET, f"{root}{sound['key']}", str(tmp_path / "sound.m4a"))
    stream = probe(tmp_path / "sound.m4a")
    assert (stream["sample_rate"], stream["channels"]) == ("22050", 1)
    assert int(stream["bit_rate"]) == pytest.approx(64_000, rel=0.35)
    manifest = json.loads(media.get_object(bucket.BUCKET, f"{root}{seen['manifestKey']}").read())
    assert manifest["subjectRefs"] == body["spec"]["subjectRefs"]
    assert manifest["userMetadata"] == {"title": "Keynote"}


LIMITED: dict[str, tuple[dict[str, Any], str]] = {
    "bytes": ({"limits": {"maxBytes": "1Ki"}}, "TooLarge"),
    "seconds": ({"limits": {"maxDurationSeconds": 1}}, "TooLong"),
    "pixels": ({"limits": {"maxPixels": 4096}}, "TooManyPixels"),
    "checksum": ({}, "ChecksumMismatch"),
}


def test_what_is_over_a_limit_or_not_what_was_promised_is_rejected(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    for name, (spec, _) in LIMITED.items():
        body = a_videojob(name, clip, **spec)
        if name == "checksum":
            body["spec"]["inputs"][0]["sha256"] = "0" * 64
        kube.apply(body)
    for name, (_, reason) in LIMITED.items():
        status = kube.wait_end(name)
        (seen,) = status["inputs"]
        assert (status["phase"], seen["reason"]) == ("Rejected", reason), name
        assert status["failure"]["exitCode"] == 42
        assert not status["failure"]["retryable"]


def test_a_worker_is_scheduled_as_told(kube: Kubectl, media: Minio, clip: str) -> None:
    urgent = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": kube.namespace},
        "value": 1_000_000,
    }
    kube.apply(urgent)
    scheduling = {"schedulerName": "nobody", "priorityClassName": kube.namespace}
    resources = {
        "requests": {"cpu": "100m", "memory": "200Mi"},
        "limits": {"cpu": "1", "memory": "1Gi"},
    }
    kube.apply(
        a_videojob("told", clip, clip, parallelism=1, scheduling=scheduling, resources=resources),
        a_videojob("classless", clip, scheduling={"runtimeClassName": "no-such-class"}),
    )
    status = kube.wait("told", lambda s: s.get("phase") == "Pending", seconds=20)
    kube.wait("told", lambda _: bool(kube.items("pods")), seconds=20)
    (pod,) = [p for p in kube.items("pods") if "told" in p["metadata"]["name"]]  # one at a time
    assert pod["spec"]["schedulerName"] == "nobody"
    assert pod["spec"]["priority"] == 1_000_000
    assert pod["spec"]["containers"][0]["resources"]["requests"]["memory"] == "200Mi"
    assert pod["spec"]["containers"][0]["resources"]["limits"]["memory"] == "1Gi"
    assert status["inputCounts"]["total"] == 2
    job = next(j for j in kube.items("jobs") if "classless" in j["metadata"]["name"])
    assert job["spec"]["template"]["spec"]["runtimeClassName"] == "no-such-class"
    kube.wait("classless", lambda s: "No pod has been made" in s.get("message", ""), seconds=60)
    kube.ok("delete", "priorityclass", kube.namespace)
