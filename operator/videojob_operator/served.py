"""The namespaces that are served: look into each of them, though one may have gone.

Used by ``first_looks`` and ``resync``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

import structlog

from .errors import Forbidden
from .world import World

log = structlog.get_logger()

_RIGHTS_SECONDS = 5


async def look_into_each(
    world: World, look: Callable[[str], Coroutine[Any, Any, None]]
) -> set[str]:
    """Look into each namespace that is served, and say which of several may not be looked into.

    Such a one has gone, most likely, and the rights in it too: the others must not suffer from that. An
    API server that has just been started says so too, until it has read all rights.

    Raises:
        Forbidden: if no namespace may be looked into.
    """
    served = world.settings.watch_namespaces or ("",)
    closed = {namespace for namespace in served if await _is_closed(namespace, look)}
    if closed:
        await asyncio.sleep(_RIGHTS_SECONDS)
        closed = {namespace for namespace in closed if await _is_closed(namespace, look)}
    if len(closed) == len(served):
        raise Forbidden(f"no right to look into {' or '.join(served)}", HTTPStatus.FORBIDDEN)
    return closed


async def _is_closed(namespace: str, look: Callable[[str], Coroutine[Any, Any, None]]) -> bool:
    """Whether the rights in a namespace are missing."""
    try:
        await look(namespace)
    except Forbidden as error:
        if not namespace or error.status != HTTPStatus.FORBIDDEN:
            raise
        log.warning("namespace passed over", namespace=namespace, error=str(error))
        return True
    return False
