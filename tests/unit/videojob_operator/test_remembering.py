"""A number of an attempt is given once, whatever is lost between making its Job and saying so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from builders import KEY, NOW, a_videojob
from fake_cluster import StillWorld, a_world_with_a_videojob, fake, status_of

from videojob_api.status import Phase
from videojob_operator.decide import decide
from videojob_operator.errors import ClusterError
from videojob_operator.observed import DeleteJob
from videojob_operator.reconcile import reconcile


def test_what_was_never_written_is_written_before_it_is_deleted() -> None:
    observed = a_videojob(suspend=True).at_phase(Phase.PENDING).with_attempt()
    first = decide(observed, NOW)
    assert (first.actions, first.requeue_seconds) == ((), 0)
    assert first.status is not None
    assert (first.status.attempt, first.status.phase) == (1, Phase.PENDING)
    second = decide(observed.written(first), NOW)
    assert any(isinstance(one, DeleteJob) for one in second.actions)
    assert second.status is not None
    assert second.status.phase is Phase.SUSPENDED


def test_what_is_known_is_deleted_at_once() -> None:
    decision = decide(a_videojob(suspend=True).running(), NOW)
    assert any(isinstance(one, DeleteJob) for one in decision.actions)


async def test_writes_that_fail_before_and_after_the_suspension_make_no_second_first_attempt() -> (
    None
):
    world, _ = a_world_with_a_videojob()
    with no_writes(world), pytest.raises(ClusterError):
        await look(world)
    suspend(world, True)
    with no_writes(world), pytest.raises(ClusterError):
        await look(world)
    for _ in range(3):
        await look(world)
    assert fake(world).all("jobs") == []
    suspend(world, False)
    for _ in range(3):
        await look(world)
    made = [path for method, path in fake(world).writes if method == "POST" and "/jobs" in path]
    assert (len(made), status_of(world).attempt) == (2, 2)


@contextmanager
def no_writes(world: StillWorld) -> Iterator[None]:
    """Status writes are refused, all else is done."""
    cluster = fake(world)
    real = cluster.request

    async def request(method: str, path: str, **more: Any) -> dict[str, Any]:
        if method == "PATCH":
            raise ClusterError("made up", 500)
        return await real(method, path, **more)

    cluster.request = request  # type: ignore[method-assign]
    yield
    cluster.request = real  # type: ignore[method-assign]


def suspend(world: StillWorld, suspended: bool) -> None:
    (body,) = fake(world).all("videojobs")
    body["spec"]["suspend"] = suspended
    world.cache.put_videojob(fake(world).put("videojobs", body))


async def look(world: StillWorld) -> None:
    """Reconcile; the watch has told before which Jobs are gone."""
    left = {job["metadata"]["uid"] for job in fake(world).all("jobs")}
    for job in world.cache.jobs():
        if job["metadata"]["uid"] not in left:
            world.cache.drop_job(job)
    await reconcile(KEY, world)
