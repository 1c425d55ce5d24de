"""First looks: what an operator before has left is taken up, and who waits as before is left alone."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from builders import KEY, a_job_body, a_videojob_body
from fake_cluster import (
    StillWorld,
    a_world,
    a_world_with_a_videojob,
    fake,
    job_becomes,
    limited,
    put_videojob,
    queued,
    restarted,
    status_of,
    take_up,
    the_job,
)
from virtual_time import in_virtual_time

from videojob_api import names
from videojob_api.status import Phase
from videojob_operator.handlers import job_seen, videojob_seen
from videojob_operator.observed import Key
from videojob_operator.reconcile import reconcile


async def a_start(*phases: str | None) -> StillWorld:
    """A VideoJob of each phase is there when the operator starts, and it has looked early."""
    world = a_world()
    for number, phase in enumerate(phases):
        body = a_videojob_body()
        body["metadata"] |= {"name": f"job-{number}", "uid": f"uid-{number}"}
        if phase is not None:
            body["status"] = {"phase": phase}
        fake(world).put("videojobs", body)
    await take_up(world)
    return world


async def test_what_works_or_waits_is_looked_at_before_the_list_of_all() -> None:
    world = await a_start("Succeeded", None, "Running", "Cancelled", "Queued", "Failed", "Rejected")
    assert {key.name for key in queued(world)} == {"job-1", "job-2", "job-4"}
    assert {key.name for key, _ in world.cache.videojobs()} == {"job-1", "job-2", "job-4"}


async def test_the_first_list_after_it_is_no_gap_and_the_next_one_is() -> None:
    world = await a_start("Running")
    (body,) = fake(world).all("videojobs")
    world.cache.put_job(a_job_body())  # made before kopf listed any
    for is_gap in (False, True):
        await job_seen(event={"type": None, "object": a_job_body()}, memo=world, logger=None)
        await videojob_seen(event={"type": None, "object": body}, memo=world, logger=None)
        assert world.gap.is_set() is is_gap


async def test_the_workers_that_are_there_are_counted_first() -> None:
    first_world, first = a_world_with_a_videojob()
    before = limited(first_world, 1)
    second = put_videojob(before, "second")
    await reconcile(first, before)
    world = limited(before, 1)
    await take_up(world)
    assert world.line.pods == 1
    await reconcile(second, world)
    assert len(fake(world).all("jobs")) == 1
    assert status_of(world, second).phase is Phase.QUEUED


async def test_who_stood_in_line_is_not_overtaken_by_who_is_looked_at_first() -> None:
    first_world, first = a_world_with_a_videojob()
    before = limited(first_world, 1)
    urgent = put_videojob(before, "urgent", scheduling={"priority": 5})
    later = put_videojob(before, "later")
    for key in (first, urgent, later):
        await reconcile(key, before)
    job_becomes(before, completedIndexes="0", succeeded=1)
    world = restarted(before)
    await take_up(world)
    await reconcile(later, world)
    assert status_of(world, later).phase is Phase.QUEUED
    await reconcile(urgent, world)
    assert status_of(world, urgent).phase is Phase.PENDING


async def test_the_workers_of_a_videojob_that_is_gone_hold_up_nobody() -> None:
    first_world, first = a_world_with_a_videojob()
    await reconcile(first, limited(first_world, 1))
    job = the_job(first_world)
    world = limited(first_world, 1)
    await take_up(world)
    world.cache.drop_videojob(fake(world).drop("videojobs", first.name))
    assert world.line.pods == 1
    assert await job_seen(event={"type": "DELETED", "object": job}, memo=world) is None
    assert world.line.pods == 0
    await take_up(world)
    assert world.line.pods == 0


async def test_one_that_has_ended_holds_no_place_though_its_job_is_still_there() -> None:
    """It is at rest: nobody would tell of the Job's end."""
    first_world, first = a_world_with_a_videojob()
    await reconcile(first, limited(first_world, 1))
    (body,) = fake(first_world).all("videojobs")
    body["status"]["phase"] = "Failed"
    fake(first_world).put("videojobs", body)
    world = limited(restarted(first_world), 1)
    await take_up(world)
    assert world.line.pods == 0


@pytest.mark.parametrize("foreign", ["owner", "namespace"])
async def test_a_label_alone_takes_no_place(foreign: str) -> None:
    first_world, first = a_world_with_a_videojob()
    await reconcile(first, first_world)
    job = fake(first_world).drop("jobs", the_job(first_world)["metadata"]["name"])
    if foreign == "owner":
        job["metadata"]["ownerReferences"] = []
    else:
        job["metadata"]["namespace"] = "another"
    fake(first_world).put("jobs", job)
    world = limited(first_world, 1)
    await take_up(world)
    assert world.line.pods == 0


@pytest.mark.parametrize("ended_first", [True, False])
async def test_all_attempts_of_a_videojob_are_counted(ended_first: bool) -> None:
    first_world, key = a_world_with_a_videojob()
    await reconcile(key, limited(first_world, 1))
    ended = the_job(first_world)
    ended["status"] = {"completedIndexes": "0", "succeeded": 1}
    at_work = json.loads(json.dumps(ended)) | {"status": {"active": 1}}
    at_work["metadata"] |= {"name": "another", "uid": "another"}
    fake(first_world).drop("jobs", ended["metadata"]["name"])
    for job in (ended, at_work) if ended_first else (at_work, ended):
        fake(first_world).put("jobs", job)
    world = limited(first_world, 1)
    await take_up(world)
    assert world.line.pods == 1


# ---- who stands in line as before


async def a_line(*names: str, **spec: Any) -> StillWorld:
    """One works at the only place, the others wait for it, and the operator has just begun anew."""
    first_world, first = a_world_with_a_videojob()
    before = limited(first_world, 1)
    for key in (first, *(put_videojob(before, name, **spec) for name in names)):
        await reconcile(key, before)
    return restarted(before)


def the_waiting(world: StillWorld, name: str = "second") -> dict[str, Any]:
    return fake(world).objects["videojobs", KEY.namespace, name]


async def test_who_waits_as_before_is_looked_at_when_it_would_have_been() -> None:
    world = await a_line("second", "third")
    await take_up(world)
    assert queued(world) == {KEY}
    assert {key.name for key in world.queue._timers} == {"second", "third"}
    assert world.line.length == 2


@in_virtual_time
async def test_it_is_looked_at_after_the_seconds_that_its_place_is_told_for() -> None:
    world = await a_line("second", "third", "fourth")
    the_waiting(world, "third")["status"]["queue"]["position"] = 300
    the_waiting(world, "fourth")["spec"]["activeDeadlineSeconds"] = 60
    world.moment = world.moment.replace(second=50)
    await take_up(world)
    loop = asyncio.get_running_loop()
    seconds = {key.name: timer.when() - loop.time() for key, timer in world.queue._timers.items()}
    assert seconds == pytest.approx({"second": 30, "third": 300, "fourth": 10})


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("metadata", {"generation": 2}),
        ("metadata", {"deletionTimestamp": "2026-03-01T12:00:00Z", "finalizers": ["others/own"]}),
        ("status", {"attempt": 1}),
        ("status", {"queue": None}),
        (
            "status",
            {"notifications": [{"id": "1", "event": "Succeeded", "receiver": "example.com"}]},
        ),
        ("spec", {"scheduling": {"queueName": "films"}}),
        ("spec", {"inputs": "none that is understood"}),
        ("status", {"inputs": "a later version's"}),
        ("status", {"indexes": {"succeeded": "x"}}),
        ("status", {"acceptedAt": "yesterday"}),
        ("status", {"acceptedAt": "2026-02-01T12:00:00Z"}),  # its deadline is over
    ],
)
async def test_what_may_have_changed_is_looked_at_at_once(
    part: str, change: dict[str, Any]
) -> None:
    world = await a_line("second")
    the_waiting(world)[part] |= change
    await take_up(world)
    assert queued(world) == {KEY, Key(KEY.namespace, "second")}


async def test_the_minutes_of_a_removal_begin_with_its_look() -> None:
    world = await a_line("second")
    going = {"deletionTimestamp": "2026-03-01T12:00:00Z", "finalizers": [names.FINALIZER]}
    the_waiting(world)["metadata"] |= going
    await take_up(world)
    assert Key(KEY.namespace, "second") in queued(world)
    assert world.removing == {}


async def test_where_nobody_waits_any_more_all_are_looked_at() -> None:
    before = await a_line("second")
    world = limited(before, 0)
    await take_up(world)
    assert queued(world) == {KEY, Key(KEY.namespace, "second")}


async def test_one_whose_job_was_made_and_never_told_holds_its_place() -> None:
    world = await a_line("second")
    # The operator ended before it could write that it had let it in.
    fake(world).objects["videojobs", *KEY]["status"] = the_waiting(world)["status"]
    await take_up(world)
    assert KEY in queued(world)
    assert (world.line.pods, world.line.length) == (1, 1)


async def test_ten_thousand_leave_room_for_the_lease_and_the_probes() -> None:
    world = await a_line(*(f"film-{number}" for number in range(100)))
    ticks, looking = 0, asyncio.create_task(take_up(world))
    while not looking.done():
        ticks += 1
        await asyncio.sleep(0)
    assert ticks > 100


async def test_whose_turn_has_come_meanwhile_is_called() -> None:
    world = await a_line("second", "third")
    ended = the_job(world)
    fake(world).put("jobs", ended | {"status": {"completedIndexes": "0", "succeeded": 1}})
    await take_up(world)
    (called,) = queued(world) - {KEY}
    await reconcile(called, world)
    assert status_of(world, called).phase is Phase.PENDING
