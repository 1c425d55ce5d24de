"""A replica whose lease may have run out sends nothing that changes anything."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from videojob_operator.errors import FormerLeaderError
from videojob_operator.fence import Fence

JOBS = "/apis/batch/v1/namespaces/n/jobs"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/n/leases/l"
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"


class Api:
    """Remembers what arrives; may hold up whoever connects."""

    def __init__(self, fence: Fence) -> None:
        self.arrived: list[str] = []
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self.server = TestServer(app)
        self.session = aiohttp.ClientSession(trace_configs=[fence.build_trace()])

    async def _answer(self, request: web.Request) -> web.Response:
        self.arrived.append(request.method)
        return web.Response()

    async def send(self, method: str, path: str = JOBS) -> None:
        async with self.session.request(method, self.server.make_url(path)):
            pass


@pytest.fixture
def fence() -> Fence:
    return Fence()


@pytest.fixture
async def api(fence: Fence) -> AsyncIterator[Api]:
    api = Api(fence)
    await api.server.start_server()
    yield api
    await api.session.close()
    await api.server.close()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_nothing_is_changed_past_the_fence(api: Api, fence: Fence, method: str) -> None:
    await api.send(method)
    fence.open_until = time.monotonic()
    for _ in ("over the connection that is there", "over a new one"):
        with pytest.raises(FormerLeaderError, match=r"not renewed in time, 0\.\d s ago"):
            await api.send(method)
        await api.session.connector.close()  # type: ignore[union-attr]
        api.session = aiohttp.ClientSession(trace_configs=[fence.build_trace()])
    assert api.arrived == [method]


async def test_reading_goes_on_and_so_does_asking_for_the_lease(api: Api, fence: Fence) -> None:
    fence.open_until = 0.0
    await api.send("GET")
    await api.send("PUT", LEASE)
    await api.send("POST", REVIEWS)
    assert api.arrived == ["GET", "PUT", "POST"]


async def test_a_request_that_was_begun_before_the_end_is_not_sent_after_it(
    api: Api, fence: Fence
) -> None:
    """As of a process that was frozen between the decision and the first byte."""
    trace = aiohttp.TraceConfig()

    async def freeze(*_: object) -> None:
        fence.open_until = time.monotonic()

    trace.on_connection_create_start.append(freeze)
    trace.freeze()
    api.session.trace_configs.append(trace)
    with pytest.raises(FormerLeaderError):
        await api.send("POST")
    assert api.arrived == []


async def test_without_an_election_it_is_open_for_ever() -> None:
    Fence().check()
