"""Who is told how jobs ended: a web server on the cluster's bridge, which refuses each letter once.

Used by ``run.py``. A letter that was refused has to come again, with the same id.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from places import BRIDGE_ADDRESS

PORT = 16901
MAILBOX = f"http://{BRIDGE_ADDRESS}:{PORT}"


class Mailbox:
    """What has come."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self.letters: dict[str, set[str]] = {}
        """Job → ids of the letters that were taken."""

    def take(self, job: str, letter: str) -> bool:
        """Whether it is taken; not at the first time."""
        if letter not in self._seen:
            self._seen.add(letter)
            return False
        self.letters.setdefault(job, set()).add(letter)
        return True


@contextmanager
def receiving() -> Iterator[Mailbox]:
    """A mailbox that is open until the end of the block."""
    mailbox = Mailbox()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            taken = mailbox.take(self.path.strip("/"), self.headers["webhook-id"])
            self.send_response(204 if taken else 503)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    server = ThreadingHTTPServer((BRIDGE_ADDRESS, PORT), Handler)
    thread = threading.Thread(target=server.serve_forever, name="mailbox", daemon=True)
    thread.start()
    try:
        yield mailbox
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
