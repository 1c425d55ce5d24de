"""One POST to a URL that a tenant wrote, which must not reach what only the operator can reach.

IO, called by the courier. Every address is looked at when its socket is made, after the name has been
resolved and for that one connection: a name that changes its mind in between gains nothing.
"""

from __future__ import annotations

import functools
import os
import socket
import ssl
from collections.abc import Mapping
from typing import Any

import aiohttp
import certifi

from videojob_api.addresses import is_allowed

TIMEOUT = aiohttp.ClientTimeout(total=15, sock_connect=5)


class DeliveryError(Exception):
    """It was not delivered; the text says why and what to do."""

    def __init__(self, message: str, *, result: str = "failed", is_final: bool = False) -> None:
        super().__init__(message)
        self.result = result
        """For the metric."""
        self.is_final = is_final


async def post(url: str, body: bytes, headers: Mapping[str, str], allowed: tuple[str, ...]) -> None:
    """Post it; anything but a 2xx is an error, redirects included.

    Args:
        url: of the receiver.
        body: to post.
        headers: to send.
        allowed: networks that may be reached though they are not public.

    Raises:
        DeliveryError: with a sentence for the VideoJob's status.
    """
    refused: list[str] = []

    def open_socket(info: Any) -> socket.socket:
        family, type_, protocol, _, address = info
        if not is_allowed(address[0], allowed):
            refused.append(address[0])
            raise OSError(f"{address[0]} is refused")
        made = socket.socket(family, type_, protocol)
        made.setblocking(False)
        return made

    connector = aiohttp.TCPConnector(
        # Not by threads: a few names whose servers say nothing would hold all of them, for everybody.
        resolver=aiohttp.AsyncResolver(),
        ssl=_tls(),
        socket_factory=open_socket,
        use_dns_cache=False,
        force_close=True,
    )
    session = aiohttp.ClientSession(
        connector=connector,
        timeout=TIMEOUT,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "videojob-operator"},
    )
    try:
        async with (
            session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            _check(response.status)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        if refused:
            raise DeliveryError(
                f"Its address {refused[0]} is not public, so it is refused; the operator's "
                "administrator can allow its network in notifications.allowCidrs.",
                result="refused",
            ) from error
        if isinstance(error, TimeoutError):
            raise DeliveryError("It did not answer in time.") from error
        raise DeliveryError(_describe(error)) from error


def _describe(error: Exception) -> str:
    """What went wrong, without the URL (it may hold a token) and without what was answered."""
    if isinstance(error, aiohttp.InvalidURL):
        return "Its URL can't be used."
    if isinstance(error, aiohttp.ClientResponseError):
        return "It answered with something that is not HTTP."
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"It could not be reached: {str(error)[:300]}."
    return f"It could not be reached: {type(error).__name__}."


def _check(status: int) -> None:
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise DeliveryError(
            f"It answered {status}, and redirects are not followed; write the final URL."
        )
    if status == 410:
        raise DeliveryError("It answered 410: it wants no more of it.", is_final=True)
    raise DeliveryError(f"It answered {status}.")


@functools.cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE") or certifi.where())
