"""Connections to addresses that a tenant wrote: only where the operator's settings let them lead.

Used by what asks servers on a step's behalf, and by ``web`` for inputs. The name is resolved once, its
address looked at, and that very address connected to, so that a name that changes its mind in between
gains nothing. Proxies are not used. It must not follow a redirect.
"""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from videojob_api.addresses import is_allowed, redact

from .errors import NotDoable

if TYPE_CHECKING:
    from urllib3 import HTTPConnectionPool

EVERYWHERE = ("0.0.0.0/0", "::/0")
"""For who runs a worker by hand: the machine is theirs."""


PASSING = frozenset({408, 425, 429, *range(500, 600)}) - {501}
"""What a server answers when another try may help; CDNs have numbers of their own (520 to 530)."""


_BROKEN = ("UNEXPECTED_EOF", "BAD_RECORD_MAC", "DECRYPT", "INTERNAL_ERROR", "RECORD_OVERFLOW")
"""In the reasons that OpenSSL gives where a connection breaks, or the other side is not ready."""


class Passing(Exception):
    """It did not work this time."""

    def __init__(self, message: str, wait_seconds: float | None = None) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds
        """As the server asks."""


def is_tls_refused(error: BaseException) -> bool:
    """Whether TLS fails for good: for want of trust, or of TLS. A connection that breaks is neither.

    Args:
        error: urllib3's, around Python's own.
    """
    import ssl

    from urllib3.util.ssl_match_hostname import CertificateError

    why = next((e for e in error.args if isinstance(e, ssl.SSLError | CertificateError)), None)
    if why is None or isinstance(
        why, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError
    ):
        return False
    reason = getattr(why, "reason", None) or ""  # only OpenSSL gives one
    return not any(word in reason for word in _BROKEN)


class AddressRefused(NotDoable):
    """The name has addresses, and none of them is allowed."""


class Unresolved(Exception):
    """The name has no address just now; that may pass."""


@dataclass(frozen=True)
class Server:
    """A host and a port, by name."""

    url: str
    allowed: Sequence[str] = ()
    """Networks that may be reached though they are not public."""

    def connect(
        self, *, connect_seconds: float, read_seconds: float, connections: int = 1
    ) -> HTTPConnectionPool:
        """A pool of connections to one of its addresses, which stays that one as long as it is used.

        Raises:
            AddressRefused: if it has none that is allowed.
            Unresolved: if its name is not known just now.
        """
        import certifi
        import urllib3

        try:
            url = urlsplit(self.url)
            port = url.port
        except ValueError as error:
            raise NotDoable(f"{redact(self.url)} is no URL: {error}; mend it.") from error
        host, secure = url.hostname or "", url.scheme == "https"
        port = port or (443 if secure else 80)
        timeout = urllib3.Timeout(connect=connect_seconds, read=read_seconds)
        address = self._choose(host, port)
        headers = {"Host": url.netloc, "User-Agent": "videojob-worker"}
        if not secure:
            return urllib3.HTTPConnectionPool(
                address, port, timeout=timeout, headers=headers, maxsize=connections
            )
        return urllib3.HTTPSConnectionPool(
            address,
            port,
            timeout=timeout,
            headers=headers,
            maxsize=connections,
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
        raise AddressRefused(
            f"{host} is at {addresses[0]}, which is not a public address, so it is refused; the "
            "operator's administrator can allow its network in the chart's worker.allowCidrs."
        )


def parse_retry_after(text: str | None, now: datetime) -> float | None:
    """Seconds to wait, from a number or a date; None if nothing, or nothing sensible, is said."""
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(text) - now).total_seconds()
        except (TypeError, ValueError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
