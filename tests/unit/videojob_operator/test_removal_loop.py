"""A removal in the loop, against an API server in memory: from the finalizer to the end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from builders import AT_WORK, KEY, UID, a_pod_body, a_time
from fake_cluster import StillWorld, a_world_with_a_videojob, fake
from pydantic import ValidationError

from videojob_api import names
from videojob_operator.errors import ClusterError, Forbidden
from videojob_operator.reconcile import reconcile

OUTPUT = {"prefix": "results/keynote/", "deletionPolicy": "Delete"}
CLEAN_UP = names.clean_up_name(KEY.name, UID)


def change(world: StillWorld, *, status: dict[str, Any] | None = None, **meta: Any) -> None:
    """Somebody changes the VideoJob, and the watch sees it."""
    (body,) = fake(world).all("videojobs")
    body["metadata"] |= meta
    body["status"] |= status or {}
    world.cache.put_videojob(fake(world).put("videojobs", body))


async def a_held_world() -> StillWorld:
    """It was accepted, and its first Job made."""
    world, key = a_world_with_a_videojob(output=OUTPUT)
    fake(world).put("namespaces", {"metadata": {"name": key.namespace, "namespace": ""}})
    assert await reconcile(key, world) == 0
    assert fake(world).all("jobs") == []
    await reconcile(key, world)
    (body,) = fake(world).all("videojobs")
    assert body["metadata"]["finalizers"] == [names.FINALIZER]
    assert len(fake(world).all("jobs")) == 1
    return world


def clean_up_ends(world: StillWorld, message: str) -> None:
    job = next(j for j in fake(world).all("jobs") if j["metadata"]["name"] == CLEAN_UP)
    status = {"conditions": [{"type": "Complete", "status": "True"}]}
    key = world.cache.put_job(fake(world).put("jobs", {**job, "status": status}))
    assert key == KEY, "the watch must lead from the Job to the VideoJob"
    state = {"name": "worker", "state": {"terminated": {"exitCode": 0, "message": message}}}
    pod = a_pod_body(name="clean", containerStatuses=[state], phase="Succeeded")
    pod["metadata"]["labels"] = {"batch.kubernetes.io/job-name": CLEAN_UP}
    fake(world).put("pods", pod)


async def test_what_a_job_has_made_that_no_status_tells_of_goes_too() -> None:
    """It was made, has ended, and was deleted, all before an operator could write that down."""
    before = await a_held_world()
    job = before.cache.jobs()[0]
    fake(before).put("jobs", {**job, "status": {"completedIndexes": "0", "succeeded": 1}})
    (body,) = fake(before).all("videojobs")
    body["status"] = {"observedGeneration": -1}
    body["metadata"]["deletionTimestamp"] = a_time()
    world = StillWorld(before.cluster, before.settings)
    world.cache.put_videojob(fake(world).put("videojobs", body))
    for _ in range(3):
        await reconcile(KEY, world)
    assert CLEAN_UP in {job["metadata"]["name"] for job in fake(world).all("jobs")}


async def test_from_the_deletion_to_the_end() -> None:
    world = await a_held_world()
    (worker,) = fake(world).all("jobs")
    pod = fake(world).put("pods", a_pod_body(phase="Running"))
    change(world, deletionTimestamp=a_time())

    assert await reconcile(KEY, world) == 2
    assert fake(world).all("jobs") == []
    world.cache.drop_job(worker)
    assert await reconcile(KEY, world) == 2, "its pod still works"
    assert fake(world).all("jobs") == []

    fake(world).drop("pods", pod["metadata"]["name"])
    assert await reconcile(KEY, world) == 5
    (job,) = fake(world).all("jobs")
    assert job["metadata"]["name"] == CLEAN_UP
    assert await reconcile(KEY, world) == 5
    assert len(fake(world).all("jobs")) == 1

    clean_up_ends(world, '{"deleted": 3, "complete": true, "message": "3 objects deleted."}')
    assert await reconcile(KEY, world) is None
    assert fake(world).all("videojobs") == []
    (event,) = fake(world).all("events")
    assert (event["reason"], event["message"]) == ("OutputsDeleted", "3 objects deleted.")
    assert fake(world).all("jobs") == []
    world.cache.drop_job(next(iter(world.cache.jobs_of(UID))))
    await reconcile(KEY, world)
    assert fake(world).all("jobs") == [], "the watch has not told yet that it is gone"


async def test_a_change_of_mind_stops_the_clean_up_that_is_at_work() -> None:
    world = await a_held_world()
    for job in fake(world).all("jobs"):
        fake(world).drop("jobs", job["metadata"]["name"])
        world.cache.drop_job(job)
    change(world, deletionTimestamp=a_time(), status={"phase": "Succeeded", "attempt": 1})
    await reconcile(KEY, world)
    assert [job["metadata"]["name"] for job in fake(world).all("jobs")] == [CLEAN_UP]
    (body,) = fake(world).all("videojobs")
    body["spec"]["output"]["deletionPolicy"] = "Retain"
    world.cache.put_videojob(fake(world).put("videojobs", body))
    await reconcile(KEY, world)
    assert fake(world).all("jobs") == [], "it would go on deleting"
    assert fake(world).all("videojobs") == []


async def test_a_restart_finds_the_clean_up_that_was_made() -> None:
    world = await a_held_world()
    fake(world).drop("jobs", names.child_name(KEY.name, UID, run=1, attempt=1))
    for job in world.cache.jobs_of(UID):
        world.cache.drop_job(job)
    change(world, deletionTimestamp=a_time(), status={"phase": "Succeeded"})
    await reconcile(KEY, world)
    restarted = StillWorld(world.cluster, world.settings)
    (body,) = fake(world).all("videojobs")
    restarted.cache.put_videojob(body)
    await reconcile(KEY, restarted)
    assert [job["metadata"]["name"] for job in fake(world).all("jobs")] == [CLEAN_UP]
    assert len(restarted.cache.jobs_of(UID)) == 1


async def test_a_refused_clean_up_is_tried_again_until_time_is_over() -> None:
    world = await a_held_world()
    fake(world).drop("jobs", names.child_name(KEY.name, UID, run=1, attempt=1))
    for job in world.cache.jobs_of(UID):
        world.cache.drop_job(job)
    change(world, deletionTimestamp=a_time(), status={"phase": "Succeeded"})

    def refuse(plural: str, body: dict[str, Any]) -> dict[str, Any]:
        raise Forbidden("exceeded quota", 403)

    create, fake(world)._create = fake(world)._create, refuse  # type: ignore[method-assign]
    assert await reconcile(KEY, world) == 5
    fake(world)._create = create  # type: ignore[method-assign]
    assert await reconcile(KEY, world) == 5
    assert len(fake(world).all("jobs")) == 1


async def test_a_clock_that_is_set_ahead_does_not_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await a_held_world()
    fake(world).put("pods", a_pod_body(**AT_WORK))
    change(world, deletionTimestamp=a_time(), status={"phase": "Succeeded"})
    uptime = 1000.0
    monkeypatch.setattr(world, "monotonic", lambda: uptime)
    await reconcile(KEY, world)
    world.moment += timedelta(minutes=10)
    await reconcile(KEY, world)
    assert "OutputsLeft" not in {event["reason"] for event in fake(world).all("events")}
    uptime += 300
    await reconcile(KEY, world)
    assert "OutputsLeft" in {event["reason"] for event in fake(world).all("events")}


async def test_a_namespace_that_goes_is_not_held_up() -> None:
    world = await a_held_world()
    going = {"name": KEY.namespace, "namespace": "", "deletionTimestamp": a_time()}
    fake(world).put("namespaces", {"metadata": going})
    change(world, deletionTimestamp=a_time())
    fake(world).requests.clear()
    await reconcile(KEY, world)
    assert fake(world).all("videojobs") == []
    assert [m for m, _ in fake(world).requests] == ["GET", "POST", "PATCH"]


async def test_an_operator_that_may_not_read_the_namespace_cleans_up_all_the_same() -> None:
    world = await a_held_world()
    change(world, deletionTimestamp=a_time(), status={"phase": "Succeeded", "attempt": 1})
    for job in world.cache.jobs_of(UID):
        world.cache.drop_job(job)
    fake(world).failures = [Forbidden("namespaces is forbidden", 403)]
    assert await reconcile(KEY, world) == 5
    assert CLEAN_UP in [job["metadata"]["name"] for job in fake(world).all("jobs")]


@pytest.mark.parametrize("error", [ClusterError("down", 503), Forbidden("no rights", 403)])
async def test_no_error_holds_it_once_the_time_is_up(error: ClusterError) -> None:
    world = await a_held_world()
    change(world, deletionTimestamp=a_time())

    async def refused(*_: object) -> dict[str, Any]:
        raise error

    world.cluster.get_store = refused  # type: ignore[method-assign]
    with pytest.raises(ClusterError):
        await reconcile(KEY, world)
    world.moment += timedelta(seconds=299)
    with pytest.raises(ClusterError):
        await reconcile(KEY, world)
    world.moment += timedelta(seconds=1)
    await reconcile(KEY, world)
    assert fake(world).all("videojobs") == []
    assert [event["reason"] for event in fake(world).all("events")] == ["OutputsLeft"]


@pytest.mark.parametrize("part", ["each_job_of", "get_namespace", "list_live_pods_of"])
async def test_whatever_can_not_be_looked_at_holds_it_no_longer(part: str) -> None:
    """A second run: those before it are asked for at a start."""
    world = await a_held_world()
    change(world, deletionTimestamp=a_time(), status={"runID": names.run_id(UID, 2)})

    def refused(*_: object) -> Any:
        raise ClusterError("dead webhook", 500)

    setattr(world.cluster, part, refused)
    with pytest.raises(ClusterError):
        await reconcile(KEY, world)
    world.moment += timedelta(seconds=300)
    await reconcile(KEY, world)
    assert fake(world).all("videojobs") == []


async def test_a_clean_up_whose_deletion_is_denied_holds_it_no_longer() -> None:
    world = await a_held_world()
    for job in world.cache.jobs_of(UID):
        fake(world).drop("jobs", job["metadata"]["name"])
        world.cache.drop_job(job)
    change(world, deletionTimestamp=a_time(), status={"phase": "Succeeded", "attempt": 1})
    assert await reconcile(KEY, world) == 5

    async def denied(*_: object, **__: object) -> None:
        raise Forbidden("denied the request", 403)

    world.cluster.delete_job = denied  # type: ignore[method-assign]
    world.moment += timedelta(seconds=300)
    await reconcile(KEY, world)
    assert fake(world).all("videojobs") == []
    assert [job["metadata"]["name"] for job in fake(world).all("jobs")] == [CLEAN_UP]


async def test_outputs_of_what_was_deleted_while_no_operator_ran_are_deleted_too() -> None:
    world = await a_held_world()
    change(world, deletionTimestamp=a_time(3600), status={"phase": "Succeeded", "attempt": 1})
    for job in world.cache.jobs_of(UID):
        fake(world).drop("jobs", job["metadata"]["name"])
        world.cache.drop_job(job)
    assert await reconcile(KEY, world) == 5
    (job,) = fake(world).all("jobs")
    assert job["metadata"]["name"] == CLEAN_UP
    assert job["spec"]["activeDeadlineSeconds"] == 300
    world.forget_videojob(fake(world).all("videojobs")[0])
    assert world.removing == {}


async def test_a_status_of_a_later_version_does_not_hold_it() -> None:
    """After a rollback: what is needed of it is understood still, and its outputs are deleted."""
    world = await a_held_world()
    fake(world).drop("jobs", fake(world).all("jobs")[0]["metadata"]["name"])
    (job,) = world.cache.jobs_of(UID)
    world.cache.drop_job(job)
    change(world, status={"phase": "Archived"}, deletionTimestamp=a_time())
    assert await reconcile(KEY, world) == 5
    assert [job["metadata"]["name"] for job in fake(world).all("jobs")] == [CLEAN_UP]


async def test_a_status_of_a_later_version_is_left_alone_otherwise() -> None:
    world = await a_held_world()
    change(world, status={"phase": "Archived"})
    with pytest.raises(ValidationError, match="Archived"):
        await reconcile(KEY, world)


async def test_nonsense_in_the_status_holds_it_no_longer() -> None:
    world = await a_held_world()
    nonsense = {"runID": names.run_id(UID, 1), "indexes": {"succeeded": "all"}}
    change(world, deletionTimestamp=a_time(), status=nonsense)
    await reconcile(KEY, world)
    world.moment += timedelta(seconds=300)
    await reconcile(KEY, world)
    assert fake(world).all("videojobs") == []
