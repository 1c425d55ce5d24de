"""A namespace that is being deleted is not held up by a Job that waits to replace a pod there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from builders import KEY, NOW, a_pod_body, a_time, a_videojob, an_ended_pod
from fake_cluster import StillWorld, a_world_with_a_videojob, fake, job_becomes, the_job

from videojob_operator.decide import decide
from videojob_operator.observed import DeleteJob
from videojob_operator.reconcile import reconcile

NAMESPACE = f"/api/v1/namespaces/{KEY.namespace}"


async def a_world_at_work(*, going: bool) -> StillWorld:
    world, key = a_world_with_a_videojob()
    meta: dict[str, Any] = {"name": key.namespace, "namespace": ""}
    if going:
        meta["deletionTimestamp"] = a_time()
    fake(world).put("namespaces", {"metadata": meta})
    await reconcile(key, world)
    return world


def pod_goes(world: StillWorld, pod: dict[str, Any]) -> None:
    """Somebody deletes the pod, and the watch tells."""
    pod["metadata"]["ownerReferences"][0]["uid"] = the_job(world)["metadata"]["uid"]
    pod["metadata"]["deletionTimestamp"] = a_time()
    world.cache.put_pod(fake(world).put("pods", pod))


def asked_for_namespace(world: StillWorld) -> int:
    return fake(world).requests.count(("GET", NAMESPACE))


@pytest.mark.parametrize(
    "pod", [a_pod_body(phase="Pending"), an_ended_pod(143)], ids=["hangs", "ended"]
)
async def test_its_jobs_are_deleted_when_a_pod_is(pod: dict[str, Any]) -> None:
    world = await a_world_at_work(going=True)
    pod_goes(world, pod)
    await reconcile(KEY, world)
    assert fake(world).status_writes == 1, "of the acceptance; there is nobody to tell any more"
    # Deleted in the foreground it waits for its pod; Kubernetes lets that one go then.
    jobs = fake(world).all("jobs")
    assert all("deletionTimestamp" in job["metadata"] for job in jobs)


async def test_after_a_restart_a_job_without_pods_is_found_too() -> None:
    world = await a_world_at_work(going=True)
    job_becomes(world, failed=1)
    await reconcile(KEY, world)
    assert fake(world).all("jobs") == []


async def test_a_pod_that_went_does_not_have_the_namespace_asked_for_at_every_look() -> None:
    world = await a_world_at_work(going=False)
    pod_goes(world, an_ended_pod(143))
    for _ in range(20):
        await reconcile(KEY, world)
    assert asked_for_namespace(world) == 1
    assert KEY in world.queue._timers, "it may begin to go in the meantime, and nothing else tell"


async def test_in_a_namespace_that_stays_the_job_makes_another_pod() -> None:
    world = await a_world_at_work(going=False)
    pod_goes(world, a_pod_body(phase="Running"))
    await reconcile(KEY, world)
    assert asked_for_namespace(world) == 1
    assert "deletionTimestamp" not in the_job(world)["metadata"]


async def test_nobody_asks_while_all_goes_well() -> None:
    world = await a_world_at_work(going=True)
    await reconcile(KEY, world)
    assert asked_for_namespace(world) == 0


def test_all_jobs_go_but_those_that_go_already() -> None:
    observed = a_videojob().running()
    going = observed.with_attempt(deleted_at=NOW).with_attempt()
    going = going.with_status(attempt=3)
    decision = decide(replace(going, namespace_going=True), NOW)
    assert decision.policy == "decide_with_namespace"
    assert [a.uid for a in decision.actions if isinstance(a, DeleteJob)] == ["job-1", "job-3"]
    assert decision.status is None
