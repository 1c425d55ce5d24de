"""The examples of sound and of clean films, as they stand in the repository, on the cluster."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import bucket
import places
import pytest
import yaml
from minio import Minio
from on_cluster import Kubectl

EXAMPLES = {
    "36-podcast": {"feed/audio.mp3", "apps/audio.opus", "archive/audio.flac"},
    "37-audio-mask": {"web/480p.mp4", "strong/film.mp4"},
    "38-clean": {"clean/film.mp4"},
}


def run(kube: Kubectl, folder: str) -> tuple[str, dict[str, Any]]:
    """Apply an example with a prefix of the test's own; its input's folder, and how it ended."""
    path = places.REPOSITORY / "examples" / folder / "videojob.yaml"
    body: dict[str, Any] = yaml.safe_load(path.read_text())
    prefix = body["spec"]["output"]["prefix"] = f"results/{kube.namespace}/"
    kube.apply(body)
    status = kube.wait_end(body["metadata"]["name"], seconds=120)
    assert status["phase"] == "Succeeded", status
    return f"{prefix}{body['spec']['inputs'][0]['name']}/", status


@pytest.mark.parametrize("folder", EXAMPLES)
def test_an_example_makes_what_its_readme_says(
    kube: Kubectl, media: Minio, clip: str, folder: str, tmp_path: Path
) -> None:
    place, status = run(kube, folder)
    assert {output["key"].removeprefix(place) for output in status["outputs"]} == EXAMPLES[folder]
    manifest = json.loads(media.get_object(bucket.BUCKET, f"{place}manifest.json").read())
    loudness = manifest["measured"].get("feed", {}).get("loudness", [])
    assert len(loudness) == (folder == "36-podcast")
    assert all(told["integratedLufs"] == pytest.approx(-16, abs=1) for told in loudness)
    stages = [timing["stage"] for timing in manifest["timings"]]
    assert ("measure" in stages) is (folder != "38-clean")
    for key in EXAMPLES[folder]:
        media.fget_object(bucket.BUCKET, f"{place}{key}", str(tmp_path / "made"))
        decode = ["ffmpeg", "-v", "error", "-i", str(tmp_path / "made"), "-f", "null", "-"]
        assert subprocess.run(decode, capture_output=True, check=True).stderr == b"", key
