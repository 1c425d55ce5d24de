"""The examples of pictures, scenes and quality on the cluster: everything they promise is there."""

from __future__ import annotations

import io
import json
import math
import re
from typing import Any

import bucket
import places
import pytest
import yaml
from minio import Minio
from on_cluster import Kubectl, published
from PIL import Image

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


STRIP = {"columns": 2, "rows": 1}
"""Of a step added to the example, whose pictures of five seconds are too few for a second sheet."""


def check_sprites(media: Minio, folder: str, seconds: float, spec: dict[str, Any]) -> None:
    """A picture for each interval, in rows and columns as asked for, and none by itself."""
    columns, rows = spec["sprites"]["columns"], spec["sprites"]["rows"]
    count = math.ceil(seconds / spec["intervalSeconds"])
    sheets = [f"{folder}sprite-{n + 1:03}.webp" for n in range(math.ceil(count / columns / rows))]
    assert published(media, folder) == {*sheets, f"{folder}thumbnails.vtt"}
    track = media.get_object(bucket.BUCKET, f"{folder}thumbnails.vtt").read().decode()
    cues = re.findall(r"^(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)$", track, re.MULTILINE)
    width, height = spec["width"], spec["width"] * 9 // 16
    assert cues == [
        (sheets[n // (columns * rows)].removeprefix(folder), *map(str, (left, top, width, height)))
        for n in range(count)
        for left, top in [(n % columns * width, n // columns % rows * height)]
    ]
    for number, key in enumerate(sheets):
        data = media.get_object(bucket.BUCKET, key).read()
        filled = math.ceil(min(rows, (count - number * columns * rows) / columns))
        assert Image.open(io.BytesIO(data)).size == (columns * width, filled * height), key


@pytest.mark.parametrize("example", PROMISED)
def test_an_example_keeps_its_promise(example: str, kube: Kubectl, media: Minio, clip: str) -> None:
    path = places.REPOSITORY / "examples" / example / "videojob.yaml"
    body: dict[str, Any] = yaml.safe_load(path.read_text())
    prefix = body["spec"]["output"]["prefix"] = f"results/{kube.namespace}/"
    if example == "33-thumbnails":
        preview = next(s["thumbnails"] for s in body["spec"]["steps"] if s["name"] == "preview")
        strip = {**preview, "intervalSeconds": 2, "width": 96, "sprites": STRIP}
        body["spec"]["steps"].append({"name": "strip", "thumbnails": strip})
    kube.apply(body)
    status = kube.wait_end(body["metadata"]["name"])
    assert status["phase"] == "Succeeded", status
    found = {key.removeprefix(f"{prefix}bunny/") for key in published(media, prefix)}
    assert PROMISED[example] <= found
    manifest = json.loads(
        media.get_object(bucket.BUCKET, f"{prefix}bunny/manifest.json").read().decode()
    )
    if example == "33-thumbnails":
        seconds = status["inputs"][0]["durationSeconds"]
        check_sprites(media, f"{prefix}bunny/preview/", seconds, preview)
        check_sprites(media, f"{prefix}bunny/strip/", seconds, strip)
    if example == "35-quality":
        means = manifest["measured"]["quality"]
        assert means["480p.mp4"]["SSIM"] > means["240p.mp4"]["SSIM"] > 0.5
        # The image has the program; the clip is no larger than the better one.
        assert 100 >= means["480p.mp4"]["VMAF"] > 80 > means["240p.mp4"]["VMAF"] + 10
        assert not status.get("warnings")
