"""The session that kopf asks the API server with, for the sake of its lists.

Used by ``handlers`` alone. Ten thousand ended VideoJobs are 240 MB of JSON in a hundred pages.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import aiohttp
import kopf
import orjson
from yarl import URL

Body = dict[str, Any]

TIMEOUT_SECONDS = 30
_VIDEOJOBS = "VideoJobList"


class _Answer(aiohttp.ClientResponse):
    """Parsed once, and by orjson."""

    _parsed: Any = None

    async def json(self, **_: Any) -> Any:
        if self._parsed is None:
            self._parsed = orjson.loads(await self.read())
        return self._parsed


class _Lists:
    """Middleware: the next page is read while one is worked on, and what is taken here is left out.

    The API server takes as long for a page as the operator does; kopf takes a task and most of a
    millisecond for each object.
    """

    def __init__(self, is_taken: Callable[[Body], bool]) -> None:
        self.session: aiohttp.ClientSession
        self._is_taken = is_taken
        self._next: dict[str, tuple[URL, asyncio.Task[aiohttp.ClientResponse | None]]] = {}
        """By path: who begins anew leaves the rest of a list behind."""

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if "limit" not in request.url.query:
            return await handler(request)
        response = await self._has_come(request.url) or await handler(request)
        if response.status == HTTPStatus.OK:
            self._work_on(request.url, await response.json())
        return response

    async def _has_come(self, url: URL) -> aiohttp.ClientResponse | None:
        expected, coming = self._next.pop(url.path, (None, None))
        if coming is None:
            return None
        if expected == url:
            return await coming
        coming.cancel()
        return None

    def _work_on(self, url: URL, page: Body) -> None:
        if token := page["metadata"].get("continue"):
            following = url.update_query({"continue": token})
            self._next[url.path] = following, asyncio.create_task(self._read(following))
        if page["kind"] == _VIDEOJOBS:
            page["items"] = [body for body in page["items"] if not self._is_taken(body)]

    async def _read(self, url: URL) -> aiohttp.ClientResponse | None:
        """A page that did not come is asked for by kopf, with all that it knows of patience."""
        with suppress(aiohttp.ClientError, TimeoutError):
            response = await self.session.get(url, middlewares=())
            await response.read()
            return response
        return None


@dataclass(frozen=True, kw_only=True)
class Session(kopf.AiohttpSession):
    """Equal where the same was found: kopf asks for others when these are refused, and ends if none are."""

    found: kopf.ConnectionInfo
    aiohttp_session: aiohttp.ClientSession = field(compare=False)


def open_session(found: kopf.ConnectionInfo, is_taken: Callable[[Body], bool]) -> Session:
    """As kopf itself opens one; a listed VideoJob that is taken is not told of."""
    lists = _Lists(is_taken)
    tls = found.as_ssl_context()
    tls.verify_flags &= ~ssl.VERIFY_X509_STRICT  # as in ``Cluster.connect``
    lists.session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=tls),
        headers=found.as_http_headers(),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
        proxy=found.proxy_url,
        trust_env=found.trust_env,
        response_class=_Answer,
        middlewares=(lists,),
    )
    return Session(
        server=found.server,
        default_namespace=found.default_namespace,
        found=found,
        aiohttp_session=lists.session,
    )
