"""What is true now, counted when the metrics are read; and that no series has a VideoJob's name."""

from __future__ import annotations

from typing import Any

import pytest
from builders import UID, a_report, a_time, a_videojob_body
from fake_cluster import (
    StillWorld,
    a_world,
    a_world_with_a_videojob,
    limited,
    put_videojob,
    restarted,
    take_up,
)
from prometheus_client import REGISTRY, CollectorRegistry

from videojob_api.report import Report
from videojob_api.status import Phase
from videojob_operator.census import Census
from videojob_operator.handlers import videojob_seen
from videojob_operator.reconcile import reconcile


def put(world: StillWorld, name: str, age: float = 60, **status: Any) -> None:
    body = a_videojob_body(uid=f"uid-of-{name}")
    body["metadata"] |= {"name": name, "creationTimestamp": a_time(age)}
    world.cache.put_videojob(body | ({"status": status} if status else {}))


def read(world: StillWorld, name: str, **labels: str) -> float | None:
    registry = CollectorRegistry()
    registry.register(Census(world))
    return registry.get_sample_value(f"videojob_operator_{name}", labels)


def test_videojobs_are_counted_by_phase_and_a_new_one_is_pending() -> None:
    world = a_world()
    put(world, "new")
    put(world, "old", phase="Succeeded")
    put(world, "older", phase="Succeeded")
    counts = {phase: read(world, "videojobs", phase=phase) for phase in Phase}
    assert counts == dict.fromkeys(Phase, 0) | {Phase.PENDING: 1, Phase.SUCCEEDED: 2}


def test_stalled_ones_and_the_longest_wait_are_told() -> None:
    world = a_world()
    stalled = {"type": "Stalled", "status": "True"}
    put(world, "a", age=50, phase="Pending", conditions=[stalled])
    put(world, "b", age=70, phase="Queued", conditions=[stalled | {"status": "False"}])
    put(world, "c", age=900, phase="Running")
    for phase in ("Failed", "Rejected", "Cancelled"):  # kstatus wants the condition there too
        put(world, phase.lower(), age=900, phase=phase, conditions=[stalled])
    assert (read(world, "stalled"), read(world, "longest_waiting_seconds")) == (1, 70)


@pytest.mark.parametrize(("phase", "age"), [("Running", 42.0), ("Succeeded", 0.0)])
def test_the_silence_of_workers_is_told_while_they_should_speak(
    phase: str, age: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, now = a_world(), 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    body = a_videojob_body()
    world.cache.put_videojob(body | {"status": {"phase": phase}})
    assert read(world, "report_age_seconds") == 0
    world.book.record(UID, Report(run_id="r", attempt=1, index=0, progress=a_report()))
    now += 42
    assert read(world, "report_age_seconds") == age
    world.book.forget(UID)
    assert read(world, "report_age_seconds") == 0


def test_workers_that_have_never_spoken_are_silent_too(monkeypatch: pytest.MonkeyPatch) -> None:
    world, now = a_world(), 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    world.cache.put_videojob(a_videojob_body() | {"status": {"phase": "Running"}})
    for _ in range(2):
        world.book.expect(UID)
        now += 42
    assert read(world, "report_age_seconds") == 84


def test_a_wait_begins_with_the_run_and_not_with_the_videojob() -> None:
    world = a_world()
    put(world, "again", age=10**6, phase="Pending", acceptedAt=a_time(50))
    put(world, "resumed", age=10**6, phase="Queued", acceptedAt=a_time(900), resumedAt=a_time(20))
    assert read(world, "longest_waiting_seconds") == 50


def test_a_later_attempt_that_no_node_takes_waits_too() -> None:
    world = a_world()
    unplaced = {"type": "Scheduled", "status": "False", "lastTransitionTime": a_time(30)}
    put(world, "again", age=10**6, phase="Running", acceptedAt=a_time(900), conditions=[unplaced])
    assert read(world, "longest_waiting_seconds") == 30


@pytest.mark.parametrize("phase", ["Pending", "Queued", "Running"])
def test_what_only_a_person_can_mend_waits_for_no_worker(phase: str) -> None:
    """It is told as stalled: more room would not help it."""
    world = a_world()
    unplaced = {"type": "Scheduled", "status": "False", "lastTransitionTime": a_time(5000)}
    stalled = {"type": "Stalled", "status": "True"}
    put(world, "no-store", age=9000, phase=phase, conditions=[stalled, unplaced])
    assert (read(world, "stalled"), read(world, "longest_waiting_seconds")) == (1, 0)


@pytest.mark.parametrize("phase", ["Pending", "Queued"])
def test_one_that_has_worked_and_lost_its_place_waits_from_then_on(phase: str) -> None:
    world = a_world()
    worked = {"acceptedAt": a_time(9000), "progress": {"percent": 40, "updatedAt": a_time(50)}}
    put(world, "preempted", age=10**6, phase=phase, **worked)
    assert read(world, "longest_waiting_seconds") == 50
    world = a_world()
    put(world, "resumed", age=10**6, phase=phase, **worked, resumedAt=a_time(10))
    assert read(world, "longest_waiting_seconds") == 10


def test_workers_that_are_not_at_work_are_not_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    world = a_world()
    world.cache.put_videojob(a_videojob_body() | {"status": {"phase": "Running"}})
    monkeypatch.setattr("time.monotonic", lambda: 1000.0)
    world.book.expect(UID)
    monkeypatch.setattr("time.monotonic", lambda: 9000.0)
    world.book.expect_nothing(UID)
    assert read(world, "report_age_seconds") == 0


async def test_the_line_is_told_as_it_is_whoever_was_looked_at_last() -> None:
    world, first = a_world_with_a_videojob()
    world = limited(world, 1)
    second = put_videojob(world, "second")
    for _ in range(3):
        await reconcile(first, world)
        await reconcile(second, world)
    assert (read(world, "pending"), read(world, "places")) == (1, 1)
    later = restarted(world)
    await take_up(later)
    assert (read(later, "pending"), read(later, "places")) == (1, 1), "before the first look"
    for key in (first, second):
        await videojob_seen({"type": "DELETED", "object": world.cache.videojob(key)}, memo=world)
        await reconcile(key, world)
    assert (read(world, "pending"), read(world, "places")) == (0, 0)


def test_one_that_has_worked_and_whose_next_pod_hangs_waits_since_then() -> None:
    """`NodeSilent`, `PullingImage`: nobody knows of it whether it is scheduled."""
    world = a_world()
    worked = {"percent": 40, "updatedAt": a_time(7000)}
    put(world, "hangs", age=9000, phase="Running", progress=worked)
    assert read(world, "longest_waiting_seconds") == 7000


def test_who_leads_is_told() -> None:
    world = a_world()
    assert read(world, "leader") == 0
    world.leading.set()
    assert read(world, "leader") == 1


def test_no_series_is_named_after_a_videojob() -> None:
    """So that the number of series does not grow with the number of VideoJobs."""
    world = a_world()
    for number in range(50):
        put(world, f"job-{number}", phase="Running")
    ours = [f for f in REGISTRY.collect() if f.name.startswith("videojob_operator")]
    families = [*ours, *Census(world).collect()]
    labels = {name for family in families for sample in family.samples for name in sample.labels}
    known = {"le", "result", "policy", "resource", "phase", "device", "reason", "version"}
    assert labels <= known
    assert len([s for f in Census(world).collect() for s in f.samples]) < 20
