"""One Lease: whoever holds it leads; the other takes over when it is given back or runs out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest
from fake_cluster import FakeCluster, StillWorld, a_world
from virtual_time import in_virtual_time, now

from videojob_operator import leadership
from videojob_operator.errors import ClusterError
from videojob_operator.leadership import LeaseLostError, hold_lease, lead
from videojob_operator.patience import DeafError


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leadership goes by the virtual clock."""
    monkeypatch.setattr(leadership, "time", SimpleNamespace(monotonic=now))


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


def a_replica(cluster: FakeCluster, name: str) -> StillWorld:
    return a_world(cluster, pod_name=name, namespace="system")


def holder(cluster: FakeCluster) -> str | None:
    (lease,) = cluster.all("leases")
    name: str | None = lease["spec"].get("holderIdentity")
    return name


@asynccontextmanager
async def meanwhile(work: Awaitable[Any]) -> AsyncIterator[asyncio.Future[Any]]:
    task = asyncio.ensure_future(work)
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, LeaseLostError, DeafError):
            await task


async def soon(work: Awaitable[Any]) -> None:
    await asyncio.wait_for(work, 100)


@in_virtual_time
async def test_the_first_replica_makes_the_lease_and_leads(cluster: FakeCluster) -> None:
    await soon(lead(a_replica(cluster, "a"), asyncio.Event()))
    assert holder(cluster) == "a"
    (lease,) = cluster.all("leases")
    assert (lease["metadata"]["name"], lease["metadata"]["namespace"]) == (
        "videojob-operator",
        "system",
    )
    assert lease["spec"]["renewTime"].endswith("Z")


@in_virtual_time
async def test_of_two_that_begin_together_one_leads(cluster: FakeCluster) -> None:
    stop = asyncio.Event()
    async with (
        meanwhile(lead(a_replica(cluster, "a"), stop)) as a,
        meanwhile(lead(a_replica(cluster, "b"), stop)) as b,
    ):
        await asyncio.wait([a, b], timeout=100, return_when=asyncio.FIRST_COMPLETED)
        assert [a.done(), b.done()].count(True) == 1
        assert holder(cluster) == ("a" if a.done() else "b")


@in_virtual_time
async def test_a_lease_that_another_makes_a_moment_earlier_is_no_error(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = cluster.request

    async def request(method: str, path: str, **more: Any) -> dict[str, Any]:
        await asyncio.sleep(0)  # both have asked before either answers
        return await real(method, path, **more)

    monkeypatch.setattr(cluster, "request", request)
    stop = asyncio.Event()
    replicas = [asyncio.create_task(lead(a_replica(cluster, name), stop)) for name in "ab"]
    await asyncio.wait(replicas, timeout=8)
    stop.set()
    await asyncio.gather(*replicas)
    assert holder(cluster) in ("a", "b")


@in_virtual_time
async def test_the_second_waits_while_the_first_renews(cluster: FakeCluster) -> None:
    a, b = a_replica(cluster, "a"), a_replica(cluster, "b")
    await soon(lead(a, asyncio.Event()))
    async with meanwhile(hold_lease(a)), meanwhile(lead(b, asyncio.Event())) as waiting:
        await asyncio.sleep(3600)
        assert not waiting.done()
        assert holder(cluster) == "a"


@in_virtual_time
async def test_a_lease_that_is_given_back_is_taken_at_once(cluster: FakeCluster) -> None:
    a, b = a_replica(cluster, "a"), a_replica(cluster, "b")
    await soon(lead(a, asyncio.Event()))
    async with meanwhile(hold_lease(a)):
        await asyncio.sleep(1)
    assert holder(cluster) == ""
    await soon(lead(b, asyncio.Event()))
    assert holder(cluster) == "b"


@in_virtual_time
async def test_a_lease_whose_holder_is_silent_is_taken_over(cluster: FakeCluster) -> None:
    await soon(lead(a_replica(cluster, "a"), asyncio.Event()))
    began = now()
    await soon(lead(a_replica(cluster, "b"), asyncio.Event()))
    assert holder(cluster) == "b"
    assert 10 < now() - began <= 14


@in_virtual_time
async def test_a_former_leader_notices_and_changes_nothing(cluster: FakeCluster) -> None:
    a = a_replica(cluster, "a")
    await soon(lead(a, asyncio.Event()))
    (lease,) = cluster.all("leases")
    lease["spec"]["holderIdentity"] = "b"
    cluster.put("leases", lease)
    with pytest.raises(LeaseLostError, match="b leads now"):
        await soon(hold_lease(a))
    assert holder(cluster) == "b"


@in_virtual_time
async def test_a_lease_that_another_took_is_not_given_back(cluster: FakeCluster) -> None:
    a = a_replica(cluster, "a")
    await soon(lead(a, asyncio.Event()))
    async with meanwhile(hold_lease(a)):
        await asyncio.sleep(0)
        (lease,) = cluster.all("leases")
        lease["spec"]["holderIdentity"] = "b"
        cluster.put("leases", lease)
    assert holder(cluster) == "b"


@in_virtual_time
async def test_a_short_failure_of_the_api_server_is_borne(cluster: FakeCluster) -> None:
    a = a_replica(cluster, "a")
    await soon(lead(a, asyncio.Event()))
    cluster.failures = [ClusterError("down", 500)]
    async with meanwhile(hold_lease(a)) as holding:
        await asyncio.sleep(60)
        assert not holding.done()


@in_virtual_time
async def test_a_leader_that_can_not_renew_ends_before_the_lease_does(
    cluster: FakeCluster,
) -> None:
    a = a_replica(cluster, "a")
    await soon(lead(a, asyncio.Event()))
    cluster.failures = [ClusterError("down", 500)] * 1000
    began = now()
    with pytest.raises(LeaseLostError, match="could not be renewed in time"):
        await soon(hold_lease(a))
    assert now() - began < 10


@in_virtual_time
async def test_an_api_server_that_does_not_answer_is_as_bad_as_one_that_refuses(
    cluster: FakeCluster,
) -> None:
    a = a_replica(cluster, "a")
    await soon(lead(a, asyncio.Event()))

    async def request(*_: object, **__: object) -> dict[str, Any]:
        await asyncio.sleep(15)
        raise ClusterError("the API server did not answer")

    cluster.request = request  # type: ignore[method-assign]
    began = now()
    with pytest.raises(LeaseLostError, match="could not be renewed in time"):
        await soon(hold_lease(a))
    assert now() - began < 10


@in_virtual_time
async def test_a_standby_bears_errors_and_stops_when_told(cluster: FakeCluster) -> None:
    cluster.failures = [ClusterError("down", 500)]
    await soon(lead(a_replica(cluster, "a"), asyncio.Event()))
    assert holder(cluster) == "a"
    stop = asyncio.Event()
    async with meanwhile(lead(a_replica(cluster, "b"), stop)) as waiting:
        await asyncio.sleep(1)
        stop.set()
        await soon(waiting)
    assert holder(cluster) == "a"


@in_virtual_time
async def test_a_standby_that_is_deaf_begins_anew_after_half_an_hour(
    cluster: FakeCluster,
) -> None:
    await soon(lead(a_replica(cluster, "a"), asyncio.Event()))
    (lease,) = cluster.all("leases")
    async with meanwhile(lead(a_replica(cluster, "b"), asyncio.Event())) as waiting:
        for _ in range(400):  # a renews
            cluster.put("leases", lease)
            await asyncio.sleep(5)
        assert not waiting.done()
        cluster.failures = [ClusterError("certificate verify failed")] * 10_000
        await asyncio.sleep(1790)
        assert not waiting.done()
        with pytest.raises(DeafError, match="certificate verify failed"):
            await soon(waiting)
    assert holder(cluster) == "a"


@in_virtual_time
async def test_the_fence_closes_before_another_may_take_the_lease(cluster: FakeCluster) -> None:
    assert cluster.fence.open_until == float("inf"), "a replica alone has no end"
    a = a_replica(cluster, "a")
    await soon(lead(a, asyncio.Event()))
    assert cluster.fence.open_until == pytest.approx(now() + 6)
    async with meanwhile(hold_lease(a)):
        await asyncio.sleep(60)
        renewed_at = now()
        assert now() + 4 <= cluster.fence.open_until <= now() + 6
        cluster.failures = [ClusterError("down", 500)] * 1000
        await asyncio.sleep(10)
    assert cluster.fence.open_until <= renewed_at + 6
