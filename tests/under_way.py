"""What runs beside a test, and ends with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any


@asynccontextmanager
async def under_way(what: Coroutine[Any, Any, Any]) -> AsyncIterator[None]:
    """Let something run while inside that does not end by itself."""
    task = asyncio.create_task(what)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
