"""A real clamd that workers send films to, asked for by VideoJobs and by templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from assets import SMALL, Clips
from clamav import MARKER, SIGNATURE, clamd
from minio import Minio
from on_cluster import Kubectl, a_videojob, this_machine, upload

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
                "held", fine, limits={"malwareScan": {"address": NOBODY}}, retry={"limit": 0}
            ),
            *by_template("template-scans", marked, {"address": address}),
            *by_template("template-skips", marked, skipped),
        )
        ends = {
            name: kube.wait_end(name)
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
