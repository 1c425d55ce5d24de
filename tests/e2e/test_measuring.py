"""The examples of pictures, scenes and quality on the cluster: everything they promise is there."""

from __future__ import annotations

import json
from typing import Any

import bucket
import places
import pytest
import yaml
from minio import Minio
from on_cluster import Kubectl, published

PROMISED = {
    "33-thumbnails": {
        *("best/0001.jpg", "best/0006.jpg", "best/contact-sheet.jpg"),
        *("preview/sprite-001.webp", "preview/thumbnails.vtt"),
        *("chosen/0001.png", "chosen/0003.png"),
    },
    "34-scenes": {
        *("web/480p.mp4", "scenes/scenes.json", "scenes/chapters.vtt"),
        "scenes/chapters.ffmetadata",
    },
    "35-quality": {
        *("stream/master.m3u8", "quality/quality.json"),
        *("quality/480p-frames.csv", "quality/240p-frames.csv"),
    },
}


@pytest.mark.parametrize("example", PROMISED)
def test_an_example_keeps_its_promise(example: str, kube: Kubectl, media: Minio, clip: str) -> None:
    path = places.REPOSITORY / "examples" / example / "videojob.yaml"
    body: dict[str, Any] = yaml.safe_load(path.read_text())
    prefix = body["spec"]["output"]["prefix"] = f"results/{kube.namespace}/"
    kube.apply(body)
    status = kube.wait_end(body["metadata"]["name"])
    assert status["phase"] == "Succeeded", status
    found = {key.removeprefix(f"{prefix}bunny/") for key in published(media, prefix)}
    assert PROMISED[example] <= found
    manifest = json.loads(
        media.get_object(bucket.BUCKET, f"{prefix}bunny/manifest.json").read().decode()
    )
    if example == "35-quality":
        means = manifest["measured"]["quality"]
        assert means["480p.mp4"]["SSIM"] > means["240p.mp4"]["SSIM"] > 0.5
        # The image has the program; the clip is no larger than the better one.
        assert 100 >= means["480p.mp4"]["VMAF"] > 80 > means["240p.mp4"]["VMAF"] + 10
        assert not status.get("warnings")
