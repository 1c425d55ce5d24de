"""Pods that hang Terminating on a node that does not answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from builders import AT_WORK, KEY, NOW, UID, a_pod_body, a_result, a_time, a_videojob, seconds
from fake_cluster import (
    StillWorld,
    a_world_with_a_videojob,
    fake,
    job_becomes,
    settled,
    status_of,
    tell,
    the_job,
)

from videojob_api.status import Indexes, Phase
from videojob_operator.attempt import HangingPod
from videojob_operator.decide import decide
from videojob_operator.errors import ClusterError
from videojob_operator.handlers import live_pod_seen
from videojob_operator.observed import ReleasePod
from videojob_operator.reconcile import reconcile

IGNORED = "batch.kubernetes.io/job-index-ignored-failure-count"


@pytest.mark.parametrize(
    ("past_grace", "released", "requeue"),
    [(299, False, 1), (300, True, 86340), (10**4, True, 86340)],
)
def test_it_is_released_five_minutes_past_its_grace(
    past_grace: float, released: bool, requeue: float
) -> None:
    pod = HangingPod("pod-0", "uid-0", NOW - seconds(past_grace))
    situation = a_videojob().running()
    situation = situation.written(decide(situation, NOW))
    decision = decide(replace(situation, hanging=(pod,)), NOW)
    assert decision.actions == ((ReleasePod("pod-0", "uid-0"),) if released else ())
    assert decision.requeue_seconds == requeue


def test_whatever_else_is_going_on() -> None:
    pod = HangingPod("pod-0", "uid-0", NOW - seconds(1000))
    situation = a_videojob(cancel=True).running().with_newest(deleted_at=NOW)
    decision = decide(replace(situation, hanging=(pod,)), NOW)
    assert decision.policy == "decide_cancel"
    assert ReleasePod("pod-0", "uid-0") in decision.actions


async def a_hanging_worker(**status: Any) -> StillWorld:
    """Told to stop long ago, and its node has said nothing since."""
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    job = the_job(world)["metadata"]
    pod = a_pod_body(job_uid=job["uid"], phase="Running", **status)
    pod["metadata"]["deletionTimestamp"] = a_time(301)
    pod["metadata"]["finalizers"] = ["batch.kubernetes.io/job-tracking"]
    world.cache.put_pod(fake(world).put("pods", pod))
    job_becomes(world, active=1, ready=1)
    return world


def releases(world: StillWorld) -> list[tuple[str, str]]:
    """What was written of pods."""
    return [
        (method, path.rsplit("/pods/", 1)[-1])
        for method, path in fake(world).writes
        if "/pods/" in path
    ]


RELEASED = [("DELETE", "pod-0"), ("PATCH", "pod-0/status")]


async def test_it_is_removed_and_declared_failed() -> None:
    world = await a_hanging_worker()
    await reconcile(KEY, world)
    assert releases(world) == RELEASED
    (pod,) = fake(world).all("pods")
    assert pod["status"]["phase"] == "Failed"
    fake(world).drop("pods", "pod-0")  # the Job controller has taken its finalizer off
    await reconcile(KEY, world)  # the watch has not told yet: gone is gone


@pytest.mark.parametrize("what", ["force_delete_pod", "fail_pod"])
async def test_half_a_release_is_done_again(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No watch tells of a pod that has failed, so that comes last."""
    world = await a_hanging_worker()

    async def no(*_: object) -> None:
        raise ClusterError("etcdserver: leader changed", 503)

    with monkeypatch.context() as patch:
        patch.setattr(world.cluster, what, no)
        with pytest.raises(ClusterError, match="leader"):
            await reconcile(KEY, world)
    assert fake(world).all("pods")[0]["status"]["phase"] == "Running", "the watch still shows it"
    await reconcile(KEY, world)
    assert releases(world)[-2:] == RELEASED


async def test_a_worker_that_ended_on_a_node_that_could_not_say_so_of_the_pod_is_released() -> None:
    """Its Job waits for the pod's own phase."""
    ended = {"terminated": {"exitCode": 1, "startedAt": a_time(400), "finishedAt": a_time(350)}}
    world = await a_hanging_worker(containerStatuses=[{"name": "worker", "state": ended}])
    await reconcile(KEY, world)
    assert releases(world) == RELEASED


async def test_a_pod_that_was_told_to_stop_and_has_ended_hangs_no_more() -> None:
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    pod = a_pod_body(job_uid=the_job(world)["metadata"]["uid"], phase="Failed")
    pod["metadata"]["deletionTimestamp"] = a_time(301)
    world.cache.put_pod(fake(world).put("pods", pod))
    await reconcile(key, world)
    assert "No pod has been made for a worker yet" in (status_of(world).message or "")
    await settled(world)


@pytest.mark.parametrize(("exit_code", "phase"), [(143, "Failed"), (0, "Succeeded")])
async def test_a_pod_that_has_left_the_watch_hangs_no_more(exit_code: int, phase: str) -> None:
    """It is told of as it was when it was live."""
    world = await a_hanging_worker()
    (pod,) = fake(world).all("pods")
    ended = {"terminated": {"exitCode": exit_code}}
    pod["status"]["containerStatuses"] = [{"name": "worker", "state": ended}]
    gone = fake(world).put("pods", pod)
    fake(world).drop("pods", "pod-0")
    await tell(live_pod_seen, gone, world, "DELETED")
    await reconcile(KEY, world)
    assert releases(world) == []
    (kept,) = world.cache.pods_of(UID)
    assert kept["status"]["phase"] == phase
    await settled(world)


# ---- and pods that node after node evicts, whose Job would go on for ever


async def after_evictions(times: int, inputs: int = 1, *, by: str = "Evicted") -> StillWorld:
    """Nodes evicted the last input's worker so many times; the Job has started it once more.

    The watch shows the new pod alone: what leaves its selector it tells as it was before.
    """
    world, key = a_world_with_a_videojob(inputs)
    await reconcile(key, world)
    job_becomes(world, active=inputs, ready=inputs)
    job, index = the_job(world)["metadata"], inputs - 1
    status = {"phase": "Failed", "reason": by, "message": "The node was low on resource: disk."}
    for number in range(times):
        pod = a_pod_body(index=index, name=f"pod-{number}", job_uid=job["uid"], **status)
        pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] = job["name"]
        fake(world).put("pods", pod)
    live = a_pod_body(index=index, name="live", job_uid=job["uid"], phase="Running")
    live["metadata"]["annotations"][IGNORED] = str(times)
    world.cache.put_pod(live)
    await reconcile(key, world)
    return world


def is_stopping(world: StillWorld) -> bool:
    """Whether the Job is deleted, and there until its last pod has gone."""
    return "deletionTimestamp" in the_job(world)["metadata"]


@pytest.mark.parametrize(("times", "ends"), [(5, False), (6, True)])
async def test_evictions_by_nodes_are_made_good_five_times(times: int, ends: bool) -> None:
    world = await after_evictions(times)
    status = status_of(world)
    assert status.phase is (Phase.FAILED if ends else Phase.RUNNING)
    assert is_stopping(world) is ends
    if ends:
        assert status.failure is not None
        assert (status.failure.reason, status.failure.retryable) == ("Evicted", True)
        assert status.message == (
            "nodes evicted its worker 6 times: The node was low on resource: disk."
        )


async def test_a_list_that_fails_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await after_evictions(5)
    job = the_job(world)["metadata"]
    (pod,) = (p for p in world.cache.pods() if p["metadata"]["name"] == "live")
    sixth = a_pod_body(name="pod-5", job_uid=job["uid"], phase="Failed", reason="Evicted")
    sixth["metadata"]["labels"]["batch.kubernetes.io/job-name"] = job["name"]
    fake(world).put("pods", sixth)
    pod["metadata"]["annotations"][IGNORED] = "6"
    world.cache.put_pod(pod)

    async def busy(*_: object) -> list[dict[str, Any]]:
        raise ClusterError("busy", 429)

    with monkeypatch.context() as patch:
        patch.setattr(world.cluster, "list_pods_of_job", busy)
        with pytest.raises(ClusterError):
            await reconcile(KEY, world)
    await reconcile(KEY, world)
    assert is_stopping(world)


async def test_one_that_is_given_up_lets_its_siblings_finish() -> None:
    world = await after_evictions(6, inputs=2)
    assert status_of(world).phase is Phase.RUNNING
    assert len(fake(world).all("jobs")) == 1
    done = {"exitCode": 0, "message": a_result(0).to_termination_message()}
    pod = a_pod_body(name="good", job_uid=the_job(world)["metadata"]["uid"], phase="Succeeded")
    pod["status"]["containerStatuses"] = [{"name": "worker", "state": {"terminated": done}}]
    world.cache.put_pod(pod)
    await reconcile(KEY, world)
    status = status_of(world)
    assert status.phase is Phase.FAILED
    assert status.indexes is not None
    assert (status.indexes.succeeded, status.indexes.failed) == ("0", "1")
    assert is_stopping(world)


async def test_one_that_was_given_up_and_ended_well_keeps_its_outputs() -> None:
    """Its sibling's first eviction has all pods looked at again."""
    world, key = a_world_with_a_videojob(2)
    await reconcile(key, world)
    job_becomes(world, active=2, ready=2)
    job = the_job(world)["metadata"]

    def put(index: int, number: int, *, evicted: bool = False, **status: Any) -> dict[str, Any]:
        told = {"phase": "Failed", "reason": "Evicted", "message": "low"} if evicted else status
        pod = a_pod_body(index=index, name=f"pod-{index}-{number}", job_uid=job["uid"], **told)
        pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] = job["name"]
        pod["metadata"]["creationTimestamp"] = a_time(300 - number)
        pod["metadata"]["annotations"][IGNORED] = str(number)
        return fake(world).put("pods", pod)

    for number in range(6):
        put(0, number, evicted=True)
    world.cache.put_pod(put(0, 6, **AT_WORK))
    await reconcile(key, world)
    assert status_of(world).indexes == Indexes(failed="0")
    words = {"exitCode": 0, "message": a_result(0, outputs=3).to_termination_message()}
    words |= {"startedAt": a_time(90), "finishedAt": a_time(1)}
    ended = {"containerStatuses": [{"name": "worker", "state": {"terminated": words}}]}
    world.cache.put_pod(put(0, 6, phase="Succeeded", **ended))
    put(1, 0, evicted=True)
    world.cache.put_pod(put(1, 1, **AT_WORK))
    job_becomes(world, active=1, ready=1, completedIndexes="0")
    world.moment += timedelta(seconds=60)
    await reconcile(key, world)
    status = status_of(world)
    assert (status.indexes, status.output_count) == (Indexes(succeeded="0"), 3)


async def test_drained_and_preempted_pods_are_made_good_until_the_deadline() -> None:
    world = await after_evictions(20, by="Preempting")
    assert status_of(world).phase is Phase.RUNNING
    before = len(fake(world).requests)
    await reconcile(KEY, world)
    assert fake(world).requests[before:] == [], "its pods are listed once for each disruption"
