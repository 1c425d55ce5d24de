"""The life of one job on the cluster: suspended, cancelled, run again, short of memory, on a dead node."""

from __future__ import annotations

import copy
import json
import time
from typing import Any

import bucket
import places
import yaml
from minio import Minio
from on_cluster import (
    STORE_NAMESPACE,
    Kubectl,
    a_python_pod,
    a_store,
    a_videojob,
    published,
)

EXAMPLES = places.REPOSITORY / "examples"
POSTER = [{"name": "poster", "thumbnails": {"count": 1}}]


def the_example(name: str, clip: str, prefix: str) -> dict[str, Any]:
    """An example's manifest with a prefix of the test's own."""
    body: dict[str, Any] = yaml.safe_load((EXAMPLES / name / "videojob.yaml").read_text())
    for item in body["spec"]["inputs"]:
        item["key"] = item["key"].replace("uploads/bunny.mp4", clip)
    body["spec"]["output"]["prefix"] = prefix
    return body


def server_side(kube: Kubectl, body: dict[str, Any]) -> None:
    """Apply it, taking over fields that somebody patched."""
    command = ("apply", "--server-side", "--force-conflicts", "-f", "-")
    kube.ok(*command, stdin=yaml.safe_dump(body))


def ready_reason(status: dict[str, Any]) -> str:
    return next((c["reason"] for c in status.get("conditions", []) if c["type"] == "Ready"), "")


def live_pods(kube: Kubectl) -> list[str]:
    ended = ("Succeeded", "Failed")
    return [p["metadata"]["name"] for p in kube.items("pods") if p["status"]["phase"] not in ended]


def test_suspended_and_resumed_it_does_nothing_twice(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    prefix = f"results/{kube.namespace}/"
    body = the_example("10-suspend-cancel-rerun", clip, prefix)
    kube.apply(body)
    first = f"{prefix}opening/manifest.json"
    kube.wait("keynote", lambda s: first in published(media, prefix))
    body["spec"]["suspend"] = True
    kube.apply(body)  # as GitOps would: the whole manifest again
    status = kube.wait("keynote", lambda s: ready_reason(s) == "Suspended")
    assert status["phase"] == "Suspended"
    assert live_pods(kube) == []
    assert kube.items("jobs") == []
    done = status["indexes"]["succeeded"]  # the first may have ended unseen; it is not done again
    written = media.stat_object(bucket.BUCKET, first).last_modified
    kube.apply(body)
    assert kube.status("keynote") == status, "the same manifest again changed something"

    body["spec"]["suspend"] = False
    kube.apply(body)
    status = kube.wait_end("keynote", seconds=180)
    assert (status["phase"], status["indexes"]["succeeded"]) == ("Succeeded", "0-2")
    assert status["acceptedAt"] < status["resumedAt"] < status["finishedAt"]
    assert {o["input"] for o in status["outputs"]} == {"opening", "talk", "questions"}
    (job,) = kube.items("jobs")
    assert (
        job["metadata"]["annotations"]["videojob.dev/input-indexes"]
        == {
            "": "0-2",
            "0": "1-2",
            "0-1": "2",
        }[done]
    )
    assert media.stat_object(bucket.BUCKET, first).last_modified == written, "done twice"


def test_cancelled_it_stays_so_until_another_run_token(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    prefix = f"results/{kube.namespace}/"
    body = the_example("10-suspend-cancel-rerun", clip, prefix)
    # Enough of them that not all are done when it is seen at work.
    body["spec"]["inputs"] += [{"name": f"more-{n}", "key": clip} for n in range(4)]
    server_side(kube, body)  # as Flux does
    live = {"etaSeconds", "fps", "speed", "step"}

    def is_at_work(status: dict[str, Any]) -> bool:
        told, inputs = status.get("progress", {}), status.get("inputs", [])
        is_midway = any(0 < each.get("percent", 0) < 100 for each in inputs)
        return live <= set(told) and told.get("stage") == "Processing" and is_midway

    status = kube.wait("keynote", is_at_work)
    told = status["progress"]
    assert status["acceptedAt"] < told["updatedAt"]
    assert told["step"] == "stream"
    assert 1 <= told["etaSeconds"] < 1800
    assert min(told["fps"], told["speed"]) > 0
    asked = time.monotonic()
    kube.ok("patch", "videojob", "keynote", "--type=merge", "-p", '{"spec": {"cancel": true}}')
    status = kube.wait_end("keynote", seconds=70)
    assert time.monotonic() - asked < 70, "longer than the workers' grace period"
    assert status["phase"] == "Cancelled"
    assert live_pods(kube) == []
    conditions = {c["type"]: c["status"] for c in status["conditions"]}
    assert (conditions["Complete"], conditions["Failed"]) == ("False", "False")
    assert not [key for key in published(media, prefix) if key.endswith("more-3/manifest.json")]

    server_side(kube, body)  # takes `cancel` back, which changes nothing
    status = kube.wait("keynote", lambda s: s["observedGeneration"] == 3)
    assert status["phase"] == "Cancelled"

    again = copy.deepcopy(body)
    again["spec"] |= {"runToken": "2", "steps": POSTER, "parallelism": 3}
    server_side(kube, again)
    status = kube.wait("keynote", lambda s: s.get("observedRunToken") == "2")
    assert status["runID"].endswith("-2")
    status = kube.wait_end("keynote")
    assert (status["phase"], status["attempt"]) == ("Succeeded", 1)
    assert {o["step"] for o in status["outputs"]} == {"poster"}


SLOWLY = """
import asyncio, sys
async def hand_on(reader, writer, seconds_a_byte):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(len(data) * seconds_a_byte)
    writer.close()
async def serve(reader, writer):
    there, back = await asyncio.open_connection(sys.argv[1], 9000)
    await asyncio.gather(hand_on(reader, back, 1e-6), hand_on(there, writer, 0))
async def main():
    await (await asyncio.start_server(serve, port=8000)).serve_forever()
asyncio.run(main())
"""
"""Before MinIO: a megabyte a second goes in on each connection, so that uploads can be met half done."""


def test_cancelled_while_a_large_file_goes_up_it_leaves_no_part_behind(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    pod, service = a_python_pod("slowly", SLOWLY)
    pod["spec"]["containers"][0]["command"].append(f"minio.{STORE_NAMESPACE}.svc")
    kube.apply(pod, service, a_store("slow", endpoint=f"http://slowly.{kube.namespace}.svc"))
    kube.ok("wait", "pod/slowly", "--for=condition=Ready", "--timeout=60s")
    large = {"crf": 1, "preset": "ultrafast", "maxBitrateKbps": 400000}
    steps = [{"name": "web", "transcode": {**large, "renditions": [{"height": 720}]}}]
    prefix = f"results/{kube.namespace}/"
    body = a_videojob("large", clip, prefix=prefix, steps=steps, storeRef={"name": "slow"})
    kube.apply(body)

    def open_uploads() -> list[Any]:
        # By the whole key: MinIO lists them by no other.
        key = f"{prefix}in0/web/720p.mp4"
        return list(media._list_multipart_uploads(bucket.BUCKET, prefix=key).uploads)

    kube.wait("large", lambda _: bool(open_uploads()))
    body["spec"]["cancel"] = True
    kube.apply(body)
    assert kube.wait_end("large", seconds=70)["phase"] == "Cancelled"
    assert open_uploads() == []
    assert published(media, prefix) == set()


def test_what_has_not_started_is_cancelled_at_once_by_a_patch_an_apply_or_a_sync(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    patched, applied, synced = (
        a_videojob(name, clip, suspend=True) for name in ("patched", "applied", "synced")
    )
    kube.apply(patched, applied)
    server_side(kube, synced)
    for name in ("patched", "applied", "synced"):
        assert kube.wait(name, lambda s: "phase" in s)["phase"] == "Suspended"
    applied["spec"]["cancel"] = synced["spec"]["cancel"] = True
    kube.ok("patch", "videojob", "patched", "--type=merge", "-p", '{"spec": {"cancel": true}}')
    kube.apply(applied)
    server_side(kube, synced)
    for name in ("patched", "applied", "synced"):
        assert kube.wait_end(name, seconds=20)["phase"] == "Cancelled"
    assert kube.items("jobs") == []


def test_just_the_inputs_that_ran_out_of_memory_get_more(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    prefix = f"results/{kube.namespace}/"
    body = the_example("11-many-inputs", clip, prefix)
    kube.apply(body)
    status = kube.wait_end("archive", seconds=180)
    assert status["phase"] == "Succeeded", status
    assert status["indexes"] == {"succeeded": "0-1,3", "failed": "", "rejected": "2"}
    assert ready_reason(status) == "SucceededWithBadInputs"
    jobs = sorted(kube.items("jobs"), key=lambda j: j["metadata"]["labels"]["videojob.dev/attempt"])
    tried = [
        (
            job["metadata"]["annotations"]["videojob.dev/input-indexes"],
            job["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"],
        )
        for job in jobs
    ]
    assert tried == [("0-3", "112Mi"), ("0-1,3", "448Mi")]
    attempts = {i["name"]: (i["state"], i["attempts"]) for i in status["inputs"]}
    assert attempts["day-3"] == ("Rejected", 1)
    assert attempts["day-1"] == ("Succeeded", 2)
    events = kube.items("events", "--field-selector=reason=OutOfMemory")
    assert [e["message"] for e in events] == [
        "day-1 and 2 more ran out of memory with 112Mi; trying again with 448Mi."
    ]


def test_what_an_input_needs_is_remembered_over_a_suspension(
    kube: Kubectl, media: Minio, clip: str
) -> None:
    body = the_example("11-many-inputs", clip, f"results/{kube.namespace}/")
    del body["spec"]["inputs"][2:]
    body["spec"]["parallelism"] = 1
    server_side(kube, body)  # here all that is changed is changed by a sync, as Flux does it
    status = kube.wait("archive", lambda s: bool(s.get("raisedMemory")))
    assert status["raisedMemory"] == [{"indexes": "0", "memory": "448Mi"}]
    server_side(kube, {**body, "spec": {**body["spec"], "suspend": True}})
    kube.wait("archive", lambda s: ready_reason(s) == "Suspended")
    assert kube.items("jobs") == [], "the Job that would remember"
    server_side(kube, body)
    status = kube.wait("archive", lambda s: s.get("attempt") == 3)
    assert status["raisedMemory"] == [{"indexes": "0-1", "memory": "448Mi"}]
    asked = {}
    for job in kube.items("jobs"):
        notes, (container,) = (
            job["metadata"]["annotations"],
            job["spec"]["template"]["spec"]["containers"],
        )
        inputs = notes["videojob.dev/input-indexes"]
        asked[inputs] = container["resources"]["limits"]["memory"]
    assert asked == {"1": "112Mi", "0-1": "448Mi"}
    server_side(kube, {**body, "spec": {**body["spec"], "cancel": True}})
    assert kube.wait_end("archive", seconds=70)["phase"] == "Cancelled"
    assert live_pods(kube) == []


def test_what_other_operators_hold_they_keep(kube: Kubectl, media: Minio, clip: str) -> None:
    """One that is made with kopf has its finalizer on what it looks after; all of them have the same."""
    marker = ["kopf.zalando.org/KopfFinalizerMarker"]
    body = a_videojob("held", clip, suspend=True)
    body["metadata"]["finalizers"] = marker
    kube.apply(body)
    kube.wait("held", lambda s: s.get("phase") == "Suspended")
    kube.ok("patch", "videojob", "held", "--type=merge", "-p", '{"spec": {"suspend": false}}')
    kube.wait("held", lambda s: s.get("attempt") == 1)
    (job,) = (one["metadata"]["name"] for one in kube.items("jobs"))
    hold = json.dumps({"metadata": {"finalizers": marker}})
    kube.ok("patch", "job", job, "--type=merge", "-p", hold)
    try:
        assert kube.wait_end("held")["phase"] == "Succeeded"
        assert kube.get("videojob", "held")["metadata"]["finalizers"] == marker
        assert marker[0] in kube.get("job", job)["metadata"]["finalizers"]
    finally:
        for what in (("videojob", "held"), ("job", job)):
            kube.ok("patch", *what, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
