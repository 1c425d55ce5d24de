"""Answers that come when the watch has told already that their object is gone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from builders import AT_WORK, KEY, a_pod_body, an_ended_pod
from fake_cluster import (
    StillWorld,
    a_world_with_a_videojob,
    fake,
    job_becomes,
    status_of,
    tell,
    the_job,
)

from videojob_api.status import Phase
from videojob_operator.handlers import job_seen, live_pod_seen, videojob_seen
from videojob_operator.reconcile import reconcile
from videojob_operator.resync import resync


def happens_before_the_answer(
    world: StillWorld, path_end: str, what: Callable[[], Awaitable[None]]
) -> None:
    """Once: the API server has answered a GET, and the watch is faster."""
    cluster = fake(world)
    real, waiting = cluster.request, [what]

    async def request(method: str, path: str, **more: Any) -> Any:
        answer = await real(method, path, **more)
        if method == "GET" and path_end in path and waiting:
            await waiting.pop()()
        return answer

    cluster.request = request  # type: ignore[method-assign]


async def test_a_job_that_went_while_the_list_was_on_its_way_holds_up_no_next_run() -> None:
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    pod = a_pod_body(job_uid=the_job(world)["metadata"]["uid"], phase="Running")
    fake(world).put("pods", pod)
    (body,) = fake(world).all("videojobs")
    body["spec"]["runToken"] = "2"
    body["metadata"]["generation"] = 2
    await tell(videojob_seen, fake(world).put("videojobs", body), world, "MODIFIED")
    await reconcile(key, world)
    stopping = the_job(world)
    assert "deletionTimestamp" in stopping["metadata"], "a worker is at work in it"
    await tell(job_seen, stopping, world, "MODIFIED")

    async def goes() -> None:
        fake(world).drop("pods", pod["metadata"]["name"])
        gone = fake(world).drop("jobs", stopping["metadata"]["name"])
        await tell(job_seen, gone, world, "DELETED")

    happens_before_the_answer(world, "/jobs", goes)
    for _ in range(3):
        await reconcile(key, world)
    assert the_job(world)["metadata"]["name"] != stopping["metadata"]["name"]


async def test_a_pod_that_ended_while_the_memory_was_compared_keeps_its_last_words() -> None:
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    job = the_job(world)["metadata"]["uid"]
    live = fake(world).put("pods", a_pod_body(job_uid=job, **AT_WORK))
    await tell(live_pod_seen, live, world, "ADDED")
    job_becomes(world, active=1, ready=1)
    await reconcile(key, world)

    async def ends() -> None:
        ended = fake(world).put("pods", an_ended_pod(1, "boom", ago=1, job_uid=job))
        await tell(live_pod_seen, ended, world, "DELETED")  # of pods that live

    happens_before_the_answer(world, "/jobs", ends)
    assert await resync(world) == 0
    job_becomes(world, failed=1)
    await reconcile(key, world)
    status = status_of(world)
    assert status.phase is Phase.RUNNING
    assert "Try 2 of 4" in (status.message or "")


async def test_one_that_goes_while_it_is_looked_at_gets_no_job() -> None:
    world, _ = a_world_with_a_videojob()

    async def goes() -> None:
        await tell(videojob_seen, fake(world).drop("videojobs", KEY.name), world, "DELETED")

    happens_before_the_answer(world, "/videostores/", goes)
    assert await reconcile(KEY, world) is None
    assert fake(world).writes == []
    assert (world.idle, world.quiet, world.silences) == ({}, {}, {})
