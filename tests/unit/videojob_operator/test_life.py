"""Suspend, cancel and run again through the whole loop, against an API server in memory."""

from __future__ import annotations

from typing import Any

import pytest
from builders import UID, a_pod_body, a_result
from fake_cluster import (
    StillWorld,
    a_world_with_a_videojob,
    fake,
    job_becomes,
    pod_ended,
    settled,
    status_of,
    the_job,
)

from videojob_api import names
from videojob_api.status import Phase
from videojob_operator.observed import Key
from videojob_operator.reconcile import reconcile


async def running(inputs: int = 1, **spec: Any) -> tuple[StillWorld, Key]:
    """Its workers are at work, one pod for each input."""
    world, key = a_world_with_a_videojob(inputs, **spec)
    await reconcile(key, world)
    job = the_job(world)["metadata"]
    for index in range(inputs):
        pod = a_pod_body(index=index, name=f"pod-{index}", job_uid=job["uid"], phase="Running")
        world.cache.put_pod(fake(world).put("pods", pod))
    job_becomes(world, active=inputs, ready=inputs)
    await reconcile(key, world)
    assert status_of(world).phase is Phase.RUNNING
    return world, key


def apply(world: StillWorld, **spec: Any) -> None:
    """Somebody changes the spec, and the watch sees it."""
    (body,) = fake(world).all("videojobs")
    body["spec"] |= spec
    body["metadata"]["generation"] += 1
    world.cache.put_videojob(fake(world).put("videojobs", body))


def see_jobs(world: StillWorld) -> None:
    """The watch of Jobs tells what has changed."""
    alive = fake(world).all("jobs")
    for body in world.cache.jobs():
        if body["metadata"]["uid"] not in {job["metadata"]["uid"] for job in alive}:
            world.cache.drop_job(body)
    for body in alive:
        world.cache.put_job(body)


def pods_stop(world: StillWorld) -> None:
    """The kubelet stops the pods, the garbage collector removes them and their Job."""
    for pod in fake(world).all("pods"):
        world.cache.drop_pod(fake(world).drop("pods", pod["metadata"]["name"]))
    for job in fake(world).all("jobs"):
        if "deletionTimestamp" in job["metadata"]:
            fake(world).drop("jobs", job["metadata"]["name"])
    see_jobs(world)


async def test_cancel_waits_for_the_workers_and_ends_cancelled() -> None:
    world, key = await running(2)
    apply(world, cancel=True)
    await reconcile(key, world)
    see_jobs(world)
    assert status_of(world).phase is Phase.CANCELLING
    assert "deletionTimestamp" in the_job(world)["metadata"], "it stays until its pods are gone"
    await settled(world)
    pods_stop(world)
    await reconcile(key, world)
    assert status_of(world).phase is Phase.CANCELLED
    apply(world, cancel=False)
    await reconcile(key, world)
    assert status_of(world).phase is Phase.CANCELLED
    assert fake(world).all("jobs") == []


async def test_suspend_and_go_on_does_finished_inputs_once() -> None:
    world, key = await running(3)
    pod_ended(world, 0, a_result(0, outputs=2).to_termination_message(), index=0)
    job_becomes(world, active=2, ready=2, completedIndexes="0")
    apply(world, suspend=True)
    await reconcile(key, world)
    see_jobs(world)
    pods_stop(world)
    await reconcile(key, world)
    status = status_of(world)
    assert (status.phase, status.output_count) == (Phase.SUSPENDED, 2)
    await settled(world)

    apply(world, suspend=False)
    await reconcile(key, world)
    meta = the_job(world)["metadata"]
    assert meta["annotations"][names.ANNOTATION_INDEXES] == "1-2"
    assert status_of(world).attempt == 2
    await settled(world)


async def test_what_is_published_while_the_workers_stop_is_not_done_again() -> None:
    world, key = await running(2)
    apply(world, suspend=True)
    await reconcile(key, world)
    see_jobs(world)
    ended = fake(world).all("pods")[1]
    done = {"exitCode": 0, "message": a_result(1).to_termination_message()}
    ended["status"] = {
        "phase": "Succeeded",
        "containerStatuses": [{"name": "worker", "state": {"terminated": done}}],
    }
    world.cache.put_pod(fake(world).put("pods", ended))
    await reconcile(key, world)  # seen, though perhaps not written yet
    pods_stop(world)
    await reconcile(key, world)
    assert status_of(world).message == (
        "Suspended; 1 of 2 inputs are done. With suspend: false it goes on."
    )
    apply(world, suspend=False)
    await reconcile(key, world)
    assert the_job(world)["metadata"]["annotations"][names.ANNOTATION_INDEXES] == "0"


@pytest.mark.parametrize(
    "changed",
    [
        {"steps": [{"name": "sound", "extractAudio": {}}]},
        {"inputs": [{"name": "the-only-one", "key": "a.mp4"}]},
    ],
    ids=["steps", "fewer inputs"],
)
async def test_another_token_runs_again_with_other_work_after_the_workers_have_stopped(
    changed: dict[str, Any],
) -> None:
    world, key = await running(3)
    apply(world, runToken="2", **changed)
    assert await reconcile(key, world) == 0
    see_jobs(world)
    status = status_of(world)
    assert (status.phase, status.run_id) == (Phase.PENDING, names.run_id(UID, 2))
    await reconcile(key, world)
    assert len(fake(world).all("jobs")) == 1, "two runs at once"
    pods_stop(world)
    await reconcile(key, world)
    meta = the_job(world)["metadata"]
    assert meta["labels"][names.LABEL_RUN] == names.run_id(UID, 2)
    status = status_of(world)
    assert (status.attempt, status.observed_run_token) == (1, "2")
    await settled(world)


async def test_the_second_run_ends_with_its_own_results() -> None:
    world, key = a_world_with_a_videojob()
    for token in ("", "2"):
        if token:
            apply(world, runToken=token)
            await reconcile(key, world)
            see_jobs(world)
        await reconcile(key, world)
        pod_ended(world, 0, a_result(outputs=1).to_termination_message())
        job_becomes(world, completedIndexes="0")
        await reconcile(key, world)
        status = status_of(world)
        assert (status.phase, status.output_count, status.attempt) == (Phase.SUCCEEDED, 1, 1)
        await settled(world)
    assert [e["reason"] for e in fake(world).all("events")].count("Succeeded") == 2
