"""The streaming example, from apply to manifests that name what is there."""

from __future__ import annotations

import bucket
import m3u8
import places
import yaml
from minio import Minio
from mpegdash.parser import MPEGDASHParser
from on_cluster import Kubectl

EXAMPLE = places.REPOSITORY / "examples" / "30-streaming" / "videojob.yaml"


def test_both_manifests_name_the_same_files(kube: Kubectl, media: Minio, clip: str) -> None:
    prefix = f"results/{kube.namespace}/"
    body = yaml.safe_load(EXAMPLE.read_text())
    body["spec"]["output"]["prefix"] = prefix
    kube.apply(body)
    status = kube.wait_end("streaming")
    assert status["phase"] == "Succeeded", status
    folder = f"{prefix}bunny/tv/"
    found = {o["key"].removeprefix(folder): o for o in status["outputs"]}
    assert found["manifest.mpd"]["mimeType"] == "application/dash+xml"

    def text(name: str) -> str:
        return media.get_object(bucket.BUCKET, folder + name).read().decode()

    master = m3u8.loads(text("master.m3u8"))
    listed = [each.uri for each in (*master.playlists, *master.media)]
    segments = {segment.uri for uri in listed for segment in m3u8.loads(text(uri)).segments}
    mpd = MPEGDASHParser.parse(text("manifest.mpd"))
    named = {
        representation.base_urls[0].base_url_value
        for each in mpd.periods[0].adaptation_sets
        for representation in each.representations
    }
    assert named == segments == {"720p.mp4", "480p.mp4", "360p.mp4", "audio.mp4"}
    assert named < set(found)
