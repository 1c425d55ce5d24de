"""Connections to addresses that a tenant wrote: only where the operator's settings let them lead.

Used by what asks servers on a step's behalf. The name is resolved once, its address looked at, and
that very address connected to, so that a name that changes its mind in between gains nothing. It must
not follow a redirect.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from videojob_api.addresses import is_allowed

from .errors import NotDoable

if TYPE_CHECKING:
    from urllib3 import HTTPConnectionPool

EVERYWHERE = ("0.0.0.0/0", "::/0")
"""For who runs a worker by hand: the machine is theirs."""


class Unresolved(Exception):
    """The name has no address just now; that may pass."""


@dataclass(frozen=True)
class Server:
    """A host and a port, by name."""

    url: str
    allowed: Sequence[str] = ()
    """Networks that may be reached though they are not public."""

    def connect(self, *, connect_seconds: float, read_seconds: float) -> HTTPConnectionPool:
        """A pool of connections to one of its addresses, to be used for one request.

        Raises:
            NotDoable: if it has none that is allowed.
            Unresolved: if its name is not known just now.
        """
        import certifi
        import urllib3

        url = urlsplit(self.url)
        host, secure = url.hostname or "", url.scheme == "https"
        port = url.port or (443 if secure else 80)
        timeout = urllib3.Timeout(connect=connect_seconds, read=read_seconds)
        address = self._choose(host, port)
        headers = {"Host": url.netloc, "User-Agent": "videojob-worker"}
        if not secure:
            return urllib3.HTTPConnectionPool(address, port, timeout=timeout, headers=headers)
        return urllib3.HTTPSConnectionPool(
            address,
            port,
            timeout=timeout,
            headers=headers,
            server_hostname=host,
            assert_hostname=host,
            ca_certs=os.environ.get("SSL_CERT_FILE") or certifi.where(),
        )

    def _choose(self, host: str, port: int) -> str:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise Unresolved(f"{host!r} can't be resolved ({error.strerror})") from error
        addresses = [str(info[4][0]) for info in found]
        for address in addresses:
            if is_allowed(address, self.allowed):
                return address
        raise NotDoable(
            f"{host} is at {addresses[0]}, which is not a public address, so it is refused; the "
            "operator's administrator can allow its network in the chart's worker.allowCidrs."
        )
