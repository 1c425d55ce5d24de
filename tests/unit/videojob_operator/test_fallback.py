"""Fallback: no GPU for too long, so the CPU it is, for the rest of the run and never silently."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from builders import (
    NO_GPU_FREE,
    NOW,
    UID,
    Situation,
    a_pod_body,
    a_result,
    a_time,
    a_videojob,
    seconds,
)
from fake_cluster import a_world_with_a_videojob, fake, status_of, the_job

from videojob_api import names
from videojob_api.status import Phase
from videojob_operator.attempt import Silence, Warned
from videojob_operator.decide import decide
from videojob_operator.facts import CLAIM_MISSING, parse_waiting_pod
from videojob_operator.observed import CreateJob, DeleteJob, EmitEvent
from videojob_operator.policies.fallback import decide_fallback
from videojob_operator.reconcile import reconcile

CLAIMS = {"resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "small"}]}


def waiting(ago: float = 300, **spec: Any) -> Situation:
    return a_videojob(**spec).waiting_for_gpu(ago=ago).with_store()


def told(situation: Situation) -> Situation:
    """The same once its status says that the time is up."""
    status = decide(situation, NOW).status
    assert status is not None
    return replace(situation, status=status)


def claiming(reason: str, **spec: Any) -> Situation:
    situation = a_videojob(accelerator={**CLAIMS, **spec}).waiting_for_worker(ago=300)
    situation = situation.with_newest(claims=(("gpu", "small"),)).with_store()
    return situation.with_waiting(reason, "cannot allocate all claims", ago=300)


def test_that_the_time_is_up_is_said_before_anything_is_done() -> None:
    decision = decide(waiting(), NOW)
    said = "No worker got nvidia.com/gpu for 300 seconds; working on the CPU instead."
    assert decision.actions == (EmitEvent("Warning", "FallbackAfterWait", said),)
    assert decision.look_again_seconds == 0
    status = decision.status
    assert status is not None
    assert (status.phase, status.attempt, status.message) == (Phase.PENDING, 1, said)
    assert status.accelerator is not None
    shown = (status.accelerator.requested, status.accelerator.used, status.accelerator.reason)
    assert shown == ("Auto nvidia.com/gpu", "CPU", "FallbackAfterWait")


def test_what_an_earlier_worker_found_does_not_hide_that_the_time_was_up() -> None:
    """Else it would be said again and again, and the CPU never be taken."""
    first = a_videojob(2).running().with_succeeded(0).with_index(1, exit_code=137)
    found = a_result(0, acceleratorReason="EncoderUnavailable")
    second = replace(first, results={0: found}).with_attempt(
        indexes=(1,), accelerator="nvidia.com/gpu", accelerator_count=1
    )
    said = told(second.with_waiting("Unschedulable", NO_GPU_FREE, ago=300))
    newest = said.attempts[1]
    assert decide(said, NOW).actions == (DeleteJob(newest.name, newest.uid, stays_for_pods=True),)


def test_that_the_time_was_up_is_not_a_workers_to_say() -> None:
    """It would keep all that comes off the GPU."""
    given = {"requested": "Auto nvidia.com/gpu", "used": "nvidia.com/gpu", "reason": "Offered"}
    begun = a_videojob(2).running().with_status(accelerator=given).with_succeeded(0)
    claimed = replace(begun, results={0: a_result(0, acceleratorReason="FallbackAfterWait")})
    status = decide(claimed, NOW).status
    assert status is not None
    assert status.accelerator is not None
    assert status.accelerator.wire() == given


@pytest.mark.parametrize("since", ["still waits", "has begun"])
def test_once_it_is_said_the_job_is_ended_after_its_pods(since: str) -> None:
    """Whoever got the GPU in that very moment publishes to the keys that the next one writes to."""
    said = told(waiting())
    if since == "has begun":
        said = replace(said.with_newest(ready=1), waiting=())
    (delete,) = decide(said, NOW).actions
    newest = said.attempts[0]
    assert delete == DeleteJob(newest.name, newest.uid, stays_for_pods=True)


def test_what_comes_then_is_on_the_cpu() -> None:
    said = replace(told(waiting()).with_nodes(nvidia=8), attempts=(), waiting=())
    (create,) = decide(said, NOW).actions
    assert isinstance(create, CreateJob)
    job = create.manifest
    assert job["metadata"]["labels"][names.LABEL_ATTEMPT] == "2"
    assert job["metadata"]["annotations"][names.ANNOTATION_ACCELERATOR] == "FallbackAfterWait"
    pod = job["spec"]["template"]["spec"]
    assert "nvidia.com/gpu" not in pod["containers"][0]["resources"]["limits"]


def quiet(ago: float) -> Situation:
    """One has worked, and waits to be started again; the other has waited for its GPU all the time."""
    situation = waiting(900, inputs=2).with_status(started_at=a_time(800))
    return replace(situation, quiet_since=NOW - seconds(ago))


def without_quota(ago: float, lacks: str = "requests.nvidia.com/gpu=1", **spec: Any) -> Situation:
    """No pod is made: the namespace may not have that."""
    why = f"is forbidden: exceeded quota: ours, requested: {lacks}, used: …, limited: …"
    made = replace(waiting(ago, **spec), waiting=()).with_newest(created_at=NOW - seconds(ago))
    job = made.attempts[-1].name
    told = Silence(job, is_pod=False, is_asked=True, warned=Warned("FailedCreate", why))
    return replace(made, silence=told)


@pytest.mark.parametrize(
    ("situation", "falls"),
    [
        (waiting(299), False),
        (waiting(20, accelerator={"fallbackAfterSeconds": 20}), True),
        (waiting(0, accelerator={"fallbackAfterSeconds": 0}), True),
        (waiting(accelerator={"mode": "Required"}), False),
        (waiting().with_newest(ready=1), False),
        (quiet(0), False),
        (quiet(299), False),
        (quiet(300), True),
        (quiet(300).with_waiting("", ago=200), False),
        (waiting().with_waiting("ContainerCreating", ago=200), False),
        (waiting().with_newest(accelerator=None), False),
        (replace(waiting(), waiting=()), False),
        (without_quota(300), True),
        (without_quota(299), False),
        (without_quota(300, "requests.nvidia.com/gpu.shared=1"), False),
        (without_quota(300, "requests.memory=2Gi"), False),
        (without_quota(300, accelerator={"mode": "Required"}), False),
        (replace(waiting(), waiting=()).with_waiting("ErrImagePull", "no", ago=300), False),
        (
            replace(waiting(), waiting=()).with_waiting(
                "Unschedulable", "0/3 nodes are available: 3 Insufficient memory.", ago=300
            ),
            False,
        ),
        (
            replace(claiming("Unschedulable"), waiting=()).with_waiting(
                "Unschedulable", "0/3 nodes are available: 3 Insufficient memory.", ago=300
            ),
            False,
        ),
        (
            replace(claiming("Unschedulable"), waiting=()).with_waiting(
                "Unschedulable", 'persistentvolumeclaim "films" not found', ago=300
            ),
            False,
        ),
        (claiming("Unschedulable"), True),
        (claiming(CLAIM_MISSING), True),
        (claiming("Unschedulable", mode="Required"), False),
    ],
    ids=[
        "too early",
        "own time",
        "at once",
        "required",
        "one is at work",
        "one was just at work",
        "one was at work not long ago",
        "one was at work long ago",
        "the next one pulls its image",
        "the first one mounts its volumes",
        "never asked",
        "no pod yet",
        "no quota",
        "no quota for a moment",
        "no quota for another GPU",
        "no quota for memory",
        "no quota and required",
        "no image",
        "no memory",
        "no memory for a claim",
        "no volume",
        "no device",
        "no claim",
        "claims required",
    ],
)
def test_only_who_waits_for_a_gpu_that_it_need_not_have_falls_back(
    situation: Situation, falls: bool
) -> None:
    assert (decide_fallback(situation, NOW) is not None) is falls


def test_it_is_looked_at_again_when_the_time_is_up() -> None:
    decision = decide(waiting(100), NOW)
    assert (decision.policy, decision.requeue_seconds) == ("explain_wait", 200)


def test_the_rest_of_the_run_stays_on_the_cpu() -> None:
    situation = a_videojob().running().with_newest(accelerator_reason="FallbackAfterWait")
    situation = situation.with_index(0, exit_code=137).with_store().with_nodes(nvidia=8)
    decision = decide(situation, NOW)
    assert decision.status is not None
    assert decision.status.accelerator is not None
    assert decision.status.accelerator.reason == "FallbackAfterWait"


async def test_the_time_without_a_worker_counts_from_the_last_one_at_work() -> None:
    world, key = a_world_with_a_videojob(2)
    await reconcile(key, world)
    job = the_job(world)
    for minutes, ready in ((1, 0), (2, 1), (3, 0), (4, 0)):
        world.moment = NOW + timedelta(minutes=minutes)
        world.cache.put_job({**job, "status": {"active": 1, "ready": ready}})
        await reconcile(key, world)
        at_work = [world.monotonic()] if ready else []
        assert list(world.at_work.values()) == at_work
    assert list(world.quiet.values()) == [(NOW + timedelta(minutes=3)).timestamp()]
    world.forget(UID)
    assert world.quiet == {}


async def test_in_the_loop_the_old_job_goes_and_the_new_one_is_made_once() -> None:
    world, key = a_world_with_a_videojob(accelerator={"fallbackAfterSeconds": 0})
    world.settings = replace(world.settings, accelerator_assume=True)
    await reconcile(key, world)
    job = the_job(world)
    world.cache.put_job(job)
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": NO_GPU_FREE,
    }
    job_uid = job["metadata"]["uid"]
    world.cache.put_pod(a_pod_body(job_uid=job_uid, phase="Pending", conditions=[condition]))
    await reconcile(key, world)
    assert [e["reason"] for e in fake(world).all("events")] == ["FallbackAfterWait"]
    assert [left["metadata"]["uid"] for left in fake(world).all("jobs")] == [job_uid]
    await reconcile(key, world)
    assert fake(world).all("jobs") == []
    world.cache.drop_job(job)
    world.cache.forget_pods(job["metadata"]["labels"][names.LABEL_UID])
    await reconcile(key, world)
    (made,) = fake(world).all("jobs")
    assert made["metadata"]["labels"][names.LABEL_ATTEMPT] == "2"
    accelerator = status_of(world).accelerator
    assert accelerator is not None
    assert (accelerator.used, accelerator.reason) == ("CPU", "FallbackAfterWait")
    before = len(fake(world).writes)
    await reconcile(key, world)
    assert [method for method, _ in fake(world).writes[before:]] == []


# ---- a claim that is not made


def a_claiming_pod(**status: Any) -> dict[str, Any]:
    pod = a_pod_body(phase="Pending", **status)
    pod["spec"]["resourceClaims"] = [{"name": "gpu", "resourceClaimTemplateName": "small"}]
    return pod


def test_a_pod_whose_claim_was_not_made_says_so() -> None:
    pod = parse_waiting_pod(a_claiming_pod())
    assert (pod.reason, pod.since) == (CLAIM_MISSING, parse_waiting_pod(a_pod_body()).since)
    assert "from small; is there such a ResourceClaimTemplate?" in pod.message
    made = [{"name": "gpu", "resourceClaimName": "x"}]
    assert parse_waiting_pod(a_claiming_pod(resourceClaimStatuses=made)).reason == "NoScheduler"


@pytest.mark.parametrize(("ago", "stalled"), [(29, "False"), (30, "True")])
def test_a_claim_that_is_not_made_is_told_after_half_a_minute(ago: float, stalled: str) -> None:
    situation = a_videojob(accelerator={**CLAIMS, "mode": "Required"}).waiting_for_worker(ago=ago)
    situation = situation.with_newest(claims=(("gpu", "small"),))
    status = decide(situation.with_waiting(CLAIM_MISSING, "none from small", ago=ago), NOW).status
    assert status is not None
    assert {c.type: c.status for c in status.conditions}["Stalled"] == stalled
    assert ("No device for a worker yet: none from small" in (status.message or "")) is (ago == 30)
