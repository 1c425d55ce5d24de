"""Codecs and edits on the real cluster: the examples as they stand, and what the API server refuses."""

from __future__ import annotations

import json
import secrets
import shlex
import subprocess
from pathlib import Path
from typing import Any

import av
import bucket
import numpy as np
import places
import pytest
import yaml
from minio import Minio
from on_cluster import Kubectl, a_videojob, published, upload

EXAMPLES = places.REPOSITORY / "examples"


def an_example(name: str, key: str) -> tuple[dict[str, Any], str]:
    """The example's VideoJob with a film and a prefix of the test's own, and that prefix."""
    body: dict[str, Any] = yaml.safe_load((EXAMPLES / name / "videojob.yaml").read_text())
    prefix = f"results/{secrets.token_hex(4)}/"
    body["spec"]["inputs"][0]["key"] = key
    body["spec"]["output"]["prefix"] = prefix
    return body, prefix


def a_film(folder: Path) -> Path:
    """Four seconds of 720p with sound: short, since three encoders work on it."""
    path = folder / "film.mp4"
    command = (
        "ffmpeg -v error -f lavfi -i testsrc2=size=1280x720:rate=25:duration=4 -f lavfi -i "
        f"sine=d=4 -c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac {path}"
    )
    subprocess.run(shlex.split(command), check=True)
    return path


def picture_of(path: Path) -> tuple[str, str, float]:
    """Codec and pixel format of the film's pictures, and how many seconds it lasts."""
    shown = "stream=codec_name,pix_fmt:format=duration"
    command = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", shown]
    told = json.loads(subprocess.check_output([*command, "-of", "json", str(path)]))
    (stream,) = told["streams"]
    return stream["codec_name"], stream["pix_fmt"], float(told["format"]["duration"])


def left_of_frame(path: Path, number: int) -> Any:
    """The brightness of the left half of a frame: the example puts its logo at the right."""
    with av.open(str(path)) as film:
        for at, frame in enumerate(film.decode(video=0)):
            if at == number:
                return frame.reformat(320, 180).to_ndarray()[:180, :160].astype(int)
    raise AssertionError(f"{path} has no frame {number}")


H264 = ("h264", "yuv420p")
MADE: dict[str, dict[str, tuple[tuple[str, str], float]]] = {
    "31-codecs": {
        "web/720p.mp4": (H264, 4),
        "web/720p-hevc.mp4": (("hevc", "yuv420p10le"), 4),
        "web/720p-av1.mp4": (("av1", "yuv420p"), 4),
        "web/360p.mp4": (H264, 4),
    },
    "32-edits": {"teaser/360p.mp4": (H264, 2), "whole/720p.mp4": (H264, 4)},
}
"""Of each film: codec, pixel format and seconds."""


@pytest.mark.parametrize("example", MADE)
def test_the_examples(example: str, kube: Kubectl, media: Minio, tmp_path: Path) -> None:
    film = a_film(tmp_path)
    body, prefix = an_example(example, upload(media, film))
    logo = tmp_path / "logo.png"
    draw = f"ffmpeg -v error -f lavfi -i color=orange:size=240x80 -frames:v 1 {logo}"
    subprocess.run(shlex.split(draw), check=True)
    media.fput_object(bucket.BUCKET, "assets/logo.png", str(logo))
    kube.apply(body)
    status = kube.wait_end(body["metadata"]["name"], seconds=240)
    assert status["phase"] == "Succeeded", status
    assert not status.get("warnings")
    folder = f"{prefix}bunny/"
    for name, (coded, seconds) in MADE[example].items():
        media.fget_object(bucket.BUCKET, f"{folder}{name}", str(tmp_path / name))
        codec, pixels, lasts = picture_of(tmp_path / name)
        assert (codec, pixels) == coded, name
        assert lasts == pytest.approx(seconds, abs=0.1), name
    if example == "32-edits":
        assert f"{folder}poster/0001.jpg" in published(media, folder)
        first = left_of_frame(tmp_path / "teaser/360p.mp4", 0)
        off = [np.abs(first - left_of_frame(film, frame)).mean() for frame in (0, 25, 50)]
        assert off[1] < min(off[0], off[2]) / 3, "it does not begin after a second"


@pytest.mark.parametrize(
    ("transcode", "words"),
    [
        ({"codec": "AV1", "preset": "fast"}, "AV1 has '2' to '12'"),
        ({"renditions": [{"height": 360, "preset": "8"}]}, "the codec has no such preset"),
        (
            {"renditions": [{"height": 360, "codec": "HEVC", "tune": "film"}]},
            "film and stillimage are H264's",
        ),
        ({"codec": "HEVC", "profile": "high"}, "HEVC main and main10"),
        ({"crf": 60}, "only AV1 goes up to 63"),
        ({"crf": 20, "bitrateKbps": 900}, "exclude each other"),
        ({"gopSeconds": 3}, "segmentSeconds must be a multiple of gopSeconds"),
        ({"trim": {"startSeconds": 5, "endSeconds": 5}}, "must be greater than trim.startSeconds"),
        ({"watermark": {"key": "../../logo.png"}}, "can't leave the store's prefix"),
        (
            {"renditions": [{"height": 360}, {"height": 360, "codec": "H264"}]},
            "two renditions have the same height and codec",
        ),
    ],
    ids=str,
)
def test_what_can_not_be_made_is_refused_with_a_sentence(
    transcode: dict[str, Any], words: str, kube: Kubectl
) -> None:
    spec = {"renditions": [{"height": 360}], **transcode}
    job = a_videojob("refused", "film.mp4", steps=[{"name": "web", "transcode": spec}])
    refused = kube.run("apply", "-f", "-", stdin=yaml.safe_dump(job))
    assert refused.returncode != 0
    assert words in refused.stderr
