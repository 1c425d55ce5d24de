"""Queueing: the operator's own line and Kueue's, as the resource tells of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from builders import NOW, Situation, a_job_body, a_videojob
from fake_cluster import (
    StillWorld,
    a_world_with_a_videojob,
    fake,
    job_becomes,
    limited,
    pod_ended,
    put_videojob,
    queued,
    status_of,
)

from videojob_api import names
from videojob_api.status import Phase
from videojob_operator.decide import decide
from videojob_operator.facts import parse_attempt, parse_workload
from videojob_operator.handlers import workload_seen
from videojob_operator.observe import observe
from videojob_operator.observed import CreateJob, Place
from videojob_operator.policies.queueing import coarse
from videojob_operator.policies.wording import keep_if_same_causes
from videojob_operator.reconcile import reconcile, stand_in_line
from videojob_operator.resync import resync
from videojob_operator.workqueue import WorkQueue


async def tell(body: dict[str, Any], world: StillWorld, type_: str = "MODIFIED") -> None:
    """Kueue's Workload changed."""
    assert await workload_seen(event={"type": type_, "object": body}, memo=world) is None


# ---- the operator's own line


def in_line(position: int, *, inputs: int = 1, **spec: Any) -> Situation:
    situation = a_videojob(inputs, **spec).with_settings(max_running=8)
    return replace(situation, place=Place(position), created_at="2026-03-01T11:00:00Z")


@pytest.mark.parametrize(
    ("position", "told"),
    [(1, 1), (2, 3), (3, 3), (4, 10), (10, 10), (11, 30), (31, 100), (101, 300), (9999, 10000)],
)
def test_the_place_is_told_in_coarse_steps(position: int, told: int) -> None:
    assert coarse(position) == told


def test_who_waits_is_queued_and_knows_for_what() -> None:
    decision = decide(in_line(12, inputs=4), NOW)
    assert (decision.policy, decision.actions) == ("decide_queue", ())
    status = decision.status
    assert status is not None
    assert (status.phase, status.queue) == (Phase.QUEUED, status.queue)
    assert status.queue is not None
    assert status.queue.position == 30
    assert status.message == (
        "Queued, among the next 30 in line: it needs 4 workers, and at most 8 in all may run at once."
    )
    assert {c.type: c.status for c in status.conditions}["Reconciling"] == "True"
    assert decision.ticket is not None
    assert (decision.ticket.pods, decision.ticket.since) == (4, "2026-03-01T11:00:00Z")


def test_moving_up_a_little_is_no_news() -> None:
    situation = in_line(30)
    written = situation.written(decide(situation, NOW))
    assert decide(replace(written, place=Place(12)), NOW).status is None


@pytest.mark.parametrize(("position", "wanted"), [(1, 30), (500, 500), (10000, 10000)])
def test_the_further_back_the_rarer_it_looks(position: int, wanted: float) -> None:
    assert decide(in_line(position), NOW).requeue_seconds == wanted


def test_the_deadline_wakes_it_at_the_latest() -> None:
    situation = in_line(500, activeDeadlineSeconds=100).at_phase(Phase.QUEUED, ago=40)
    assert decide(situation, NOW).requeue_seconds == 60


def test_whose_turn_it_is_starts_and_is_in_line_no_more() -> None:
    situation = in_line(3)
    situation = situation.written(decide(situation, NOW)).with_store()
    decision = decide(replace(situation, place=Place(0)), NOW)
    assert decision.policy == "decide_admit"
    assert decision.ticket is None
    assert decision.status is not None
    assert (decision.status.phase, decision.status.queue) == (Phase.PENDING, None)


def test_a_job_has_never_more_pods_than_may_run() -> None:
    situation = replace(in_line(0, inputs=20, parallelism=20), place=Place(0)).with_store()
    (create,) = decide(situation, NOW).actions
    assert isinstance(create, CreateJob)
    assert (create.manifest["spec"]["parallelism"], create.pods) == (8, 8)


async def test_one_starts_the_other_waits_and_is_called_when_the_first_has_ended() -> None:
    first_world, first = a_world_with_a_videojob()
    world = limited(first_world, 1)
    second = put_videojob(world, "second", "other")
    await reconcile(first, world)
    await reconcile(second, world)
    assert len(fake(world).all("jobs")) == 1
    assert status_of(world, second).phase is Phase.QUEUED
    assert queued(world) == set()

    pod_ended(world, 0)
    job_becomes(world, completedIndexes="0", succeeded=1)
    await reconcile(first, world)
    assert queued(world) == {second}
    await reconcile(second, world)
    assert len(fake(world).all("jobs")) == 2
    assert status_of(world, second).phase is Phase.PENDING


async def test_who_waits_asks_for_no_store() -> None:
    first_world, first = a_world_with_a_videojob()
    world = limited(first_world, 1)
    second = put_videojob(world, "second")
    await reconcile(first, world)
    asked = len(fake(world).requests)
    await reconcile(second, world)
    assert [method for method, _ in fake(world).requests[asked:]] == ["PATCH"]


async def test_a_missing_store_at_the_head_holds_up_nobody() -> None:
    first_world, first = a_world_with_a_videojob()
    world = limited(first_world, 1)
    headless = put_videojob(world, "aaa", storeRef={"name": "nowhere"})
    third = put_videojob(world, "third")
    for key in (first, headless, third):
        await reconcile(key, world)
    pod_ended(world, 0)
    job_becomes(world, completedIndexes="0", succeeded=1)
    await reconcile(first, world)
    assert queued(world) == {headless}
    await reconcile(headless, world)
    assert "no VideoStore" in (status_of(world, headless).message or "")
    assert third in queued(world)


async def test_places_of_a_videojob_that_went_unseen_are_free_after_a_resync() -> None:
    world, first = a_world_with_a_videojob()
    world = limited(world, 1)
    world.line.settle(first, "uid-of-a-ghost", 1, None)
    await resync(world)
    assert world.line.pods == 0


async def test_one_that_goes_while_it_is_looked_at_does_not_stay_in_line() -> None:
    """It would be called for ever, and nobody behind it."""
    first_world, first = a_world_with_a_videojob()
    world = limited(first_world, 1)
    second = put_videojob(world, "second")
    for key in (first, second):
        await reconcile(key, world)
    assert world.line.length == 1
    observed = await observe(second, world)
    assert observed is not None
    world.forget_videojob(fake(world).drop("videojobs", second.name))
    stand_in_line(observed, decide(observed, world.now()), world)
    assert world.line.length == 0


# ---- Kueue's


def by_kueue(**scheduling: Any) -> Situation:
    return a_videojob(3, scheduling={"queueName": "films", **scheduling}).with_store()


def test_kueue_gets_the_labels_and_a_job_that_may_not_start() -> None:
    situation = by_kueue(workloadPriorityClassName="urgent").with_settings(max_running=1)
    (create,) = decide(situation, NOW).actions
    assert isinstance(create, CreateJob)
    labels = create.manifest["metadata"]["labels"]
    assert labels["kueue.x-k8s.io/queue-name"] == "films"
    assert labels["kueue.x-k8s.io/priority-class"] == "urgent"
    assert (
        "kueue.x-k8s.io/queue-name" not in create.manifest["spec"]["template"]["metadata"]["labels"]
    )
    assert create.manifest["spec"]["suspend"] is True
    assert create.manifest["spec"]["parallelism"] == 3, "the operator's own limit is not Kueue's"
    assert create.pods == 0


def test_without_a_queue_nothing_is_suspended() -> None:
    (create,) = decide(a_videojob().with_store(), NOW).actions
    assert isinstance(create, CreateJob)
    assert "suspend" not in create.manifest["spec"]


def suspended(queue: str = "films", workload: str = "") -> Situation:
    situation = a_videojob().waiting_for_worker().with_newest(suspended=True, queue=queue, active=0)
    return replace(situation, workload=workload)


@pytest.mark.parametrize(
    ("situation", "phase", "message", "stalled"),
    [
        (
            suspended(workload="couldn't assign flavors: insufficient quota for cpu"),
            Phase.QUEUED,
            "Queued by Kueue in films: couldn't assign flavors: insufficient quota for cpu",
            "False",
        ),
        (
            suspended(),
            Phase.QUEUED,
            "Queued by Kueue in films; `kubectl get workloads -l kueue.x-k8s.io/job-uid=job-1 "
            "-o yaml` says why.",
            "False",
        ),
        (
            suspended(queue=""),
            Phase.PENDING,
            "Somebody has suspended the Job {job}; set its spec.suspend to false.",
            "True",
        ),
    ],
    ids=["told", "silent", "by hand"],
)
def test_a_job_that_may_not_start_says_who_keeps_it(
    situation: Situation, phase: Phase, message: str, stalled: str
) -> None:
    decision = decide(situation, NOW)
    assert decision.status is not None
    assert decision.status.phase is phase
    assert decision.status.message == message.format(job=situation.attempts[0].name)
    assert {c.type: c.status for c in decision.status.conditions}["Stalled"] == stalled


def test_a_job_that_kueue_puts_out_again_is_queued_again() -> None:
    running = a_videojob().running()
    situation = running.with_newest(suspended=True, queue="films", active=0, ready=0)
    decision = decide(situation, NOW)
    assert decision.status is not None
    assert decision.status.phase is Phase.QUEUED


def test_the_job_tells_that_it_is_kueues() -> None:
    job = a_job_body(indexes=(0, 1))
    job["metadata"]["labels"][names.LABEL_KUEUE_QUEUE] = "films"
    job["spec"] |= {"suspend": True, "parallelism": 2}
    attempt = parse_attempt(job)
    assert (attempt.queue, attempt.suspended, attempt.pods) == ("films", True, 0)


def a_workload(message: str, status: str = "False", type_: str = "QuotaReserved") -> dict[str, Any]:
    condition = {"type": type_, "status": status, "message": message, "reason": "Pending"}
    return {
        "metadata": {"name": "job-x-1", "labels": {names.LABEL_KUEUE_JOB_UID: "job-1"}},
        "status": {"conditions": [condition]},
    }


@pytest.mark.parametrize(
    ("workload", "said"),
    [
        (a_workload("no quota"), "no quota"),
        (a_workload("quota reserved", "True"), ""),
        (a_workload("a check is pending", type_="Admitted"), "a check is pending"),
        ({"metadata": {}}, ""),
    ],
)
def test_what_kueue_says(workload: dict[str, Any], said: str) -> None:
    assert parse_workload(workload) == said


async def test_a_word_of_kueues_has_the_videojob_looked_at_once() -> None:
    world, key = a_world_with_a_videojob()
    world.cache.put_job(a_job_body())
    await tell(a_workload("no quota"), world)
    assert queued(world) == {key}
    assert world.workloads == {"job-1": "no quota"}
    world.queue = WorkQueue()
    await tell(a_workload("no quota"), world)
    assert queued(world) == set()
    await tell(a_workload("no quota"), world, "DELETED")
    assert (world.workloads, queued(world)) == ({}, {key})


# ---- others' words


@pytest.mark.parametrize(
    ("now", "is_news"),
    [
        ("0/5 nodes are available: 1 node(s) had a taint, 4 Insufficient nvidia.com/gpu.", False),
        ("0/3 nodes are available: 2 Insufficient nvidia.com/gpu, 1 node(s) had a taint.", False),
        ("0/3 nodes are available: 3 Insufficient nvidia.com/gpu.", True),
        ("0/3 nodes are available: 1 node(s) had a taint, 2 Insufficient amd.com/gpu.", True),
    ],
)
def test_other_numbers_are_no_news(now: str, is_news: bool) -> None:
    before = "0/3 nodes are available: 1 node(s) had a taint, 2 Insufficient nvidia.com/gpu."
    assert keep_if_same_causes(before, now) == (now if is_news else before)


def test_a_job_that_was_just_let_in_waits_until_the_job_controller_has_seen_it() -> None:
    """It has no pods yet, and nothing is wrong."""
    body = a_job_body(conditions=[{"type": "Suspended", "status": "True"}])
    assert parse_attempt(body).suspended
    body["status"]["conditions"][0]["status"] = "False"
    assert not parse_attempt(body).suspended
