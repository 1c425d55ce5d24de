"""Connections to an endpoint, over real sockets: who may stay, for how long, and how many."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from fake_cluster import a_world

from videojob_operator import door, metrics, reports
from videojob_operator.certificates import Pair, build_secret_data
from videojob_operator.reports import Reports
from videojob_operator.web import build_tls, serving

GOOD = b"GET /good HTTP/1.1\r\nHost: x\r\n\r\n"
BAD = b"GET /bad HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def tls() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's side and the client's."""
    data = build_secret_data("localhost", datetime.now(UTC))
    texts = [base64.b64decode(data[name]).decode() for name in ("ca.crt", "tls.crt", "tls.key")]
    return build_tls(Pair(*texts)), ssl.create_default_context(cadata=texts[0])


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        number: int = free.getsockname()[1]
        return number


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "_FIRST_SECONDS", 1.5)


def an_app() -> web.Application:
    async def good(_: web.Request) -> web.Response:
        return web.Response(status=204)

    async def bad(_: web.Request) -> web.Response:
        return web.Response(status=401)

    app = web.Application()
    app.router.add_get("/good", good)
    app.router.add_get("/bad", bad)
    return app


class Caller:
    """A connection that somebody has opened."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, text: bytes) -> bytes:
        """The answer's head."""
        self.writer.write(text)
        return await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 5)

    async def is_cut(self, seconds: float = 5) -> bool:
        """Whether the server lets go within that time."""
        try:
            await asyncio.wait_for(self.reader.read(), seconds)
            return True
        except TimeoutError:
            return False
        except ConnectionError:
            return True


@asynccontextmanager
async def calling(port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[Caller]:
    host = "localhost" if tls else None
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=host)
    try:
        yield Caller(reader, writer)
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("said", [b"", b"GET /good HTTP/1.1\r\nHost: x\r\nX: "])
async def test_who_does_not_ask_in_time_is_cut(
    said: bytes, port: int, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    before = metrics.CONNECTIONS_CUT._value.get()
    async with serving(an_app(), port, tls[0], guests=9), calling(port, tls[1]) as caller:
        caller.writer.write(said)
        assert await caller.is_cut()
    assert metrics.CONNECTIONS_CUT._value.get() == before + 1


async def test_a_handshake_that_stands_still_is_cut(
    port: int, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    async with serving(an_app(), port, tls[0], guests=9), calling(port) as caller:
        caller.writer.write(b"\x16\x03\x01")
        assert await caller.is_cut()


async def test_who_was_answered_well_stays(
    port: int, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    async with serving(an_app(), port, tls[0], guests=9), calling(port, tls[1]) as caller:
        assert b" 204 " in await caller.ask(GOOD)
        assert not await caller.is_cut(2.0)
        assert b" 204 " in await caller.ask(GOOD)


async def test_who_stays_and_asks_no_more_is_cut_in_the_end(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "_IDLE_SECONDS", 1.5)
    async with serving(an_app(), port, guests=9), calling(port) as caller:
        assert b" 204 " in await caller.ask(GOOD)
        caller.writer.write(GOOD[:9])
        assert await caller.is_cut()


@pytest.mark.parametrize("text", [BAD, BAD.replace(b"/bad", b"/nowhere")])
async def test_who_is_refused_is_seen_out(text: bytes, port: int) -> None:
    async with serving(an_app(), port, guests=9), calling(port) as caller:
        assert b"Connection: close" in await caller.ask(text)
        assert await caller.is_cut()


async def test_past_the_guests_an_answer_is_the_last_and_nobody_is_refused(port: int) -> None:
    async with serving(an_app(), port, guests=1), calling(port) as first:
        assert b"Connection: close" not in await first.ask(GOOD)
        async with calling(port) as second:
            answer = await second.ask(GOOD)
            assert b" 204 " in answer
            assert b"Connection: close" in answer
            assert await second.is_cut()
        assert b"Connection: close" not in await first.ask(GOOD)


async def test_where_very_many_come_the_oldest_goes_and_who_asks_at_once_is_heard(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "_FIRST_SECONDS", 30.0)
    monkeypatch.setattr(door, "_STRANGERS", 3)
    async with serving(an_app(), port, guests=9), calling(port) as guest:
        assert b" 204 " in await guest.ask(GOOD)
        async with calling(port) as oldest, calling(port), calling(port), calling(port) as newest:
            assert await oldest.is_cut()
            assert b" 204 " in await newest.ask(GOOD)
            assert b" 204 " in await guest.ask(GOOD)


async def test_who_has_been_answered_and_does_not_hang_up_is_cut(port: int) -> None:
    """Its answer was the last, yet a part of the question is still to come."""
    begun = GOOD.replace(b"\r\n\r\n", b"\r\nContent-Length: 9\r\n\r\n")
    async with serving(an_app(), port), calling(port) as caller:
        assert b" 204 " in await caller.ask(begun)
        assert await caller.is_cut()


async def test_who_is_gone_makes_no_room(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "_FIRST_SECONDS", 30.0)
    monkeypatch.setattr(door, "_STRANGERS", 2)
    async with serving(an_app(), port, guests=9), calling(port) as slow:
        for text in (BAD, GOOD, BAD):
            async with calling(port) as other:
                await other.ask(text)
        assert b" 204 " in await slow.ask(GOOD)


async def test_a_report_that_does_not_come_whole_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def trusted(*_: object) -> SimpleNamespace:
        return SimpleNamespace(allowance=SimpleNamespace(take=lambda: True))

    async def half() -> AsyncIterator[bytes]:
        yield b'{"runID":'
        await asyncio.sleep(5)

    monkeypatch.setattr(reports, "_READ_SECONDS", 0.1)
    monkeypatch.setattr(Reports, "_sender", trusted)
    world = a_world()
    world.leading.set()
    async with TestClient(TestServer(Reports(world).build_app())) as client, asyncio.timeout(3):
        url = "/v1/namespaces/n/videojobs/j/reports"
        response = await client.post(url, data=half(), headers={"Authorization": "Bearer t"})
        assert response.status == 408


async def test_both_families_are_served(port: int) -> None:
    async with serving(an_app(), port), aiohttp.ClientSession() as session:
        for host in ("127.0.0.1", "[::1]") if socket.has_dualstack_ipv6() else ("127.0.0.1",):
            async with session.get(f"http://{host}:{port}/good") as response:
                assert response.status == 204


async def test_the_end_waits_for_nobody(port: int) -> None:
    async with asyncio.timeout(5), serving(an_app(), port, guests=9):
        first = await asyncio.open_connection("127.0.0.1", port)
        second = await asyncio.open_connection("127.0.0.1", port)
        second[1].write(GOOD)
        await second[0].readuntil(b"\r\n\r\n")
    for _, writer in (first, second):
        writer.close()
