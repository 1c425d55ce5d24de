"""Events, read: what they tell of a Job or a pod that nothing else tells of."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from builders import KEY, NOW, a_pod_body, a_time, seconds
from fake_cluster import StillWorld, a_world_with_a_videojob, fake

from videojob_operator.attempt import Warned
from videojob_operator.errors import ClusterError, Forbidden
from videojob_operator.events import find_warning
from videojob_operator.facts import parse_waiting_pod
from videojob_operator.reconcile import reconcile


def an_event(message: str = "", last: str = "12:00:00", **more: Any) -> dict[str, Any]:
    last = f"2026-03-01T{last}Z"
    return {"reason": "FailedMount", "message": message, "lastTimestamp": last, "count": 2, **more}


def of_a_pod(*events: dict[str, Any]) -> str | None:
    warned = find_warning(list(events), NOW, is_pod=True)
    return warned and warned.message


def test_the_newest_counts_by_when_it_was_last_said() -> None:
    series = {"lastObservedTime": "2026-03-01T12:00:09.000000Z", "count": 2}
    old, new = an_event("old", "12:00:01"), an_event("new", "12:00:05")
    assert of_a_pod(old, an_event("newest", "11:00:00", series=series), new) == "newest"
    assert of_a_pod(old, {"reason": "FailedMount", "eventTime": None}, new) == "new"


def test_what_is_over_is_not_told() -> None:
    assert of_a_pod(an_event("fresh", "11:50:00")) == "fresh"
    assert of_a_pod(an_event("stale", "11:49:59")) is None


def test_the_first_time_may_belong_to_a_start() -> None:
    once = an_event("no such host", count=1)
    assert of_a_pod(once) is None
    assert of_a_pod(once, an_event("no such host, again", "12:00:01", count=None)) is not None


def test_only_what_keeps_a_worker_from_its_start_is_told() -> None:
    for reason in ("FailedScheduling", "PolicyViolation", "", None, "two words"):
        assert of_a_pod(an_event("no", reason=reason)) is None
    assert of_a_pod() is None
    assert of_a_pod({"message": "an Event without a reason"}) is None
    assert find_warning([an_event("no")], NOW, is_pod=False) is None


def test_the_name_of_a_pod_that_was_never_made_is_left_out() -> None:
    said = 'Error creating: pods "film-0-6nxxb" is forbidden: exceeded quota: small'
    event = an_event(said, reason="FailedCreate", count=1)
    warned = Warned("FailedCreate", "Error creating: the pod is forbidden: exceeded quota: small")
    assert find_warning([event], NOW, is_pod=False) == warned


def test_an_image_that_is_being_pulled_is_no_silence() -> None:
    state = {"name": "worker", "state": {"waiting": {"reason": "ContainerCreating"}}}
    placed = {"type": "PodScheduled", "status": "True", "lastTransitionTime": a_time(5)}
    ready = {"type": "PodReadyToStartContainers", "status": "False"}
    pod = a_pod_body(phase="Pending", containerStatuses=[state], conditions=[placed, ready])
    waiting = parse_waiting_pod(pod)
    assert (waiting.reason, waiting.since) == ("ContainerCreating", NOW - seconds(5))
    ready["status"] = "True"
    pod = a_pod_body(phase="Pending", containerStatuses=[state], conditions=[placed, ready])
    assert parse_waiting_pod(pod).reason == "PullingImage"


async def a_job_without_pods() -> StillWorld:
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    world.moment += timedelta(seconds=31)
    return world


def say(world: StillWorld, message: str) -> None:
    (job,) = fake(world).all("jobs")
    about = {"kind": "Job", "name": job["metadata"]["name"]}
    meta = {"name": "told", "namespace": job["metadata"]["namespace"]}
    known = {"type": "Warning", "involvedObject": about, "metadata": meta}
    event = an_event(message, "12:05:00", reason="FailedCreate", **known)
    fake(world).put("events", event)


def message_of(world: StillWorld) -> str:
    (body,) = fake(world).all("videojobs")
    world.cache.put_videojob(body)
    return str(body["status"]["message"])


async def test_they_are_asked_once_a_minute_while_nothing_else_tells() -> None:
    world = await a_job_without_pods()
    say(world, "exceeded quota: small")
    assert await reconcile(KEY, world) == 60
    assert message_of(world).endswith("exceeded quota: small")
    say(world, "exceeded quota: tiny")
    await reconcile(KEY, world)
    assert message_of(world).endswith("exceeded quota: small")
    world.moment += timedelta(seconds=60)
    await reconcile(KEY, world)
    assert message_of(world).endswith("exceeded quota: tiny")
    (body,) = fake(world).all("videojobs")
    world.forget_videojob(body)
    assert world.silences == {}


async def test_where_they_may_not_be_read_the_command_is_named() -> None:
    world = await a_job_without_pods()
    for error in (Forbidden("events is forbidden", 403), ClusterError("etcd is late", 500)):
        fake(world).failures = [error]
        world.silences.clear()
        await reconcile(KEY, world)
        assert message_of(world).endswith("` says why")


async def test_thousands_that_wait_for_one_quota_do_not_all_ask_at_once() -> None:
    world = await a_job_without_pods()
    say(world, "exceeded quota: small")
    while world.asking_pace.take(world.now()):
        pass
    assert await reconcile(KEY, world) == 60
    assert message_of(world) == "Accepted; waiting for a worker to start."
    world.moment += timedelta(seconds=60)
    await reconcile(KEY, world)
    assert message_of(world).endswith("exceeded quota: small")
