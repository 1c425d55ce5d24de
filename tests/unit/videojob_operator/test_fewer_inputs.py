"""Another run over fewer inputs, asked for while nobody looked: the Job of the run before is ours still."""

from __future__ import annotations

from typing import Any

import pytest
from builders import AT_WORK, a_manifest, a_pod_body
from fake_cluster import (
    StillWorld,
    a_world_with_a_videojob,
    attempts,
    fake,
    job_becomes,
    restarted,
    status_of,
    take_up,
    the_job,
)

from videojob_operator import reconcile as loop
from videojob_operator.errors import Conflict
from videojob_operator.reconcile import reconcile


def begin_anew(world: StillWorld, inputs: int, *, deleted: bool = False, **spec: Any) -> None:
    """The next run is over so many inputs."""
    (body,) = fake(world).all("videojobs")
    body["spec"] = a_manifest(inputs, runToken="2", **spec)["spec"]
    body["metadata"]["generation"] = 2
    if deleted:
        body["metadata"]["deletionTimestamp"] = "2026-03-01T12:00:00Z"
    world.cache.put_videojob(fake(world).put("videojobs", body))


@pytest.mark.parametrize("inputs", [5, 2])
async def test_where_the_first_status_was_lost_the_next_run_begins(
    inputs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator went away after its Job was made, and finds another spec."""
    world, key = a_world_with_a_videojob(5, runToken="1")

    async def dies(*_: object) -> None:
        raise Conflict("gone")

    with monkeypatch.context() as patch:
        patch.setattr(loop, "write_status", dies)
        with pytest.raises(Conflict):
            await reconcile(key, world)
    assert attempts(world) == ["1"]
    first = the_job(world)
    begin_anew(world, inputs)
    world = restarted(world)
    await take_up(world)
    world.cache.put_job(first)
    for _ in range(3):
        await reconcile(key, world)
    assert fake(world).all("jobs") == []
    world.cache.drop_job(first)
    await reconcile(key, world)
    assert (status_of(world).run_id or "").endswith("-2")
    (job,) = fake(world).all("jobs")
    assert job["metadata"]["name"] != first["metadata"]["name"]
    assert job["spec"]["completions"] == inputs


@pytest.mark.parametrize("inputs", [5, 2])
async def test_deleted_before_anybody_looked_its_workers_stop_before_its_outputs_go(
    inputs: int,
) -> None:
    kept: dict[str, Any] = {"output": {"prefix": "r/", "deletionPolicy": "Delete"}}
    world, key = a_world_with_a_videojob(5, runToken="1", **kept)
    for _ in range(2):
        await reconcile(key, world)
    job_becomes(world, active=1, ready=1)
    await reconcile(key, world)
    pod = a_pod_body(job_uid=the_job(world)["metadata"]["uid"], **AT_WORK)
    world.cache.put_pod(fake(world).put("pods", pod))
    begin_anew(world, inputs, deleted=True, **kept)
    await reconcile(key, world)
    assert "deletionTimestamp" in the_job(world)["metadata"]
