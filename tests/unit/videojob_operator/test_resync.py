"""The cluster is compared with the memory: ghosts go, what was missed is looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from builders import (
    KEY,
    RUN_ID,
    UID,
    a_job_body,
    a_pod_body,
    a_report,
    a_result,
    a_videojob_body,
    an_ended_pod,
)
from fake_cluster import FakeCluster, a_world, fake, queued, take_up
from under_way import under_way
from virtual_time import in_virtual_time

from videojob_api import names
from videojob_api.report import Report
from videojob_operator import metrics
from videojob_operator.cluster import Body
from videojob_operator.errors import ClusterError, Forbidden
from videojob_operator.handlers import job_seen, live_pod_seen, videojob_seen
from videojob_operator.observed import Key
from videojob_operator.resync import resync, resync_forever
from videojob_operator.world import World


async def test_a_memory_that_is_right_has_no_ghosts_and_is_looked_through_once_more() -> None:
    world = a_world()
    world.cache.put_videojob(fake(world).put("videojobs", a_videojob_body()))
    world.cache.put_job(fake(world).put("jobs", a_job_body()))
    assert await resync(world) == 0
    assert queued(world) == {KEY}
    assert fake(world).writes == []


async def test_a_videojob_deleted_while_nobody_looked_is_forgotten() -> None:
    world = a_world()
    body = a_videojob_body()
    world.cache.put_videojob(body)
    world.cache.put_job(fake(world).put("jobs", a_job_body()))
    world.cache.put_pod(an_ended_pod(0))
    report = Report(run_id=RUN_ID, attempt=1, index=0, progress=a_report(), result=a_result())
    world.book.record(UID, report)
    world.queue.add_after(KEY, 60)
    assert await resync(world) == 1
    assert world.cache.videojob(KEY) is None
    assert world.cache.pods_of(UID) == ()
    assert world.book.results(UID, RUN_ID) == ({}, {})
    assert world.queue._timers == {}


async def test_a_job_deleted_while_nobody_looked_makes_its_videojob_look_again() -> None:
    world = a_world()
    world.cache.put_job(a_job_body())
    assert await resync(world) == 1
    assert world.cache.jobs_of(UID) == ()
    assert queued(world) == {KEY}


def missed() -> float:
    return float(metrics.WATCH_MISSED._value.get())


@in_virtual_time
async def test_what_was_missed_is_found_and_counted() -> None:
    world = a_world()
    fake(world).put("videojobs", a_videojob_body())
    fake(world).put("jobs", a_job_body())
    assert await resync(world) == 0
    assert missed() == 2
    body = world.cache.videojob(KEY)
    assert body is not None
    assert body["spec"]["inputs"], "the whole of it, though only metadata was listed"
    assert len(world.cache.jobs_of(UID)) == 1
    assert queued(world) == {KEY}
    await resync(world)
    assert missed() == 0


@in_virtual_time
async def test_what_the_watch_tells_a_moment_later_was_not_missed() -> None:
    world = a_world()
    body = fake(world).put("videojobs", a_videojob_body())
    asyncio.get_running_loop().call_later(1, world.cache.put_videojob, body)
    await resync(world)
    assert missed() == 0
    assert [path for method, path in fake(world).requests if path.endswith(KEY.name)] == []


@in_virtual_time
async def test_what_goes_a_moment_after_it_was_listed_was_not_missed() -> None:
    world = a_world()
    fake(world).put("videojobs", a_videojob_body())
    asyncio.get_running_loop().call_later(1, fake(world).drop, "videojobs", KEY.name)
    await resync(world)
    assert (missed(), world.cache.videojob(KEY)) == (0, None)


@in_virtual_time
async def test_a_change_that_was_missed_is_found() -> None:
    world = a_world()
    world.cache.put_videojob(fake(world).put("videojobs", a_videojob_body()))
    world.cache.put_job(fake(world).put("jobs", a_job_body()))
    fake(world).put("jobs", a_job_body(completedIndexes="0"))
    await resync(world)
    (job,) = world.cache.jobs_of(UID)
    assert job["status"] == {"completedIndexes": "0"}
    assert missed() == 1


def a_running_pod() -> dict[str, Any]:
    return a_pod_body(phase="Running")


@in_virtual_time
async def test_a_pod_that_was_missed_is_found() -> None:
    world = a_world()
    world.cache.put_job(fake(world).put("jobs", a_job_body()))
    fake(world).put("pods", a_running_pod())
    fake(world).put("pods", an_ended_pod(1, name="ended"))
    assert await resync(world) == 0
    assert [pod["metadata"]["name"] for pod in world.cache.pods()] == ["pod-0"]


@in_virtual_time
async def test_a_pod_of_one_that_has_ended_is_not_missed() -> None:
    """Its container has ended, and so has the VideoJob; the kubelet says so of the pod a moment later."""
    world = a_world()
    body = a_videojob_body()
    body["status"] = {"phase": "Succeeded"}
    world.cache.put_videojob(fake(world).put("videojobs", body))
    world.cache.put_job(fake(world).put("jobs", a_job_body()))
    fake(world).put("pods", a_running_pod())
    await resync(world)
    assert missed() == 0


async def test_a_pod_that_went_while_nobody_looked_is_a_ghost_and_an_ended_one_is_none() -> None:
    world = a_world()
    world.cache.put_videojob(fake(world).put("videojobs", a_videojob_body()))
    world.cache.put_job(fake(world).put("jobs", a_job_body()))
    world.cache.put_pod(a_running_pod())
    world.cache.put_pod(an_ended_pod(0, "its last words", name="ended"))
    assert await resync(world) == 1
    assert [pod["metadata"]["name"] for pod in world.cache.pods()] == ["ended"]


async def test_what_goes_while_the_lists_are_read_does_not_come_back() -> None:
    world = a_world()
    world.cache.put_videojob(fake(world).put("videojobs", a_videojob_body()))
    world.cache.put_job(fake(world).put("jobs", a_job_body()))
    world.cache.put_pod(fake(world).put("pods", a_running_pod()))
    real = fake(world).request

    async def request(method: str, path: str, **more: object) -> dict[str, object]:
        answer = await real(method, path, **more)  # type: ignore[arg-type]
        if path.endswith("/pods"):  # the last list; the watch tells of deletions just after it
            world.cache.drop_pod(a_running_pod())
            world.cache.drop_job(a_job_body())
            world.forget_videojob(a_videojob_body())
        return answer

    fake(world).request = request  # type: ignore[method-assign]
    await resync(world)
    assert (list(world.cache.videojobs()), world.cache.jobs(), world.cache.pods()) == ([], [], [])
    assert queued(world) == set()


@in_virtual_time
async def test_an_object_made_anew_replaces_the_one_of_the_same_name() -> None:
    world = a_world()
    world.cache.put_videojob(a_videojob_body(uid="old", version=9))
    fake(world).put("videojobs", a_videojob_body(uid="new"))
    assert await resync(world) == 1
    body = world.cache.videojob(KEY)
    assert body is not None
    assert body["metadata"]["uid"] == "new"


async def test_what_comes_while_the_lists_are_read_is_no_ghost() -> None:
    world = a_world()
    real = fake(world).request

    async def request(method: str, path: str, **more: object) -> dict[str, object]:
        answer = await real(method, path, **more)  # type: ignore[arg-type]
        world.cache.put_videojob(a_videojob_body())  # the watch, just after the list
        return answer

    fake(world).request = request  # type: ignore[method-assign]
    assert await resync(world) == 0
    assert world.cache.videojob(KEY) is not None


async def test_only_the_namespaces_that_are_served_are_listed() -> None:
    world = a_world(watch_namespaces=("one", "two"))
    await resync(world)
    assert [path.split("/namespaces/")[1] for _, path in fake(world).requests] == [
        "one/videojobs",
        "one/jobs",
        "one/pods",
        "two/videojobs",
        "two/jobs",
        "two/pods",
    ]


async def test_jobs_of_others_are_not_taken() -> None:
    world = a_world()
    body = a_job_body()
    body["metadata"]["labels"] = {}
    fake(world).put("jobs", body)
    await resync(world)
    assert world.cache.jobs() == []


@in_virtual_time
async def test_it_happens_soon_after_the_start_then_every_ten_minutes_and_at_once_when_it_fails() -> (
    None
):
    world = a_world()
    fake(world).failures = [ClusterError("down", 500)]
    async with under_way(resync_forever(world)):
        await asyncio.sleep(29)
        assert fake(world).requests == []
        await asyncio.sleep(4)
        assert len(fake(world).requests) == 1, "it failed"
        await asyncio.sleep(2)
        assert len(fake(world).requests) == 4
        await asyncio.sleep(590)
        assert len(fake(world).requests) == 4
        await asyncio.sleep(20)
        assert len(fake(world).requests) == 7


@in_virtual_time
async def test_what_went_between_the_first_looks_and_the_watches_is_no_ghost_for_long() -> None:
    """The first list does not have it, and no event ever says that it is gone."""
    world = a_world()
    world.cache.put_videojob(fake(world).put("videojobs", a_videojob_body()))
    world.cache.put_job(a_job_body())
    async with under_way(resync_forever(world)):
        await asyncio.sleep(33)
    assert world.cache.jobs_of(UID) == ()
    assert queued(world) == {KEY}


@in_virtual_time
async def test_soon_after_the_start_nobody_is_looked_at_again_nor_asked_for() -> None:
    """The first list may still be on its way: what it has is not missed."""
    world = a_world()
    world.cache.put_videojob(fake(world).put("videojobs", a_videojob_body()))
    fake(world).put("jobs", a_job_body())
    async with under_way(resync_forever(world)):
        await asyncio.sleep(40)
        assert queued(world) == set()
        assert world.cache.jobs_of(UID) == ()
        await asyncio.sleep(605)
        assert queued(world) == {KEY}


@in_virtual_time
async def test_it_happens_soon_after_a_watch_began_anew() -> None:
    """A Job that was deleted while nobody watched: kopf does not tell."""
    world = a_world()
    again = fake(world).put("videojobs", a_videojob_body())
    await videojob_seen(event={"type": None, "object": again}, memo=world, logger=None)
    world.cache.put_job(a_job_body())
    async with under_way(resync_forever(world)):
        await videojob_seen(event={"type": None, "object": again}, memo=world, logger=None)
        await asyncio.sleep(3)
        assert world.cache.jobs() == []


@pytest.mark.parametrize("body", [a_videojob_body(), a_job_body(), a_pod_body()])
async def test_a_gap_is_a_list_of_what_is_known_already(body: dict[str, Any]) -> None:
    world = a_world()
    kind = "inputs" in body["spec"], "completions" in body["spec"]
    seen = {(True, False): videojob_seen, (False, True): job_seen, (False, False): live_pod_seen}
    for type_, is_gap in ((None, False), ("MODIFIED", False), (None, True)):
        await seen[kind](event={"type": type_, "object": body}, memo=world, logger=None)
        assert world.gap.is_set() is is_gap


# ---- several namespaces


class Closed(FakeCluster):
    """One namespace has gone, and the operator's rights in it too."""

    async def request(self, method: str, path: str, **how: Any) -> Body:
        if "/namespaces/gone/" in path:
            raise Forbidden("not allowed in the namespace gone", 403)
        return await super().request(method, path, **how)


@in_virtual_time
async def test_a_namespace_that_is_gone_keeps_nobody_from_the_others() -> None:
    world = a_world(Closed(), watch_namespaces=("gone", KEY.namespace), max_running=1)
    lost = a_videojob_body(uid="lost")
    lost["metadata"] |= {"name": "lost", "namespace": "gone"}
    fake(world).put("videojobs", a_videojob_body())
    await take_up(world)
    assert queued(world) == {KEY}
    world.cache.put_videojob(lost)
    world.cache.put_job(a_job_body())
    assert await resync(world) == 1, "the Job, which went; nothing is known of the other namespace"
    assert world.cache.videojob(Key("gone", "lost")) is not None


class Late(FakeCluster):
    """An API server that has just been started: it knows no rights to Jobs yet."""

    async def request(self, method: str, path: str, **how: Any) -> Body:
        is_first = (method, path) not in self.requests
        found = await super().request(method, path, **how)
        if is_first and path.endswith("/jobs"):
            raise Forbidden("no rights yet", 403)
        return found


@in_virtual_time
async def test_rights_that_are_missing_for_a_moment_hide_no_places() -> None:
    world = a_world(Late(), watch_namespaces=("other", KEY.namespace), max_running=1)
    fake(world).put("videojobs", a_videojob_body())
    job = a_job_body()
    job["metadata"]["labels"][names.LABEL_JOB] = KEY.name
    fake(world).put("jobs", job)
    await take_up(world)
    assert world.line.pods == 1


async def test_who_is_not_known_at_all_is_not_passed_over() -> None:
    world = a_world(watch_namespaces=("other", KEY.namespace))
    fake(world).failures = [Forbidden("Unauthorized", 401)]
    with pytest.raises(Forbidden, match="Unauthorized"):
        await take_up(world)


@pytest.mark.parametrize("ask", [take_up, resync])
@in_virtual_time
async def test_where_no_namespace_may_be_looked_into_it_says_so(
    ask: Callable[[World], Awaitable[object]],
) -> None:
    world = a_world(Closed(), watch_namespaces=("gone",), max_running=1)
    with pytest.raises(Forbidden, match="no right to look into gone"):
        await ask(world)


async def test_one_that_went_and_is_there_again_is_no_gap() -> None:
    world = a_world()
    for type_ in (None, "DELETED", None):
        event = {"type": type_, "object": a_videojob_body()}
        await videojob_seen(event=event, memo=world, logger=None)
    assert not world.gap.is_set()


async def test_what_a_comparison_found_gone_is_told_of_no_more() -> None:
    world = a_world()
    await videojob_seen(event={"type": None, "object": a_videojob_body()}, memo=world, logger=None)
    await resync(world)
    assert world.told == set()
