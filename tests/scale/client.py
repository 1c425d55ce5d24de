"""A plain asynchronous client of the API server: raw JSON over a pool of connections, and watches.

What both references are made of, and what the operator is measured against; so it does no more than it
must.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import aiohttp
import pki
from places import API_PORT

Body = dict[str, Any]
T = TypeVar("T")
_NOT_FILLED_YET = (429, 500, 503)
"""What the API server says while its cache of a kind is not filled."""


class Client:
    """Requests as one user."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def request(
        self, method: str, path: str, body: object = None, content_type: str = "application/json"
    ) -> Body:
        """One request; the answer's JSON.

        Raises:
            RuntimeError: for an answer that is no success.
        """
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": content_type}
        async with self._session.request(method, path, data=data, headers=headers) as answer:
            text = await answer.read()
            if answer.status >= 300:
                raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]!r}")
            found: Body = json.loads(text)
            return found

    async def merge(self, path: str, patch: Body) -> Body:
        """A JSON merge patch."""
        return await self.request("PATCH", path, patch, "application/merge-patch+json")

    async def watch(self, path: str) -> AsyncIterator[tuple[str, Body]]:
        """What is there already, and what changes from then on, until cancelled.

        The server ends the watch of a client that can't follow for a moment; it goes on where it was.
        So what is there is listed: a watch tells of it in no order, and would have no place to go on from.
        """
        listed = await self._list(path)
        for found in listed["items"]:
            yield "ADDED", found
        version = listed["metadata"]["resourceVersion"]
        while True:
            url = f"{path}{'&' if '?' in path else '?'}watch=true&resourceVersion={version}"
            async for line in self._lines(url):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise RuntimeError(f"watch of {path}: {event['object']}")
                version = event["object"]["metadata"]["resourceVersion"]
                yield event["type"], event["object"]

    async def _list(self, path: str) -> Body:
        while True:
            async with self._session.get(path) as answer:
                if answer.status not in _NOT_FILLED_YET:
                    answer.raise_for_status()
                    found: Body = json.loads(await answer.read())
                    return found
            await asyncio.sleep(0.2)

    async def _lines(self, url: str) -> AsyncIterator[bytes]:
        timeout = aiohttp.ClientTimeout(total=None)
        async with self._session.get(url, timeout=timeout) as answer:
            if answer.status in _NOT_FILLED_YET:
                await asyncio.sleep(0.2)
                return
            answer.raise_for_status()
            rest = b""
            async for chunk in answer.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield line


@asynccontextmanager
async def connected(user: str) -> AsyncIterator[Client]:
    """A client with the certificate of that user."""
    tls = ssl.create_default_context(cafile=str(pki.CA))
    tls.load_cert_chain(pki.certificate(user), pki.private_key(user))
    connector = aiohttp.TCPConnector(ssl=tls, limit=100)
    base = f"https://127.0.0.1:{API_PORT}"
    async with aiohttp.ClientSession(base, connector=connector, read_bufsize=1 << 20) as session:
        yield Client(session)


async def at_once(
    work: Callable[[T], Awaitable[object]], items: Iterable[T], width: int = 50
) -> None:
    """Do all of it, so many at a time."""
    todo = iter(items)

    async def take() -> None:
        for item in todo:
            await work(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(width):
            group.create_task(take())
