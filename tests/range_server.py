"""Serves folders on loopback with byte ranges, as the stores that players load from do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from aiohttp import web


@contextmanager
def serving(folders: Mapping[str, Path]) -> Iterator[str]:
    """Each folder under its path, until the end of the block; yields the server's URL."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="range-server")
    thread.start()
    runner = web.AppRunner(_application(folders), access_log=None)
    try:
        port = asyncio.run_coroutine_threadsafe(_start(runner), loop).result()
        yield f"http://127.0.0.1:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _application(folders: Mapping[str, Path]) -> web.Application:
    application = web.Application()
    for path, folder in folders.items():
        application.router.add_static(path, folder)
    return application


async def _start(runner: web.AppRunner) -> int:
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return int(runner.addresses[0][1])
