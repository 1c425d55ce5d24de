"""What the API server is asked for, and when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from builders import a_result, a_videojob_body
from fake_cluster import (
    a_world_with_a_videojob,
    attempts,
    fake,
    job_becomes,
    pod_ended,
    status_of,
)

from videojob_operator.errors import ClusterError, Forbidden
from videojob_operator.observed import Key
from videojob_operator.reconcile import reconcile


async def test_the_store_and_the_nodes_are_looked_at_only_when_a_job_is_due() -> None:
    world, key = a_world_with_a_videojob()
    await reconcile(key, world)
    asked = [path.rsplit("/", 1)[1] for method, path in fake(world).requests if method == "GET"]
    assert asked == ["media", "nodes"]
    pod_ended(world, 0, a_result().to_termination_message())
    job_becomes(world, completedIndexes="0")
    fake(world).requests.clear()
    await reconcile(key, world)
    asked = [path.rsplit("/", 1)[1] for method, path in fake(world).requests if method == "GET"]
    assert asked == ["pods"]


@pytest.mark.parametrize(
    ("spec", "asked"),
    [
        ({}, True),
        ({"accelerator": {"mode": "Auto"}}, True),
        ({"accelerator": {"mode": "Off"}}, False),
        ({"accelerator": {"mode": "Required"}}, False),
        ({"steps": [{"name": "sound", "extractAudio": {}}]}, False),
    ],
)
async def test_nodes_are_looked_at_only_where_the_choice_depends_on_them(
    spec: dict[str, Any], asked: bool
) -> None:
    world, key = a_world_with_a_videojob(**spec)
    await reconcile(key, world)
    assert attempts(world) == ["1"]
    assert (("GET", "/api/v1/nodes") in fake(world).requests) is asked


async def test_where_nodes_may_not_be_listed_it_is_the_cpu() -> None:
    """A Role of somebody's own; the chart's has the right."""
    world, key = a_world_with_a_videojob()
    real = fake(world).request

    async def request(method: str, path: str, **more: Any) -> Any:
        if path == "/api/v1/nodes":
            fake(world).requests.append((method, path))
            raise Forbidden('nodes is forbidden: cannot list resource "nodes"', 403)
        return await real(method, path, **more)

    fake(world).request = request  # type: ignore[method-assign]
    await reconcile(key, world)
    assert attempts(world) == ["1"]
    told = status_of(world).accelerator
    assert told is not None
    assert (told.used, told.reason) == ("CPU", "NodesUnknown")
    await reconcile(key, world)
    assert fake(world).requests.count(("GET", "/api/v1/nodes")) == 1


async def test_nodes_are_listed_twice_a_minute_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    world, key = a_world_with_a_videojob()
    moment = [100.0]
    monkeypatch.setattr("videojob_operator.observe.time.monotonic", lambda: moment[0])
    counts = []
    for number, later in enumerate((0, 29, 2)):
        moment[0] += later
        body = a_videojob_body(uid=f"uid-{number}")
        body["metadata"]["name"] = f"film-{number}"
        world.cache.put_videojob(fake(world).put("videojobs", body))
        await reconcile(Key(key.namespace, f"film-{number}"), world)
        counts.append(fake(world).requests.count(("GET", "/api/v1/nodes")))
    assert counts == [1, 1, 2]


@pytest.mark.parametrize("fails", [False, True])
async def test_many_that_need_the_nodes_at_once_share_one_list(fails: bool) -> None:
    """And its failure: twenty who ask one after the other would stand still for minutes."""
    world, key = a_world_with_a_videojob()
    keys = [Key(key.namespace, f"film-{number}") for number in range(20)]
    for one in keys:
        body = a_videojob_body(uid=f"uid-{one.name}")
        body["metadata"]["name"] = one.name
        world.cache.put_videojob(fake(world).put("videojobs", body))
    asked = []

    async def each_node() -> AsyncIterator[dict[str, Any]]:
        asked.append(1)
        await asyncio.sleep(0)
        if fails:
            raise ClusterError("no answer")
        yield {"status": {}}

    world.cluster.each_node = each_node  # type: ignore[method-assign]
    made = await asyncio.gather(*(reconcile(one, world) for one in keys), return_exceptions=True)
    assert len(asked) == 1
    assert sum(isinstance(one, ClusterError) for one in made) == (20 if fails else 0)
