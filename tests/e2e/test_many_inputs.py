"""Many inputs on one Indexed Job: each ends in its own way, and what is said of all of them is exact."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import bucket
import pytest
from assets import SMALL, Clips
from minio import Minio
from on_cluster import Kubectl, a_videojob, published, upload

from videojob_api.indexes import format_indexes

LEAST = {"cpu": "100m", "memory": "160Mi"}


def a_mix(kube: Kubectl, media: Minio, folder: Path, count: int, **spec: Any) -> dict[str, Any]:
    """Of ten inputs the fourth is no film, the seventh has a result already, and the others are fine."""
    fine = upload(media, Clips(folder).path(SMALL))
    note = folder / "note.mp4"
    note.write_text("This is a note, and no film.")
    bad, prefix = upload(media, note), f"results/{kube.namespace}/"
    keys = [bad if index % 10 == 3 else fine for index in range(count)]
    for index in range(6, count, 10):
        key = f"{prefix}in{index}/manifest.json"
        media.put_object(bucket.BUCKET, key, io.BytesIO(b"{}"), 2)
    return a_videojob(
        "many",
        *keys,
        output={"prefix": prefix, "ifExists": "Fail"},
        resources={"requests": LEAST, "limits": {"cpu": "1", "memory": "512Mi"}},
        **spec,
    )


def sets(count: int) -> tuple[dict[str, str], dict[str, int]]:
    """What must be said of a mix, as indexes and as counts."""
    rejected, failed = set(range(3, count, 10)), set(range(6, count, 10))
    succeeded = set(range(count)) - rejected - failed
    groups = {"succeeded": succeeded, "failed": failed, "rejected": rejected}
    counts = {name: len(group) for name, group in groups.items()}
    return (
        {name: format_indexes(group) for name, group in groups.items()},
        {"total": count, "active": 0, **counts},
    )


def check(kube: Kubectl, media: Minio, status: dict[str, Any], count: int) -> None:
    """Sets, counts, lists, pods and objects agree."""
    indexes, counts = sets(count)
    assert status["indexes"] == indexes
    assert status["inputCounts"] == counts
    assert f"{counts['succeeded']} of {count} inputs succeeded" in status["message"]
    assert status["outputCount"] == counts["succeeded"]
    assert len(status["outputs"]) == min(counts["succeeded"], 50)
    assert status.get("outputsTruncated", False) is (counts["succeeded"] > 50)
    assert len(status["inputs"]) == min(count, 100)
    states = [one["state"] for one in status["inputs"]]
    bad = counts["failed"] + counts["rejected"]
    assert states[: counts["failed"]] == ["Failed"] * counts["failed"], "failed ones are first"
    assert set(states[counts["failed"] : bad]) == {"Rejected"}
    assert {one["reason"] for one in status["inputs"][:bad]} == {
        "OutputExists",
        "UnsupportedFormat",
    }
    (job,) = kube.items("jobs")
    kube.ok("wait", f"job/{job['metadata']['name']}", "--for=condition=Failed", "--timeout=120s")
    (job,) = kube.items("jobs")  # its own status comes after that of its pods
    assert (job["spec"]["completions"], job["status"]["succeeded"]) == (count, counts["succeeded"])
    pods = kube.items("pods", "-l", f"batch.kubernetes.io/job-name={job['metadata']['name']}")
    assert len(pods) == count, "none of these is tried again"
    made = published(media, f"results/{kube.namespace}/")
    assert sum(key.endswith("0001.jpg") for key in made) == counts["succeeded"]


def test_thirty_inputs_end_each_in_its_own_way(kube: Kubectl, media: Minio, tmp_path: Path) -> None:
    kube.apply(a_mix(kube, media, tmp_path, 30, parallelism=6))
    most = 0

    def over(status: dict[str, Any]) -> bool:
        nonlocal most
        most = max(most, status.get("inputCounts", {}).get("active", 0))
        return "finishedAt" in status

    status = kube.wait("many", over, seconds=300)
    assert 1 < most <= 6
    assert status["phase"] == "Failed"
    check(kube, media, status, 30)


@pytest.mark.long
def test_five_hundred_inputs_end_each_in_its_own_way(
    kube: Kubectl, media: Minio, tmp_path: Path
) -> None:
    """The most that there may be; their order is too long for an environment."""
    kube.apply(a_mix(kube, media, tmp_path, 500, parallelism=12, maxFailedInputs=100))
    status = kube.wait_end("many", seconds=3600)
    (job,) = kube.items("jobs")
    assert any("configMap" in volume for volume in job["spec"]["template"]["spec"]["volumes"])
    assert status["phase"] == "Succeeded"
    ready = next(c for c in status["conditions"] if c["type"] == "Ready")
    assert ready["reason"] == "SucceededWithBadInputs"
    check(kube, media, status, 500)
