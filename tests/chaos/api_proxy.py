"""A proxy in front of the API server that the operator takes for it, and that can be made to fail.

Used by ``run.py``: the operator is pointed at it, nobody else is. It serves with the API server's own
certificate, so the operator's trust is what it always is. Requests pass through unchanged, streamed both
ways; its faults are 429 and 500 answers for a share of them, and the end of all watches at once.
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import aiohttp
import pki
from aiohttp import web
from places import API_PORT, BRIDGE_ADDRESS
from yarl import URL

PORT = 16444
_UPSTREAM = f"https://127.0.0.1:{API_PORT}"
_SHARE = 0.5
"""Of the requests, while answers are made up."""
_HOP_BY_HOP = ("Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade", "TE", "Trailer")


@dataclass
class ApiProxy:
    """The proxy as injections see it."""

    chance: random.Random
    answer: int = 0
    """Status that a share of the requests gets instead of the API server's answer; 0 is none."""
    made_up: int = 0
    """How many were answered so."""
    lost: int = 0
    """How many of them the API server had carried out already."""
    _watches: set[asyncio.Transport] = field(default_factory=set)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _session: aiohttp.ClientSession | None = None

    def cut_watches(self) -> int:
        """Break the connection of each watch; how many there were."""
        watches = list(self._watches)
        for transport in watches:
            self._loop.call_soon_threadsafe(transport.abort)
        return len(watches)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Pass a request on, or not."""
        status = self.answer if self.chance.random() < _SHARE else 0
        # Of an error of the server nobody knows whether it came before or after the deed.
        carried_out = status >= 500 and self.chance.random() < 0.5
        if status and not carried_out:
            self.made_up += 1
            return _refuse(status)
        try:
            async with self._ask(request) as answer:
                if status:
                    await answer.read()
                    self.made_up += 1
                    self.lost += 1
                    return _refuse(status)
                return await self._return(request, answer)
        except (aiohttp.ClientError, OSError):
            _abort(request)  # the API server is not there: so nobody is
            return web.Response(status=502)

    def _ask(self, request: web.BaseRequest) -> aiohttp.client._RequestContextManager:
        if self._session is None:
            raise OSError("the proxy has not started")
        headers = request.headers.copy()
        for name in (*_HOP_BY_HOP, "Host"):
            headers.popall(name, None)
        return self._session.request(
            request.method,
            URL(_UPSTREAM + request.raw_path, encoded=True),
            headers=headers,
            data=request.content if request.body_exists else None,
            skip_auto_headers=("Content-Type", "User-Agent", "Accept-Encoding", "Accept"),
            allow_redirects=False,
        )

    async def _return(
        self, request: web.BaseRequest, answer: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        headers = answer.headers.copy()
        for name in _HOP_BY_HOP:
            headers.popall(name, None)
        response = web.StreamResponse(status=answer.status, headers=headers)
        transport = request.transport
        watch = isinstance(transport, asyncio.Transport) and request.query.get("watch") == "true"
        if watch:
            self._watches.add(transport)
        try:
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            await response.write_eof()
        finally:
            if watch:
                self._watches.discard(transport)
        return response


def _refuse(status: int) -> web.Response:
    """As the API server words it."""
    reason = "TooManyRequests" if status == 429 else "InternalError"
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "made up by the proxy",
        "reason": reason,
        "code": status,
    }
    headers = {"Retry-After": "1"} if status == 429 else {}
    return web.Response(
        status=status, text=json.dumps(body), content_type="application/json", headers=headers
    )


def _abort(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()


@contextmanager
def api_proxy(seed: int) -> Iterator[ApiProxy]:
    """The proxy, on the cluster's bridge, until the end of the block."""
    proxy = ApiProxy(random.Random(f"{seed}/proxy"))  # noqa: S311
    loop = proxy._loop
    thread = threading.Thread(target=loop.run_forever, name="api-proxy", daemon=True)
    thread.start()

    async def start() -> web.ServerRunner:
        tls = ssl.create_default_context(cafile=str(pki.CA))
        connector = aiohttp.TCPConnector(ssl=tls, limit=0)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
        proxy._session = aiohttp.ClientSession(
            connector=connector, timeout=timeout, auto_decompress=False
        )
        ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        ours.load_cert_chain(pki.certificate(pki.SERVER), pki.private_key(pki.SERVER))
        runner = web.ServerRunner(
            web.Server(proxy.handle, handler_cancellation=True), shutdown_timeout=1
        )
        await runner.setup()
        await web.TCPSite(runner, BRIDGE_ADDRESS, PORT, ssl_context=ours).start()
        return runner

    async def end() -> None:
        proxy.cut_watches()
        await runner.cleanup()
        if proxy._session is not None:
            await proxy._session.close()

    runner = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield proxy
    finally:
        with suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(end(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()
