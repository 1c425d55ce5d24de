"""Usage: what pods have cost, each counted once, however it ended."""

from __future__ import annotations

from typing import Any

import pytest
from builders import RUN_ID, UID, a_pod_body, a_result, a_time, a_videojob
from fake_cluster import a_world, a_world_with_a_videojob, fake, job_becomes, status_of, the_job

from videojob_api.status import MAX_COUNT, Phase, Usage
from videojob_operator import facts, metrics
from videojob_operator.attempt import Attempt
from videojob_operator.facts import parse_costs
from videojob_operator.reconcile import reconcile
from videojob_operator.reportbook import ReportBook


def a_finished_pod(
    name: str = "pod-0", *, seconds: float = 10, usage: dict[str, Any] | None = None, **pod: Any
) -> dict[str, Any]:
    """A pod whose worker ran for so long."""
    message = a_result(usage=usage).to_termination_message() if usage else "Killed"
    ended = {
        "exitCode": 0 if usage else 137,
        "message": message,
        "startedAt": a_time(100 + seconds),
        "finishedAt": a_time(100),
    }
    state = [{"name": "worker", "state": {"terminated": ended}}]
    phase = "Succeeded" if usage else "Failed"
    return a_pod_body(name=name, phase=phase, containerStatuses=state, **pod)


TOLD = {"cpuSeconds": 4.5, "bytesIn": 7, "bytesOut": 9}


def test_a_worker_tells_its_own_and_the_clock_tells_the_gpus() -> None:
    costs = parse_costs([a_finished_pod(usage=TOLD), a_finished_pod("killed", seconds=30)], 2)
    assert costs == {
        "pod-0": Usage(gpu_seconds=20, cpu_seconds=4.5, bytes_in=7, bytes_out=9),
        "killed": Usage(gpu_seconds=60),
    }


@pytest.mark.parametrize("pod", [a_pod_body(phase="Running"), a_pod_body(phase="Failed")])
def test_a_pod_that_has_not_run_cost_nothing(pod: dict[str, Any]) -> None:
    assert parse_costs([pod], 1) == {}


def test_a_worker_that_could_not_be_started_cost_nothing() -> None:
    """The runtime says that it began in 1970, and that it has ended now."""
    pod = a_finished_pod()
    (state,) = pod["status"]["containerStatuses"]
    state["state"]["terminated"] |= {"startedAt": "1970-01-01T00:00:00Z", "reason": "StartError"}
    assert parse_costs([pod], 2)["pod-0"].gpu_seconds == 0


def test_on_the_cpu_there_are_no_gpu_seconds_whatever_a_worker_claims() -> None:
    (cost,) = parse_costs([a_finished_pod(usage={**TOLD, "gpuSeconds": 99})], 0).values()
    assert cost.gpu_seconds == 0


def test_a_worker_can_not_have_had_more_than_all_cores_of_a_node() -> None:
    """One that says so would drown what all others say, in a metric that is never reset."""
    (cost,) = parse_costs([a_finished_pod(usage={**TOLD, "cpuSeconds": 1e308})], 0).values()
    assert cost.cpu_seconds == 11 * 1024


def an_attempt(number: int) -> Attempt:
    return a_videojob().with_attempt(number).attempts[0]


def test_a_pod_counts_once_and_every_attempt_counts() -> None:
    book = ReportBook()
    assert book.usage(UID, RUN_ID) is None
    for _ in range(2):
        book.record_costs(
            UID, an_attempt(1), {"a": Usage(cpu_seconds=1), "b": Usage(cpu_seconds=2)}
        )
    book.record_costs(UID, an_attempt(2), {"c": Usage(cpu_seconds=4, bytes_out=5)})
    assert book.usage(UID, RUN_ID) == Usage(cpu_seconds=7, bytes_out=5)


def test_no_claim_is_too_large_to_be_written() -> None:
    book = ReportBook()
    huge = Usage(cpu_seconds=1e308, bytes_in=MAX_COUNT)
    book.record_costs(UID, an_attempt(1), {"a": huge, "b": huge})
    assert book.usage(UID, RUN_ID) == Usage(cpu_seconds=MAX_COUNT, bytes_in=MAX_COUNT)


def value(metric: Any) -> float:
    return float(metric._value.get())


async def test_gpu_seconds_reach_the_resource_and_the_metric() -> None:
    world, key = a_world_with_a_videojob(accelerator={"mode": "Required", "count": 2})
    before = value(metrics.GPU_SECONDS)
    placed = metrics.PLACEMENTS.labels(device="GPU", reason="Required")
    made = value(placed)
    await reconcile(key, world)
    assert value(placed) == made + 1
    job = the_job(world)["metadata"]
    pod = a_finished_pod(usage=TOLD, job_uid=job["uid"])
    pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] = job["name"]
    fake(world).put("pods", pod)
    job_becomes(world, completedIndexes="0", succeeded=1)
    await reconcile(key, world)
    assert status_of(world).usage == Usage(gpu_seconds=20, cpu_seconds=4.5, bytes_in=7, bytes_out=9)
    assert value(metrics.GPU_SECONDS) == before + 20


def counted(book: ReportBook) -> float:
    usage = book.usage(UID, RUN_ID)
    return usage.cpu_seconds if usage else 0


def test_what_an_operator_before_has_counted_is_kept_and_its_pods_count_once() -> None:
    book = ReportBook()
    still_there = Usage(cpu_seconds=10)
    book.take_over(UID, RUN_ID, Usage(cpu_seconds=100), [still_there])
    assert counted(book) == 90
    for _ in range(2):
        book.record_costs(UID, an_attempt(1), {"still there": still_there})
        assert counted(book) == 100
    book.record_costs(UID, an_attempt(2), {"new": Usage(cpu_seconds=50)})
    assert counted(book) == 150
    assert book.has_taken_over(UID, RUN_ID)
    assert not book.has_taken_over(UID, "another run")
    book.forget(UID)
    assert counted(book) == 0


@pytest.mark.parametrize("restarts", [False, True], ids=["one operator", "a restart"])
@pytest.mark.parametrize("goes", [False, True], ids=["its pod stays", "its pod goes"])
async def test_each_input_counts_once_whoever_sees_it_end(restarts: bool, goes: bool) -> None:
    """Of two inputs one has ended and is written down; then the other ends."""
    world, key = a_world_with_a_videojob(2, parallelism=1)
    await reconcile(key, world)
    for index in (0, 1):
        if index and restarts:
            world = a_world(fake(world))
            world.cache.put_videojob(fake(world).all("videojobs")[0])
        if index and goes:
            fake(world).drop("pods", "pod-0")
        job = the_job(world)["metadata"]
        usage = {"cpuSeconds": 100}
        pod = a_finished_pod(f"pod-{index}", usage=usage, job_uid=job["uid"], index=index)
        (state,) = pod["status"]["containerStatuses"]
        result = a_result(index, outputs=3, usage=usage)
        state["state"]["terminated"]["message"] = result.to_termination_message()
        pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] = job["name"]
        fake(world).put("pods", pod)
        left = 1 - index
        done = "0" if left else "0,1"
        job_becomes(world, completedIndexes=done, succeeded=2 - left, active=left, ready=left)
        await reconcile(key, world)
    status = status_of(world)
    assert status.phase is Phase.SUCCEEDED
    assert (status.output_count, status.output_bytes) == (6, 6000)
    assert status.usage is not None
    assert status.usage.cpu_seconds == 200


async def test_what_earlier_attempts_have_cost_is_not_counted_again_after_a_restart() -> None:
    """The first look comes before the watch has told of their Jobs."""
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    ends(world, exit_code=45)
    job_becomes(world, failedIndexes="0", failed=1)
    first = the_job(world)
    await reconcile(key, world)
    assert len(fake(world).all("jobs")) == 2
    for _ in range(2):
        world = a_world(fake(world))
        world.cache.put_videojob(fake(world).all("videojobs")[0])
        await reconcile(key, world)
        world.cache.put_job(first)
        await reconcile(key, world)
    ends(world, exit_code=0)
    job_becomes(world, completedIndexes="0", succeeded=1)
    await reconcile(key, world)
    usage = status_of(world).usage
    assert usage is not None
    assert usage.cpu_seconds == 200


def ends(world: Any, exit_code: int) -> None:
    """The worker of the newest Job ends; it has cost a hundred seconds."""
    job = the_job(world)["metadata"]
    usage = {"cpuSeconds": 100}
    pod = a_finished_pod(f"pod-of-{job['name']}", usage=usage, job_uid=job["uid"])
    (state,) = pod["status"]["containerStatuses"]
    state["state"]["terminated"]["exitCode"] = exit_code
    pod["status"]["phase"] = "Failed" if exit_code else "Succeeded"
    pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] = job["name"]
    fake(world).put("pods", pod)


async def test_what_a_pod_says_last_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large VideoJob has hundreds that have ended, and is looked at for each report."""
    world, key = a_world_with_a_videojob(2)
    await reconcile(key, world)
    job_becomes(world, active=2, ready=2)
    job = the_job(world)["metadata"]["uid"]
    world.cache.put_pod(fake(world).put("pods", a_finished_pod(usage=TOLD, job_uid=job)))
    await reconcile(key, world)
    read: list[str] = []
    monkeypatch.setattr(facts, "parse_result", read.append)
    await reconcile(key, world)
    assert read == []
    status = status_of(world)
    assert status.indexes is not None
    assert status.indexes.succeeded == "0"
