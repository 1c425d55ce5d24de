"""A real clamd that workers send films to, asked for by VideoJobs and by templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import places
import yaml
from assets import SMALL, Clips
from clamav import MARKER, SIGNATURE, clamd
from minio import Minio
from on_cluster import Kubectl, a_videojob, this_machine, upload

from videojob_api.names import LABEL_JOB

EXAMPLE = places.REPOSITORY / "examples" / "29-limits" / "videojob.yaml"
POSTER = [{"name": "poster", "thumbnails": {"count": 1}}]
NOBODY = "127.0.0.1:9"


def by_template(name: str, key: str, scan: dict[str, str]) -> list[dict[str, Any]]:
    """A template that asks for a scan, and a VideoJob of it."""
    template = {
        "apiVersion": "videojob.dev/v1alpha1",
        "kind": "VideoTemplate",
        "metadata": {"name": name},
        "spec": {"steps": POSTER, "limits": {"malwareScan": scan}},
    }
    job = a_videojob(name, key, templateRef={"name": name})
    del job["spec"]["steps"]
    return [template, job]


def limited(name: str, key: str, prefix: str, address: str, **limits: Any) -> dict[str, Any]:
    """The example of limits with a scanner, a film and a prefix of the test's own, and other limits."""
    body: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())
    body["metadata"]["name"] = name
    body["spec"]["inputs"][0]["key"] = key
    body["spec"]["output"]["prefix"] = f"{prefix}{name}/"
    body["spec"]["limits"] |= limits
    body["spec"]["limits"]["malwareScan"]["address"] = address
    return body


def test_malware_is_rejected_and_a_missing_scanner_is_as_bad_as_was_said(
    kube: Kubectl, media: Minio, tmp_path: Path
) -> None:
    film = Clips(tmp_path).path(SMALL)
    fine = upload(media, film)
    with film.open("ab") as file:
        file.write(MARKER)
    marked = upload(media, film)
    skipped = {"address": NOBODY, "onUnavailable": "Skip"}
    with clamd(tmp_path, this_machine(kube)) as address:
        kube.apply(
            a_videojob("both", marked, fine, limits={"malwareScan": {"address": address}}),
            a_videojob("skipped", marked, limits={"malwareScan": skipped}),
            a_videojob(
                "held", fine, limits={"malwareScan": {"address": NOBODY}}, retry={"limit": 1}
            ),
            *by_template("template-scans", marked, {"address": address}),
            *by_template("template-skips", marked, skipped),
        )
        ends = {
            name: kube.wait_end(name, seconds=180)
            for name in ("both", "skipped", "held", "template-scans", "template-skips")
        }
    assert ends["both"]["indexes"] == {"succeeded": "1", "failed": "", "rejected": "0"}
    for name in ("both", "template-scans"):
        (bad,) = (i for i in ends[name]["inputs"] if i["state"] == "Rejected")
        assert bad["reason"] == "Infected"
        assert SIGNATURE in bad["message"]
    for name in ("skipped", "template-skips"):
        assert ends[name]["phase"] == "Succeeded", ends[name]
        assert [w["reason"] for w in ends[name]["warnings"]] == ["NotScanned"]
    assert (ends["held"]["phase"], ends["held"]["indexes"]["failed"]) == ("Failed", "0")
    assert ends["held"]["failure"]["retryable"]
    assert f"scanner at {NOBODY} did not answer" in ends["held"]["message"]
    tried = kube.items("pods", "--selector", f"{LABEL_JOB}=held")
    assert len(tried) == 2, "once again, as retry.limit says, and no more"


def test_each_limit_of_the_example_rejects_with_its_own_reason(
    kube: Kubectl, media: Minio, tmp_path: Path
) -> None:
    film = Clips(tmp_path).path(SMALL)  # any larger, and the tests' scanner would not take it
    fine = upload(media, film)
    with film.open("ab") as file:
        file.write(MARKER)
    marked, prefix = upload(media, film), f"results/{kube.namespace}/"
    reasons = {"large": "TooLarge", "long": "TooLong", "wide": "TooManyPixels", "ill": "Infected"}
    with clamd(tmp_path, this_machine(kube)) as address:
        kube.apply(
            limited("fine", fine, prefix, address),
            limited("large", fine, prefix, address, maxBytes="1Ki"),
            limited("long", fine, prefix, address, maxDurationSeconds=1),
            limited("wide", fine, prefix, address, maxPixels=4096),
            limited("ill", marked, prefix, address),
        )
        status = kube.wait_end("fine")
        assert status["phase"] == "Succeeded", status
        for name, reason in reasons.items():
            status = kube.wait_end(name)
            assert (status["phase"], status["inputs"][0]["reason"]) == ("Rejected", reason), name
