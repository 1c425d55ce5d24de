"""A web server of one file, for tests: with or without ranges, well behaved or not, with redirects.

Started by tests on loopback addresses. It speaks the HTTP that it is told to and remembers what it was
asked.
"""

from __future__ import annotations

import hashlib
import http.server
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Site:
    """What is served, and how; to be changed by a test at any time."""

    body: bytes
    url: str = ""
    in_ranges: bool = True
    framing: str = "length"
    """Or ``chunked``, or ``close``: the end of the connection is the end of the file."""
    weak: bool = False
    """Whether the ETag is a weak one."""
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """Status and headers of the next requests, instead of the file."""
    redirects: dict[str, str] = field(default_factory=dict)
    cuts: int = 0
    """So many answers break in the middle."""
    seen: list[tuple[str, str]] = field(default_factory=list)
    """Path and range of each request."""
    before: Callable[[int], None] = lambda _: None
    """Called with the number of each request before it is answered."""

    @property
    def etag(self) -> str:
        """Of the body as it is now."""
        return ("W/" if self.weak else "") + f'"{hashlib.sha256(self.body).hexdigest()}"'

    @property
    def bytes_asked(self) -> int:
        """The sum of all ranges asked for."""
        found = [re.fullmatch(r"bytes=(\d+)-(\d+)", asked) for _, asked in self.seen]
        return sum(int(m[2]) - int(m[1]) + 1 for m in found if m)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def do_GET(self) -> None:
        site = self.site
        asked = self.headers.get("Range", "")
        site.seen.append((self.path, asked))
        site.before(len(site.seen))
        if self.path in site.redirects:
            self._answer(302, {"Location": site.redirects[self.path], "Content-Length": "0"})
        elif site.answers:
            status, headers = site.answers.pop(0)
            self._answer(status, {"Content-Length": "0", **headers})
        else:
            self._serve(asked)

    def _serve(self, asked: str) -> None:
        site, body = self.site, self.site.body
        headers, status = {"ETag": site.etag}, 200
        is_same = self.headers.get("If-Range", site.etag) == site.etag
        if site.in_ranges and asked and is_same:
            first, last = (int(n) for n in asked.removeprefix("bytes=").split("-"))
            total = len(body)
            if first >= total:
                self._answer(416, {"Content-Range": f"bytes */{total}", "Content-Length": "0"})
                return
            body = body[first : last + 1]
            headers["Content-Range"] = f"bytes {first}-{first + len(body) - 1}/{total}"
            status = 206
        half = len(body) // 2 if site.cuts > 0 and len(body) > 1 else None
        if site.framing == "length" or status == 206:
            self._answer(status, {**headers, "Content-Length": str(len(body))}, body[:half])
        elif site.framing == "close":
            self._answer(status, {**headers, "Connection": "close"}, body[:half])
        else:
            self._answer(status, {**headers, "Transfer-Encoding": "chunked"})
            for start in range(0, len(body[:half]), 1 << 20):
                piece = body[:half][start : start + (1 << 20)]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            if half is None:
                self.wfile.write(b"0\r\n\r\n")
        if half is not None:
            site.cuts -= 1
        if half is not None or site.framing == "close":
            self.close_connection = True

    def _answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Silence."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that has had enough is no error."""


@contextmanager
def web_site(body: bytes, address: str = "127.0.0.1") -> Iterator[Site]:
    """A site on a loopback address, until the end of the block."""
    site = Site(body)
    server = _Server((address, 0), type("Handler", (_Handler,), {"site": site}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        site.url = f"http://{address}:{server.server_port}"
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
