"""An HTTP proxy in front of a real store that does to requests what networks and stores do.

Started by tests on loopback; a client takes it for the store. Requests pass through unchanged,
streamed both ways, except those that a fault is waiting for.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

_PIECE_BYTES = 16 << 10
_ERROR = "<Error><Code>{code}</Code><Message>by the proxy</Message><Resource>/</Resource></Error>"


@dataclass
class Fault:
    """What happens to the next requests of a kind."""

    method: str
    path: str
    """A regular expression that is searched for in path and query."""
    times: int = 1
    skip: int = 0
    """Let so many of them pass first."""
    answer: tuple[int, str] | None = None
    """Status and S3 error code, instead of asking the store."""
    cut_request_after: int | None = None
    """Bytes of the body that reach the store before both connections break."""
    cut_answer_after: int | None = None
    shorten_answer: int | None = None
    """Only so many bytes, said to be all there are."""
    whole: bytes | None = None
    """The object, all of it, whatever range was asked for, instead of asking the store."""
    pause_seconds: float = 0.0
    """Between pieces of the answer."""
    before: Callable[[], object] | None = None
    """Called before the store is asked."""

    def takes(self, request: web.BaseRequest) -> bool:
        """Whether it is this request's turn."""
        if request.method != self.method or not re.search(self.path, request.path_qs):
            return False
        self.skip -= 1
        if self.skip >= 0 or self.times == 0:
            return False
        self.times -= 1
        return True


@dataclass
class FaultProxy:
    """The proxy as tests see it."""

    upstream: str
    endpoint: str = ""
    faults: list[Fault] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    """Method and path of each request."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Pass a request on, or not."""
        self.seen.append(f"{request.method} {request.path_qs}")
        fault = next((f for f in self.faults if f.takes(request)), Fault("", ""))
        if fault.before is not None:
            await asyncio.to_thread(fault.before)
        if fault.answer is not None:
            status, code = fault.answer
            async for _ in request.content.iter_chunked(_PIECE_BYTES):
                pass
            text = "" if request.method == "HEAD" else _ERROR.format(code=code)
            return web.Response(status=status, text=text, content_type="application/xml")
        if fault.whole is not None:
            return web.Response(body=fault.whole)
        timeout = aiohttp.ClientTimeout(sock_read=30)
        async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session:
            try:
                async with session.request(
                    request.method,
                    URL(self.upstream + request.raw_path, encoded=True),
                    headers=request.headers,
                    data=_body(request, fault) if request.body_exists else None,
                    skip_auto_headers=("Content-Type", "User-Agent", "Accept-Encoding", "Accept"),
                    allow_redirects=False,
                ) as answer:
                    return await self._return(request, answer, fault)
            except (ConnectionAbortedError, aiohttp.ClientError):
                _break(request)
                return web.Response()

    async def _return(
        self, request: web.BaseRequest, answer: aiohttp.ClientResponse, fault: Fault
    ) -> web.StreamResponse:
        headers = answer.headers.copy()
        headers.pop("Transfer-Encoding", None)
        if fault.shorten_answer is not None:
            headers["Content-Length"] = str(fault.shorten_answer)
        response = web.StreamResponse(status=answer.status, headers=headers)
        await response.prepare(request)
        most = fault.cut_answer_after if fault.shorten_answer is None else fault.shorten_answer
        async for piece in answer.content.iter_chunked(_PIECE_BYTES):
            wanted = piece if most is None else piece[:most]
            await response.write(wanted)
            most = None if most is None else most - len(wanted)
            if most == 0:
                break
            await asyncio.sleep(fault.pause_seconds)
        if fault.cut_answer_after is not None:
            await asyncio.sleep(0.05)  # so that what was written arrives
            _break(request)
        else:
            await response.write_eof()
        return response


async def _body(request: web.BaseRequest, fault: Fault) -> Any:
    sent = 0
    async for piece in request.content.iter_chunked(_PIECE_BYTES):
        if fault.cut_request_after is not None and sent + len(piece) > fault.cut_request_after:
            yield piece[: fault.cut_request_after - sent]
            raise ConnectionAbortedError
        yield piece
        sent += len(piece)


def _break(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()


@contextmanager
def fault_proxy(upstream: str) -> Iterator[FaultProxy]:
    """A proxy in front of ``upstream``, until the end of the block."""
    proxy = FaultProxy(upstream)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="fault-proxy", daemon=True)
    thread.start()

    async def start() -> web.ServerRunner:
        runner = web.ServerRunner(web.Server(proxy.handle), shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    runner = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        proxy.endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
