"""A real server that speaks OpenAI's API, and a proxy before it that does what networks and servers do.

The server is ``faster-whisper-server`` with the model of ``speaking``. The proxy plays the faults it is
told first, and hands on the rest; it asks for the key, as the server itself does not.
"""

from __future__ import annotations

import http.client
import http.server
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from speaking import model_folder

KEY = "sk-only-for-tests"
_FIELD = re.compile(rb'name="(\w+)"\r\n\r\n(.*?)\r\n--', re.DOTALL)


@dataclass(frozen=True)
class Fault:
    """An answer instead of the server's; status 0 cuts the connection."""

    status: int
    retry_after: str | None = None
    after_seconds: float = 0
    """How long the answer takes."""


class Proxy(http.server.ThreadingHTTPServer):
    """Stands before the server."""

    daemon_threads = True

    def __init__(self, upstream: str, host: str) -> None:
        super().__init__((host, 0), _Handler)
        self.upstream = upstream
        self.faults: list[Fault] = []
        self.asked: list[float] = []
        """When each request came."""
        self.sizes: list[int] = []
        """Bytes of each."""
        self.fields: list[dict[str, str]] = []
        """What each said beside its sound."""

    @property
    def url(self) -> str:
        """Base of the API."""
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A cut connection is what was asked for."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append(time.monotonic())
        self.server.sizes.append(len(body))
        self.server.fields.append({k.decode(): v.decode() for k, v in _FIELD.findall(body)})
        if self.server.faults:
            fault = self.server.faults.pop(0)
            time.sleep(fault.after_seconds)
            if fault.status == 0:
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self._answer(fault.status, b'{"error": "as asked"}', fault.retry_after)
        elif self.headers["Authorization"] != f"Bearer {KEY}":
            self._answer(401, b'{"error": {"message": "Incorrect API key"}}')
        else:
            upstream = http.client.HTTPConnection(self.server.upstream)
            headers = {"Content-Type": self.headers["Content-Type"]}
            upstream.request("POST", self.path, body, headers)
            response = upstream.getresponse()
            self._answer(response.status, response.read())
            upstream.close()

    def _answer(self, status: int, body: bytes, retry_after: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if retry_after is not None:
            self.send_header("Retry-After", retry_after)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Silence."""


@contextmanager
def serve_whisper(host: str = "127.0.0.1") -> Iterator[Proxy]:
    """Run both; the proxy, which answers at that address of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [sys.executable, "-m", "faster_whisper_server", str(model_folder())]
    server = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", address.partition(":")[2]],
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_up(f"http://{address}/health", server)
        with Proxy(address, host) as proxy:
            thread = threading.Thread(target=proxy.serve_forever, daemon=True)
            thread.start()
            yield proxy
            proxy.shutdown()
            thread.join()
    finally:
        server.terminate()
        server.wait(20)


def _wait_until_up(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"the whisper server did not come up at {url}")
