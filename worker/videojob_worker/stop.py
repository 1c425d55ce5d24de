"""The request to stop: set once by a signal handler, looked at by everything that takes long.

Made by ``__main__``; passed to the process runner, to transfers and to waits. It stops nothing by
itself.
"""

from __future__ import annotations

import os
import threading

from .errors import Interrupted


class Stop:
    """A flag that can be waited on together with file descriptors."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._read_end, self._write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def request(self, *_: object) -> None:
        """Ask everything to stop; fit to be a signal handler."""
        if not self._event.is_set():
            self._event.set()
            os.write(self._write_end, b"x")

    @property
    def is_requested(self) -> bool:
        """Whether to stop."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise Interrupted if a stop was requested."""
        if self._event.is_set():
            raise Interrupted("The worker was told to stop before it was done.")

    def sleep(self, seconds: float) -> None:
        """Sleep, but not past a request to stop.

        Raises:
            Interrupted: as soon as a stop is requested.
        """
        self._event.wait(seconds)
        self.check()

    def close(self) -> None:
        """Let go of the descriptors, once nobody looks at it any more."""
        os.close(self._read_end)
        os.close(self._write_end)

    def fileno(self) -> int:
        """A descriptor that is readable from the request on, for selectors."""
        return self._read_end
