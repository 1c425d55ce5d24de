"""A Job that has no pod that lives, and that Kubernetes may have forgotten."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import NOW, a_pod_body, a_videojob, an_ended_pod, seconds
from fake_cluster import (
    StillWorld,
    a_world_with_a_videojob,
    fake,
    job_becomes,
    pod_ended,
    the_job,
)

from videojob_api import names
from videojob_operator.decide import decide
from videojob_operator.errors import ClusterError
from videojob_operator.observe import observe
from videojob_operator.observed import Key, WakeJob
from videojob_operator.reconcile import reconcile

PATIENCE_SECONDS = 310


@pytest.mark.parametrize(
    ("idle_seconds", "woken", "again_seconds"),
    [(0, False, 310), (309, False, 1), (310, True, 310), (10**4, True, 310)],
)
def test_it_is_woken_once_kubernetes_has_given_up_waiting(
    idle_seconds: float, woken: bool, again_seconds: float
) -> None:
    situation = a_videojob().running()
    situation = situation.written(decide(situation, NOW))
    decision = decide(replace(situation, idle_since=NOW - seconds(idle_seconds)), NOW)
    newest = situation.attempts[-1]
    assert decision.actions == ((WakeJob(newest.name, newest.uid),) if woken else ())
    assert decision.requeue_seconds == again_seconds


def test_one_with_a_pod_that_lives_is_left_alone() -> None:
    situation = a_videojob().running()
    decision = decide(situation, NOW)
    assert not any(isinstance(action, WakeJob) for action in decision.actions)


async def test_a_worker_that_has_ended_does_not_wait_though_its_pod_never_ran() -> None:
    """The kubelet tells the end of a container before the pod's phase, which may still be Pending."""
    world, key = a_world_with_a_videojob(2)
    await reconcile(key, world)
    job_uid = the_job(world)["metadata"]["uid"]
    ended = an_ended_pod(42, name="ended", job_uid=job_uid)
    ended["status"]["phase"] = "Pending"
    for pod in (ended, a_pod_body(index=1, name="waits", job_uid=job_uid, phase="Pending")):
        world.cache.put_pod(pod)
    observed = await observe(key, world)
    assert observed is not None
    assert [pod.name for pod in observed.waiting] == ["waits"]


async def a_forgotten_job() -> tuple[StillWorld, Key]:
    """Its worker was evicted at once, and the Job goes on as if nobody had been there."""
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    job_becomes(world, active=0, ready=0)
    pod_ended(world, 137)
    return world, key


def marks(world: StillWorld) -> list[str]:
    return [
        pod["metadata"]["annotations"][names.ANNOTATION_SEEN]
        for pod in fake(world).all("pods")
        if names.ANNOTATION_SEEN in pod["metadata"].get("annotations", {})
    ]


async def after(world: StillWorld, key: Key, passed_seconds: float) -> None:
    world.moment += seconds(passed_seconds)
    await reconcile(key, world)


async def test_what_is_left_of_it_is_marked_every_five_minutes_until_it_goes_on() -> None:
    world, key = await a_forgotten_job()
    await after(world, key, 1)
    await after(world, key, PATIENCE_SECONDS - 1)
    assert marks(world) == []
    await after(world, key, 1)
    (first,) = marks(world)
    await after(world, key, PATIENCE_SECONDS - 1)
    assert marks(world) == [first]
    await after(world, key, 1)
    (second,) = marks(world)
    assert second > first
    uid = the_job(world)["metadata"]["uid"]
    world.cache.put_pod(a_pod_body(name="next", job_uid=uid, phase="Pending"))
    await after(world, key, 10 * PATIENCE_SECONDS)
    assert marks(world) == [second]


async def test_a_pod_that_lives_sets_the_clock_back() -> None:
    world, key = await a_forgotten_job()
    await after(world, key, 1)
    pod = a_pod_body(name="next", job_uid=the_job(world)["metadata"]["uid"], phase="Running")
    world.cache.put_pod(pod)
    await after(world, key, PATIENCE_SECONDS)
    world.cache.drop_pod(pod)
    await after(world, key, 1)
    await after(world, key, PATIENCE_SECONDS - 1)
    assert marks(world) == []


async def test_a_job_that_may_have_no_pods_sleeps_on() -> None:
    world, key = await a_forgotten_job()
    job = the_job(world)
    suspended = {**job, "spec": {**job["spec"], "suspend": True}}
    world.cache.put_job(fake(world).put("jobs", suspended))
    await after(world, key, 1)
    await after(world, key, 10 * PATIENCE_SECONDS)
    assert marks(world) == []


async def test_what_failed_is_tried_again_at_once() -> None:
    world, key = await a_forgotten_job()
    await after(world, key, 1)
    late = ClusterError("etcdserver: request timed out", 500)
    fake(world).failures += [late, late]  # Events, which are a courtesy, and the list of its pods
    with pytest.raises(ClusterError):
        await after(world, key, PATIENCE_SECONDS)
    assert marks(world) == []
    await after(world, key, 1)
    assert len(marks(world)) == 1


async def test_pods_of_others_are_no_matter() -> None:
    world, key = await a_forgotten_job()
    await after(world, key, 1)
    (pod,) = fake(world).all("pods")
    pod["metadata"]["ownerReferences"][0]["uid"] = "somebody-else"
    fake(world).put("pods", pod)
    await after(world, key, PATIENCE_SECONDS)
    assert marks(world) == []
