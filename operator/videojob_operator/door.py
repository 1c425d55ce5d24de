"""The door of an endpoint: for how long a connection may stay, and how many there may be at once.

Used by ``web.serving``. Any pod may connect, a connection takes some 50 KiB, and aiohttp bounds neither
their number nor the time until a first request. Who has had a good answer may stay for the next one while
there is room; all others have seconds, and less where very many come. Addresses are not counted: workers
may all come from one.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from . import metrics

_IDLE_SECONDS = 75.0
"""Between two requests of one that may stay. Workers report every second while they get on."""
_FIRST_SECONDS = 10.0
"""From the opening to a good answer: TLS, the request and what it takes to check it."""
_STRANGERS = 1_000
"""So many have had no good answer yet. Past that the oldest goes: an honest one takes a moment alone."""
_BACKLOG = 1_024
_OUT_OF_FILES_SECONDS = 0.1


class _Caller(web.RequestHandler):
    """A connection; settled once it may stay, or is gone."""

    __slots__ = ("settled",)

    def __init__(self, server: web.Server) -> None:
        loop = asyncio.get_running_loop()
        silent: Any = None
        super().__init__(server, loop=loop, keepalive_timeout=_IDLE_SECONDS, access_log=silent)
        self.settled = asyncio.Event()

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self.settled.set()


class Door:
    """Lets connections in, and sees those out that nothing good has come of."""

    def __init__(self, guests: int, tls: ssl.SSLContext | None) -> None:
        """Of connections that had a good answer so many may stay; past that, it is their last."""
        self._guests = guests
        self._tls = tls
        self._server: web.Server
        self._strangers: dict[asyncio.Task[None], None] = {}
        """The oldest first."""

    async def on_answer(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """Decide whether the connection stays; aiohttp calls it before each answer."""
        assert isinstance(request.protocol, _Caller)
        settled = request.protocol.settled
        is_full = not settled.is_set() and len(self._server.connections) > self._guests
        if response.status >= 400 or is_full:
            response.force_close()
            response.headers["Connection"] = "close"
        else:
            settled.set()

    @asynccontextmanager
    async def open(self, server: web.Server, port: int) -> AsyncIterator[None]:
        """Let connections to a port in while inside."""
        self._server = server
        with _listen(port) as listener:
            accepting = asyncio.create_task(self._accept(listener))
            try:
                yield
            finally:
                tasks = [accepting, *self._strangers]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError:
                await asyncio.sleep(_OUT_OF_FILES_SECONDS)
                continue
            if len(self._strangers) >= _STRANGERS:
                oldest = next(iter(self._strangers))
                del self._strangers[oldest]
                oldest.cancel()
                metrics.CONNECTIONS_CUT.inc()
            task = asyncio.create_task(self._receive(connection))
            self._strangers[task] = None
            task.add_done_callback(lambda task: self._strangers.pop(task, None))
            await asyncio.sleep(0)  # a flood is no one step of the loop

    async def _receive(self, connection: socket.socket) -> None:
        """One connection, until it is settled or its time is over."""
        loop = asyncio.get_running_loop()
        caller = _Caller(self._server)
        transport: asyncio.Transport | None = None
        try:
            async with asyncio.timeout(_FIRST_SECONDS):
                transport, _ = await loop.connect_accepted_socket(
                    lambda: caller, connection, ssl=self._tls
                )
                await caller.settled.wait()
        except TimeoutError:
            metrics.CONNECTIONS_CUT.inc()
        except OSError:  # the handshake failed
            pass
        finally:
            if transport is not None and not caller.settled.is_set():
                transport.abort()


def _listen(port: int) -> socket.socket:
    """On all addresses of both families, where there are both."""
    if socket.has_dualstack_ipv6():
        listener = socket.create_server(
            ("", port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True
        )
    else:
        listener = socket.create_server(("", port), backlog=_BACKLOG)
    listener.setblocking(False)
    return listener
