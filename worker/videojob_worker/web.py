"""Inputs from http and https URLs, as ``fetch`` wants them.

Made by ``Task.origin`` for an input with a ``url``. A tenant wrote it: each address, that of every
redirect too, is looked at before it is connected to, and stays the same as long as it is used (see
``outbound``). It must not tell a URL's query to anybody, which may be a credential.

Ranges are asked for where the server has them and says what changes with the bytes: each is bound to
that by If-Range (RFC 9110, section 13.1.5), so that parts of two files are never put together. Else
the file comes over one connection, and one that breaks begins anew.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote, urljoin, urlsplit

from videojob_api.addresses import redact
from videojob_api.reasons import RejectReason

from .errors import EndpointUnreachable, NotDoable, Rejected
from .objects import CHUNK_BYTES, NotThere, ObjectInfo, Replaced
from .outbound import (
    PASSING,
    AddressRefused,
    Passing,
    Server,
    Unresolved,
    is_tls_refused,
    parse_retry_after,
)
from .stop import Stop

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, HTTPConnectionPool

T = TypeVar("T")
MAX_ATTEMPTS = 5
MAX_REDIRECTS = 8
_CONNECTIONS = 6
_CONNECT_SECONDS, _READ_SECONDS = 10.0, 30.0
_LONGEST_WAIT_SECONDS = 120.0
_MOVED = frozenset({301, 302, 303, 307, 308})
_GONE = frozenset({404, 410})
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


@dataclass(frozen=True)
class _Seen:
    """A file as it was when it was looked at."""

    at: str
    """Where the redirects ended; a link there may expire."""
    info: ObjectInfo
    in_ranges: bool


class Web:
    """Files at http and https URLs."""

    def __init__(self, allowed: Sequence[str], stop: Stop, *, trusts_end: bool = False) -> None:
        """Prepare; nothing is asked yet.

        Args:
            allowed: networks that may be reached though they are not public.
            stop: ends waits and transfers.
            trusts_end: whether to accept a file of which nobody says how long it is.
        """
        self._allowed, self._stop, self._trusts_end = allowed, stop, trusts_end
        self._seen: dict[str, _Seen] = {}
        self._pools: dict[tuple[str, str], HTTPConnectionPool] = {}
        self._lock = threading.Lock()

    def stat(self, url: str) -> ObjectInfo:
        """See ``Origin.stat``. The first byte is asked for, since a signed link may allow GET alone.

        Raises:
            Rejected: if the server refuses it, or it leads where it may not.
            NotDoable: if the server's certificate is not trusted.
            EndpointUnreachable: if it does not answer as it should, after retries.
        """
        seen = self._seen[url] = self._retried(url, lambda: self._look(url))
        return seen.info

    def read(self, url: str, etag: str, offset: int, length: int) -> Iterator[bytes]:
        """See ``Origin.read``; a connection that breaks is taken up where it broke."""
        end, failures = offset + length, 0
        while offset < end:
            start = offset
            try:
                for chunk in self._range(url, etag, offset, end):
                    offset += len(chunk)
                    yield chunk
                if offset < end:
                    raise Passing("the answer ended early")
            except Passing as passing:
                failures = 1 if offset > start else failures + 1
                self._wait(url, passing, failures)

    def copy_out(
        self, url: str, info: ObjectInfo, target: Path, arrived: Callable[[int], None]
    ) -> bool:
        """See ``Origin.copy_out``: what can't be had in ranges comes whole."""
        if self._seen[url].in_ranges:
            return False
        self._retried(url, lambda: self._copy(url, target, arrived))
        return True

    def _look(self, url: str) -> _Seen:
        response, at = self._open(url, {"Range": "bytes=0-0"})
        response.close()  # of a server without ranges, all of it would follow
        if response.status in _GONE:
            raise NotThere(f"the server answered {response.status}")
        if response.status not in (200, 206, 416):
            raise _refused(url, at, response.status)
        validator = choose_validator(response.headers)
        if response.status == 200:
            length = response.headers.get("Content-Length", "")
            return _Seen(
                at, ObjectInfo(int(length) if length.isdigit() else None, validator), False
            )
        size = _total(response.headers)
        return _Seen(at, ObjectInfo(size, validator), bool(validator and size))

    def _range(self, url: str, etag: str, offset: int, end: int) -> Iterator[bytes]:
        seen = self._seen[url]
        asked = {"Range": f"bytes={offset}-{end - 1}", "If-Range": etag}
        response, _ = self._open(seen.at, asked)
        try:
            if response.status in (401, 403, *_GONE) and seen.at != url:
                self._seen[url] = _Seen(url, seen.info, seen.in_ranges)  # the link has expired
                raise Passing(f"HTTP {response.status} after a redirect")
            if response.status in _GONE:
                raise NotThere(f"the server answered {response.status}")
            if response.status in (200, 412, 416):
                raise Replaced
            if response.status != 206:
                raise _refused(url, seen.at, response.status)
            first = response.headers.get("Content-Range", "").removeprefix("bytes ").split("-")[0]
            if first != str(offset):
                raise Passing(f"bytes from {offset} were asked for, and came from {first!r}")
            same = _total(response.headers) == seen.info.size_bytes
            if not same or choose_validator(response.headers) not in ("", etag):
                raise Replaced
            for chunk in self._chunks(response):
                offset += len(chunk)
                if offset > end:
                    raise Passing("more bytes came than were asked for")
                yield chunk
        finally:
            if offset == end:
                response.release_conn()
            else:
                response.close()

    def _copy(self, url: str, target: Path, arrived: Callable[[int], None]) -> None:
        response, at = self._open(url, {})
        try:
            if response.status in _GONE:
                raise NotThere(f"the server answered {response.status}")
            if response.status != 200:
                raise _refused(url, at, response.status)
            is_bounded = "Content-Length" in response.headers or getattr(response, "chunked", False)
            if not is_bounded and not self._trusts_end:
                raise NotDoable(
                    f"The server of {redact(url)} does not say how long the file is, so that one that "
                    "is cut off could not be told; give inputs[].sha256, or use another server."
                )
            done = 0
            with target.open("wb") as file:
                for chunk in self._chunks(response):
                    file.write(chunk)
                    done += len(chunk)
                    arrived(done)
        finally:
            response.close()

    def _chunks(self, response: BaseHTTPResponse) -> Iterator[bytes]:
        import urllib3

        try:
            for chunk in response.stream(CHUNK_BYTES, decode_content=False):
                self._stop.check()
                yield chunk
        except urllib3.exceptions.HTTPError as error:
            raise Passing(str(error)[-200:]) from error

    def _open(self, url: str, headers: Mapping[str, str]) -> tuple[BaseHTTPResponse, str]:
        """The answer, its body unread, of where the redirects end; and where that is."""
        at = url
        for _ in range(MAX_REDIRECTS + 1):
            response = self._ask(at, headers)
            if response.status in PASSING:
                asked = parse_retry_after(response.headers.get("Retry-After"), datetime.now(UTC))
                response.close()
                raise Passing(f"HTTP {response.status}", asked)
            if response.status not in _MOVED:
                return response, at
            response.close()
            at = follow(at, response.headers.get("Location", ""))
        raise Rejected(
            RejectReason.NOT_FOUND,
            f"{redact(url)} redirects more than {MAX_REDIRECTS} times; write the final URL.",
        )

    def _ask(self, url: str, headers: Mapping[str, str]) -> BaseHTTPResponse:
        import urllib3

        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise Rejected(
                RejectReason.NOT_FOUND, f"{redact(url)} is no URL: {error}; write another one."
            ) from error
        where = (parts.scheme, parts.netloc)
        self._stop.check()
        try:
            pool = self._connect(where)
            return pool.urlopen(
                "GET",
                (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
                headers={**(pool.headers or {}), "Accept-Encoding": "identity", **headers},
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
            )
        except AddressRefused as refused:
            raise Rejected(RejectReason.ADDRESS_REFUSED, str(refused)) from refused
        except (urllib3.exceptions.HTTPError, Unresolved) as error:
            with self._lock:
                self._pools.pop(where, None)  # it may be at another address by now
            if is_tls_refused(error):
                raise NotDoable(
                    f"The certificate of {redact(url)} is not trusted here: {error}."
                ) from error
            raise Passing(str(error)[-200:].replace(parts.query or "\0", "…")) from error

    def _connect(self, where: tuple[str, str]) -> HTTPConnectionPool:
        with self._lock:
            if where not in self._pools:
                self._pools[where] = Server("://".join(where), self._allowed).connect(
                    connect_seconds=_CONNECT_SECONDS,
                    read_seconds=_READ_SECONDS,
                    connections=_CONNECTIONS,
                )
            return self._pools[where]

    def _retried(self, url: str, operation: Callable[[], T]) -> T:
        failures = 0
        while True:
            try:
                return operation()
            except Passing as passing:
                failures += 1
                self._wait(url, passing, failures)

    def _wait(self, url: str, passing: Passing, failures: int) -> None:
        """Wait before another try.

        Raises:
            EndpointUnreachable: if it is time to give up.
        """
        if failures >= MAX_ATTEMPTS:
            raise EndpointUnreachable(
                f"{redact(url)} did not answer as it should, tried {MAX_ATTEMPTS} times ({passing}). "
                "Is its server up, and can this pod reach it?"
            ) from passing
        seconds = passing.wait_seconds or 0.2 * 2**failures
        self._stop.sleep(min(seconds, _LONGEST_WAIT_SECONDS))


def choose_validator(headers: Mapping[str, str]) -> str:
    """What to bind ranges to: a strong ETag, or a time that is as good; empty if there is neither.

    A time counts if the answer was made at least a second later (RFC 9110, section 8.8.2.2).
    """
    etag = headers.get("ETag", "").strip()
    if etag:
        return "" if etag.startswith("W/") else etag
    changed, now = headers.get("Last-Modified", ""), headers.get("Date", "")
    try:
        gap = parsedate_to_datetime(now) - parsedate_to_datetime(changed)
    except (TypeError, ValueError):
        return ""
    return changed if gap >= timedelta(seconds=1) else ""


def follow(url: str, location: str) -> str:
    """Where a redirect leads.

    Raises:
        Rejected: if that is nowhere, or it would give up encryption or send a password.
    """
    raw = quote(location.encode("latin-1", "replace"), safe=_PRINTABLE)  # as bytes came
    try:
        to = urlsplit(urljoin(url, raw))
        is_whole = to.scheme in ("http", "https") and to.hostname and to.port != 0
    except ValueError:
        is_whole = False
    why = None
    if not location or not is_whole:
        why = "to what is no http or https URL"
    elif "@" in to.netloc:
        why = "to a URL with a user or a password"
    elif urlsplit(url).scheme == "https" and to.scheme == "http":
        why = "from https to http"
    if why:
        raise Rejected(
            RejectReason.ADDRESS_REFUSED,
            f"{redact(url)} redirects {why}, and that is not followed; write the final URL.",
        )
    return to._replace(fragment="").geturl()


def _total(headers: Mapping[str, str]) -> int | None:
    text = headers.get("Content-Range", "").rpartition("/")[2]
    return int(text) if text.isdigit() else None


def _refused(url: str, at: str, status: int) -> Rejected:
    where = redact(url) + (f", redirected to {redact(at)}," if at != url else "")
    return Rejected(
        RejectReason.ACCESS_DENIED,
        f"The server of {where} answered {status}; check that the link is right and has not expired.",
    )
