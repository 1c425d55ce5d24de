"""The example of cloak, as it stands in the repository, on the cluster; and who is told its seed."""

from __future__ import annotations

import json

import bucket
import images
import places
import pytest
import yaml
from minio import Minio
from on_cluster import Kubectl, published

from videojob_api import names

MADE = {
    *("web/480p.mp4", "poster/0001.jpg", "poster/0002.jpg", "clouds/film.mp4"),
}


def test_the_example_makes_what_its_readme_says_and_tells_nobody_its_seed(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    path = places.REPOSITORY / "examples" / "40-cloak" / "videojob.yaml"
    body = yaml.safe_load(path.read_text())
    place = f"results/{kube.namespace}/bunny/"
    body["spec"]["output"]["prefix"] = f"results/{kube.namespace}/"
    body["spec"]["steps"][-1]["cloak"]["everyNFrames"] = 4
    kube.apply(body)
    status = kube.wait_end("cloak", seconds=180)
    assert status["phase"] == "Succeeded", status
    assert {output["key"].removeprefix(place) for output in status["outputs"]} == MADE
    (warning,) = status["warnings"]
    assert (warning["step"], warning["reason"]) == ("clouds", "BitrateExplodes")
    assert "new noise every 4 frames" in warning["message"]
    (job,) = kube.items("jobs")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    (order,) = (json.loads(e["value"]) for e in container["env"] if e["name"] == names.ENV_ORDER)
    assert len(order["seed"]) == 64
    told = [json.dumps(kube.get("videojob", "cloak")).encode()]
    for each in media.list_objects(bucket.BUCKET, prefix=place, recursive=True):
        if not each.object_name.endswith((".mp4", ".jpg")):
            told.append(media.get_object(bucket.BUCKET, each.object_name).read())
    assert len(told) > 3  # the manifest, the commands and a log at least
    assert not any(order["seed"].encode() in text for text in told)


@pytest.mark.large
def test_gradients_are_computed_in_the_image_that_has_torch(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    images.ensure_loaded("worker-gpu")
    path = places.REPOSITORY / "examples" / "42-cloak-gradient" / "videojob.yaml"
    body = yaml.safe_load(path.read_text())
    prefix = body["spec"]["output"]["prefix"] = f"results/{kube.namespace}/"
    # The cluster says that it has a GPU, and has none; where it has, this is not asked for.
    body["spec"]["accelerator"]["mode"] = "Off"
    kube.apply(body)
    status = kube.wait_end("cloak-gradient", seconds=300)
    assert status["phase"] == "Succeeded", status
    (job,) = kube.items("jobs")
    assert job["metadata"]["annotations"]["videojob.dev/worker-flavour"] == "gpu"
    manifest = media.get_object(bucket.BUCKET, f"{prefix}bunny/manifest.json").read()
    told = json.loads(manifest)["measured"]["protect"]["gradient"]
    assert told == {"surrogate": "EfficientNet-lite0", "device": "cpu", "reason": "NoCUDADevice"}
    labels = json.loads(
        media.get_object(bucket.BUCKET, f"{prefix}bunny/protect/cloak-report.json").read()
    )["labels"]
    assert labels["classifier"]["name"] == "EfficientNet-lite2"
    assert labels["afterPurifier"]["none"]["codecOnly"]["frames"] > 50
    assert f"{prefix}bunny/web/480p.mp4" in published(media, prefix)
