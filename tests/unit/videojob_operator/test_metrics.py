"""What the numbers say of a life; and that memory is given back at its end."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from builders import RUN_ID, UID, a_report, a_result, a_time, a_videojob, an_ended_pod
from fake_cluster import a_world_with_a_videojob, fake
from prometheus_client import REGISTRY

from videojob_api import names
from videojob_api.report import Report
from videojob_api.status import Phase, VideoJobStatus
from videojob_operator.errors import Conflict
from videojob_operator.metrics import observe_transition
from videojob_operator.reconcile import reconcile


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"videojob_operator_{name}", labels) or 0.0


def a_status(phase: Phase, **changes: object) -> VideoJobStatus:
    return VideoJobStatus.model_validate({"phase": phase, "accepted_at": a_time(100), **changes})


def test_the_wait_for_a_worker_is_measured_once() -> None:
    running = a_status(Phase.RUNNING, started_at=a_time(70))
    before = value("admission_wait_time_seconds_sum")
    observe_transition(a_videojob().at_phase(Phase.PENDING), running)
    assert value("admission_wait_time_seconds_sum") - before == 30
    observe_transition(a_videojob().running(), running)
    observe_transition(a_videojob().at_phase(Phase.PENDING, started_at=a_time(70)), running)
    assert value("admission_wait_time_seconds_sum") - before == 30


@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.FAILED, Phase.REJECTED])
def test_an_end_is_counted_by_its_phase_with_its_time_and_cost(phase: Phase) -> None:
    ended = a_status(
        phase,
        started_at=a_time(70),
        finished_at=a_time(),
        usage={"gpu_seconds": 5, "cpu_seconds": 7},
    )
    count = value("finished_total", phase=phase)
    took = value("execution_time_seconds_sum", phase=phase)
    gpu, cpu = value("gpu_seconds_total"), value("cpu_seconds_total")
    observe_transition(a_videojob().running(), ended)
    observe_transition(a_videojob().with_status(**ended.model_dump()), ended)
    assert value("finished_total", phase=phase) - count == 1
    assert value("execution_time_seconds_sum", phase=phase) - took == 70
    assert (value("gpu_seconds_total") - gpu, value("cpu_seconds_total") - cpu) == (5, 7)


def test_what_a_run_costs_is_counted_as_it_becomes_known() -> None:
    """A run that is begun anew midway, or deleted, never ends."""
    gpu = value("gpu_seconds_total")

    def told(seconds: float, run: int = 1) -> dict[str, Any]:
        return {"run_id": names.run_id(UID, run), "usage": {"gpu_seconds": seconds}}

    steps = [told(0), told(5), told(5), told(8), told(2, run=2)]
    for before, after in pairwise(steps):
        status = a_status(Phase.RUNNING, **after)
        observe_transition(a_videojob().running().with_status(**before), status)
    assert value("gpu_seconds_total") - gpu == 8 + 2


async def test_a_life_is_counted_and_its_reports_are_forgotten_at_the_end() -> None:
    world, key = a_world_with_a_videojob()
    before = value("finished_total", phase="Succeeded")
    await reconcile(key, world)
    world.book.record(UID, Report(run_id=RUN_ID, attempt=1, index=0, progress=a_report()))
    (job,) = fake(world).all("jobs")
    world.cache.put_pod(
        an_ended_pod(0, a_result().to_termination_message(), job_uid=job["metadata"]["uid"])
    )
    await reconcile(key, world)
    assert value("finished_total", phase="Succeeded") - before == 1
    await reconcile(key, world)
    assert world.book._pages == {}
    assert world.cache.pods_of(UID) == ()


async def test_a_conflict_is_counted() -> None:
    world, key = a_world_with_a_videojob()
    before = value("status_conflicts_total")
    fake(world).put("videojobs", fake(world).all("videojobs")[0])
    with pytest.raises(Conflict):
        await reconcile(key, world)
    assert value("status_conflicts_total") - before == 1
