"""Examples that no other end-to-end test runs, as they stand in the repository, on the cluster."""

from __future__ import annotations

import json
from typing import Any

import bucket
import places
import yaml
from assets import SMALL, Clips
from minio import Minio
from minio.commonconfig import CopySource
from on_cluster import TERMINAL, Kubectl, published, upload

EXAMPLES = places.REPOSITORY / "examples"


def the_example(folder: str, kube: Kubectl) -> dict[str, Any]:
    """Its manifest, with a prefix of the test's own."""
    body: dict[str, Any] = yaml.safe_load((EXAMPLES / folder / "videojob.yaml").read_text())
    body["spec"]["output"]["prefix"] = f"results/{kube.namespace}/"
    return body


def test_a_preset_makes_what_the_example_says(
    kube: Kubectl, media: Minio, clip: str, presets: str
) -> None:
    body = the_example("21-preset", kube)
    body["spec"]["templateRef"]["name"] = f"{presets}{body['spec']['templateRef']['name']}"
    kube.apply(body)
    status = kube.wait_end("premiere", seconds=180)
    assert status["phase"] == "Succeeded", status
    found = {key.split("/bunny/")[1] for key in published(media, f"results/{kube.namespace}/")}
    assert sum(name.endswith(".jpg") and "sheet" not in name for name in found) == 3, found
    assert any(name.endswith("master.m3u8") for name in found)


def test_what_is_there_already_is_not_made_again(
    kube: Kubectl, media: Minio, clip: str, clips: Clips
) -> None:
    body = the_example("41-go-on-where-it-stopped", kube)
    prefix = body["spec"]["output"]["prefix"]
    short, long = (item["key"] for item in body["spec"]["inputs"])
    upload(media, clips.path(SMALL), short)
    media.copy_object(bucket.BUCKET, long, CopySource(bucket.BUCKET, clip))
    kube.apply(body)
    told = kube.percents("season-1")
    first = kube.status("season-1")
    assert first["phase"] == "Succeeded", first
    assert told == sorted(told), "two at once, and together they went back"
    assert told[-1] == 100
    assert max(each for each in told if each < 100) >= 50, "the short one was done before"
    before = _etags_and_times(media, prefix)
    body["spec"]["runToken"] = "again"
    kube.apply(body)
    second = kube.wait(
        "season-1",
        lambda s: s.get("observedRunToken") == "again" and s.get("phase") in TERMINAL,
        seconds=90,
    )
    assert second["phase"] == "Succeeded", second
    assert second["indexes"]["succeeded"] == "0-1"
    assert {f"{prefix}{episode}/web/master.m3u8" for episode in ("e01", "e02")} <= before.keys()
    assert _etags_and_times(media, prefix) == before


def test_ids_of_ones_own_come_back_in_the_manifest(kube: Kubectl, media: Minio, clip: str) -> None:
    body = the_example("28-your-own-ids", kube)
    kube.apply(body)
    status = kube.wait_end(body["metadata"]["name"])
    assert status["phase"] == "Succeeded", status
    (key,) = (k for k in published(media, f"results/{kube.namespace}/") if "manifest.json" in k)
    manifest = json.loads(media.get_object(bucket.BUCKET, key).read())
    for field in ("subjectRefs", "userMetadata"):
        assert manifest[field] == body["spec"][field]


def _etags_and_times(media: Minio, prefix: str) -> dict[str, tuple[Any, Any]]:
    listed = media.list_objects(bucket.BUCKET, prefix=prefix, recursive=True)
    return {each.object_name: (each.etag, each.last_modified) for each in listed}
