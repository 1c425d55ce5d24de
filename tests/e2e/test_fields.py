"""Fields that no other test shows at work: what they say is done, and what is done is said."""

from __future__ import annotations

import io
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import bucket
import places
import pytest
import yaml
from minio import Minio
from on_cluster import (
    STORE_NAMESPACE,
    Kubectl,
    a_python_pod,
    a_secret,
    a_store,
    a_videojob,
    upload,
)

CLASSES = places.REPOSITORY / "examples" / "19-where-workers-run" / "classes.yaml"
WEB: list[dict[str, Any]] = [
    {"name": "web", "transcode": {"renditions": [{"height": 90}], "preset": "ultrafast"}}
]
SOUND = {"format": "MP3", "bitrateKbps": 32, "sampleRateHz": 22050, "channels": 1}


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
    said = {c["type"]: c for c in status["conditions"]}
    assert said["Complete"]["message"] == said["Ready"]["message"] == status["message"]
    assert said["Accepted"]["lastTransitionTime"] == status["acceptedAt"]
    assert said["Ready"]["lastTransitionTime"] == status["finishedAt"]
    assert {c["observedGeneration"] for c in said.values()} == {1}
    assert status["acceptedAt"] <= status["startedAt"] <= status["finishedAt"]
    assert status["progress"]["updatedAt"] <= status["finishedAt"]
    assert status["runID"].startswith(kube.get("videojob", "facts")["metadata"]["uid"][:8])
    (seen,) = status["inputs"]
    assert (seen["width"], seen["height"], seen["bytes"]) == (1280, 720, len(film))
    assert (seen["videoCodec"], seen["audioCodec"]) == ("h264", "aac")
    assert (seen["mimeType"], seen["percent"]) == ("video/mp4", 100)
    assert seen["durationSeconds"] == pytest.approx(5.3, abs=0.2)
    made = {(output["step"], output["name"]): output for output in status["outputs"]}
    picture, sound = made["poster", "0001.jpg"], made["sound", "audio.mp3"]
    pictures = {name for step, name in made if step == "poster" and name.startswith("0")}
    assert pictures == {"0001.jpg", "0002.jpg"}
    assert (picture["width"], picture["height"], picture["mimeType"]) == (320, 180, "image/jpeg")
    assert sound["durationSeconds"] == pytest.approx(5.3, abs=0.2)
    assert sound["key"] == "out/in0/sound/audio.mp3"
    media.fget_object(bucket.BUCKET, f"{root}{sound['key']}", str(tmp_path / "sound"))
    stream = probe(tmp_path / "sound")
    assert (stream["codec_name"], stream["sample_rate"]) == ("mp3", "22050")
    assert (stream["channels"], int(stream["bit_rate"])) == (1, 32_000)
    manifest = json.loads(media.get_object(bucket.BUCKET, f"{root}{seen['manifestKey']}").read())
    assert manifest["subjectRefs"] == body["spec"]["subjectRefs"]
    assert manifest["userMetadata"] == {"title": "Keynote"}


def test_more_outputs_than_are_listed_are_counted(kube: Kubectl, media: Minio, clip: str) -> None:
    pictures = [{"name": "pictures", "thumbnails": {"count": 60, "width": 64}}]
    kube.apply(a_videojob("many", clip, steps=pictures))
    status = kube.wait_end("many")
    assert status["phase"] == "Succeeded", status
    assert (status["outputsTruncated"], len(status["outputs"])) == (True, 50)
    (seen,) = status["inputs"]
    manifest = json.loads(media.get_object(bucket.BUCKET, seen["manifestKey"]).read())
    every = {output["key"]: output["bytes"] for output in manifest["outputs"]}
    assert (status["outputCount"], status["outputBytes"]) == (60, sum(every.values()))
    assert len(every) == 60
    assert {output["key"] for output in status["outputs"]} < set(every)


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


def test_an_amount_that_kubernetes_writes_in_another_unit(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    """1.3333Gi is no whole number of bytes; its one Job is known all the same, rounded up."""
    limits = {"cpu": "1", "memory": "1.3333Gi"}
    kube.apply(a_videojob("odd", clip, resources={"limits": limits}))
    assert kube.wait_end("odd")["phase"] == "Succeeded"
    (job,) = kube.items("jobs")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["memory"] == "1431619973940m"


def test_a_worker_is_scheduled_as_told(kube: Kubectl, media: Minio, clip: str) -> None:
    urgent = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": kube.namespace},
        "value": 1_000_000,
    }
    kube.apply(urgent)
    gpu = {"mode": "Required", "resourceName": "example.com/mig-2g", "count": 2}
    (classes,) = yaml.safe_load_all(CLASSES.read_text())
    classes["spec"]["scheduling"]["priorityClassName"] = kube.namespace
    scheduling = {"schedulerName": "nobody", "priorityClassName": kube.namespace}
    resources = {
        "requests": {"cpu": "100m", "memory": "200Mi"},
        "limits": {"cpu": "1", "memory": "1Gi"},
    }
    kube.apply(
        a_videojob("told", clip, clip, parallelism=1, scheduling=scheduling, resources=resources),
        classes,
        a_videojob("sliced", clip, steps=WEB, accelerator=gpu),
    )
    status = kube.wait("told", lambda s: s.get("phase") == "Pending", seconds=20)
    kube.wait("told", lambda _: bool(kube.items("pods")), seconds=20)
    (pod,) = [p for p in kube.items("pods") if "told" in p["metadata"]["name"]]  # one at a time
    kube.wait("sliced", lambda s: "Insufficient example.com/mig-2g" in s.get("message", ""))
    assert pod["spec"]["schedulerName"] == "nobody"
    assert pod["spec"]["priority"] == 1_000_000
    given = pod["spec"]["containers"][0]["resources"]
    assert (given["requests"]["cpu"], given["requests"]["memory"]) == ("100m", "200Mi")
    assert (given["limits"]["cpu"], given["limits"]["memory"]) == ("1", "1Gi")
    assert status["inputCounts"]["total"] == 2
    job = next(j for j in kube.items("jobs") if "by-classes" in j["metadata"]["name"])
    template = job["spec"]["template"]["spec"]
    assert classes["spec"]["scheduling"].items() <= template.items()
    status = kube.wait("by-classes", lambda s: "No pod" in s.get("message", ""), seconds=60)
    assert 'RuntimeClass "gvisor" not found' in status["message"]
    kube.ok("delete", "priorityclass", kube.namespace)


FORWARDER = """
import asyncio, sys
async def hand_on(reader, writer, tell):
    while data := await reader.read(65536):
        for line in data.split(b"\\r\\n") if tell else ():
            if line.lower().startswith(b"authorization:"):
                print(line.decode(), flush=True)
        writer.write(data)
        await writer.drain()
    writer.close()
async def serve(reader, writer):
    there, back = await asyncio.open_connection(sys.argv[1], 9000)
    await asyncio.gather(hand_on(reader, back, True), hand_on(there, writer, False))
async def main():
    await (await asyncio.start_server(serve, port=8000)).serve_forever()
asyncio.run(main())
"""
"""Before MinIO, which takes any region: it tells which one requests are signed for."""


def test_a_store_is_asked_in_its_region_and_by_its_style(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    pod, service = a_python_pod("forwarder", FORWARDER)
    pod["spec"]["containers"][0]["command"].append(f"minio.{STORE_NAMESPACE}.svc")
    here = {"endpoint": f"http://forwarder.{kube.namespace}.svc", "region": "eu-north-1"}
    # Only with the bucket before it is this a name.
    virtual = {"endpoint": f"http://{STORE_NAMESPACE}.svc:9000", "addressingStyle": "VirtualHost"}
    kube.apply(pod, service, a_store("far", **here), a_store("virtual", **virtual))
    kube.ok("wait", "pod/forwarder", "--for=condition=Ready", "--timeout=60s")
    kube.apply(*(a_videojob(n, clip, storeRef={"name": n}) for n in ("far", "virtual")))
    for name in ("far", "virtual"):
        status = kube.wait_end(name)
        assert status["phase"] == "Succeeded", status
    regions = set(re.findall(r"/\d{8}/([^/]+)/s3/aws4_request", kube.ok("logs", "forwarder")))
    assert regions == {"eu-north-1"}


def test_what_is_there_already_is_kept_or_in_the_way(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    prefix = f"results/{kube.namespace}/"
    poster = {"name": "poster", "thumbnails": {"count": 1}}
    kube.apply(a_videojob("first", clip, prefix=prefix, steps=[poster]))
    assert kube.wait_end("first")["phase"] == "Succeeded"
    picture = f"{prefix}in0/poster/0001.jpg"

    def made_at() -> Any:
        return media.stat_object(bucket.BUCKET, picture).last_modified

    before = made_at()
    kept = {"prefix": prefix, "ifExists": "Skip"}
    kube.apply(
        a_videojob("kept", clip, output=kept, steps=[poster, {"name": "s", "extractAudio": {}}]),
        a_videojob("stopped", clip, output={"prefix": prefix, "ifExists": "Fail"}, steps=[poster]),
    )
    status = kube.wait_end("kept")
    assert {output["step"] for output in status["outputs"]} == {"poster", "s"}
    assert made_at() == before
    status = kube.wait_end("stopped")
    assert (status["phase"], status["indexes"]["failed"]) == ("Failed", "0")
    assert (status["inputs"][0]["reason"], status["attempt"]) == ("OutputExists", 1)
    assert made_at() == before
    kube.apply(a_videojob("anew", clip, prefix=prefix, steps=[poster]))
    assert kube.wait_end("anew")["phase"] == "Succeeded"
    assert made_at() > before


def test_a_failure_leaves_its_log_and_memory_has_an_end(
    kube: Kubectl, media: Minio, clip: str, tmp_path: Path
) -> None:
    note = tmp_path / "note.png"
    note.write_text("This is a note, and no picture.")
    mark = {"watermark": {"key": upload(media, note)}}
    marked = [{"name": "web", "transcode": {**WEB[0]["transcode"], **mark}}]
    nowhere = {"endpoint": {"url": "http://127.0.0.1:9/v1", "model": "whisper-1"}}
    large = [{"name": "web", "transcode": {"renditions": [{"height": 720}]}}]
    kube.apply(
        a_videojob("unmarked", clip, steps=marked),
        a_videojob("unheard", clip, steps=[{"name": "words", "transcribe": nowhere}]),
        a_videojob(
            "starved",
            clip,
            steps=large,
            resources={"limits": {"cpu": "1", "memory": "112Mi"}},
            retry={"outOfMemory": {"factor": 4, "max": "112Mi"}},
        ),
    )
    status = kube.wait_end("unmarked")
    assert (status["phase"], status["indexes"]["failed"]) == ("Failed", "0")
    assert "is not an image that can be used" in status["inputs"][0]["message"]
    assert "note.png" in status["failure"]["logTail"] or "Invalid" in status["failure"]["logTail"]
    status = kube.wait_end("unheard")
    assert "not a public address" in status["message"]
    log = media.get_object(bucket.BUCKET, status["failure"]["logKey"]).read()
    assert b"Stream mapping" in log, log[-2000:]
    status = kube.wait_end("starved")
    assert (status["phase"], status["attempt"]) == ("Failed", 1), status
    assert "112Mi" in status["message"]
