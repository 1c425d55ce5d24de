"""Doing a thing twice is doing it once."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from builders import KEY, NOW, UID, a_videojob
from fake_cluster import StillWorld, a_world, fake

from videojob_operator import metrics
from videojob_operator.act import act, build_event
from videojob_operator.decide import decide
from videojob_operator.errors import ClusterError, Conflict
from videojob_operator.facts import parse_attempt
from videojob_operator.observed import Action, CreateJob, DeleteJob, EmitEvent, Observed

RUNNING = EmitEvent("Normal", "Running", "Working on the input on the CPU.")


def a_job_to_make(inputs: int = 1) -> tuple[Observed, CreateJob]:
    observed = a_videojob(inputs).with_store()
    (create,) = decide(observed, NOW).actions
    assert isinstance(create, CreateJob)
    return observed, create


async def twice(observed: Observed, action: Action) -> StillWorld:
    world = a_world()
    for _ in range(2):
        await act(observed, (action,), world)
    return world


async def test_a_job_is_made_once_and_is_known_at_once() -> None:
    observed, create = a_job_to_make()
    world = await twice(observed, create)
    (job,) = fake(world).all("jobs")
    assert [known["metadata"] for known in world.cache.jobs_of(UID)] == [job["metadata"]]


async def test_a_job_that_an_earlier_operator_made_is_learnt() -> None:
    observed, create = a_job_to_make()
    world = await twice(observed, create)
    other = StillWorld(world.cluster, world.settings)
    await act(observed, (create,), other)
    assert len(other.cache.jobs_of(UID)) == 1


async def test_a_job_that_was_made_for_another_run_token_does_not_stand_in_for_this_run() -> None:
    """An operator made it and died before it could say so; then the token was changed."""
    first = a_videojob(runToken="1").with_store()
    (made,) = decide(first, NOW).actions
    world = a_world()
    await act(first, (made,), world)
    other = StillWorld(world.cluster, world.settings)
    second = a_videojob(runToken="2").with_store()
    (create,) = decide(second, NOW).actions
    with pytest.raises(Conflict, match="made for runToken '1', not '2'"):
        await act(second, (create,), other)
    (job,) = other.cache.jobs_of(UID)
    with pytest.raises(Conflict, match="made for runToken"):
        await act(second, (create,), other)  # as when the watch has told of it meanwhile
    again = replace(second, attempts=(parse_attempt(job),))
    assert again.is_due_to_rerun
    assert decide(again, NOW).policy == "decide_rerun"


async def test_a_long_order_is_there_before_its_job_and_belongs_to_the_videojob() -> None:
    observed, create = a_job_to_make(500)
    world = await twice(observed, create)
    assert [path.rsplit("/", 1)[1] for _, path in fake(world).writes] == ["configmaps", "jobs"]
    (config_map,) = fake(world).all("configmaps")
    assert [o["uid"] for o in config_map["metadata"]["ownerReferences"]] == [UID]


async def test_an_order_left_by_a_try_that_got_no_job_is_replaced() -> None:
    """The store may have been mended in between."""
    observed, create = a_job_to_make(500)
    assert create.config_map is not None
    world = a_world()
    stale = fake(world).put("configmaps", {**create.config_map, "data": {"order.json": "{}"}})
    await act(observed, (create,), world)
    (config_map,) = fake(world).all("configmaps")
    assert config_map["metadata"]["uid"] != stale["metadata"]["uid"]
    assert config_map["data"] == create.config_map["data"]


async def test_the_order_of_a_job_that_is_there_stays() -> None:
    """The answer to its making was lost, and no watch has told of it yet."""
    observed, create = a_job_to_make(500)
    world = a_world()
    await act(observed, (create,), world)
    (before,) = fake(world).all("configmaps")
    other = StillWorld(world.cluster, world.settings)
    await act(observed, (create,), other)
    (after,) = fake(world).all("configmaps")
    assert before["metadata"]["uid"] == after["metadata"]["uid"]
    assert [job["metadata"]["name"] for job in other.cache.jobs()] == [
        create.manifest["metadata"]["name"]
    ]


@pytest.mark.parametrize("forged", [{"namespace": "elsewhere"}, {"ownerReferences": []}])
async def test_a_job_that_is_not_ours_stands_in_for_none(forged: dict[str, Any]) -> None:
    """Labels can be set by anybody, and names are told."""
    observed, create = a_job_to_make()
    world = a_world()
    await act(observed, (create,), world)
    (job,) = fake(world).all("jobs")
    fake(world).drop("jobs", job["metadata"]["name"])
    world = a_world()
    world.cache.put_job({**job, "metadata": {**job["metadata"], **forged}})
    await act(observed, (create,), world)
    assert len(fake(world).all("jobs")) == 1


async def test_an_order_goes_with_its_job() -> None:
    observed, create = a_job_to_make(500)
    world = await twice(observed, create)
    (job,) = fake(world).all("jobs")
    delete = DeleteJob.of(parse_attempt(job))
    for _ in range(2):
        await act(observed, (delete,), world)
    assert fake(world).all("jobs") == fake(world).all("configmaps") == []


async def test_a_job_is_deleted_by_its_uid_and_what_is_gone_is_gone() -> None:
    observed, create = a_job_to_make()
    world = a_world()
    await act(observed, (create,), world)
    (job,) = fake(world).all("jobs")
    name = job["metadata"]["name"]
    await act(observed, (DeleteJob(name, "another one of that name"),), world)
    assert len(fake(world).all("jobs")) == 1
    for _ in range(2):
        await act(observed, (DeleteJob(name, job["metadata"]["uid"]),), world)
    assert fake(world).all("jobs") == []


async def test_an_event_is_told_once() -> None:
    world = await twice(a_videojob(), RUNNING)
    assert len(fake(world).all("events")) == 1


async def test_of_too_many_events_those_are_left_out_that_tell_of_nothing_wrong() -> None:
    world = a_world()
    before = metrics.EVENTS_LEFT_OUT._value.get()
    for number in range(150):
        told = EmitEvent("Normal", "Running", f"Working on input {number}.")
        wrong = EmitEvent("Warning", "Failed", f"Input {number} failed.")
        await act(a_videojob(), (told, wrong), world)
    types = Counter(event["type"] for event in fake(world).all("events"))
    assert types == {"Normal": 100, "Warning": 150}
    assert metrics.EVENTS_LEFT_OUT._value.get() - before == 50


async def test_an_event_that_fails_ends_nothing() -> None:
    world = a_world()
    observed, create = a_job_to_make()
    fake(world).failures = [ClusterError("down", 500)]
    await act(observed, (RUNNING, create), world)
    assert len(fake(world).all("jobs")) == 1


def test_an_event_is_named_by_what_it_says() -> None:
    observed = a_videojob()
    name = build_event(observed, RUNNING, NOW)["metadata"]["name"]
    assert name == build_event(observed, RUNNING, NOW.replace(hour=20))["metadata"]["name"]
    other = EmitEvent("Normal", "Running", "Working on the input on nvidia.com/gpu.")
    assert name != build_event(observed, other, NOW)["metadata"]["name"]


@pytest.mark.parametrize("cut", ["-", ".", "-.-"])
def test_an_events_name_is_one_that_the_api_server_takes(cut: str) -> None:
    key = KEY._replace(name="x" * (200 - len(cut)) + cut + "end")
    name = build_event(replace(a_videojob(), key=key), RUNNING, NOW)["metadata"]["name"]
    assert re.fullmatch(r"x+\.[0-9a-f]{16}", name)
    assert len(name) == 200 - len(cut) + 17


def test_an_event_is_about_the_videojob_and_fits() -> None:
    event = build_event(a_videojob(), EmitEvent("Warning", "Failed", "x" * 5000), NOW)
    assert event["involvedObject"] == {
        "apiVersion": "videojob.dev/v1alpha1",
        "kind": "VideoJob",
        "namespace": KEY.namespace,
        "name": KEY.name,
        "uid": UID,
        "resourceVersion": "100",
    }
    assert len(event["message"]) == 1024
    assert (event["type"], event["firstTimestamp"]) == ("Warning", "2026-03-01T12:00:00Z")


async def test_actions_are_done_in_order() -> None:
    observed, create = a_job_to_make()
    world = a_world()
    await act(observed, (RUNNING, create), world)
    assert [path.rsplit("/", 1)[1] for _, path in fake(world).writes] == ["events", "jobs"]
