"""Jobs and pods that are not ours, or not understood: passed over, and never made again and again."""

from __future__ import annotations

from typing import Any

import pytest
from builders import KEY, RUN_ID, UID, a_job_body, a_result, a_videojob_body, an_output
from fake_cluster import (
    StillWorld,
    a_world,
    a_world_with_a_videojob,
    attempts,
    fake,
    job_becomes,
    pod_ended,
    reported,
    settled,
    status_of,
    the_job,
)
from prometheus_client import REGISTRY

from videojob_api import names
from videojob_api.report import Report
from videojob_api.status import Phase
from videojob_operator.errors import ClusterError
from videojob_operator.observe import observe
from videojob_operator.reconcile import reconcile


@pytest.mark.parametrize(
    ("what", "value"),
    [
        (names.ANNOTATION_INDEXES, "0-999999999999"),
        (names.ANNOTATION_INDEXES, "all of them"),
        (names.ANNOTATION_INDEXES, ""),
        (names.ANNOTATION_INDEXES, "1"),
        (names.ANNOTATION_INDEXES, "0-7"),
        ("videojob.dev/kills", "many"),
        (names.LABEL_ATTEMPT, "9" * 30),
        (names.LABEL_ATTEMPT, "-1"),
    ],
)
async def test_a_job_that_is_not_understood_is_passed_over(what: str, value: str) -> None:
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    forged = a_job_body(number=7, uid="forged", completedIndexes="0")
    where = "labels" if what == names.LABEL_ATTEMPT else "annotations"
    forged["metadata"][where][what] = value
    world.cache.put_job(forged)
    await settled(world)
    assert status_of(world).phase is Phase.PENDING


async def test_a_job_that_was_changed_into_nonsense_gets_a_successor() -> None:
    """Also where it is asked for by its name."""
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    body = the_job(world)
    body["metadata"]["annotations"][names.ANNOTATION_INDEXES] = "0-500"
    fake(world).put("jobs", body)
    fresh = StillWorld(world.cluster, world.settings)
    fresh.cache.put_videojob(fake(world).all("videojobs")[0])
    await reconcile(key, fresh)
    assert attempts(world) == ["1", "2"]


async def test_the_api_servers_own_spelling_of_an_amount_is_understood() -> None:
    """In whatever unit is exact."""
    limits = {"cpu": "1", "memory": "1.3333Gi"}
    world, key = a_world_with_a_videojob(resources={"limits": limits})
    real = world.cluster.create_job

    async def create(manifest: dict[str, Any]) -> dict[str, Any]:
        (container,) = manifest["spec"]["template"]["spec"]["containers"]
        container["resources"]["limits"]["memory"] = "1431619973939200u"
        return await real(manifest)

    world.cluster.create_job = create  # type: ignore[method-assign]
    await reconcile(key, world)
    await settled(world)
    assert attempts(world) == ["1"]
    pod_ended(world, 0, a_result().to_termination_message())
    job_becomes(world, completedIndexes="0")
    await reconcile(key, world)
    assert status_of(world).phase is Phase.SUCCEEDED


async def test_a_job_that_is_made_into_nonsense_is_not_made_again_and_again() -> None:
    world, key = a_world_with_a_videojob()
    real = world.cluster.create_job

    async def create(manifest: dict[str, Any]) -> dict[str, Any]:
        manifest["metadata"]["annotations"][names.ANNOTATION_INDEXES] = "all"
        return await real(manifest)

    world.cluster.create_job = create  # type: ignore[method-assign]
    await reconcile(key, world)
    await settled(world)
    assert fake(world).all("jobs") == []
    status = status_of(world)
    assert status.phase is Phase.FAILED
    assert "changed it on its way" in (status.message or "")


async def test_nonsense_that_the_watch_has_told_of_is_deleted_too() -> None:
    """Made though the API server answered 500; it is no Job that was made by an earlier try."""
    world, key = a_world_with_a_videojob()
    real = world.cluster.create_job

    async def create(manifest: dict[str, Any]) -> dict[str, Any]:
        manifest["metadata"]["annotations"][names.ANNOTATION_INDEXES] = "all"
        world.cache.put_job(await real(manifest))
        raise ClusterError("etcdserver: request timed out", 500)

    world.cluster.create_job = create  # type: ignore[method-assign]
    await reconcile(key, world)
    world.cluster.create_job = real  # type: ignore[method-assign]
    await reconcile(key, world)
    assert fake(world).all("jobs") == []
    assert status_of(world).phase is Phase.FAILED


async def test_a_foreign_job_of_the_expected_name_is_not_taken_for_ours() -> None:
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    body = fake(world).drop("jobs", the_job(world)["metadata"]["name"])
    body["metadata"] |= {"ownerReferences": [], "uid": "foreign"}
    fake(world).put("jobs", {**body, "status": {"completedIndexes": "0"}})
    fresh = StillWorld(world.cluster, world.settings)
    fresh.cache.put_videojob(fake(world).all("videojobs")[0])
    await reconcile(key, fresh)
    assert status_of(world).phase is Phase.PENDING
    assert attempts(world) == ["1", "2"]
    assert [job["metadata"]["uid"] for job in fresh.cache.jobs()] != ["foreign"]


async def test_a_foreign_pod_that_carries_the_jobs_name_says_nothing() -> None:
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    pod_ended(world, 42, a_result(reason="Forged", state="Rejected").to_termination_message())
    (pod,) = fake(world).all("pods")
    pod["metadata"]["ownerReferences"][0]["uid"] = "another"
    fake(world).put("pods", pod)
    job_becomes(world, failedIndexes="0")
    await reconcile(key, world)
    assert world.book.results(UID, RUN_ID) == ({}, {})


async def test_a_worker_can_not_claim_the_objects_of_others_as_its_last_word() -> None:
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    outputs = [an_output(0).wire(), an_output(0, key="results/others/film.mp4").wire()]
    result = a_result(outputs=2).model_dump(by_alias=True) | {"outputs": outputs}
    pod_ended(world, 0, type(a_result()).model_validate(result).to_termination_message())
    job_becomes(world, completedIndexes="0")
    await reconcile(key, world)
    assert status_of(world).phase is Phase.SUCCEEDED
    assert [o.key for o in status_of(world).outputs] == [an_output(0).key]


async def test_what_a_late_pod_and_a_late_report_leave_is_forgotten() -> None:
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    pod_ended(world, 0, a_result().to_termination_message())
    job_becomes(world, completedIndexes="0")
    await reconcile(key, world)
    for _ in range(2):
        reported(world, 99)
        world.cache.put_pod(fake(world).all("pods")[0])
        await reconcile(key, world)
        assert world.book._pages == {}
        assert world.cache.pods_of(UID) == ()


# ---- what a worker claims, in a report or in its last message


def claims() -> float:
    return REGISTRY.get_sample_value("videojob_operator_claims_dropped_total") or 0


def a_reporting_world(result: dict[str, Any]) -> StillWorld:
    """Of six inputs, a Job works on 2 and 4; the worker of 2 has told its result."""
    world = a_world()
    world.cache.put_videojob(a_videojob_body(6))
    world.cache.put_job(a_job_body(indexes=(2, 4)))
    report = {"runID": RUN_ID, "attempt": 1, "index": 2, "result": result}
    world.book.record(UID, Report.model_validate(report))
    return world


async def test_outputs_that_are_not_the_inputs_own_are_dropped_and_counted_once() -> None:
    before, result = claims(), a_result(2, outputs=2).wire()
    foreign = [{"key": "results/another/in-2/x.mp4"}, {"input": "in-4"}]
    told = [*result["outputs"], *({**result["outputs"][0], **one} for one in foreign)]
    world = a_reporting_world({**result, "outputs": told})
    for _ in range(2):
        observed = await observe(KEY, world)
        assert observed is not None
        own = observed.results[2].outputs
        assert [each.key for each in own] == [o["key"] for o in result["outputs"]]
        assert claims() == before + 2


async def test_a_worker_of_the_run_before_is_not_accused_after_an_edit() -> None:
    before = claims()
    world = a_reporting_world(a_result(2, outputs=2).wire())
    body = world.cache.videojob(KEY)
    assert body is not None
    spec = {**body["spec"], "runToken": "again", "output": {"prefix": "elsewhere/"}}
    meta = {**body["metadata"], "generation": 2, "resourceVersion": "999999"}
    status = {"runID": RUN_ID, "phase": "Running", "attempt": 1}
    world.cache.put_videojob({**body, "metadata": meta, "spec": spec, "status": status})
    observed = await observe(KEY, world)
    assert observed is not None
    assert observed.results[2].outputs == []
    assert claims() == before


async def test_ever_new_words_of_a_gpu_that_could_not_be_used_cost_no_writes() -> None:
    given = {"requested": "Auto nvidia.com/gpu", "used": "nvidia.com/gpu", "reason": "Offered"}
    status = {"runID": RUN_ID, "phase": "Running", "attempt": 1, "accelerator": given}
    world = a_world()
    videojob = {**a_videojob_body(6), "status": status}
    world.cache.put_videojob(fake(world).put("videojobs", videojob))
    world.cache.put_job(fake(world).put("jobs", a_job_body(indexes=(2, 4), active=2, ready=2)))
    await reconcile(KEY, world)
    written = fake(world).status_writes
    for number in range(5):
        words = {"acceleratorUsed": f"card {number}", "acceleratorReason": f"reason {number}"}
        report = {"runID": RUN_ID, "attempt": 1, "index": 2, "result": a_result(2, **words).wire()}
        world.book.record(UID, Report.model_validate(report))
        await reconcile(KEY, world)
    assert fake(world).status_writes == written
    job_becomes(world, active=1, ready=1, completedIndexes="0")
    await reconcile(KEY, world)
    accelerator = status_of(world).accelerator
    assert accelerator is not None
    assert accelerator.wire() == {**given, "used": "CPU", "reason": "reason 4"}
