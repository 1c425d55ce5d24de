"""Comparing with an API server that is not up to it: ever more seldom, and not for ever."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from fake_cluster import FakeCluster, a_world
from under_way import under_way
from virtual_time import in_virtual_time, now

from videojob_operator import resync
from videojob_operator.cluster import Body
from videojob_operator.errors import ClusterError
from videojob_operator.patience import DeafError
from videojob_operator.resync import resync_forever


class Busy(FakeCluster):
    """An API server that has no time for pods."""

    busy = True

    def lists(self) -> int:
        return [path for _, path in self.requests].count("/apis/videojob.dev/v1alpha1/videojobs")

    async def request(self, method: str, path: str, **how: Any) -> Body:
        if self.busy and path.endswith("/pods"):
            raise ClusterError("too many requests", 429)
        return await super().request(method, path, **how)


@in_virtual_time
async def test_an_api_server_that_is_not_up_to_it_is_asked_ever_more_seldom() -> None:
    cluster = Busy()
    world = a_world(cluster)
    async with under_way(resync_forever(world)):
        await asyncio.sleep(32)
        for _ in range(60):
            world.gap.set()  # the watches fare no better
            await asyncio.sleep(10)
        assert 13 <= cluster.lists() <= 16, "after 2, 4, 8, 16, 32, 60, 60, … s"
        cluster.busy = False
        await asyncio.sleep(70)
        healed = cluster.lists()
        world.gap.set()
        await asyncio.sleep(3)
        assert cluster.lists() == healed + 1, "at once, as before"


@in_virtual_time
async def test_who_hears_nothing_of_the_cluster_for_half_an_hour_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resync, "time", SimpleNamespace(monotonic=now))
    cluster = Busy()
    task = asyncio.create_task(resync_forever(a_world(cluster)))
    await asyncio.sleep(1000)
    cluster.busy = False
    await asyncio.sleep(70)
    cluster.busy = True
    await asyncio.sleep(1700)
    assert not task.done()
    done, _ = await asyncio.wait([task], timeout=300)
    assert done
    with pytest.raises(DeafError, match="too many requests"):
        task.result()
