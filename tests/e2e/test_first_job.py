"""The first example, from apply to verified objects, and what it costs the API server."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import bucket
import places
import pytest
import yaml
from minio import Minio
from on_cluster import Kubectl, a_videojob, published

from videojob_api.names import PRIVATE_FOLDERS

OPERATOR = "system:serviceaccount:videojob-system:"
STATUS_WRITE = ("patch", "videojobs/status")
EXAMPLE = places.REPOSITORY / "examples" / "01-first-job" / "videojob.yaml"


def the_example(prefix: str) -> dict[str, Any]:
    """The example's manifest, with a prefix of the test's own."""
    body: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())
    body["spec"]["output"]["prefix"] = prefix
    return body


def audit_events() -> list[dict[str, Any]]:
    """Every write that the API server has answered so far."""
    lines = places.AUDIT_LOG.read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["stage"] == "ResponseComplete"]


def writes_of_operator(namespace: str) -> list[tuple[str, str, datetime]]:
    """(verb, resource, when) of each write that the operator made in a namespace."""
    return [
        (
            event["verb"],
            "/".join(filter(None, [ref["resource"], ref.get("subresource")])),
            datetime.fromisoformat(event["stageTimestamp"]),
        )
        for event in audit_events()
        if event["user"]["username"].startswith(OPERATOR)
        and (ref := event.get("objectRef", {})).get("namespace") == namespace
    ]


def test_it_succeeds_and_every_object_is_as_its_status_states(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    prefix = f"results/{kube.namespace}/"
    kube.apply(the_example(prefix))
    status = kube.wait_end("first-job")

    assert status["phase"] == "Succeeded", status
    assert status["progress"]["percent"] == 100
    assert status["indexes"]["succeeded"] == "0"
    assert not status.get("outputsTruncated")
    names = {output["key"].removeprefix(f"{prefix}bunny/") for output in status["outputs"]}
    assert {
        "stream/master.m3u8",
        "stream/720p.mp4",
        "stream/480p.mp4",
        "stream/360p.mp4",
        "download/480p.mp4",
        "pictures/contact-sheet.jpg",
        "sound/audio.m4a",
    } <= names
    for output in status["outputs"]:
        data = media.get_object(bucket.BUCKET, output["key"]).read()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (output["bytes"], output["sha256"])
    assert status["outputCount"] == len(status["outputs"])
    assert status["outputBytes"] == sum(output["bytes"] for output in status["outputs"])
    manifest = json.loads(
        media.get_object(bucket.BUCKET, status["inputs"][0]["manifestKey"]).read()
    )
    assert manifest["schema"] == "videojob.dev/manifest/v1"
    assert {o["key"]: o["sha256"] for o in manifest["outputs"]} == {
        o["key"]: o["sha256"] for o in status["outputs"]
    }
    stated = {output["key"] for output in status["outputs"]} | {f"{prefix}bunny/manifest.json"}
    extra = published(media, prefix) - stated
    assert all(key.split("/")[-2] in PRIVATE_FOLDERS for key in extra), extra


@pytest.mark.alone
def test_its_whole_life_costs_three_status_writes_two_events_and_nothing_at_rest(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    body = a_videojob("cheap", clip)
    kube.apply(body)
    kube.wait_end("cheap")
    time.sleep(2)  # what would be written late
    ended = writes_of_operator(kube.namespace)
    writes = Counter((verb, what) for verb, what, _ in ended)
    told = [when for verb, what, when in ended if (verb, what) == STATUS_WRITE]
    # On a slow machine it runs for long enough to have progress: no sooner than after five seconds.
    pauses = [after - before for before, after in pairwise(told[1:-1])]
    assert all(pause > timedelta(seconds=3) for pause in pauses), told  # counted in whole seconds
    writes[STATUS_WRITE] -= len(pauses)
    assert writes == {("create", "jobs"): 1, STATUS_WRITE: 3, ("create", "events"): 2}
    events = kube.items("events", "--field-selector=involvedObject.kind=VideoJob")
    assert sorted(event["reason"] for event in events) == ["Running", "Succeeded"]
    time.sleep(15)
    assert writes_of_operator(kube.namespace) == ended, "the operator wrote though nothing happened"


def test_conditions_are_as_kstatus_reads_them(kube: Kubectl, media: Minio, clip: str) -> None:
    kube.apply(a_videojob("conditions", clip))
    kube.ok("wait", "videojob/conditions", "--for=condition=Reconciling", "--timeout=30s")
    kube.ok("wait", "videojob/conditions", "--for=condition=Ready", "--timeout=60s")
    body = kube.get("videojob", "conditions")
    conditions = {c["type"]: c["status"] for c in body["status"]["conditions"]}
    assert conditions == {
        "Accepted": "True",
        "Ready": "True",
        "Reconciling": "False",
        "Stalled": "False",
        "Scheduled": "True",
        "Complete": "True",
        "Failed": "False",
    }
    assert body["status"]["observedGeneration"] == body["metadata"]["generation"]


def test_the_operator_leaves_no_mark_on_the_resource_but_its_status(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    body = a_videojob("clean", clip)
    kube.apply(body)
    kube.wait_end("clean")
    found = kube.get("videojob", "clean")
    assert "finalizers" not in found["metadata"]
    notes = found["metadata"].get("annotations", {})
    assert set(notes) == {"kubectl.kubernetes.io/last-applied-configuration"}
    assert not kube.run("diff", "-f", "-", stdin=yaml.safe_dump(body)).stdout


def rights(kube: Kubectl, *who: str) -> set[str]:
    """What somebody may do, a line for each right, however wide the columns are."""
    lines = kube.ok("auth", "can-i", "--list", *who).splitlines()
    return {" ".join(line.split()) for line in lines}


def test_a_worker_has_no_rights_and_no_token_but_the_one_for_reports(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    kube.apply(a_videojob("rights", clip))
    kube.wait_end("rights")
    (pod,) = kube.items("pods")
    account = pod["spec"]["serviceAccountName"]
    subject = f"system:serviceaccount:{kube.namespace}:{account}"
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{kube.namespace}"]
    worker = ["--as", subject, *(f"--as-group={group}" for group in groups)]
    anyone = ["--as", "somebody", "--as-group=system:authenticated"]
    beyond = rights(kube, *worker, "--as-group=system:authenticated") - rights(kube, *anyone)
    # Every service account may read the cluster's token issuer; that is Kubernetes' default.
    issuer = ("/.well-known/openid-configuration", "/openid/v1/jwks")
    assert {line for line in beyond if not line.startswith(tuple(f"[{p}" for p in issuer))} == set()
    assert pod["spec"]["automountServiceAccountToken"] is False
    tokens = [
        source["serviceAccountToken"]
        for volume in pod["spec"]["volumes"]
        for source in volume.get("projected", {}).get("sources", [])
    ]
    uid = kube.get("videojob", "rights")["metadata"]["uid"]
    assert [token["audience"] for token in tokens] == [f"videojob.dev/{uid}"]
