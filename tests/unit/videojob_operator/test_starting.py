"""A start beside an API server that does not answer waits for it; one that refuses ends the process."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any

import aiohttp
import pytest
from fake_cluster import FakeCluster, StillWorld, a_world, fake
from prometheus_client import CollectorRegistry
from virtual_time import in_virtual_time, now

from videojob_operator import __main__ as module
from videojob_operator.__main__ import StoppedError, patiently
from videojob_operator.certificates import Pair
from videojob_operator.cluster import Body
from videojob_operator.errors import ClusterError, Forbidden
from videojob_operator.leadership import LeaseLostError, lead
from videojob_operator.patience import DeafError
from videojob_operator.settings import Settings


@in_virtual_time
async def test_it_asks_ever_more_seldom_until_it_is_answered() -> None:
    answers: list[Exception] = [ClusterError("no answer"), ClusterError("slow down", 429)]
    answers += [ClusterError("broken", 500)] * 7
    began = now()

    async def ask(word: str, *, more: int) -> str:
        if answers:
            raise answers.pop()
        return word * more

    assert await patiently(asyncio.Event(), ask, "yes", more=2) == "yesyes"
    seconds = 1 + 2 + 4 + 8 + 16 + 32 + 60 + 60 + 60
    assert seconds <= now() - began <= 1.1 * seconds


@in_virtual_time
async def test_what_will_not_pass_is_an_error_at_once() -> None:
    async def ask() -> None:
        raise Forbidden("no rights", 403)

    with pytest.raises(Forbidden, match="no rights"):
        await patiently(asyncio.Event(), ask)


@in_virtual_time
async def test_who_is_never_answered_begins_anew_after_half_an_hour_and_no_sooner() -> None:
    """The cluster's CA may be another by now, and is read at the start alone."""

    async def ask() -> None:
        raise ClusterError(
            "certificate verify failed: self-signed certificate in certificate chain"
        )

    began = now()
    with pytest.raises(DeafError, match=r"heard of the cluster for 18\d\d s: certificate verify"):
        await asyncio.wait_for(patiently(asyncio.Event(), ask), 7200)
    assert 1800 < now() - began < 1900


@in_virtual_time
async def test_told_to_stop_it_asks_no_more() -> None:
    stop, asked = asyncio.Event(), 0

    async def ask() -> None:
        nonlocal asked
        asked += 1
        raise ClusterError("no answer")

    asyncio.get_running_loop().call_later(1.5, stop.set)
    with pytest.raises(StoppedError):
        await patiently(stop, ask)
    assert (asked, stop.is_set()) == (2, True)


@in_virtual_time
async def test_the_daily_look_at_the_certificate_waits_for_the_api_server_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers: list[Exception | str] = [ClusterError("no answer"), "the same", "another"]

    async def look(*_: object) -> Pair:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Pair("the same CA", answer, "")

    monkeypatch.setattr(module, "_certificate", look)
    began = now()
    served = Pair("the same CA", "the same", "")
    await module._watch_certificate(a_world(), asyncio.Event(), served)
    assert now() - began == pytest.approx(2 * 24 * 3600 + 1)


class NoAnswer(FakeCluster):
    """All is well but for the lists of VideoJobs."""

    async def request(self, method: str, path: str, **how: Any) -> Body:
        if path.endswith("/videojobs"):
            raise ClusterError("no answer")
        return await super().request(method, path, **how)


async def a_leader_that_waits() -> StillWorld:
    world = a_world(NoAnswer(), leader_elect=True, pod_name="a", namespace="system")
    await lead(world, asyncio.Event())
    return world


@in_virtual_time
async def test_told_to_stop_while_it_waits_it_gives_the_lease_back() -> None:
    world, stop = await a_leader_that_waits(), asyncio.Event()
    asyncio.get_running_loop().call_later(30, stop.set)
    with suppress(StoppedError):
        await module._run_parts(world, stop, None)
    (lease,) = fake(world).all("leases")
    assert lease["spec"]["holderIdentity"] == ""
    assert len(asyncio.all_tasks()) == 1, "nothing asks through a connection that is closed next"


@in_virtual_time
async def test_a_lease_that_is_lost_ends_the_first_looks_too() -> None:
    world = await a_leader_that_waits()
    (lease,) = fake(world).all("leases")
    lease["spec"]["holderIdentity"] = "b"
    fake(world).put("leases", lease)
    with pytest.raises(LeaseLostError, match="b leads now"):
        await asyncio.wait_for(module._run_parts(world, asyncio.Event(), None), 10)


async def test_the_kubelet_is_answered_while_the_api_server_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = FakeCluster()

    async def connect() -> FakeCluster:
        return cluster

    async def refuse(*_: object) -> None:
        raise ClusterError("no answer")

    monkeypatch.setattr(module.Cluster, "connect", connect)
    monkeypatch.setattr(module, "_certificate", refuse)
    monkeypatch.setattr(module, "METRICS", CollectorRegistry())
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    running = asyncio.create_task(module.run(Settings(http_port=port)))
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            while True:
                with suppress(aiohttp.ClientConnectorError):
                    async with session.get("/healthz") as response:
                        assert response.status == 200
                        break
                assert not running.done()
                await asyncio.sleep(0.02)
            async with session.get("/readyz") as response:
                assert response.status == 503
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
