"""What becomes of bad films on the cluster: Rejected, with the reason, at once, nothing published."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bucket
import demo
import minio_server
import places
import pytest
import yaml
from bad_inputs import BAD_INPUTS
from minio import Minio
from on_cluster import STORE_NAMESPACE, Kubectl, a_videojob, offered, published, upload

from videojob_api.names import LABEL_JOB

EXAMPLE = places.REPOSITORY / "examples" / "43-from-a-url" / "videojob.yaml"
POSTER = [{"name": "poster", "thumbnails": {"count": 1}}]


def wait_rejected(kube: Kubectl, media: Minio, body: dict[str, Any]) -> dict[str, Any]:
    """Apply it; it must end Rejected after one pod, with nothing published."""
    kube.apply(body)
    name = body["metadata"]["name"]
    status = kube.wait_end(name, seconds=60)
    assert status["phase"] == "Rejected", status
    assert status["indexes"] == {"succeeded": "", "failed": "", "rejected": "0"}
    assert status["inputs"][0]["state"] == "Rejected"
    assert len(kube.items("pods")) == 1, "a bad input is not tried again"
    assert published(media, body["spec"]["output"]["prefix"]) == set()
    return status


@pytest.mark.parametrize("name", BAD_INPUTS)
def test_a_bad_film_is_rejected_with_its_own_reason(
    kube: Kubectl, media: Minio, tmp_path: Path, name: str
) -> None:
    file, bad = tmp_path / "bad.mp4", BAD_INPUTS[name]
    bad.make(file)
    status = wait_rejected(kube, media, a_videojob("bad", upload(media, file), steps=POSTER))
    reason = status["inputs"][0]["reason"]
    assert reason in bad.reasons
    assert status["failure"]["reason"] == reason
    assert len(status["message"].split()) > 5, "a sentence, not a word"


def test_a_missing_object_is_rejected_by_its_key(kube: Kubectl, media: Minio) -> None:
    status = wait_rejected(kube, media, a_videojob("bad", "uploads/nowhere.mp4"))
    assert status["inputs"][0]["reason"] == "NotFound"
    assert "uploads/nowhere.mp4" in status["message"]


def test_a_film_from_a_server_in_the_cluster(kube: Kubectl, media: Minio, clip: str) -> None:
    """By a signed link to it, whose signature is shown nowhere; and by one that leads elsewhere."""
    inside = Minio(
        f"minio.{STORE_NAMESPACE}.svc:9000",
        minio_server.ACCESS_KEY,
        minio_server.SECRET_KEY,
        secure=False,
        region="us-east-1",
    )
    sha256 = hashlib.sha256(media.get_object(bucket.BUCKET, clip).read()).hexdigest()
    link = inside.presigned_get_object(bucket.BUCKET, clip)
    body = yaml.safe_load(EXAMPLE.read_text())
    body["spec"]["output"]["prefix"] = prefix = f"results/{kube.namespace}/"
    body["spec"]["inputs"][0] |= {"url": link, "sha256": sha256}
    elsewhere = {"name": "elsewhere", "url": "http://169.254.169.254/latest/meta-data"}
    gone = {"name": "gone", "url": link.split("?")[0] + ".not?" + link.split("?")[1]}
    body["spec"]["inputs"] += [elsewhere, gone]
    body["spec"]["maxFailedInputs"] = 2
    kube.apply(body)
    name = body["metadata"]["name"]
    status = kube.wait_end(name)
    assert status["phase"] == "Succeeded", status
    reasons = {seen["name"]: seen.get("reason") for seen in status["inputs"]}
    assert (reasons["bunny"], reasons["elsewhere"]) == (None, "AddressRefused")
    assert reasons["gone"] == "AccessDenied", "its signature is not that key's"
    manifest = media.get_object(bucket.BUCKET, f"{prefix}bunny/manifest.json").read().decode()
    assert f'"url": "{link.split("?")[0]}?…"' in manifest
    logs = kube.ok("logs", "--selector", f"{LABEL_JOB}={name}", "--tail=-1")
    assert "worker ends" in logs
    for text in (json.dumps(status), manifest, logs):
        assert "X-Amz" not in text


def test_one_bad_input_among_three_stops_nobody(kube: Kubectl, media: Minio, clip: str) -> None:
    prefix = f"results/{kube.namespace}/"
    kube.apply(a_videojob("mixed", clip, "uploads/nowhere.mp4", clip, prefix=prefix))
    status = kube.wait_end("mixed")
    assert status["phase"] == "Failed"
    assert status["inputCounts"] == {
        "total": 3,
        "active": 0,
        "succeeded": 2,
        "failed": 0,
        "rejected": 1,
    }
    assert status["indexes"] == {"succeeded": "0,2", "failed": "", "rejected": "1"}
    assert "2 of 3 inputs succeeded" in status["message"]
    assert "in1" in status["message"]
    assert [i["name"] for i in status["inputs"]] == ["in1", "in0", "in2"], "bad ones first"
    assert {output["input"] for output in status["outputs"]} == {"in0", "in2"}
    assert {f"{prefix}in0/manifest.json", f"{prefix}in2/manifest.json"} <= published(media, prefix)


def test_as_many_bad_inputs_as_allowed_still_succeed(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    kube.apply(a_videojob("lenient", clip, "uploads/nowhere.mp4", maxFailedInputs=1))
    status = kube.wait_end("lenient")
    assert status["phase"] == "Succeeded"
    assert status["indexes"]["rejected"] == "1"
    ready = next(c for c in status["conditions"] if c["type"] == "Ready")
    assert ready["reason"] == "SucceededWithBadInputs"


@pytest.fixture
def volume(kube: Kubectl) -> Iterator[Path]:
    """A folder of this machine as the PersistentVolumeClaim `disk` of the test's namespace."""
    with offered(kube, "disk") as folder:
        yield folder


def test_a_volume_is_a_store_too(kube: Kubectl, volume: Path) -> None:
    (volume / "films").mkdir()
    (volume / "films").chmod(0o777)
    shutil.copy(demo.find_clip(), volume / "films" / "clip.mp4")
    text = (places.REPOSITORY / "examples" / "02-stores" / "volume.yaml").read_text()
    (body,) = [each for each in yaml.safe_load_all(text) if each["kind"] == "VideoStore"]
    body["spec"]["volume"]["claimName"] = "disk"
    kube.apply(body)
    kube.apply(a_videojob("onvolume", "clip.mp4", prefix="out/"))
    status = kube.wait_end("onvolume")
    assert status["phase"] == "Succeeded", status
    for output in status["outputs"]:
        data = (volume / "films" / output["key"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == output["sha256"]
    assert (volume / "films" / "out" / "in0" / "manifest.json").is_file()
