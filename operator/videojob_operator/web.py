"""Serving: /healthz, /readyz and /metrics in plain HTTP, the reports endpoint in TLS.

Called by ``__main__``. It decides nothing and touches no VideoJob.
"""

from __future__ import annotations

import ssl
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from prometheus_client import generate_latest

from .certificates import Pair
from .door import Door
from .patience import DEAF_SECONDS
from .world import World

_STUCK_SECONDS = 60


def build_health_app(world: World) -> web.Application:
    """Probes and metrics.

    Ready means: the watches are up, what they told was compared with the cluster within half an hour, and
    the queue has not stood still for a minute; or standing by.
    """

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        stood_still = world.queue.standstill_seconds()
        if not world.prepared.is_set():
            return web.Response(status=503, text="the API server has not answered yet\n")
        if not world.leading.is_set():
            return web.Response(text="standing by\n")
        if not world.watching.is_set():
            return web.Response(status=503, text="the watches are not up yet\n")
        compared = time.monotonic() - world.compared_at
        if compared > DEAF_SECONDS:
            text = f"nothing was heard of the cluster for {compared:.0f} s\n"
            return web.Response(status=503, text=text)
        if stood_still > _STUCK_SECONDS:
            text = f"for {stood_still:.0f} s no worker was free for what waits\n"
            return web.Response(status=503, text=text)
        return web.Response(text="ok\n")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), content_type="text/plain", charset="utf-8")

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    return app


def build_tls(pair: Pair) -> ssl.SSLContext:
    """A server context; Python loads certificates from files only, so they touch a private one."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.TemporaryDirectory() as folder:
        chain = Path(folder, "chain.pem")
        chain.touch(mode=0o600)
        chain.write_text(pair.certificate_pem + pair.key_pem)
        context.load_cert_chain(chain)
    return context


@asynccontextmanager
async def serving(
    app: web.Application, port: int, tls: ssl.SSLContext | None = None, *, guests: int = 0
) -> AsyncIterator[None]:
    """Serve an application while inside; so many connections as ``guests`` may stay for a next request."""
    door = Door(guests, tls)
    app.on_response_prepare.append(door.on_answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        assert runner.server is not None
        async with door.open(runner.server, port):
            yield
    finally:
        await runner.cleanup()
