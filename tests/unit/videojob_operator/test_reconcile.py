"""The loop against an API server in memory: one status write at most, and none without news."""

from __future__ import annotations

from typing import Any

import pytest
from builders import RUN_ID, UID, a_job_body, a_result, a_time, an_ended_pod, seconds
from fake_cluster import (
    StillWorld,
    a_world,
    a_world_with_a_videojob,
    fake,
    job_becomes,
    pod_ended,
    reported,
    settled,
    status_of,
    the_job,
)

from videojob_api import names
from videojob_api.status import Phase
from videojob_operator.errors import ClusterError, Conflict, Invalid
from videojob_operator.line import Line
from videojob_operator.observed import Key
from videojob_operator.reconcile import reconcile

# ---- a life


async def test_a_job_that_succeeds_costs_three_status_writes_one_job_and_two_events() -> None:
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    assert status_of(world).phase is Phase.PENDING
    await settled(world)

    job_becomes(world, active=1, ready=1)
    await reconcile(key, world)
    assert status_of(world).phase is Phase.RUNNING
    await settled(world)

    pod_ended(world, 0, a_result(outputs=3).to_termination_message())
    job_becomes(world, completedIndexes="0", succeeded=1)
    requeue = await reconcile(key, world)
    await settled(world)

    status = status_of(world)
    assert (status.phase, status.output_count, len(status.outputs)) == (Phase.SUCCEEDED, 3, 3)
    assert requeue == 1
    cluster = fake(world)
    assert cluster.status_writes == 3
    assert [path.rsplit("/", 1)[1] for method, path in cluster.writes if method == "POST"] == [
        "jobs",
        "events",
        "events",
    ]
    assert [event["reason"] for event in cluster.all("events")] == ["Running", "Succeeded"]


async def test_a_reconcile_writes_the_status_at_most_once() -> None:
    world, key = a_world_with_a_videojob(3)
    for step in range(6):
        before = fake(world).status_writes
        await reconcile(key, world)
        assert fake(world).status_writes - before <= 1
        job_becomes(world, active=3, ready=3, completedIndexes=f"0-{step}")


async def test_the_default_of_a_new_object_is_replaced_by_what_is_observed() -> None:
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    (body,) = fake(world).all("videojobs")
    assert body["status"]["observedGeneration"] == 1
    assert body["status"]["phase"] == "Pending"
    assert body["status"]["acceptedAt"] == a_time()
    assert body["status"]["accelerator"]["reason"] == "NoGPUNodes"


async def test_an_object_that_is_gone_is_left_alone() -> None:
    world = a_world()
    assert await reconcile(Key("films", "gone"), world) is None
    assert fake(world).requests == []


async def test_nothing_is_asked_of_the_cluster_while_nothing_is_due() -> None:
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    job_becomes(world, active=1, ready=1)
    await reconcile(key, world)
    fake(world).requests.clear()
    for percent in (1, 2, 3):
        reported(world, percent)
        await reconcile(key, world)
    assert fake(world).requests == []


async def test_progress_is_written_when_it_is_time() -> None:
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    job_becomes(world, active=1, ready=1)
    await reconcile(key, world)
    reported(world, 40)
    assert await reconcile(key, world) == 5
    world.moment += seconds(5)
    await reconcile(key, world)
    progress = status_of(world).progress
    assert progress is not None
    assert (progress.percent, progress.step) == (40, "small")
    assert fake(world).status_writes == 3


async def test_progress_of_many_is_written_at_a_bounded_pace() -> None:
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    job_becomes(world, active=1, ready=1)
    await reconcile(key, world)
    world.moment += seconds(10)
    while world.pace.take(world.moment):
        pass
    reported(world, 40)
    assert await reconcile(key, world) == 1
    assert fake(world).status_writes == 2
    world.moment += seconds(1)
    await reconcile(key, world)
    assert fake(world).status_writes == 3


async def test_news_is_written_at_any_pace() -> None:
    world, key = a_world_with_a_videojob()
    while world.pace.take(world.moment):
        pass
    await reconcile(key, world)
    job_becomes(world, active=1, ready=1)
    await reconcile(key, world)
    assert (fake(world).status_writes, status_of(world).phase) == (2, Phase.RUNNING)


# ---- errors and races


async def test_a_conflict_is_raised_on_and_the_newer_object_is_then_believed() -> None:
    world, key = a_world_with_a_videojob()
    (body,) = fake(world).all("videojobs")
    newer = fake(world).put("videojobs", {**body, "metadata": {**body["metadata"], "labels": {}}})
    with pytest.raises(Conflict):
        await reconcile(key, world)
    assert status_of(world).attempt is None
    world.cache.put_videojob(newer)
    await reconcile(key, world)
    assert status_of(world).attempt == 1
    assert len(fake(world).all("jobs")) == 1
    assert status_of(world).accelerator is not None, "where it runs is known from the Job"
    await settled(world)


async def test_an_object_deleted_meanwhile_is_no_error() -> None:
    world, key = a_world_with_a_videojob()
    fake(world).drop("videojobs", key.name)
    await reconcile(key, world)
    assert fake(world).all("videojobs") == []


@pytest.mark.parametrize("error", [ClusterError("down", 500), Invalid("no", 422)])
async def test_an_error_of_the_api_server_is_raised_on_and_the_next_try_goes_on(
    error: ClusterError,
) -> None:
    world, key = a_world_with_a_videojob()
    fake(world).failures = [error]
    with pytest.raises(type(error)):
        await reconcile(key, world)
    await reconcile(key, world)
    assert status_of(world).attempt == 1


@pytest.mark.parametrize("died_after", range(1, 12))
async def test_an_operator_that_dies_at_any_request_changes_nothing_in_the_outcome(
    died_after: int,
) -> None:
    """A new one starts with an empty memory and what the API server holds."""
    world, key = a_world_with_a_videojob(2)
    cluster = fake(world)

    async def live(step: str) -> None:
        nonlocal world
        try:
            await reconcile(key, world)
        except ZeroDivisionError:
            world = StillWorld(cluster, world.settings)
            for body in cluster.all("videojobs"):
                world.cache.put_videojob(body)
            if step == "late":  # the watch of Jobs may be faster or slower than that of VideoJobs
                for body in cluster.all("jobs"):
                    world.cache.put_job(body)
            await reconcile(key, world)

    real, left = cluster.request, died_after

    async def request(method: str, path: str, **more: Any) -> Any:
        nonlocal left
        answer = await real(method, path, **more)
        left -= 1
        if left == 0:
            raise ZeroDivisionError("killed")  # after the API server did it, before we knew
        return answer

    cluster.request = request  # type: ignore[method-assign]
    await live("early")
    job_becomes(world, active=2, ready=2)
    await live("late")
    pod_ended(world, 0, a_result(0, outputs=2).to_termination_message(), index=0)
    pod_ended(
        world,
        42,
        a_result(1, outputs=0, state="Rejected", reason="Empty").to_termination_message(),
        index=1,
    )
    job_becomes(world, completedIndexes="0", failedIndexes="1")
    await live("late")
    await live("late")

    status = status_of(world)
    assert status.phase is Phase.FAILED
    assert status.input_counts is not None
    assert (status.input_counts.succeeded, status.input_counts.rejected) == (1, 1)
    assert status.output_count == 2
    assert status.accelerator is not None
    assert status.attempt == 1
    assert len(cluster.all("jobs")) == 1
    assert len({e["metadata"]["name"] for e in cluster.all("events")}) == 2


async def test_a_job_that_the_watch_has_not_shown_yet_is_asked_for() -> None:
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    fresh = StillWorld(world.cluster, world.settings)
    fresh.cache.put_videojob(fake(world).all("videojobs")[0])
    await reconcile(key, fresh)
    assert len(fake(world).all("jobs")) == 1
    assert len(fresh.cache.jobs_of(UID)) == 1


async def test_a_job_deleted_by_hand_is_made_again() -> None:
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    world.cache.drop_job(fake(world).drop("jobs", the_job(world)["metadata"]["name"]))
    await reconcile(key, world)
    assert the_job(world)["metadata"]["labels"][names.LABEL_ATTEMPT] == "2"
    assert status_of(world).attempt == 2
    await settled(world)


async def test_a_killed_worker_is_made_good_by_a_second_job_over_the_rest() -> None:
    world, key = a_world_with_a_videojob(3)
    await reconcile(key, world)
    pod_ended(world, 0, a_result(0).to_termination_message(), index=0)
    pod_ended(world, 137, index=1)
    pod_ended(world, 0, a_result(2).to_termination_message(), index=2)
    job_becomes(world, completedIndexes="0,2", failedIndexes="1")
    await reconcile(key, world)
    assert len(fake(world).all("jobs")) == 2
    assert the_job(world)["metadata"]["annotations"][names.ANNOTATION_INDEXES] == "1"
    await settled(world)

    pod_ended(world, 0, a_result(1).to_termination_message(), index=0)
    job_becomes(world, completedIndexes="0")
    await reconcile(key, world)
    status = status_of(world)
    assert (status.phase, status.output_count) == (Phase.SUCCEEDED, 3)
    assert sorted(o.input for o in status.outputs) == ["in-0", "in-1", "in-2"]


async def test_pods_of_no_input_and_of_inputs_that_go_on_are_passed_over() -> None:
    world, key = a_world_with_a_videojob(2)
    await reconcile(key, world)
    pod_ended(world, 42, index=0)
    pod_ended(world, 1, index=1)  # the Job will start another one
    pod_ended(world, 1, index=7)
    job_becomes(world, active=1, ready=1, failedIndexes="0")
    await reconcile(key, world)
    assert set(world.book.results(UID, RUN_ID)[1]) == {0}


async def test_a_missing_store_makes_no_job_until_it_appears() -> None:
    world, key = a_world_with_a_videojob()
    store = fake(world).drop("videostores", "media")
    assert await reconcile(key, world) == 5
    assert fake(world).all("jobs") == []
    await settled(world)
    fake(world).put("videostores", store)
    await reconcile(key, world)
    assert len(fake(world).all("jobs")) == 1


async def test_five_hundred_inputs_come_with_a_config_map_and_twice_is_once() -> None:
    world, key = a_world_with_a_videojob(500)
    (body,) = fake(world).all("videojobs")
    await reconcile(key, world)
    (config_map,) = fake(world).all("configmaps")
    assert config_map["metadata"]["name"] == the_job(world)["metadata"]["name"]
    again = StillWorld(world.cluster, world.settings)
    again.cache.put_videojob(body)  # an old copy: nothing was done as far as it knows
    with pytest.raises(Conflict):
        await reconcile(key, again)
    assert len(fake(world).all("configmaps")) == len(fake(world).all("jobs")) == 1


async def test_a_manifest_that_is_not_understood_ends_and_makes_nothing() -> None:
    world, key = a_world_with_a_videojob()
    (body,) = fake(world).all("videojobs")
    del body["spec"]["storeRef"]
    world.cache.put_videojob(fake(world).put("videojobs", body))
    await reconcile(key, world)
    status = status_of(world)
    assert status.phase is Phase.FAILED
    assert "spec.storeRef: Field required" in (status.message or "")
    assert fake(world).all("jobs") == []
    await settled(world)


async def test_children_are_deleted_an_hour_after_the_end() -> None:
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    pod_ended(world, 0, a_result().to_termination_message())
    job_becomes(world, completedIndexes="0")
    await reconcile(key, world)
    await reconcile(key, world)
    assert len(fake(world).all("jobs")) == 1
    world.moment += seconds(3600)
    await reconcile(key, world)
    assert fake(world).all("jobs") == []
    await reconcile(key, world)  # the watch has not shown it yet: 404 is fine
    assert status_of(world).phase is Phase.SUCCEEDED


async def test_a_job_of_the_same_name_in_another_namespace_is_not_ours() -> None:
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    forged = a_job_body(uid="forged", number=1, completedIndexes="0")
    forged["metadata"] |= {"namespace": "intruder", "name": "forged", "resourceVersion": "99999"}
    world.cache.put_job(forged)
    await reconcile(key, world)
    assert status_of(world).phase is Phase.PENDING


async def test_a_pod_in_another_namespace_does_not_end_a_videojob() -> None:
    """Its owner can be named by whoever may read ours."""
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    forged = an_ended_pod(
        0, a_result().to_termination_message(), job_uid=the_job(world)["metadata"]["uid"]
    )
    forged["metadata"]["namespace"] = "intruder"
    world.cache.put_pod(forged)
    await reconcile(key, world)
    assert status_of(world).phase is Phase.PENDING
    forged["metadata"]["namespace"] = key.namespace
    world.cache.put_pod(forged)
    await reconcile(key, world)
    assert status_of(world).phase is Phase.SUCCEEDED


async def test_a_pod_that_only_claims_to_wait_for_us_says_nothing() -> None:
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    pod = an_ended_pod(0, name="forged", job_uid="another")
    waiting = {"reason": "ErrImagePull", "message": "visit evil.example"}
    pod["status"] = {
        "phase": "Pending",
        "containerStatuses": [{"name": "worker", "state": {"waiting": waiting}}],
    }
    world.cache.put_pod(pod)
    await settled(world)
    pod["metadata"]["ownerReferences"][0]["uid"] = the_job(world)["metadata"]["uid"]
    await reconcile(key, world)
    assert "evil.example" in (status_of(world).message or "")


async def test_the_end_gives_its_places_back_though_its_job_lags_behind() -> None:
    world, key = a_world_with_a_videojob()
    world.line = Line(1, 0, wake=world.queue.add)
    await reconcile(key, world)
    assert world.line.pods == 1
    pod_ended(world, 0, a_result().to_termination_message())
    job_becomes(world, completedIndexes="0")
    await reconcile(key, world)
    job_becomes(world, active=1)  # an older copy of it
    await reconcile(key, world)
    assert world.line.pods == 0
